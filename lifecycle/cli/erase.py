"""``lifecycle erase``: everything personal of a person, out of the store and out of its file."""

from __future__ import annotations

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
@options.accept_clock
@click.option("--json", "as_json", is_flag=True, help="Print what was erased as JSON.")
def erase(
    database: Path, key: str | None, *, dry_run: bool, hub: bool, purge: bool, as_json: bool
) -> None:
    """Erase a person: payloads, contact, personal keys, texts, quarantine.

    KEY is any name of the contact or of a lead, and everything that hangs together with it is
    erased: all leads of the person. It cannot be undone, and nothing is asked: look with --dry-run
    before. States, times, who acted and other ids stay, and so does the ledger that
    `lifecycle verify` checks.
    """
    if (key is None) != purge or (purge and (dry_run or hub or as_json)):
        raise click.UsageError("expected the KEY of a person, or --purge and nothing else")
    with LeadStore(database, create=False, accept_clock=options.is_clock_accepted()) as store:
        if key is None:
            found = store.purge()
            click.echo("the file was written anew" if found else "nothing was left to remove")
            return
        with waiting("erase"):
            erasure = store.erase(key, hub=hub, dry_run=dry_run)
    if as_json:
        click.echo(to_json(erasure.as_dict()))
        return
    _print(erasure, "would erase" if dry_run else "erased")


def _print(erasure: Erasure, done: str) -> None:
    if not erasure.removed:
        click.echo("nothing personal was left to erase")
        return
    click.echo(
        f"{done} {counted(erasure.events, 'message')} of {counted(len(erasure.leads), 'lead')},"
        f" {counted(erasure.copies, 'other content')} under their ids"
        f" and {counted(erasure.quarantined, 'quarantined message')};"
        f" {counted(erasure.keys, 'personal key')} replaced"
    )
    for lead_id in erasure.leads:
        click.echo(clean(f"  {lead_id}"))
