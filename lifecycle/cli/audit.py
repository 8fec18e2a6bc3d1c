"""``lifecycle audit``: what was not allowed."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import click

from lifecycle.audit import RefusalEntry, refusals
from lifecycle.cli import options
from lifecycle.cli.output import emit
from lifecycle.store import LeadReader

_COLUMNS = ("lead_id", "at", "state", "trigger", "by", "reason")


@click.command()
@options.database
@options.output
def audit(database: Path, style: str) -> None:
    """List what was refused, and what was allowed.

    Exit status 1 when there is one.
    """
    with LeadReader(database) as store:
        rows = refusals(store)
        first = next(rows, None)
        found = [] if first is None else [first]
        emit(
            (_shown(one, style) for one in chain(found, rows)),
            _COLUMNS,
            style,
            nothing="no refusals",
        )
    raise SystemExit(len(found))


def _shown(one: RefusalEntry, style: str) -> dict[str, Any]:
    row = one.as_dict()
    return {**row, "reason": str(one.entry.row.refusal)} if style == "table" else row
