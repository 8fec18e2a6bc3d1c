"""``lifecycle erase``: a person, out of the store and out of its file."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from lifecycle.cli import options
from lifecycle.cli.find import offering
from lifecycle.cli.output import to_json
from lifecycle.cli.progress import waiting
from lifecycle.cli.wrapping import print_words
from lifecycle.store import Erasure, LeadStore
from lifecycle.text import clean, counted


@click.command()
@options.database
@click.argument("who", metavar="[WHO]", required=False, shell_complete=options.complete_lead)
@click.option("--dry-run", is_flag=True, help="Say what would be erased, and erase nothing.")
@click.option(
    "--all-of-them",
    is_flag=True,
    help="Erase also what may be many people: a hub, several ids, several contacts.",
)
@click.option(
    "--forever", is_flag=True, help="Ignore later messages about the person, too: no new leads."
)
@click.option(
    "--deleted", is_flag=True, help="Erase everybody whose contact is deleted, in place of WHO."
)
@click.option(
    "--purge",
    is_flag=True,
    help="Only remove traces of what was erased before, where a program was in the way then.",
)
@click.option("--yes", is_flag=True, help="Do not ask. Scripts need it.")
@options.accept_clock
@options.as_json
def erase(
    database: Path,
    who: str | None,
    *,
    dry_run: bool,
    all_of_them: bool,
    forever: bool,
    deleted: bool,
    purge: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase a person: seal the leads, remove messages, contact, keys, texts, quarantine.

    WHO is any name of the contact or of a lead; all leads that hang together with it are sealed,
    as erased:NUMBER. It cannot be undone: a terminal shows what goes and what stays, and asks;
    elsewhere give --yes, after a look with --dry-run. States, times and who acted stay, and so does
    the ledger that `lifecycle verify` checks.
    """
    if (who is not None) + deleted + purge != 1:
        raise click.UsageError("expected WHO, or --deleted, or --purge")
    if (purge and (dry_run or forever or as_json)) or (all_of_them and who is None):
        raise click.UsageError("--purge stands alone, and --all-of-them is for WHO")
    is_asked = not (yes or dry_run or purge)
    if is_asked and not sys.stdin.isatty():
        raise click.UsageError("erasing cannot be undone: give --yes, or --dry-run to look")
    with LeadStore(database, create=False, accept_clock=options.is_clock_accepted()) as store:
        if purge:
            is_done = store.purge()
            click.echo("the file was written anew" if is_done else "nothing was left to remove")
            return
        if who is None:
            run = partial(store.erase_deleted, forever=forever)
        else:
            run = partial(store.erase, who, all_of_them=all_of_them, forever=forever)
        with offering(store, who or ""):
            if is_asked:
                _ask(run(dry_run=True))
            with waiting("erase"):
                erasure = run(dry_run=dry_run)
        for reason in store.spared:
            click.echo(f"not erased, it may be many people: {clean(reason)}", err=True)
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
        print_words(clean(line), err=err)


def _lines(erasure: Erasure, done: str) -> Iterator[str]:
    if not erasure.removed:
        yield "nothing was left to erase"
        return
    yield (
        f"{done} {counted(erasure.events, 'message')} of {counted(len(erasure.leads), 'lead')},"
        f" {counted(erasure.copies, 'other content')} under ids of messages,"
        f" {counted(erasure.keys, 'key')} and {counted(erasure.quarantined, 'quarantined message')}"
    )
    yield "what stays: states, times and counts of sealed leads"
    yield from (f"  {lead_id}" for lead_id in erasure.leads)
    if erasure.kept_parties:
        yield "what stays: who acted or held"
        yield from (f"  {name}" for name in erasure.kept_parties)
    yield "not searched: messages about other people"
