"""``lifecycle export``: all leads, all history or all events, for other tools."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

import click

from lifecycle.cli import options
from lifecycle.cli.moments import local, zone_name
from lifecycle.cli.output import Excel, to_json, write_csv, write_json, write_jsonl
from lifecycle.errors import MissingExtraError
from lifecycle.exporting import TABLES, Row, Table, plain_rows
from lifecycle.replacing import replacing
from lifecycle.store import LeadFilter, LeadReader
from lifecycle.text import clean, counted
from lifecycle.utc import EPOCH, MICROSECOND

_FORMATS: Final = ("csv", "tsv", "json", "jsonl", "parquet", "xlsx")
_BINARY: Final = ("parquet", "xlsx")
STANDARD_OUTPUT: Final = "-"
#: How every SQLite database begins.
_SQLITE: Final = b"SQLite format 3\0"
#: Writes the rows of a table, and returns how many.
Writer: TypeAlias = Callable[[Table, Iterable[Row], IO[Any]], int]


@click.command()
@options.database
@click.argument("which", metavar="LIST", type=click.Choice(list(TABLES)), required=False)
@click.option("--what", type=click.Choice(list(TABLES)), hidden=True)
@click.option(
    "--format",
    "style",
    type=click.Choice(_FORMATS),
    help="How to write it; without it as the FILE's name ends, else csv.",
)
@options.file(
    "--output",
    "-o",
    meaning="Write to a file, which is replaced when all is written; `-` is standard output.",
)
@click.option(
    "--excel", is_flag=True, help="Of csv and tsv: as Excel opens it, with times in your zone."
)
@click.option("--all", "superseded", is_flag=True, help="Of history, superseded rows, too.")
@options.filters
@options.sort
@options.limit
@options.as_of
@options.as_known_at
def export(
    *,
    database: Path,
    which: str | None,
    what: str | None,
    style: str | None,
    output: Path | None,
    excel: bool,
    superseded: bool,
    sort: str,
    limit: int | None,
    as_of: int | None,
    as_known_at: int | None,
    **given: Any,
) -> None:
    """Write all leads, all history or all events for other tools.

    LIST is leads, history or events: a row for each lead, for each step and refusal, or for each
    message. Filters leave those leads, their history or their messages. All of it is as of one
    moment, in memory that does not grow with it; --sort, --as-of and --as-known-at are for leads,
    and hold all of these.
    """
    which = which or what
    if which is None:
        raise click.UsageError(f"expected LIST: one of {', '.join(TABLES)}")
    output = None if str(output) == STANDARD_OUTPUT else output
    _check_output(output, database)
    style = style or _named(output)
    if output is None and style in _BINARY and sys.stdout.isatty():
        raise click.UsageError(f"{style} is no text: name a file with --output, or use a pipe")
    moments = {"as_of": as_of, "as_known_at": as_known_at}
    _check_usage(which, sort, moments, superseded=superseded, excel=excel, style=style)
    write = _writer(style, excel=excel)
    asked = options.filter_of(given)
    with LeadReader(database) as store, store.snapshot():
        found = _things(store, which, asked, sort, moments, superseded=superseded)
        table = TABLES[which]
        with _opened(output, binary=style in _BINARY) as file:
            rows = write(table, map(table.row, islice(found, limit)), file)
    if excel or style == "xlsx":
        click.echo(f"times are in {zone_name()}; --zone names another", err=True)
    if output is not None:
        click.echo(f"{clean(str(output))}: {counted(rows, 'row')}", err=True)


def _things(
    store: LeadReader,
    which: str,
    asked: LeadFilter,
    sort: str,
    moments: dict[str, int | None],
    *,
    superseded: bool,
) -> Iterator[Any]:
    """Return what has a row each."""
    listing = store.listing()
    if which == "history":
        return listing.history(asked, superseded=superseded)
    if which == "events":
        return listing.events(asked)
    if any(one is not None for one in moments.values()):
        return store.leads(asked=asked, sort=sort, **moments)  # type: ignore[arg-type]
    return listing.leads(asked, sort=sort)


def _named(output: Path | None) -> str:
    """Return the format that a file's name ends with; csv where there is no file."""
    if output is None:
        return "csv"
    ending = output.suffix.removeprefix(".").lower()
    if ending not in _FORMATS:
        known = ", ".join(f".{one}" for one in _FORMATS)
        raise click.UsageError(
            f"{output}: no format is known by this ending; expected one of {known}, or --format"
        )
    return ending


def _check_usage(
    which: str,
    sort: str,
    moments: dict[str, int | None],
    *,
    superseded: bool,
    excel: bool,
    style: str,
) -> None:
    """Reject options that would have no effect."""
    past = any(one is not None for one in moments.values())
    if which != "leads" and (past or sort != "lead_id"):
        raise click.UsageError("--as-of, --as-known-at and --sort are for leads")
    if superseded and which != "history":
        raise click.UsageError("--all is for history")
    if excel and style not in ("csv", "tsv"):
        raise click.UsageError("--excel is for csv and tsv; xlsx is a workbook of Excel's own")


def _check_output(output: Path | None, database: Path) -> None:
    """Check that neither a database nor a device is written over."""
    if output is None:
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


def _writer(style: str, *, excel: bool) -> Writer:
    """Return what writes rows in this format."""
    match style:
        case "parquet":
            return _parquet_writer()
        case "xlsx":
            return _sheet_writer()
        case "json":
            return lambda table, rows, file: write_json(plain_rows(table, rows), file)
        case "jsonl":
            return lambda table, rows, file: write_jsonl(plain_rows(table, rows), file)
    form = Excel(_local_text) if excel else None
    return partial(_write_csv, delimiter="," if style == "csv" else "\t", excel=form)


def _write_csv(
    table: Table, rows: Iterable[Row], file: IO[str], *, delimiter: str, excel: Excel | None
) -> int:
    if excel is not None:
        times = [column.kind == "time" for column in table.columns]
        rows = (
            tuple(
                excel.local(one) if is_time and one is not None else one
                for is_time, one in zip(times, row, strict=True)
            )
            for row in rows
        )
    cells = ({name: _flat(one) for name, one in row.items()} for row in plain_rows(table, rows))
    return write_csv(cells, table.header, file, delimiter, excel=excel is not None)


def _flat(value: Any) -> Any:
    # A list with spaces between could not be taken apart: keys may hold spaces.
    return to_json(value) if isinstance(value, (bool, list)) else value


def _local_text(moment: datetime) -> str:
    return _local(moment).isoformat(sep=" ", timespec="seconds")


def _local(moment: datetime) -> datetime:
    return local((moment - EPOCH) // MICROSECOND)


def _parquet_writer() -> Writer:
    try:
        from lifecycle.exporting.parquet import write_parquet  # noqa: PLC0415 - pyarrow is an extra
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise MissingExtraError("Parquet files", "pyarrow", "parquet") from None
    return write_parquet


def _sheet_writer() -> Writer:
    try:
        from lifecycle.exporting.sheet import write_sheet  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        if error.name != "xlsxwriter":
            raise
        raise MissingExtraError("Excel workbooks", "XlsxWriter", "xlsx") from None

    def write(table: Table, rows: Iterable[Row], file: IO[bytes]) -> int:
        written, cut = write_sheet(table, rows, file, _local)
        if cut:
            click.echo(
                f"{counted(cut, 'cell')} had more text than Excel holds, and was cut", err=True
            )
        return written

    return write


@contextmanager
def _opened(output: Path | None, *, binary: bool) -> Iterator[IO[Any]]:
    """Provide where to write: standard output, or what becomes the file when all is written."""
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
