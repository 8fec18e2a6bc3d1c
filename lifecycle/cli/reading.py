"""``lifecycle leads``, ``show``, ``history`` and ``changes``."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import click

from lifecycle.cli import options
from lifecycle.cli.find import offering
from lifecycle.cli.output import emit, emit_one
from lifecycle.domain import STATES, State
from lifecycle.store import LeadReader, lead_dict

LAST_NUMBER = 2**63 - 1
_LEAD_COLUMNS = ("lead_id", "state", "since", "holder", "events", "refusals")
#: Columns that go first where a table is too wide.
_COUNTS = ("events", "refusals")
_HISTORY_COLUMNS = ("seq", "at", "trigger", "from", "to", "verdict", "by", "reason")
_CHANGE_COLUMNS = ("change", "kind", "lead_id", "at", "trigger", "to", "verdict")


@click.command()
@options.database
@options.filters
@options.sort
@options.limit
@options.as_of
@options.as_known_at
@options.output
def leads(
    *,
    database: Path,
    sort: str,
    limit: int | None,
    as_of: int | None,
    as_known_at: int | None,
    style: str,
    **given: Any,
) -> None:
    """List the leads and the state each is in.

    A lead for which nothing valid has happened is listed as `new`. A time may be a day, `yesterday`
    or `7d` for seven days ago; a span is `3d`, `2h` or `90m`.
    """
    asked = options.filter_of(given)
    with LeadReader(database) as store, store.snapshot():
        found = store.leads(asked=asked, sort=sort, as_of=as_of, as_known_at=as_known_at)
        shown = islice(found, limit)
        rows = map(lead_dict, shown)
        emit(rows, _LEAD_COLUMNS, style, nothing="no leads", going=_COUNTS)


@click.command()
@options.database
@options.lead
@options.as_of
@options.as_known_at
@click.option("--all", "superseded", is_flag=True, help="Superseded rows and findings, too.")
@options.output
def show(*, database: Path, lead: str, superseded: bool, style: str, **moments: int | None) -> None:
    """Show one lead, and how it got there.

    LEAD is any of its names: `scheme:value`, or a key with its kind, as in `contact:email:...`.
    """
    with LeadReader(database) as store, store.snapshot(), offering(store, lead):
        found = store.lead(lead, **moments)
        if style != "table":
            emit_one(lead_dict(found), style)
            return
        from lifecycle.cli.timeline import print_history, print_lead  # noqa: PLC0415 - rich

        known_at = moments["as_known_at"]
        findings = store.findings(lead, superseded=superseded, as_known_at=known_at)
        print_lead(found, findings if moments["as_of"] is None else [])
        entries = store.history(lead, superseded=superseded, **moments)
        print_history(entries, superseded=superseded)


@click.command()
@options.database
@options.lead
@options.as_of
@options.as_known_at
@click.option("--all", "superseded", is_flag=True, help="Superseded rows, too.")
@options.output
def history(
    *, database: Path, lead: str, superseded: bool, style: str, **moments: int | None
) -> None:
    """Show every transition and refusal of one lead, in order."""
    with LeadReader(database) as store, offering(store, lead):
        entries = store.history(lead, superseded=superseded, **moments)
        if style != "table":
            emit((entry.as_dict() for entry in entries), _HISTORY_COLUMNS, style, nothing="")
            return
        from lifecycle.cli.timeline import print_history  # noqa: PLC0415 - rich

        print_history(entries, superseded=superseded)


@click.command()
@options.database
@click.option(
    "--after",
    type=options.Number(0, LAST_NUMBER),
    default=0,
    metavar="N",
    help="Only those behind number N.",
)
@options.time("--since", "Only those made since then: a day, `yesterday`, `7d`.")
@click.option("--lead", metavar="LEAD", help="Only those of this lead, by any of its names.")
@click.option("--state", type=click.Choice(STATES), help="Only rows that lead to this state.")
@options.limit
@options.output
def changes(
    *,
    database: Path,
    after: int,
    since: int | None,
    lead: str | None,
    state: State | None,
    limit: int | None,
    style: str,
) -> None:
    """Print what changed in the histories, in order.

    A row that a late message made untrue comes again, as `superseded`. Keep the last number and
    go on from it with --after.
    """
    with LeadReader(database) as store, offering(store, lead or ""):
        number = None if lead is None else store.lead_no(lead)
        made = store.changes(after=after, since=since)
        shown = (
            one
            for one in made
            if number in (None, one.lead_no)
            and (state is None or (one.entry is not None and one.entry.target == state))
        )
        rows = (one.as_dict() for one in islice(shown, limit))
        emit(rows, _CHANGE_COLUMNS, style, nothing="no changes")
