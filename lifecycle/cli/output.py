"""Printing: data on standard output, everything else on standard error.

Text from messages is made inert: control characters, terminal escapes and characters that change
the direction of writing are shown as escapes.
"""

from __future__ import annotations

import csv
import json
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

#: A table shows so many rows and says how many there are more.
TABLE_ROWS: Final = 200
#: How wide a table may be where nobody watches.
_PIPE_WIDTH: Final = 200
_UNSAFE: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_NARROW: Final = ("lead_id", "at", "since", "state", "trigger", "from", "to", "verdict", "kind")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
_COMMON: Final = re.compile(r"https?://|(?:/profile/card)?#me\b|/profile/card\b")
# What spread-sheets take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str) -> str:
    """The text with everything that a terminal would obey shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if unicodedata.category(char) not in _UNSAFE else _escape(char) for char in text
    )


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode() if ord(char) != 0x20 else char  # noqa: PLR2004


def console(*, err: bool = False) -> Console:
    """Where to print what is for people."""
    from rich.console import Console  # noqa: PLC0415 - only where something is printed for people

    found = Console(stderr=err, highlight=False, soft_wrap=False)
    if not found.is_terminal:
        found = Console(stderr=err, highlight=False, width=_PIPE_WIDTH)
    return found


def emit(
    rows: Iterable[dict[str, Any]], columns: Sequence[str], style: str, *, nothing: str
) -> None:
    """Print rows: the ``columns`` as a table, or all there is as json, jsonl or csv."""
    match style:
        case "json":
            _emit_json(rows)
        case "jsonl":
            for row in rows:
                click.echo(_json(row))
        case "csv":
            _emit_csv(rows, columns)
        case _:
            _emit_table(iter(rows), columns, nothing)


def emit_one(row: dict[str, Any], style: str) -> None:
    """Print one thing as json, jsonl or csv."""
    if style == "json":
        click.echo(json.dumps(row, indent=2, ensure_ascii=False))
    else:
        emit([row], list(row), style, nothing="")


def _json(row: Any) -> str:
    return json.dumps(row, ensure_ascii=False)


def _emit_json(rows: Iterable[dict[str, Any]]) -> None:
    """An array, printed as it comes."""
    separator = "["
    for row in rows:
        click.echo(f"{separator}\n  {_json(row)}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def _emit_csv(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    writer: Any = None
    for row in rows:
        if writer is None:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(row)
        writer.writerow([_cell(value) for value in row.values()])
    if writer is None:
        csv.writer(sys.stdout, lineterminator="\n").writerow(columns)


def _cell(value: Any) -> Any:
    """A value for a spread-sheet: what it would run as a formula begins with an apostrophe."""
    if isinstance(value, (dict, list)):
        return " ".join(value) if _is_texts(value) else _json(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _emit_table(rows: Iterator[dict[str, Any]], columns: Sequence[str], nothing: str) -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    shown = list(islice(rows, TABLE_ROWS))
    if not shown:
        click.echo(nothing, err=True)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        numeric = isinstance(shown[0].get(name), int)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(
            name.replace("_", " "),
            justify=justify,
            overflow="fold",
            no_wrap=numeric or name in _NARROW,
        )
    for row in shown:
        table.add_row(*(Text(clean(short(_words(row.get(name))))) for name in columns))
    console().print(table)
    more = sum(1 for _ in rows)
    if more:
        click.echo(f"... and {more:,} more; --format csv, json or jsonl prints all", err=True)


def short(text: str) -> str:
    """A text for a table: URIs without what all of the network have in common, times in words."""
    if _TIME.fullmatch(text):
        return text.replace("T", " ").removesuffix("Z")
    return _COMMON.sub("", text)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return _json(value)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
