"""``lifecycle rules``: the table, and its diagram."""

from __future__ import annotations

import json
from pathlib import Path

import click
from attrs import evolve
from click_default_group import DefaultGroup

from lifecycle.auditing.evidence import is_store
from lifecycle.cli import options
from lifecycle.cli.output import emit
from lifecycle.cli.wrapping import print_words
from lifecycle.domain import Meaning, Meanings, Rules, default_meanings, state_diagram
from lifecycle.errors import RulesError
from lifecycle.store import LeadReader
from lifecycle.text import clean

_FILE = click.argument("file", metavar="[FILE]", type=options.PATH, required=False)


@click.group(cls=DefaultGroup, default="show", default_if_no_args=True)
def rules() -> None:
    """Show, check and draw tables of rules.

    `lifecycle rules` shows the default rules. FILE is a table in TOML, or a store, which has its
    own.
    """


def _load(file: Path | None) -> Rules:
    if file is None:
        return Rules.default()
    if is_store(file):
        with LeadReader(file) as store:
            return store.rules
    return Rules.from_toml(file)


@rules.command()
@_FILE
@click.option("--toml", is_flag=True, help="Print TOML, to begin a table of your own from.")
@options.output
def show(*, file: Path | None, toml: bool, style: str) -> None:
    """Show the edges of a table."""
    table = _load(file)
    if toml:
        click.echo(_toml_of(table), nl=False)
        return
    if style == "table":
        click.echo(f"rules {clean(table.name)!r}, digest {table.digest[:16]}")
    emit(
        (
            {
                "trigger": edge.trigger,
                "from": list(edge.sources),
                "to": edge.target,
                "guards": list(edge.guards),
            }
            for edge in table.edges
        ),
        ("trigger", "from", "to", "guards"),
        style,
        nothing="no edges",
    )
    if style == "table":
        _show_meanings(table)


def _toml_of(table: Rules) -> str:
    """Return rules as TOML; the default meanings with the comments that explain them."""
    if table.meanings != Meanings.default():
        return table.to_toml()
    bare = evolve(table, meanings=Meanings()).to_toml()
    return f"{bare}\n{default_meanings()}"


def _show_meanings(table: Rules) -> None:
    """List what changes of fields mean, in the order in which rows are tried."""
    rows = (
        {
            "source": row.source,
            "field": ", ".join(row.fields),
            "value": _condition(row),
            "in": ", ".join(row.states or ("any state",)),
            "means": ", ".join(row.triggers) or "nothing",
        }
        for row in table.meanings.rows
    )
    print_words("what changes of fields mean (--toml has all of it):")
    emit(rows, ("source", "field", "value", "in", "means"), "table", nothing="no meanings")


def _condition(row: Meaning) -> str:
    """Return in words which changes a row is for."""
    parts = [_globs(row.values)]
    if row.old is not None:
        parts.append(f"from {_globs(row.old)}")
    parts += [f"where {name} is {_globs(globs)}" for name, globs in row.when]
    if row.holder_only:
        parts.append("by the holder")
    return "; ".join(parts)


def _globs(globs: tuple[str, ...] | None) -> str:
    return "any" if globs is None else ", ".join(one or "nothing" for one in globs)


@rules.command()
@click.argument("file", metavar="FILE", type=options.PATH)
@options.as_json
def check(*, file: Path, as_json: bool) -> None:
    """Check that a file is a table of rules.

    Exit status 1 when it is not.
    """
    try:
        table = Rules.from_toml(file)
    except RulesError as error:
        if as_json:
            click.echo(json.dumps({"valid": False, "problem": str(error)}))
        else:
            click.echo(clean(str(error)), err=True)
        raise SystemExit(1) from None
    if as_json:
        found = {"valid": True, "name": table.name, "digest": table.digest}
        click.echo(json.dumps(found))
    else:
        click.echo(f"{file}: rules {clean(table.name)!r}, {len(table.edges)} edges")


@rules.command()
@_FILE
def diagram(file: Path | None) -> None:
    """Draw the states and edges of a table as Mermaid."""
    click.echo(state_diagram(_load(file)), nl=False)
