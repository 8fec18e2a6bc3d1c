"""``lifecycle leads``, ``show``, ``history`` and ``changes``."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, cast

import click

from lifecycle.cli import options
from lifecycle.cli.output import emit, emit_one
from lifecycle.domain import STATES, State
from lifecycle.store import LeadReader, lead_dict

LAST_NUMBER = 2**63 - 1
_LEAD_COLUMNS = ("lead_id", "state", "since", "holder", "events", "refusals")
_HISTORY_COLUMNS = ("seq", "at", "trigger", "from", "to", "verdict", "by", "reason")
_CHANGE_COLUMNS = ("change", "kind", "lead_id", "at", "trigger", "to", "verdict")


@click.command()
@options.database
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@options.as_of
@options.as_known_at
@options.output
def leads(
    *, database: Path, state: str | None, as_of: int | None, as_known_at: int | None, style: str
) -> None:
    """List the leads and the state each is in.

    A lead for which nothing valid has happened is listed as `new`.
    """
    with LeadReader(database) as store, store.snapshot():
        found = store.leads(state=cast("State | None", state), as_of=as_of, as_known_at=as_known_at)
        emit(map(lead_dict, found), _LEAD_COLUMNS, style, nothing="no leads")


@click.command()
@options.database
@options.lead
@options.as_of
@options.as_known_at
@click.option("--all", "superseded", is_flag=True, help="Superseded rows and findings, too.")
@options.output
def show(
    *,
    database: Path,
    lead: str,
    as_of: int | None,
    as_known_at: int | None,
    superseded: bool,
    style: str,
) -> None:
    """Show one lead, and how it got there.

    LEAD is any of its names: `scheme:value`, or a key with its kind, as in `contact:email:...`.
    """
    with LeadReader(database) as store, store.snapshot():
        found = store.lead(lead, as_of=as_of, as_known_at=as_known_at)
        if style != "table":
            emit_one(lead_dict(found), style)
            return
        from lifecycle.cli.timeline import print_history, print_lead  # noqa: PLC0415 - rich

        findings = store.findings(lead, superseded=superseded, as_known_at=as_known_at)
        print_lead(found, findings if as_of is None else [])
        entries = store.history(lead, superseded=superseded, as_of=as_of, as_known_at=as_known_at)
        print_history(entries, superseded=superseded)


@click.command()
@options.database
@options.lead
@options.as_of
@options.as_known_at
@click.option("--all", "superseded", is_flag=True, help="Superseded rows, too.")
@options.output
def history(
    *,
    database: Path,
    lead: str,
    as_of: int | None,
    as_known_at: int | None,
    superseded: bool,
    style: str,
) -> None:
    """Show every transition and refusal of one lead, in order."""
    with LeadReader(database) as store:
        entries = store.history(lead, superseded=superseded, as_of=as_of, as_known_at=as_known_at)
        if style != "table":
            emit((entry.as_dict() for entry in entries), _HISTORY_COLUMNS, style, nothing="")
            return
        from lifecycle.cli.timeline import print_history  # noqa: PLC0415 - rich

        print_history(entries, superseded=superseded)


@click.command()
@options.database
@click.option(
    "--after",
    type=click.IntRange(0, LAST_NUMBER),
    default=0,
    metavar="N",
    help="Only those behind number N.",
)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N of them.")
@options.output
def changes(database: Path, after: int, limit: int | None, style: str) -> None:
    """Print what changed in the histories, in order.

    A row that a late message made untrue comes again, as `superseded`. Keep the last number and
    go on from it with --after.
    """
    with LeadReader(database) as store:
        found: Iterator[Any] = islice(store.changes(after=after), limit)
        emit((one.as_dict() for one in found), _CHANGE_COLUMNS, style, nothing="no changes")
