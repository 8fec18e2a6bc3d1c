"""``lifecycle find``, and what a name may mean that no lead has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from lifecycle.cli import options
from lifecycle.cli.output import emit
from lifecycle.errors import LifecycleError, NotFoundError
from lifecycle.store import LeadReader, Match, lead_dict
from lifecycle.text import clean, counted, excerpt

_COLUMNS: Final = ("lead_id", "found_in", "state", "since", "holder")
_OFFERED: Final = 3


@click.command()
@options.database
@click.argument("text", metavar="TEXT")
@click.option("--messages", is_flag=True, help="Search the whole text of messages, too: slower.")
@options.output
def find(*, database: Path, text: str, messages: bool, style: str) -> None:
    """Find leads by any id, e-mail, telephone or name, in any spelling.

    An id needs no scheme before it. A name is found by its words or their beginnings, in any order,
    with or without accents; a telephone number however it is grouped, with or without the code of
    the country. Earlier contacts of a lead are found as their letters were written. Exit status 1
    when nothing is found.
    """
    with LeadReader(database) as store, store.snapshot():
        matches = store.find(text, messages=messages)
        leads = store.listing().numbered([one.lead_no for one in matches.leads])
        rows = [lead_dict(leads[one.lead_no]) | _found_in(one) for one in matches.leads]
    emit(rows, _COLUMNS, style, nothing=f"no lead is found by {excerpt(clean(text))!r}")
    if matches.has_more:
        click.echo(f"these are the first {len(rows)}; there are more", err=True)
    if matches.quarantined:
        numbers = ", ".join(map(str, matches.quarantined[:_OFFERED]))
        verb = "mentions" if len(matches.quarantined) == 1 else "mention"
        count = counted(len(matches.quarantined), "quarantined message")
        click.echo(f"{count} {verb} it: lifecycle quarantine show DB {numbers}", err=True)
    if not rows:
        raise SystemExit(1)


def _found_in(match: Match) -> dict[str, list[str]]:
    return {"found_in": list(match.places)}


@contextmanager
def offering(store: LeadReader, name: str) -> Iterator[None]:
    """Let an unknown name be answered with the leads that it may mean."""
    try:
        yield
    except NotFoundError as error:
        if "it stands in" in str(error):
            raise  # an erasure says so itself
        error.args = (f"{error}{_offer(store, name)}",)
        raise


def _offer(store: LeadReader, name: str) -> str:
    try:
        matches = store.find(name) if isinstance(name, str) else None
    except LifecycleError:
        return ""
    if matches is None or not matches.leads:
        return ""
    offered = [f"{one.lead_id} ({one.places[0]})" for one in matches.leads[:_OFFERED]]
    more = len(matches.leads) - len(offered)
    rest = f"; {more} more by `lifecycle find`" if more else ""
    return f"; did you mean {' or '.join(offered)}?{rest}"
