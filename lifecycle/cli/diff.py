"""``lifecycle diff``: what differs between two moments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from lifecycle.cli import options
from lifecycle.cli.moments import now
from lifecycle.cli.output import emit, emit_one
from lifecycle.messages import format_time
from lifecycle.store import AXES, Difference, LeadReader
from lifecycle.text import clean, counted

_FINDINGS: Final = ("lead_id", "severity", "code", "detail")
#: Each part with its head and its columns.
_PARTS: Final = {
    "moved": ("leads that moved: {:,}", ("lead_id", "from", "to", "from_holder", "to_holder")),
    "verdicts": ("verdicts that changed: {:,}", ("lead_id", "became", "why", "trigger", "at")),
    "found": ("new findings: {:,}", _FINDINGS),
    "settled": ("settled findings: {:,}", _FINDINGS),
}
_SHOWN: Final = 10


@click.command()
@options.database
@options.time("--from", "The earlier moment: a time, a day, `yesterday`, `7d`.")
@options.time("--to", "The later moment; without it now.")
@click.option(
    "--axis",
    type=click.Choice([axis.replace("_", "-") for axis in AXES]),
    default="as-known-at",
    show_default=True,
    help="What the store learned in between, or what happened in between.",
)
@options.table_or_json
def diff(*, database: Path, axis: str, style: str, **moments: int | None) -> None:
    """Show what differs between two moments.

    Leads that moved, verdicts that changed and why, findings that are new or settled, and people
    who were erased. On the axis as-known-at this adds up with `lifecycle changes`; on the axis
    as-of it is what happened in between, by what is known now.
    """
    start, end = _window(moments["from"], moments["to"])
    with LeadReader(database) as store:
        found = store.difference(start, end, axis="as_of" if axis == "as-of" else "as_known_at")
    if style == "json":
        emit_one(found.as_dict(), style)
        return
    _print(found)


def _window(start: int | None, end: int | None) -> tuple[int, int]:
    """Return the earlier and the later moment."""
    if start is None:
        raise click.UsageError("expected --from TIME, the earlier moment")
    last = now() if end is None else end
    if start > last:
        what = "now, which --to is without a TIME" if end is None else f"--to {format_time(end)}"
        raise click.UsageError(
            f"--from {format_time(start)} is later than {what}: --from is the earlier moment"
        )
    return start, last


def _print(found: Difference) -> None:
    """Print each part under its name, with how many there are."""
    said = found.as_dict()
    for name, (head, columns) in _PARTS.items():
        rows: list[dict[str, Any]] = said[name]
        if rows:
            click.echo(head.format(len(rows)))
            emit(rows, columns, "table", nothing="")
    if found.erased:
        click.echo(f"erased {counted(len(found.erased), 'lead')}: {', '.join(_some(found.erased))}")
    if not any(said.values()):
        click.echo("nothing differs", err=True)


def _some(names: Sequence[str]) -> Iterator[str]:
    yield from map(clean, names[:_SHOWN])
    if len(names) > _SHOWN:
        yield f"and {len(names) - _SHOWN:,} more"
