"""``lifecycle backup``: a copy of a store as of one moment, which was verified."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from lifecycle.cli import options
from lifecycle.cli.progress import waiting
from lifecycle.errors import InputError, StoreError
from lifecycle.replacing import replacing
from lifecycle.store import LeadReader
from lifecycle.text import counted


@click.command()
@options.database
@click.argument("file", metavar="FILE", type=options.PATH)
def backup(database: Path, file: Path) -> None:
    """Copy a store in use as of one moment, and verify the copy.

    FILE must not be there yet. Prints the head of the copy's ledger: note it elsewhere, and `verify
    --noted` tells later whether the backup is what it was. Exit status 3 when the store is damaged:
    the copy is not kept.
    """
    if file.exists():
        raise InputError(f"{file}: it is there already; a backup takes no file's place")
    with replacing(file) as unfinished:
        with waiting("backup"), LeadReader(database) as store:
            store.copy_to(unfinished)
        try:
            with waiting("verify") as on_check, LeadReader(unfinished) as copy:
                found = copy.verify(on_check=on_check)
        finally:
            for end in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    unfinished.with_name(unfinished.name + end).unlink()
        if not found.sound:
            defects = counted(found.count, "defect")
            raise StoreError(f"{database}: {defects}; `lifecycle verify {database}` lists them")
    click.echo(f"head {found.head}")
