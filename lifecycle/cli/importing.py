"""``lifecycle import``: what other systems export or log, into a store."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from lifecycle.cli import options
from lifecycle.cli.output import to_json
from lifecycle.cli.progress import progress
from lifecycle.cli.taking import print_counts, print_states, taking_in
from lifecycle.cli.wrapping import print_words
from lifecycle.domain import Meanings, Rules, default_meanings
from lifecycle.errors import RulesError
from lifecycle.replay import STANDARD_INPUT, seldom_collect
from lifecycle.store import LeadReader, OnContactDelete
from lifecycle.systems import KINDS, Imported, Layout, Reading, default_text, load, read_files
from lifecycle.text import clean, counted, short

#: So many values without a meaning are named.
_SHOWN: Final = 20
#: So many columns that were not read are named.
_COLUMNS: Final = 10
_NO_MAP: Final = (
    "files of your own need --map FILE: begin with `lifecycle import csv --show-map > map.toml`"
)
_NOTHING: Final = "not one record says what happened to a lead: is this the right file?"


@click.group(name="import")
def import_() -> None:
    """Take in what other systems export or log.

    Each FILE is recognised by its own fields; several may be given, in any order, and what was
    imported before changes nothing. All are read to their end before the store is opened: of files
    that are damaged, nothing is written. Exit status 1 when a value has no meaning, or a file says
    itself that it is not complete.
    """


def _shared(source: str) -> Callable[[Any], Any]:
    """Return the arguments and options of an import."""

    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click
        if value:
            click.echo(_map_text(source), nl=False)
            ctx.exit()

    decorators = [
        options.database,
        click.argument("files", metavar="FILE...", type=options.PATH, nargs=-1, required=True),
        options.rules_file,
        options.on_contact_delete,
        options.accept_clock,
        click.option("--dry-run", is_flag=True, help="Say what would come of it; write nothing."),
        options.as_json,
    ]
    if source != "genesys":
        own = "" if source == "csv" else " Without it the ones that --show-map prints."
        decorators[2:2] = [
            click.option(
                "--kind",
                type=click.Choice(sorted(KINDS[source])),
                help="The kind of all files, where it is not recognised.",
            ),
            click.option(
                "--map",
                "map_path",
                type=options.PATH,
                metavar="FILE",
                help=f"What columns hold, and what values mean, in TOML.{own}",
            ),
            click.option(
                "--show-map",
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=show,
                help="Print a map to begin your own from, and do nothing.",
            ),
        ]

    def decorate(command: Any) -> Any:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


@import_.command()
@_shared("genesys")
@click.option(
    "--received-at",
    type=options.MOMENT,
    metavar="TIME",
    help="The time of records that state none.",
)
def genesys(**given: Any) -> None:
    """Import operations, notifications and interactions of Genesys.

    FILE has one JSON record a line, or is one JSON document.
    """
    _import("genesys", **given)


@import_.command()
@_shared("salesforce")
def salesforce(**given: Any) -> None:
    """Import leads and their history from Salesforce.

    FILE is LeadHistory or Lead as CSV or JSON (Data Loader, reports, the REST API, the command
    line), change events, or a table of a warehouse.
    """
    _import("salesforce", **given)


@import_.command()
@_shared("hubspot")
def hubspot(**given: Any) -> None:
    """Import the history of properties from HubSpot.

    FILE is JSON as the API or a webhook gives it, a table with the same, or one of a warehouse.
    """
    _import("hubspot", **given)


@import_.command()
@_shared("csv")
def csv(**given: Any) -> None:
    """Import a table or JSON lines of your own, with a map.

    FILE has a header, and one row for each thing that happened to a lead; or one object a line.
    """
    if given["map_path"] is None:
        raise click.UsageError(_NO_MAP)
    _import("csv", **given)


def _import(
    source: str,
    *,
    database: Path,
    files: Sequence[Path],
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    dry_run: bool,
    as_json: bool,
    map_path: Path | None = None,
    kind: str | None = None,
    received_at: int | None = None,
) -> None:
    if [str(path) for path in files].count(STANDARD_INPUT) > 1:
        raise click.UsageError("standard input can be read only once")
    layout = Layout.from_toml(map_path) if map_path else Layout.default(source)
    own = _own_meanings(map_path)
    meanings = _meanings_of(database, rules_path)
    if own is not None:
        meanings = meanings.with_source(own, layout.name)
    seldom_collect()
    with (
        progress("import") as tell,
        read_files(
            source,
            files,
            layout=layout,
            kind=kind,
            names_field=meanings.names_field,
            received_at=received_at,
        ) as reading,
        _rehearsed(database, dry_run=dry_run) as path,
        taking_in(path, rules_path, on_contact_delete) as store,
    ):
        store.name_in_errors(database)
        store.session().relax()
        if own is not None:
            store.take_meanings(own, layout.name)
        imported = load(store, reading, tell=tell)
        states = store.states()
    if as_json:
        click.echo(to_json({"dry_run": dry_run, **imported.as_dict()}))
    else:
        _print(imported, states, dry_run=dry_run)
    own_map = map_path if own is not None else None
    wanting = list(_wanting(imported, layout.name, database, own_map))
    for sentence in wanting:
        for line in sentence.split("\n"):
            click.echo(clean(line), err=True)
    if map_path is not None:
        _tell_absent(reading, Layout.default(source))
    if imported.unmapped_before:
        click.echo(_unmapped_before(imported, database), err=True)
    raise SystemExit(bool(wanting))


def _map_text(source: str) -> str:
    """Return a map to begin one's own from: how files are read, and what changes mean."""
    meanings = "" if source == "csv" else f"\n{default_meanings(source)}"
    return default_text(source) + meanings


def _own_meanings(map_path: Path | None) -> Meanings | None:
    """Return what a map says of meanings; None where it says nothing."""
    if map_path is None:
        return None
    tables = tomllib.loads(map_path.read_text("utf-8-sig"))
    if "meaning" not in tables:
        return None
    facts = tables.get("facts", {})
    try:
        return Meanings.from_tables(tables | {"facts": {**facts, "defaults": False}})
    except RulesError as error:
        raise RulesError(f"{map_path}: {error.where}", error.expected) from None


def _meanings_of(database: Path, rules_path: Path | None) -> Meanings:
    """Return the meanings of the store, or of the rules that it will have."""
    if database.is_file() and database.stat().st_size:
        with LeadReader(database) as reader:
            return reader.rules.meanings
    return (Rules.from_toml(rules_path) if rules_path else Rules.default()).meanings


@contextmanager
def _rehearsed(database: Path, *, dry_run: bool) -> Iterator[Path]:
    """Yield the store to write to; for a dry run a copy that is thrown away."""
    if not dry_run:
        yield database
        return
    from lifecycle.store.db.file import check_path  # noqa: PLC0415 - needs sqlite_utils

    check_path(database, "create")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.db"
        if database.is_file():
            with LeadReader(database) as store:
                store.copy_to(copy)
        yield copy


def _wanting(
    imported: Imported, source: str, database: Path, own_map: Path | None
) -> Iterator[str]:
    """Yield what was not taken in as it should be, and what to do."""
    yield from imported.reading.incomplete
    if quarantined := imported.outcomes["quarantined"]:
        yield (
            f"{counted(quarantined, 'fact')} could not be decoded:"
            " `lifecycle quarantine DB` lists them with their lines"
        )
    if imported.unmapped:
        yield "\n".join([*_unmapped(imported, source), *_how_to_map(database, own_map)])
    tally = imported.reading.tally
    if tally.records and not tally.facts:
        yield _NOTHING


def _tell_absent(reading: Reading, default: Layout) -> None:
    """Print which columns a map names of its own, and no file has."""
    usual = {name for names in default.columns.values() for name in names}
    absent = [name for name in reading.tally.absent if name not in usual]
    if absent:
        named = clean(", ".join(map(repr, absent)))
        click.echo(f"columns that the map names, and no file has: {named}", err=True)


def _print(imported: Imported, states: Any, *, dry_run: bool) -> None:
    """Print what came of an import, for people."""
    reading, outcomes = imported.reading, imported.outcomes
    if dry_run:
        click.echo("nothing was written; this would come of it:")
    for path, kind in reading.kinds.items():
        click.echo(clean(f"{path}: {kind}"))
    tally = reading.tally
    rows = [
        ("records", tally.records, f"read in {imported.seconds:.1f} s"),
        *(("left out", count, clean(reason)) for reason, count in sorted(tally.left_out.items())),
        ("facts", tally.facts, "changes of fields found in them"),
        ("no zone", tally.zoneless, _taken_as(reading.layout)),
        ("applied", outcomes["applied"], "moved a lead"),
        ("refused", outcomes["refused"], "not allowed: `lifecycle audit` lists them"),
        ("noted", outcomes["noted"], "valid, no state change"),
        ("duplicate", outcomes["duplicate"], "known already"),
        ("conflict", outcomes["conflict"], "a known id with other content"),
        ("quarantined", outcomes["quarantined"], "undecodable: `lifecycle quarantine` lists them"),
    ]
    always = ("records", "facts", "applied", "refused")
    print_counts([row for row in rows if row[1] or row[0] in always])
    print_states(imported.leads, states)
    if tally.unread and tally.facts:
        print_words(clean(f"columns that were not read: {_named(tally.unread)}"), hanging=2)


def _taken_as(layout: Layout) -> str:
    """Say how times without a zone are read."""
    if layout.zone is None:
        return "times without a zone, taken as UTC: [time] in a map names one"
    return f"times without a zone, taken as {layout.zone.key}"


def _named(columns: Sequence[str]) -> str:
    more = len(columns) - _COLUMNS
    return ", ".join(columns[:_COLUMNS]) + (f" and {more:,} more" if more > 0 else "")


def _unmapped(imported: Imported, source: str) -> list[str]:
    """Return the lines that name values that no row fits, and the row that would name the first."""
    found = imported.unmapped[:_SHOWN]
    lines = [
        f"  {one.field} = {short(repr(one.value))}: {counted(one.leads, 'lead')}" for one in found
    ]
    more = len(imported.unmapped) - len(found)
    lines += [f"  and {more:,} more"] * (more > 0)
    return [
        "values without a meaning, in the state that the lead had:",
        *lines,
        "a row such as this one names a value, with the trigger that it means to you:",
        "",
        *found[0].as_row(source),
        "",
    ]


def _how_to_map(database: Path, own_map: Path | None) -> list[str]:
    """Return where a row goes: into the map that has such rows, or else into the store's rules."""
    if own_map is not None:
        return [
            f"put it above the rows of {own_map}, and fold again:",
            f"  lifecycle rebuild {database} --rules {own_map}",
        ]
    return [
        "append it to the rules of the store, and fold again:",
        f"  lifecycle rules show {database} --toml > rules.toml",
        f"  lifecycle rebuild {database} --rules rules.toml",
    ]


def _unmapped_before(imported: Imported, database: Path) -> str:
    values = counted(len(imported.unmapped_before), "value")
    return clean(
        f"{values} without a meaning came with earlier files:"
        f" `lifecycle audit {database} --list findings`"
    )
