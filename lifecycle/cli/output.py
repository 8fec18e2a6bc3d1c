"""Printing: data on standard output, everything else on standard error.

Text from messages is made inert: control characters, terminal escapes and characters that change
the direction of writing are shown as escapes.
"""

from __future__ import annotations

import csv
import json
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, Any, Final

import click
from attrs import frozen

from lifecycle.cli.grid import print_grid
from lifecycle.cli.wrapping import is_utf8
from lifecycle.text import UNSAFE, clean, most_common, short

#: A table shows so many rows and says how many there are more.
TABLE_ROWS: Final = 200
# What spread-sheets take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def emit(
    rows: Iterable[dict[str, Any]],
    columns: Sequence[str],
    style: str,
    *,
    nothing: str,
    header: Sequence[str] = (),
    going: Sequence[str] = (),
) -> None:
    """Print rows: the ``columns`` as a table, or all there is in other formats.

    ``header`` are the columns of a file without rows, if they are others. ``going`` are the columns
    that go first where a table is too wide.
    """
    match style:
        case "json":
            write_json(rows, sys.stdout)
        case "jsonl":
            write_jsonl(rows, sys.stdout)
        case "csv" | "tsv":
            write_csv(rows, header or columns, sys.stdout, "," if style == "csv" else "\t")
        case _:
            _emit_table(iter(rows), columns, nothing, going)


def emit_one(row: dict[str, Any], style: str) -> None:
    """Print one thing as json, jsonl, csv or tsv."""
    if style == "json":
        click.echo(to_json(row, indent=2))
    else:
        emit([row], list(row), style, nothing="")


def to_json(row: Any, indent: int | None = None) -> str:
    """Return JSON in which what a terminal would obey is escaped, as JSON escapes it.

    Where the output is not UTF-8, whatever is not ASCII is escaped so, too.
    """
    text = json.dumps(row, ensure_ascii=not is_utf8(), indent=indent)
    if text.isascii():
        return text.replace("\x7f", "\\u007f")
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in UNSAFE else json.dumps(char)[1:-1]
        for char in text
    ).replace("\x7f", "\\u007f")


def say_all_ignored(topics: Mapping[str, int]) -> None:
    """Say on standard error that every message was of a topic that is ignored."""
    click.echo(
        f"every message was ignored ({most_common(Counter(topics))}), and none is about a lead:"
        " is this the right log?",
        err=True,
    )


def write_jsonl(rows: Iterable[dict[str, Any]], file: IO[str]) -> int:
    """Write rows as JSON, one a line; how many."""
    written = 0
    for row in rows:
        file.write(f"{to_json(row)}\n")
        written += 1
    # A reader who went away is noticed here, not when the interpreter ends.
    file.flush()
    return written


def write_json(rows: Iterable[dict[str, Any]], file: IO[str]) -> int:
    """Write rows as one array, as they come; return how many."""
    written = 0
    for row in rows:
        file.write(f"{',' if written else '['}\n  {to_json(row)}")
        written += 1
    file.write("\n]\n" if written else "[]\n")
    file.flush()
    return written


@frozen
class Excel:
    """The form of text for Excel: ``local`` makes a time one of the person's own zone."""

    local: Callable[[datetime], str]


def write_csv(
    rows: Iterable[dict[str, Any]],
    columns: Sequence[str],
    file: IO[str],
    delimiter: str = ",",
    *,
    excel: bool = False,
) -> int:
    """Write rows with their names before them, ``columns`` where there is no row; how many.

    ``excel`` begins with a byte order mark, by which Excel knows UTF-8, and ends lines as it does.
    """
    if excel:
        file.write("\ufeff")
    writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n" if excel else "\n")
    written = 0
    for row in rows:
        if not written:
            writer.writerow(row)
        writer.writerow([_cell(value) for value in row.values()])
        written += 1
    if not written:
        writer.writerow(columns)
    file.flush()
    return written


def _cell(value: Any) -> Any:
    """Return a value for a spreadsheet, an apostrophe before what it would run as a formula."""
    if value in ({}, []):
        return None
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = " ".join(value)
    elif isinstance(value, (dict, list)):
        value = to_json(value)
    if not isinstance(value, str):
        return value
    return clean(f"'{value}" if value.startswith(_FORMULA) else value)


def _emit_table(
    rows: Iterator[dict[str, Any]], columns: Sequence[str], nothing: str, going: Sequence[str]
) -> None:
    shown = list(islice(rows, TABLE_ROWS))
    if not shown:
        click.echo(nothing, err=True)
        return
    cells = [[clean(short(_words(row.get(name)))) for name in columns] for row in shown]
    numeric = [isinstance(shown[0].get(name), int) for name in columns]
    gone = print_grid(columns, cells, numeric, going=[one for one in going if one in columns])
    if gone:
        names = ", ".join(name.replace("_", " ") for name in gone)
        click.echo(f"too wide for {names}: --format csv, json or jsonl has all columns", err=True)
    more = sum(1 for _ in rows)
    if more:
        click.echo(f"... and {more:,} more; --format csv, json or jsonl prints all", err=True)


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return to_json(value)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
