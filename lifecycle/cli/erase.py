"""``lifecycle erase``: everything personal of a person, out of the store and out of its file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from lifecycle.cli import options
from lifecycle.cli.output import to_json
from lifecycle.cli.progress import waiting
from lifecycle.store import Erasure, LeadStore
from lifecycle.text import clean, counted


@click.command()
@options.database
@click.argument("key", metavar="[KEY]", required=False)
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
@click.option(
    "--hub",
    is_flag=True,
    help="Erase also what may be many people: a hub, several ids, more than 100 names.",
)
@click.option(
    "--purge",
    is_flag=True,
    help="Only remove traces of what was erased before, where a program was in the way then.",
)
@click.option("--yes", is_flag=True, help="Do not ask. Scripts need it.")
@options.accept_clock
@click.option("--json", "as_json", is_flag=True, help="Print what was erased as JSON.")
def erase(
    database: Path,
    key: str | None,
    *,
    dry_run: bool,
    hub: bool,
    purge: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a person: payloads, contact, personal keys, texts, quarantine.

    KEY is any name of the contact or of a lead, and everything that hangs together with it is
    erased: all leads of the person. It cannot be undone: a terminal shows what goes and what stays,
    and asks; elsewhere give --yes, after a look with --dry-run. States, times, who acted and other
    ids stay, and so does the ledger that `lifecycle verify` checks.
    """
    if (key is None) != purge or (purge and (dry_run or hub or as_json)):
        raise click.UsageError("expected the KEY of a person, or --purge and nothing else")
    is_asked = not (yes or dry_run or purge)
    if is_asked and not sys.stdin.isatty():
        raise click.UsageError("erasing cannot be undone: give --yes, or --dry-run to look")
    with LeadStore(database, create=False, accept_clock=options.is_clock_accepted()) as store:
        if key is None:
            found = store.purge()
            click.echo("the file was written anew" if found else "nothing was left to remove")
            return
        if is_asked:
            _ask(store.erase(key, hub=hub, dry_run=True))
        with waiting("erase"):
            erasure = store.erase(key, hub=hub, dry_run=dry_run)
    if as_json:
        click.echo(to_json(erasure.as_dict()))
        return
    _print(erasure, "would erase" if dry_run else "erased")


def _ask(rehearsed: Erasure) -> None:
    """Show what would go and stay; end the command unless that is wanted."""
    _print(rehearsed, "would erase", err=True)
    if rehearsed.removed:
        click.confirm("Erase it? This cannot be undone.", abort=True, err=True)


def _print(erasure: Erasure, done: str, *, err: bool = False) -> None:
    for line in _lines(erasure, done):
        click.echo(clean(line), err=err)


def _lines(erasure: Erasure, done: str) -> Iterator[str]:
    if not erasure.removed:
        yield "nothing personal was left to erase"
    else:
        yield (
            f"{done} {counted(erasure.events, 'message')} of {counted(len(erasure.leads), 'lead')},"
            f" {counted(erasure.copies, 'other content')} under their ids"
            f" and {counted(erasure.quarantined, 'quarantined message')};"
            f" {counted(erasure.keys, 'personal key')} replaced"
        )
        yield from (f"  {lead_id}" for lead_id in erasure.leads)
    stays = {"keys": erasure.kept_keys, "parties": erasure.kept_parties}
    for what, names in stays.items():
        if names:
            yield f"{what} that stay:"
            yield from (f"  {name}" for name in names)
    if erasure.kept_ids:
        yield f"{counted(erasure.kept_ids, 'id')} of messages stay"
