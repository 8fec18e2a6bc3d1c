"""``lifecycle backup``, ``dump`` and ``load``: copies of a store, which are verified."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import click

from lifecycle.cli import options
from lifecycle.cli.output import to_json
from lifecycle.cli.progress import waiting
from lifecycle.errors import InputError, MissingExtraError, StoreError
from lifecycle.replacing import replacing
from lifecycle.store import Head, LeadReader, load_dump
from lifecycle.text import counted


class _DumpType(click.File):
    """A dump, or the folder of a job on Spark."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path of a folder, else the open file."""
        if Path(value).is_dir():
            return Path(value)
        return super().convert(value, param, ctx)


@click.command()
@options.database
@click.argument("file", metavar="FILE", type=options.PATH)
@options.as_json
def backup(*, database: Path, file: Path, as_json: bool) -> None:
    """Copy a store in use as of one moment, and verify the copy.

    FILE must not be there yet. Prints the head of the copy's ledger: note it elsewhere, and `verify
    --noted` tells later whether the backup is what it was. Exit status 3 when the store is damaged:
    the copy is not kept.
    """
    with _new_store(file) as unfinished:
        with waiting("backup"), LeadReader(database) as store:
            store.copy_to(unfinished)
        head = _verified(unfinished, f"{database}", f"`lifecycle verify {database}` lists them")
    _print_head(head, as_json=as_json)


@click.command()
@options.database
def dump(database: Path) -> None:
    """Print a whole store as JSON lines, for `load`.

    Everything is in it: messages, history, cursors, the quarantine, seals and suppressions.
    """
    with LeadReader(database) as store, store.snapshot():
        for line in store.dump():
            click.echo(line)


@click.command()
@click.argument("database", metavar="DB", type=options.PATH)
@click.argument("source", metavar="[FILE|DIR]", type=_DumpType("rb"), default="-")
@options.as_json
def load(*, database: Path, source: BinaryIO | Path, as_json: bool) -> None:
    """Make a store of what `dump` printed, and verify it.

    DB must not be there yet. Without FILE the lines come from standard input. The store has the
    same digest and the same head, which is printed. A DIR is what `lifecycle spark fold` wrote: the
    store has its digest.
    """
    with _new_store(database) as unfinished:
        with waiting("load"):
            if isinstance(source, Path):
                _load_job(unfinished, source)
            else:
                load_dump(unfinished, source, source.name)
        name = str(source) if isinstance(source, Path) else source.name
        head = _verified(unfinished, name, "what was loaded was changed")
    _print_head(head, as_json=as_json)


def _print_head(head: Head, *, as_json: bool) -> None:
    click.echo(to_json({"head": str(head)}) if as_json else f"head {head}")


def _load_job(path: Path, folder: Path) -> None:
    try:
        from lifecycle.engine.load import load_job  # noqa: PLC0415 - pyarrow is an extra
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise MissingExtraError("Parquet files", "pyarrow", "parquet") from None
    load_job(path, folder)


@contextmanager
def _new_store(file: Path) -> Iterator[Path]:
    """Give the place of a store that is there once it is whole."""
    if file.exists():
        raise InputError(f"{file}: it is there already; a new store takes no file's place")
    if not (folder := file.resolve().parent).is_dir():
        raise InputError(f"{file}: cannot be written: the directory {folder} does not exist")
    with replacing(file) as unfinished:
        try:
            yield unfinished
        finally:
            for end in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    unfinished.with_name(unfinished.name + end).unlink()


def _verified(path: Path, name: str, hint: str) -> Head:
    """Return the head of a store that is sound; ``name`` is what it was made of."""
    with waiting("verify") as on_check, LeadReader(path) as copy:
        found = copy.verify(on_check=on_check)
    if not found.sound:
        raise StoreError(f"{name}: {counted(found.count, 'defect')}; {hint}")
    return found.head
