"""``lifecycle replay``, ``apply`` and ``rebuild``."""

from __future__ import annotations

from pathlib import Path

import click

from lifecycle.cli import options
from lifecycle.cli.output import say_all_ignored, to_json
from lifecycle.cli.progress import progress, waiting
from lifecycle.cli.taking import print_counts, print_states, taking_in
from lifecycle.cli.wrapping import print_words
from lifecycle.domain import Rules
from lifecycle.replay import (
    BATCH,
    STANDARD_INPUT,
    Log,
    Summary,
    check_log,
    seldom_collect,
)
from lifecycle.replay import replay as replay_logs
from lifecycle.store import LeadStore, OnContactDelete, Place, to_stored
from lifecycle.text import clean, counted, most_common


def _checked(path: Path) -> Path | Log:
    """Return the log, or its path, after checking that it is no file of another kind."""
    is_input = str(path) == STANDARD_INPUT
    if path.is_file() and not is_input:
        check_log(path)
        return path
    log = Log.standard_input() if is_input else Log.open(path)
    log.check_kind(str(path))
    return log


@click.command()
@options.database
@click.argument("logs", metavar="LOG...", type=options.PATH, nargs=-1, required=True)
@options.rules_file
@click.option(
    "--batch",
    type=options.Number(min=1),
    default=BATCH,
    show_default=True,
    help="Messages in one transaction.",
)
@options.on_contact_delete
@options.accept_clock
@click.option("--restart", is_flag=True, help="Read the logs from their beginning.")
@options.as_json
def replay(
    *,
    database: Path,
    logs: tuple[Path, ...],
    rules_path: Path | None,
    batch: int,
    on_contact_delete: OnContactDelete,
    restart: bool,
    as_json: bool,
) -> None:
    """Read logs of messages into a store.

    The store is made where there is none. A LOG has one message a line or over several lines, or is
    an array of them; it may be packed with gzip, and `-` is standard input. A run that was
    interrupted goes on where it was.
    """
    if [str(path) for path in logs].count(STANDARD_INPUT) > 1:
        raise click.UsageError("standard input can be read only once")
    sources = [_checked(path) for path in logs]
    with taking_in(database, rules_path, on_contact_delete) as store:
        store.session().relax()
        seldom_collect()
        with progress("replay") as tell:
            summary = replay_logs(store, sources, batch=batch, restart=restart, tell=tell)
        if as_json:
            click.echo(to_json(summary.as_dict()))
        else:
            _print_summary(summary, store)
        _warn(summary)


@click.command()
@options.database
@click.argument("file", metavar="[FILE]", type=options.PATH, default=STANDARD_INPUT)
@options.rules_file
@options.on_contact_delete
@click.option(
    "--received-at",
    type=options.MOMENT,
    metavar="TIME",
    help="The time of messages that state none.",
)
@options.accept_clock
def apply(
    *,
    database: Path,
    file: Path,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    received_at: int | None,
) -> None:
    """Apply messages as they come; say what became of each.

    Each line is one durable commit, and gives one JSON outcome for each message in it. FILE has one
    message a line or over several lines, or is an array of them; without it they come from standard
    input.
    """
    source = _checked(file)
    log = Log.open(source) if isinstance(source, Path) else source
    with log, taking_in(database, rules_path, on_contact_delete) as store:
        for text in log.texts():
            readings = text.readings(received_at)
            messages = [(to_stored(one, store.rules.identity), Place()) for one in readings]
            if not messages:
                continue
            outcomes = store.session().apply(messages)
            for outcome in outcomes:
                click.echo(to_json(outcome.as_dict()))


@click.command()
@options.database
@click.option(
    "--rules",
    "rules_path",
    type=options.PATH,
    metavar="FILE",
    help="Rules in TOML; without them the store's own.",
)
@options.accept_clock
@options.as_json
def rebuild(*, database: Path, rules_path: Path | None, as_json: bool) -> None:
    """Fold everything again, with other rules or the same.

    What differs is superseded, and stays on record with the times it was known.
    """
    rules = None if rules_path is None else Rules.from_toml(rules_path)
    with LeadStore(database, create=False, accept_clock=options.is_clock_accepted()) as store:
        before = store.last_change()
        with waiting("rebuild"):
            store.rebuild(rules)
        changed, leads = store.last_change() - before, store.lead_count()
        name, digest = store.rules.name, store.rules.digest
    if as_json:
        told = {"leads": leads, "changes": changed, "rules": name, "rules_digest": digest}
        click.echo(to_json(told))
        return
    print_words(
        f"folded {counted(leads, 'lead')} with the rules {clean(repr(name))};"
        f" {counted(changed, 'change')} of history"
    )


def _print_summary(summary: Summary, store: LeadStore) -> None:
    """Print what came of a run, for people."""
    print_counts(_summary_rows(summary, len(store.quarantine_numbers())))
    print_states(summary.leads, store.states())
    if summary.resumed_from:
        lines = counted(summary.resumed_from, "line")
        click.echo(f"{lines} of the log read before, and not again")


def _warn(summary: Summary) -> None:
    """Say so when nothing that was read is about a lead."""
    if summary.read and summary.quarantined == summary.read:
        click.echo("not one of them was a message: is this the right log?", err=True)
    elif summary.read and summary.ignored == summary.read:
        say_all_ignored(summary.ignored_topics)


def _summary_rows(summary: Summary, waiting: int) -> list[tuple[str, int, str]]:
    audited = ": `lifecycle audit` lists them" if summary.refused else ""
    listed = "`lifecycle quarantine` lists them" if waiting else "repaired or erased before"
    rows = [
        ("read", summary.read, f"messages in {summary.seconds:.1f} s"),
        ("applied", summary.applied, "moved a lead"),
        ("refused", summary.refused, f"not allowed{audited}"),
        ("noted", summary.noted, "valid, no state change"),
        ("duplicate", summary.duplicate, "known already"),
        ("conflict", summary.conflict, "a known id with other content"),
        ("ignored", summary.ignored, most_common(summary.ignored_topics)),
        ("quarantined", summary.quarantined, f"undecodable: {listed}"),
    ]
    return [row for row in rows if row[1] or row[0] in ("read", "applied", "refused")]
