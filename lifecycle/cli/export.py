"""``lifecycle export``: all leads, all history or all events, for other tools."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click

from lifecycle.cli import options
from lifecycle.cli.output import to_json, write_csv, write_jsonl
from lifecycle.errors import MissingExtraError
from lifecycle.exporting import TABLES, Row, Table, plain_rows
from lifecycle.replacing import replacing
from lifecycle.store import LeadReader
from lifecycle.text import clean, counted

_FORMATS: Final = ("csv", "jsonl", "parquet")
STANDARD_OUTPUT: Final = "-"
#: How every SQLite database begins.
_SQLITE: Final = b"SQLite format 3\0"


@click.command()
@options.database
@click.option(
    "--what",
    type=click.Choice(list(TABLES)),
    required=True,
    help="A row for each lead, for each step and refusal, or for each message.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(_FORMATS),
    help="How to write it; without it as the FILE's name ends, else csv. parquet needs pyarrow.",
)
@options.file(
    "--output",
    "-o",
    meaning="Write to a file, which is replaced when all is written; `-` is standard output.",
)
@click.option("--all", "superseded", is_flag=True, help="Of history, superseded rows, too.")
@options.as_of
@options.as_known_at
def export(
    *,
    database: Path,
    what: str,
    style: str | None,
    output: Path | None,
    superseded: bool,
    **moments: int | None,
) -> None:
    """Write all leads, all history or all events for other tools.

    All of it is as of one moment, whoever writes to the store meanwhile, and takes the same memory
    however much it is. --as-of and --as-known-at are for leads, and hold all of these in memory.
    """
    output = None if str(output) == STANDARD_OUTPUT else output
    style = style or _named(output)
    past = any(one is not None for one in moments.values())
    _check_usage(what, superseded=superseded, past=past)
    _check_output(output, database, style)
    write = _writer(style)
    with LeadReader(database) as store, store.snapshot():
        listing = store.listing()
        found: Iterable[Any]
        if past:
            found = store.leads(state=None, **moments)
        elif what == "history":
            found = listing.history(superseded=superseded)
        else:
            found = listing.leads() if what == "leads" else listing.events()
        table = TABLES[what]
        with _opened(output, binary=style == "parquet") as file:
            rows = write(table, map(table.row, found), file)
    if output is not None:
        click.echo(f"{clean(str(output))}: {counted(rows, 'row')}", err=True)


def _named(output: Path | None) -> str:
    """The format that a file's name ends with."""
    ending = output.suffix.removeprefix(".").lower() if output else ""
    return ending if ending in _FORMATS else "csv"


def _check_usage(what: str, *, superseded: bool, past: bool) -> None:
    """What would have no effect would mislead."""
    if past and what != "leads":
        raise click.UsageError("--as-of and --as-known-at need --what leads")
    if superseded and what != "history":
        raise click.UsageError("--all needs --what history")


def _check_output(output: Path | None, database: Path, style: str) -> None:
    """A terminal gets text only, and neither a database nor a device is written over."""
    if output is None:
        if style == "parquet" and sys.stdout.isatty():
            raise click.UsageError("parquet is no text: name a file with --output, or use a pipe")
        return
    target = output.resolve()
    if target.exists() and not target.is_file():
        raise click.UsageError(f"{output} is there, and is no file")
    if target in options.store_files(database) or _is_database(target):
        raise click.UsageError(f"{output} belongs to a database, and would be written over")


def _is_database(target: Path) -> bool:
    try:
        with target.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _writer(style: str) -> Callable[[Table, Iterable[Row], IO[Any]], int]:
    """What writes rows in this format."""
    if style == "parquet":
        return _parquet_writer()
    return _write_csv if style == "csv" else _write_jsonl


def _write_jsonl(table: Table, rows: Iterable[Row], file: IO[str]) -> int:
    return write_jsonl(plain_rows(table, rows), file)


def _write_csv(table: Table, rows: Iterable[Row], file: IO[str]) -> int:
    cells = ({name: _flat(one) for name, one in row.items()} for row in plain_rows(table, rows))
    return write_csv(cells, table.header, file)


def _flat(value: Any) -> Any:
    # A list with spaces between could not be taken apart: keys may hold spaces.
    return to_json(value) if isinstance(value, (bool, list)) else value


def _parquet_writer() -> Callable[[Table, Iterable[Row], IO[bytes]], int]:
    try:
        from lifecycle.exporting.parquet import write_parquet  # noqa: PLC0415 - pyarrow is an extra
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise MissingExtraError("Parquet files", "pyarrow", "parquet") from None
    return write_parquet


@contextmanager
def _opened(output: Path | None, *, binary: bool) -> Iterator[IO[Any]]:
    """Where to write: standard output, or what becomes the file when all is written."""
    if output is None:
        yield sys.stdout.buffer if binary else sys.stdout
        # A reader who went away is noticed here, not when the interpreter ends.
        sys.stdout.flush()
        return
    with replacing(output) as unfinished:
        if binary:
            with unfinished.open("wb") as file:
                yield file
        else:
            with unfinished.open("w", encoding="utf-8", newline="") as text:
                yield text
