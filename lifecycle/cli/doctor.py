"""``lifecycle doctor``: what a store lies in, and whether something needs attention."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from lifecycle.cli import options
from lifecycle.cli.grid import print_pairs
from lifecycle.cli.output import emit_one
from lifecycle.cli.wrapping import Shown
from lifecycle.doctor import Diagnosis, examine
from lifecycle.text import clean, counted

#: The sign of each verdict, and its colour.
_MARKS: Final = {
    "well": ("✓", "green"),
    "unknown": ("?", "dim"),
    "warning": ("!", "yellow"),
    "wrong": ("✗", "bold red"),
}


@click.command()
@options.database
@options.table_or_json
def doctor(*, database: Path, style: str) -> None:
    """Look at a store's file and at where it lies.

    SQLite's version and journal, the file system, the header, pages and whether they hang together
    (SQLite's quick check, which reads the whole file), the schema, cursors of logs,
    the quarantine, and traces of who was erased. Nothing is written. Exit status 1 when something
    needs attention: a network mount, a schema of another version, a damaged header; warnings do
    not count. Whether the content is what was stored, `lifecycle verify` tells.
    """
    found = examine(database)
    if style == "json":
        emit_one(found.as_dict(), style)
    else:
        _print(found)
    click.get_current_context().exit(0 if found.well else 1)


def _print(found: Diagnosis) -> None:
    from rich.text import Text  # noqa: PLC0415 - only where a person watches

    rows: list[list[Shown]] = []
    for one in found.points:
        mark, style = _MARKS[one.verdict]
        rows.append([Text(mark, style), one.name, clean(one.found)])
        if one.advice:
            rows.append(["", "", Text(f"→ {clean(one.advice)}", "dim")])
    print_pairs(rows, [False] * 3)
    attention = sum(one.verdict not in ("well", "unknown") for one in found.points)
    verdict = "well, with" if found.well else "not well:"
    click.echo()
    click.echo(
        f"{verdict} {counted(attention, 'point')} to look at"
        if attention
        else "well: nothing needs attention"
    )
