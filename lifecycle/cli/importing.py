"""``lifecycle import``: what other systems export or log, into a store."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Mapping_
from pathlib import Path
from typing import Any

import click

from lifecycle.cli import options
from lifecycle.cli.output import console, to_json
from lifecycle.cli.progress import progress
from lifecycle.cli.taking import taking_in
from lifecycle.domain import State
from lifecycle.replay import seldom_collect
from lifecycle.store import OnContactDelete
from lifecycle.systems import (
    Imported,
    Mapping,
    Source,
    default_text,
    load,
    read_csv,
    read_genesys,
    read_hubspot,
    read_salesforce,
)
from lifecycle.text import clean, counted, short

#: So many values without a mapping are named.
_SHOWN = 20

_NO_MAP = "a table needs --map FILE: begin with `lifecycle import csv --show-map > map.toml`"
_CONFLICT = (
    "records that are known by their ids say something else now; a store keeps what a mapping\n"
    "meant when it was used: after a change of the mapping, import into a new store"
)
_NOTHING = "not one record says what happened to a lead: is the mapping right?"

_FILE = click.argument("file", metavar="FILE", type=options.PATH)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")


@click.group(name="import")
def import_() -> None:
    """Take in what other systems export or log.

    A file (`-` is standard input) is read to its end before the store is opened: of one that is
    damaged, nothing is written. Doing it again changes nothing. Exit status 1 when a value has no
    mapping.
    """


def _mapped(system: str) -> Callable[[Any], Any]:
    """The options of a mapping: the user's own file, and the one that is built in."""

    def show(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click
        if value:
            click.echo(default_text(system), nl=False)
            ctx.exit()

    given = click.option(
        "--map",
        "map_path",
        type=options.PATH,
        metavar="FILE",
        help="What columns hold and values mean, in TOML."
        + ("" if system == "csv" else " Without it the one that --show-map prints."),
    )
    shown = click.option(
        "--show-map",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Print a mapping to begin your own from, and do nothing.",
    )
    return lambda command: given(shown(command))


@import_.command()
@options.database
@_FILE
@options.rules_file
@options.on_contact_delete
@options.accept_clock
@click.option(
    "--received-at",
    type=options.MOMENT,
    metavar="TIME",
    help="The time of records that state none.",
)
@_JSON
def genesys(
    *,
    database: Path,
    file: Path,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    received_at: int | None,
    as_json: bool,
) -> None:
    """Operations and notifications of Genesys Web Services.

    FILE has one JSON record a line, or is one JSON document.
    """
    _load(
        database,
        rules_path,
        on_contact_delete,
        lambda: read_genesys(file, received_at=received_at),
        as_json=as_json,
    )


@import_.command()
@options.database
@_FILE
@click.option("--leads", type=options.PATH, metavar="FILE", help="Lead.csv: the leads themselves.")
@_mapped("salesforce")
@options.rules_file
@options.on_contact_delete
@options.accept_clock
@_JSON
def salesforce(
    *,
    database: Path,
    file: Path,
    leads: Path | None,
    map_path: Path | None,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    as_json: bool,
) -> None:
    """The history of leads from Salesforce.

    FILE is LeadHistory.csv, as Data Loader or a report of lead history writes it.
    """
    mapping = Mapping.from_toml(map_path) if map_path else None
    _load(
        database,
        rules_path,
        on_contact_delete,
        lambda: read_salesforce(file, leads=leads, mapping=mapping),
        as_json=as_json,
        own_map=map_path is not None,
    )


@import_.command()
@options.database
@_FILE
@_mapped("hubspot")
@options.rules_file
@options.on_contact_delete
@options.accept_clock
@_JSON
def hubspot(
    *,
    database: Path,
    file: Path,
    map_path: Path | None,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    as_json: bool,
) -> None:
    """The history of properties from HubSpot.

    FILE is JSON as the API gives it (propertiesWithHistory), or a table with the same.
    """
    mapping = Mapping.from_toml(map_path) if map_path else None
    _load(
        database,
        rules_path,
        on_contact_delete,
        lambda: read_hubspot(file, mapping=mapping),
        as_json=as_json,
        own_map=map_path is not None,
    )


@import_.command()
@options.database
@_FILE
@_mapped("csv")
@options.rules_file
@options.on_contact_delete
@options.accept_clock
@_JSON
def csv(
    *,
    database: Path,
    file: Path,
    map_path: Path | None,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    as_json: bool,
) -> None:
    """A table of your own, with a mapping.

    FILE has a header, and one row for each thing that happened to a lead.
    """
    if map_path is None:
        raise click.UsageError(_NO_MAP)
    mapping = Mapping.from_toml(map_path)
    _load(
        database,
        rules_path,
        on_contact_delete,
        lambda: read_csv(file, mapping),
        as_json=as_json,
        own_map=True,
    )


def _load(
    database: Path,
    rules_path: Path | None,
    on_contact_delete: OnContactDelete,
    read: Callable[[], Source],
    *,
    as_json: bool,
    own_map: bool = False,
) -> None:
    seldom_collect()
    with (
        progress("import") as tell,
        read() as source,
        taking_in(database, rules_path, on_contact_delete) as store,
    ):
        store.relax()
        imported = load(store, source, tell=tell)
        states = store.states()
    if as_json:
        click.echo(to_json(imported.as_dict()))
    else:
        _print(imported, states)
    if own_map and imported.tally.absent:
        named = clean(", ".join(map(repr, imported.tally.absent)))
        click.echo(f"columns that the mapping names, and the file has not: {named}", err=True)
    wanting = _wanting(imported, source.path)
    for sentence in wanting:
        click.echo(sentence, err=True)
    raise SystemExit(bool(wanting))


def _wanting(imported: Imported, path: Path) -> list[str]:
    """What was not taken in as it should be, and what to do."""
    tally = imported.tally
    if tally.unmapped:
        return [_unmapped(imported, path)]
    if imported.outcomes["conflict"]:
        return [_CONFLICT]
    return [_NOTHING] if tally.records and not tally.told else []


def _print(imported: Imported, states: Mapping_[State, int]) -> None:
    """What came of an import, for people."""
    from rich.table import Table  # noqa: PLC0415 - only where a person watches

    tally, outcomes = imported.tally, imported.outcomes
    rows = [
        ("records", tally.records, f"read in {imported.seconds:.1f} s"),
        *(("left out", count, clean(reason)) for reason, count in sorted(tally.left_out.items())),
        ("unmapped", sum(one.records for one in tally.unmapped.values()), "see below"),
        ("messages", imported.messages, "made of the others"),
        ("applied", outcomes["applied"], "moved a lead"),
        ("refused", outcomes["refused"], "not allowed: `lifecycle audit` lists them"),
        ("noted", outcomes["noted"], "valid, and moved nothing"),
        ("duplicate", outcomes["duplicate"], "known already"),
        ("conflict", outcomes["conflict"], "a known id with other content"),
        ("quarantined", outcomes["quarantined"], "undecodable: `lifecycle quarantine` lists them"),
    ]
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(style="dim")
    always = ("records", "messages", "applied", "refused")
    for name, count, meaning in rows:
        if count or name in always:
            table.add_row(name, f"{count:,}", meaning)
    out = console()
    out.print(table)
    listed = ", ".join(f"{state} {count:,}" for state, count in states.items())
    out.print(f"\n{counted(imported.leads, 'lead')}: {listed or 'none'}")


def _unmapped(imported: Imported, path: Path) -> str:
    """The values that nobody gave a meaning."""
    found = sorted(imported.tally.unmapped.values(), key=lambda one: -one.records)
    lines = [
        f"  {one.field} {one.value!r}: {counted(one.records, 'record')}, first on line {one.line}"
        for one in found[:_SHOWN]
    ]
    lines += [f"  and {len(found) - _SHOWN:,} more"] * (len(found) > _SHOWN)
    heading = f"{clean(str(path))}:\nvalues without a mapping, which were not taken in:"
    advice = "give them a row in a mapping of your own (--show-map, --map FILE), and import again"
    return "\n".join([heading, *(clean(short(line)) for line in lines), advice])
