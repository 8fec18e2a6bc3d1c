"""Opening a store's file, and the unit of work: one immediate transaction, retried when busy."""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from sqlite_utils import Database

from lifecycle.errors import BusyStoreError, NewerStoreError, NotAStoreError, StoreError
from lifecycle.store.payload import register
from lifecycle.store.schema import APPLICATION_ID, migrations

Mode: TypeAlias = Literal["read", "write", "create"]

#: The path of a store that is kept in memory, for trying things out.
MEMORY: Final = ":memory:"
#: How long a writer waits for another to let go, in seconds.
BUSY_SECONDS: Final = 60.0

_URI_MODE: Final[dict[Mode, str]] = {"read": "ro", "write": "rw", "create": "rwc"}
_SETTINGS: Final = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -8192",
    # In pages: 32 MB. Indices of hashes are written all over; a checkpoint should find them once.
    "PRAGMA wal_autocheckpoint = 8000",
)


def open_database(path: Path, mode: Mode) -> Database:
    """The database of a store; in mode ``create`` it is made where there is none.

    Raises:
        StoreError: The file cannot be opened, or is not a store that this version understands.
    """
    if str(path) != MEMORY:
        _check_path(path, mode)
    try:
        connection = _connect(path, mode)
    except sqlite3.Error as error:
        raise translated(error, path) from error
    try:
        database = Database(connection, execute_plugins=False)
        _check_identity(database, path)
        if mode != "read":
            _prepare(database, path)
        _check_version(database, path)
    except sqlite3.Error as error:
        connection.close()
        raise translated(error, path) from error
    except BaseException:
        connection.close()
        raise
    return database


@contextmanager
def unit_of_work(database: Database, path: Path, undo: Callable[[], None]) -> Iterator[None]:
    """One ``BEGIN IMMEDIATE`` transaction: all of what is done within, or nothing of it.

    When another writer is in the way, beginning and committing wait and try again; in between no
    other can be. ``undo`` is called after a rollback, to forget what is not in the store.

    Raises:
        BusyStoreError: Another writer did not let go for BUSY_SECONDS.
        StoreError: SQLite failed; nothing of the work is in the store.
    """
    connection = database.conn
    _while_busy(path, lambda: connection.execute("BEGIN IMMEDIATE"))
    try:
        yield
        _while_busy(path, lambda: connection.execute("COMMIT"))
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise translated(error, path) from error
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
            undo()


def _while_busy(path: Path, attempt: Callable[[], object]) -> None:
    """Try until no other writer is in the way."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            attempt()
        except sqlite3.Error as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise translated(error, path) from error
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - only to keep writers apart
        else:
            return


@contextmanager
def snapshot(database: Database, path: Path) -> Iterator[None]:
    """Read as of one moment, whatever others write meanwhile; SQLite's errors are StoreErrors."""
    connection = database.conn
    outermost = False
    try:
        outermost = not connection.in_transaction
        if outermost:
            connection.execute("BEGIN")
        yield
        if outermost:
            connection.execute("COMMIT")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise translated(error, path) from error
    finally:
        if outermost and connection.in_transaction:
            connection.execute("ROLLBACK")


def translated(error: Exception, path: Path) -> StoreError:
    """The SQLite error as one sentence that names the store."""
    if isinstance(error, UnicodeDecodeError):
        return StoreError(f"{path}: the file is damaged: a text in it is not UTF-8")
    if _is_busy(error):
        return BusyStoreError(f"{path}: another writer holds the store; try again when it is done")
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        return NotAStoreError(f"{path}: not a SQLite database")
    return StoreError(f"{path}: {error}")


def _check_path(path: Path, mode: Mode) -> None:
    if path.is_dir():
        raise StoreError(f"{path}: is a directory, expected the file of a store")
    if mode != "create" and not path.exists():
        raise StoreError(f"{path}: no such file; `lifecycle replay {path} LOG` makes a store")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the directory {path.parent} does not exist")


def _connect(path: Path, mode: Mode) -> sqlite3.Connection:
    if str(path) == MEMORY:
        return _open_uri("file::memory:")
    uri = f"file:{quote(str(path.absolute()))}?mode={_URI_MODE[mode]}"
    try:
        return _open_uri(uri)
    except sqlite3.OperationalError:
        if mode != "read" or path.with_name(f"{path.name}-wal").exists():
            raise
        # A store in write-ahead mode in a place where nothing can be written: nobody writes to it.
        return _open_uri(f"{uri}&immutable=1")


def _open_uri(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
        register(connection)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _check_identity(database: Database, path: Path) -> None:
    """A store has our application id; a file that is empty may become one."""
    found = _pragma(database, "application_id")
    if found == APPLICATION_ID:
        return
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if found or tables:
        raise NotAStoreError(f"{path}: a SQLite database of another program, not a lifecycle store")


def _prepare(database: Database, path: Path) -> None:
    """Make the file a store of this version; a file that is one already is left as it is."""
    connection = database.conn

    def settings() -> None:
        if not _pragma(database, "application_id"):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    _while_busy(path, settings)
    if migrations.pending(database):
        with unit_of_work(database, path, _nothing):
            migrations.apply(database)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _nothing() -> None:
    """There is nothing to forget."""


def _check_version(database: Database, path: Path) -> None:
    """The store has all our migrations, and none that we do not know."""
    ours = _our_migrations()
    applied = {migration.name for migration in migrations.applied(database)}
    if not applied:
        raise NotAStoreError(f"{path}: an empty file; `lifecycle replay {path} LOG` makes a store")
    if newer := sorted(applied - ours):
        raise NewerStoreError(
            f"{path}: written by a newer lifecycle (with {', '.join(newer)}); update this one"
        )


@lru_cache
def _our_migrations() -> frozenset[str]:
    """The names of all migrations that this version knows: those that an empty database lacks."""
    empty = Database(memory=True)
    try:
        return frozenset(migration.name for migration in migrations.pending(empty))
    finally:
        empty.close()


def _pragma(database: Database, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _is_busy(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
