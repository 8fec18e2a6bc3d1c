"""Tables as text: they fit the terminal, break no id, and are not padded where nobody watches.

A cell is broken between words only. A table that is too wide loses its seconds where that helps,
then it is broken over lines, then it loses columns: empty ones, those that it says may go, those
that take the most room. Where even that does not fit, each row is stacked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import click

from lifecycle.cli.wrapping import (
    Shown,
    columns,
    joined,
    longest_word,
    plain,
    print_line,
    spans,
    width,
)

_GAP: Final = "  "
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d)(:\d\d)?(\.\d+)?")
_MINUTE: Final = len("2026-03-01 10:00")
_SECOND: Final = len("2026-03-01 10:00:00")
#: Where a terminal is narrower, no column goes: rows are stacked.
_NARROW: Final = 60
#: Columns of a row that is shown at all: the first ones stay.
_STAYING: Final = 2
#: Lines of a row, beyond which columns are as narrow as their words allow.
_TALLEST: Final = 40

Cells = Sequence[Sequence[Shown]]
Stack = Callable[[Cells], None]


def print_grid(
    names: Sequence[str],
    rows: Cells,
    numeric: Sequence[bool],
    *,
    going: Sequence[str] = (),
    whole: Collection[str] = (),
    stack: Stack | None = None,
) -> list[str]:
    """Print a table, and return the names of columns that had no place.

    Args:
        names: The columns.
        rows: A cell for each column.
        numeric: Whether a column stands to the right.
        going: Columns that go first where there is no room, in this order.
        whole: Columns whose cells are never broken.
        stack: What prints rows for which the terminal is too narrow; then no column goes.
    """
    wide = width()
    if wide is None:
        _print_tabs([names, *rows])
        return []
    heads = [name.replace("_", " ") for name in names]
    table = _Table(heads, rows, numeric, {names.index(name) for name in whole})
    table.drop_seconds(wide)
    gone = []
    if wide >= _NARROW and stack is None:
        order = [names.index(name) for name in going]
        gone = [names[place] for place in table.drop_columns(wide, order)]
    if table.least() <= wide:
        table.print_table(wide)
    elif stack is not None:
        stack(rows)
    else:
        table.print_stacked()
    return gone


def print_pairs(rows: Cells, numeric: Sequence[bool]) -> None:
    """Print rows without heads, of which the last cell is broken where there is no room."""
    wide = width()
    if wide is None:
        _print_tabs(rows)
        return
    heads = [""] * len(numeric)
    _Table(heads, rows, numeric, set(range(len(numeric) - 1))).print_rows(wide)


def _print_tabs(rows: Cells) -> None:
    for row in rows:
        click.echo("\t".join(" ".join(plain(cell).split()) for cell in row).rstrip("\t"))


class _Table:
    """The cells of a table, and how much room they take."""

    def __init__(
        self, heads: list[str], rows: Cells, numeric: Sequence[bool], whole: set[int]
    ) -> None:
        self.heads = heads
        self.rows: Cells = [[_cut(cell, _SECOND) for cell in row] for row in rows]
        self._numeric = list(numeric)
        self._whole = whole
        self._shown = list(range(len(heads)))

    def least(self) -> int:
        """Return the width below which a word would be broken."""
        return _total(self._widths(self._unbroken))

    def drop_columns(self, wide: int, going: list[int]) -> list[int]:
        """Take columns away until the table fits; return those that had cells."""
        gone = []
        while len(self._shown) > _STAYING and self.least() > wide:
            place = self._least_wanted(going)
            self._shown.remove(place)
            if any(plain(row[place]) for row in self.rows):
                gone.append(place)
        for place in reversed(gone):
            self._take_back(place, wide)
        return sorted(set(gone) - set(self._shown))

    def _take_back(self, place: int, wide: int) -> None:
        """Show a column again that fits since a wider one went."""
        shown = self._shown
        self._shown = sorted([*shown, place])
        if self.least() > wide:
            self._shown = shown

    def drop_seconds(self, wide: int) -> None:
        """Shorten times, unless the table fits, or is broken over lines with and without."""
        if _total(self._widths(lambda cell, _: columns(cell))) <= wide:
            return
        needed, rows = self.least(), self.rows
        self.rows = [[_cut(cell, _MINUTE) for cell in row] for row in rows]
        if needed <= wide < _total(self._widths(lambda cell, _: columns(cell))):
            self.rows = rows

    def _least_wanted(self, going: list[int]) -> int:
        """Return the column that goes next."""
        may_go = self._shown[_STAYING:]
        for place in may_go:
            if not any(plain(row[place]) for row in self.rows):
                return place
        for place in going:
            if place in may_go:
                return place
        # The one that takes the most room, so that as few as can be go; the last of several.
        least = dict(zip(self._shown, self._widths(self._unbroken), strict=True))
        return max(may_go, key=lambda place: (least[place], place))

    def _unbroken(self, cell: str, place: int) -> int:
        """Return how long the longest part of a cell is that is not broken; a time is one."""
        if place in self._whole or _TIME.fullmatch(cell):
            return max(map(columns, cell.split("\n")))
        return longest_word(cell)

    def _widths(self, size: Callable[[str, int], int]) -> list[int]:
        return [max(size(cell, place) for cell in self._column(place)) for place in self._shown]

    def _column(self, place: int) -> list[str]:
        return [self.heads[place], *(plain(row[place]) for row in self.rows)]

    def print_table(self, wide: int) -> None:
        """Print the heads, a line, and the rows."""
        widths = self._fitted(wide)
        for line in self._lines([self.heads], widths):
            click.echo(click.style(plain(line), bold=True))
        click.echo(_GAP.join("─" * size for size in widths))
        for line in self._lines(self.rows, widths):
            print_line(line)

    def print_rows(self, wide: int) -> None:
        """Print the rows alone."""
        for line in self._lines(self.rows, self._fitted(wide)):
            print_line(line)

    def print_stacked(self) -> None:
        """Print each row as lines of a name and its value."""
        heads = [self.heads[place] for place in self._shown]
        margin = max(map(columns, heads)) + len(_GAP)
        size = max((width() or 0) - margin, 1)
        for number, row in enumerate(self.rows):
            if number:
                click.echo()
            for head, place in zip(heads, self._shown, strict=True):
                for part in spans(plain(row[place]), size) if plain(row[place]) else ():
                    print_line(joined(_padded(head, margin), row[place][part]))
                    head = ""  # noqa: PLW2901 - it stands before the first line

    def _fitted(self, wide: int) -> list[int]:
        """Return widths at which no row is taller than it must be; what is left goes to text."""
        least = self._widths(self._unbroken)
        most = self._widths(lambda cell, _: max(map(columns, cell.split("\n"))))
        widths = least
        for lines in range(1, _TALLEST):
            sizes = zip(self._shown, least, most, strict=True)
            fitted = [_least_for(self._column(place), lines, *size) for place, *size in sizes]
            if _total(fitted) <= wide:
                widths = fitted
                break
        room = max(wide - _total(widths), 0)
        # As many columns as can be are not broken at all.
        for place in sorted(range(len(most)), key=lambda place: most[place] - widths[place]):
            more = min(room, most[place] - widths[place])
            widths[place] += more
            room -= more
        return widths

    def _lines(self, rows: Cells, widths: Sequence[int]) -> Iterator[Shown]:
        for row in rows:
            cells = [row[place] for place in self._shown]
            broken = [
                [cell[part] for part in spans(plain(cell), size)]
                for cell, size in zip(cells, widths, strict=True)
            ]
            for number in range(max(map(len, broken))):
                pieces = [lines[number] if number < len(lines) else "" for lines in broken]
                yield self._line(pieces, widths)

    def _line(self, pieces: list[Shown], widths: Sequence[int]) -> Shown:
        """Return cells as one line, without blanks at its end."""
        while pieces and not plain(pieces[-1]):
            pieces.pop()
        parts: list[Shown] = []
        for number, piece in enumerate(pieces):
            blanks = " " * (widths[number] - columns(plain(piece)))
            is_right = self._numeric[self._shown[number]]
            parts += [_GAP * bool(number), *((blanks, piece) if is_right else (piece, blanks))]
        if parts and not self._numeric[self._shown[len(pieces) - 1]]:
            parts.pop()  # blanks at the end of the line
        return joined(*parts)


def _cut(cell: Shown, size: int) -> Shown:
    """Return a time without what stands behind so many letters; any other cell as it is."""
    return cell[:size] if _TIME.fullmatch(plain(cell)) else cell


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _padded(text: str, size: int) -> str:
    return text + " " * (size - columns(text))


def _least_for(column: Sequence[str], lines: int, low: int, high: int) -> int:
    """Return the least width at which no cell of a column takes more lines."""
    long = {cell for cell in column if columns(cell) > low}
    while low < high:
        middle = (low + high) // 2
        if all(sum(1 for _ in spans(cell, middle)) <= lines for cell in long):
            high = middle
        else:
            low = middle + 1
    return low
