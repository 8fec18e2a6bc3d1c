"""Tables as text: they fit the terminal, break no id, and are not padded where nobody watches.

A cell is broken between words only. A table that is too wide loses its seconds, then it is broken
over lines, then it loses the columns that take the most room; where even that does not fit, each
row is stacked.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from textwrap import wrap
from typing import Final

import click

_GAP: Final = "  "
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)(:\d\d)?(\.\d+)?")
#: Where a terminal is narrower, no column goes: rows are stacked.
_NARROW: Final = 60
#: Columns of a row that is shown at all: the first ones stay.
_STAYING: Final = 2

Cells = list[list[str]]


def width() -> int | None:
    """Return how wide a table may be; None where nobody watches, and nothing is padded.

    The variable COLUMNS makes it so wide wherever it goes.
    """
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size().columns
    return None


def print_grid(names: Sequence[str], rows: Cells, numeric: Sequence[bool]) -> list[str]:
    """Print a table, and return the names of columns that had no place."""
    wide = width()
    if wide is None:
        for row in (names, *rows):
            click.echo("\t".join(row).rstrip("\t"))
        return []
    heads = [name.replace("_", " ") for name in names]
    shown, rows = _shortened(heads, rows, wide)
    gone = [name for place, name in enumerate(names) if place not in shown]
    heads = [heads[place] for place in shown]
    least = _widths(heads, rows, _longest_word)
    if _total(least) > wide:
        for line in _stacked(heads, rows, wide):
            click.echo(line)
        return gone
    widths = _spread(least, _widths(heads, rows, len), wide)
    right = [numeric[place] for place in shown]
    for line in _lines([heads], widths, right):
        click.echo(click.style(line, bold=True))
    click.echo(_GAP.join("─" * one for one in widths))
    for line in _lines(rows, widths, right):
        click.echo(line)
    return gone


def _shortened(heads: list[str], rows: Cells, wide: int) -> tuple[list[int], Cells]:
    """Return the places of the columns that are shown, and their cells."""
    rows = [[_TIME.sub(r"\1\2", cell) for cell in row] for row in rows]
    if _total(_widths(heads, rows, len)) > wide:
        rows = [[_TIME.sub(r"\1", cell) for cell in row] for row in rows]
    shown = list(range(len(heads)))
    if wide < _NARROW:
        return shown, rows
    least = _widths(heads, rows, _longest_word)
    while len(shown) > _STAYING and _total([least[place] for place in shown]) > wide:
        # The one that takes the most room, so that as few as can be have none; the last of several.
        shown.remove(max(shown[_STAYING:], key=lambda place: (least[place], place)))
    return shown, [[row[place] for place in shown] for row in rows]


def _longest_word(cell: str) -> int:
    """Return how long the longest part is that is not broken; a time is one."""
    words = [cell] if _TIME.fullmatch(cell) else cell.split()
    return max(map(len, words), default=0)


def _widths(heads: Sequence[str], rows: Cells, size: Callable[[str], int]) -> list[int]:
    columns = zip(heads, *rows, strict=True)
    return [max(size(cell) for cell in column) for column in columns]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _spread(least: list[int], most: list[int], wide: int) -> list[int]:
    """Return widths between the least and the most, the room shared from the first column on."""
    widths, room = list(least), wide - _total(least)
    for place, want in enumerate(most):
        more = min(room, want - widths[place])
        widths[place] += more
        room -= more
    return widths


def _lines(rows: Cells, widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    for row in rows:
        broken = [_broken(cell, size) for cell, size in zip(row, widths, strict=True)]
        for number in range(max(map(len, broken))):
            cells = [lines[number] if number < len(lines) else "" for lines in broken]
            parts = [
                cell.rjust(size) if is_right else cell.ljust(size)
                for cell, size, is_right in zip(cells, widths, right, strict=True)
            ]
            yield _GAP.join(parts).rstrip()


def _broken(cell: str, size: int) -> list[str]:
    if len(cell) <= size:
        return [cell]
    return wrap(cell, size, break_long_words=False, break_on_hyphens=False) or [""]


def _stacked(heads: Sequence[str], rows: Cells, wide: int) -> Iterator[str]:
    """Yield each row as lines of a name and its value."""
    margin = max(map(len, heads)) + len(_GAP)
    for number, row in enumerate(rows):
        if number:
            yield ""
        for head, cell in zip(heads, row, strict=True):
            if not cell:
                continue
            first, *more = _broken(cell, max(wide - margin, 1))
            yield f"{head.ljust(margin)}{first}"
            yield from (f"{' ' * margin}{line}" for line in more)
