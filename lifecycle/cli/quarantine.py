"""``lifecycle quarantine``: the messages that could not be decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click_default_group import DefaultGroup

from lifecycle.auditing.words import moment
from lifecycle.cli import options
from lifecycle.cli.output import emit, emit_one, to_json
from lifecycle.cli.taking import taking_in
from lifecycle.errors import InputError, NotFoundError
from lifecycle.messages import format_time
from lifecycle.store import LeadReader, OnContactDelete, QuarantineEntry
from lifecycle.text import clean

_NUMBER = options.Number(1, 2**63 - 1)
_COLUMNS = ("id", "log", "line", "size", "problems")


@click.group(cls=DefaultGroup, default="list", default_if_no_args=False)
def quarantine() -> None:
    """Look at undecodable messages; try them again.

    `lifecycle quarantine DB` lists them.
    """


@quarantine.command("list")  # type: ignore[untyped-decorator] # its stub takes no name
@options.database
@click.option("--left", is_flag=True, help="List those that left the quarantine, and how.")
@options.output
def list_(database: Path, style: str, *, left: bool) -> None:
    """List the quarantined messages and what is wrong with each."""
    with LeadReader(database) as store:
        kept = store.quarantine(left=left)
        if style == "table":
            rows = ({**_row(one), "problems": _problems(one)} for one in kept)
        else:
            rows = (one.as_dict() for one in kept)
        nothing = "nothing left the quarantine" if left else "the quarantine is empty"
        emit(rows, (*_COLUMNS, *(("left",) if left else ())), style, nothing=nothing)


@quarantine.command()
@options.database
@click.argument("number", metavar="ID", type=_NUMBER)
@options.output
def show(database: Path, number: int, style: str) -> None:
    """Show one quarantined message: origin, problems, bytes."""
    with LeadReader(database) as store:
        found = store.quarantined(number)
    if style != "table":
        emit_one(found.as_dict(), style)
        return
    _print(found)


@quarantine.command()
@options.database
@click.argument("number", metavar="[ID]", type=_NUMBER, required=False)
@options.file("--with", "corrected", meaning="A corrected message for ID.")
@options.time("--received-at", meaning="The time of messages that state none.")
@click.option("--force", is_flag=True, help="Take a correction that has another event id.")
@options.on_contact_delete
@options.accept_clock
def retry(
    *,
    database: Path,
    number: int | None,
    corrected: Path | None,
    received_at: int | None,
    force: bool,
    on_contact_delete: OnContactDelete,
) -> None:
    """Apply a quarantined message again, or all of them.

    Prints one JSON outcome a line. What can be decoded by now, or is due, leaves the quarantine;
    several that are due are taken in with the first of them, which alone has a line. With --with
    the file's message is applied in place of the one with this ID. Exit status 1 when one stays.
    """
    if corrected is not None and number is None:
        raise click.UsageError("--with needs the ID of the message that it corrects")
    message = None if corrected is None else _read(corrected)
    with taking_in(database, None, on_contact_delete, create=False) as store:
        numbers = store.quarantine_numbers() if number is None else [number]
        stays = False
        for one in numbers:
            try:
                outcomes = store.retry(one, message, received_at=received_at, force=force)
            except NotFoundError:
                if number is not None:
                    raise
                # It was due, and was taken in with the one before it.
                continue
            for outcome in outcomes:
                stays |= outcome.kind == "quarantined"
                click.echo(to_json({"id": one} | outcome.as_dict()))
    raise SystemExit(stays)


@quarantine.command()
@options.database
@click.argument("numbers", metavar="ID...", type=_NUMBER, nargs=-1, required=True)
@options.accept_clock
def dismiss(database: Path, numbers: tuple[int, ...]) -> None:
    """Take messages out of the quarantine without applying them.

    `restore` brings them back.
    """
    with taking_in(database, None, "keep", create=False) as store:
        for number in numbers:
            store.dismiss(number)


@quarantine.command()
@options.database
@click.argument("numbers", metavar="ID...", type=_NUMBER, nargs=-1, required=True)
@options.accept_clock
def restore(database: Path, numbers: tuple[int, ...]) -> None:
    """Bring messages back that left the quarantine.

    `list --left` lists those.
    """
    with taking_in(database, None, "keep", create=False) as store:
        for number in numbers:
            store.restore(number)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _row(one: QuarantineEntry) -> dict[str, Any]:
    row = {"id": one.id, "log": one.log, "line": one.line, "size": one.size}
    left = one.left_at and f"{one.left_as} {moment(one.left_at)}"
    return row | ({"left": left} if left else {})


def _problems(one: QuarantineEntry) -> str:
    return "; ".join(map(str, one.problems))


def _print(found: QuarantineEntry) -> None:
    click.echo(f"message {found.id}, {found.size:,} bytes, came {format_time(found.recorded_at)}")
    if found.log is not None:
        click.echo(f"from {clean(found.log)}, line {found.line}")
    if found.due_at is not None:
        click.echo(f"taken in at {moment(found.due_at)}")
    for problem in found.problems:
        click.echo(f"  ! {clean(str(problem))}")
    click.echo()
    click.echo(clean(found.raw.decode("utf-8", "backslashreplace")))
