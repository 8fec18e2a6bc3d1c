"""``lifecycle verify``: whether a store was changed by anybody but lifecycle."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import click

from lifecycle.cli import options
from lifecycle.cli.grid import print_pairs
from lifecycle.cli.output import emit_one
from lifecycle.cli.progress import waiting
from lifecycle.errors import ArgumentError
from lifecycle.store import Head, LeadReader, Verification
from lifecycle.text import clean, counted

#: What each check looks at.
_MEANINGS: Final = {
    "file": "pages of the file, read by SQLite's own integrity check",
    "schema": "tables, indices and views, beside those of a new store",
    "ledger": "entries of the ledger, and the rows that they bind",
    "contents": "contents, beside what their messages say",
    "replay": "rows of all tables, beside a replay of the messages",
}


class HeadType(click.ParamType):  # type: ignore[type-arg] # generic since click 8.3
    """A head as it was noted."""

    name = "head"

    def convert(
        self, value: str | Head, param: click.Parameter | None, ctx: click.Context | None
    ) -> Head:
        """Parse the text."""
        try:
            return value if isinstance(value, Head) else Head.parse(value)
        except ArgumentError as error:
            self.fail(str(error), param, ctx)


@click.command()
@options.database
@click.option(
    "--noted",
    type=HeadType(),
    metavar="COUNT:HEX",
    multiple=True,
    help="A head that was noted before: the store must still contain it. May be repeated.",
)
@click.option("--quick", is_flag=True, help="Compare only what is current, not what was known.")
@click.option("--head", is_flag=True, help="Only print the head, to be noted elsewhere.")
@click.option("--digest", is_flag=True, help="Only print the digest of the set of messages.")
@options.table_or_json
def verify(
    *, database: Path, noted: tuple[Head, ...], quick: bool, head: bool, digest: bool, style: str
) -> None:
    """Check that nothing in a store was changed but by lifecycle.

    The file, the schema, the ledger, every message, and every row of every table beside a replay of
    the messages into a scratch store. Exit status 1 when something is wrong.

    What was cut off at the end, or written anew from the beginning, is only found with a head that
    was noted before: print it with --head, keep it where nobody who can write the store can write.
    Stores with the same messages have the same --digest, in whatever order they came.
    """
    if head or digest:
        if noted or quick:
            raise click.UsageError("--head and --digest check nothing; verify without them")
        _print_marks(database, style, head=head, digest=digest)
        return
    with waiting("verify") as on_check, LeadReader(database) as store:
        found = store.verify(*noted, quick=quick, on_check=on_check)
    if style == "json":
        emit_one(found.as_dict(), style)
    else:
        _print(found)
    click.get_current_context().exit(0 if found.sound else 1)


def _print_marks(database: Path, style: str, *, head: bool, digest: bool) -> None:
    with LeadReader(database) as store, store.snapshot():
        marks = {"head": str(store.head())} if head else {}
        if digest:
            marks["digest"] = store.digest()
    if style == "json":
        emit_one(marks, style)
        return
    for mark in marks.values():
        click.echo(mark)


def _print(found: Verification) -> None:
    from rich.text import Text  # noqa: PLC0415 - only where a person watches

    wrong = Counter(one.check for one in found.defects)
    rows = []
    for name, count in found.checked.items():
        mark, style = ("✗", "bold red") if wrong[name] else ("✓", "green")
        meaning = Text(_MEANINGS[name], style=f"{style} dim")
        rows.append([Text(mark, style), Text(name, style), Text(f"{count:,}", style), meaning])
    print_pairs(rows, [False, False, True, False])
    click.echo()
    for one in found.defects:
        click.echo(clean(f"✗ {one.check}: {one}"))
    if found.count > len(found.defects):
        click.echo(f"... and {found.count - len(found.defects):,} more")
    if found.erased:
        held = "; the ledger still holds" if found.sound else ""
        click.echo(f"{counted(found.erased, 'message')} erased{held}")
    if found.left_out:
        leads = counted(found.left_out, "lead")
        click.echo(f"only what is current of {leads}: what they hung together with was erased")
    for name in found.unchecked:
        why = "a guard is not registered" if name == "replay" else "the schema is another one"
        click.echo(f"{name}: not checked, {why}")
    click.echo("sound: nothing is wrong" if found.sound else counted(found.count, "defect"))
    click.echo(f"head {found.head}")
    click.echo(f"rules {found.rules}")
