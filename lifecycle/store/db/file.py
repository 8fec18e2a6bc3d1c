"""Opening a store's file."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, TypeAlias
from urllib.parse import quote

from sqlite_utils import Database

from lifecycle.errors import StoreError
from lifecycle.store.db.functions import register
from lifecycle.store.db.schema import APPLICATION_ID, FORMER, migrations
from lifecycle.store.db.transaction import (
    BUSY_SECONDS,
    StoreConnection,
    nothing_in,
    stamp_of,
    translated,
    unit_of_work,
    while_busy,
)

Mode: TypeAlias = Literal["read", "write", "create"]

#: What a store holds is nobody else's business, unless its owner says so.
OWNER_ONLY: Final = 0o600
#: The path of a store that is kept in memory, for trying things out.
MEMORY: Final = ":memory:"
#: How long a reader waits for the traces of a writer to come or go, and how often it looks.
_READER_SECONDS: Final = 2.0
_READER_WAITS: Final = 0.02
_URI_MODE: Final[dict[Mode, str]] = {"read": "ro", "write": "rw", "create": "rwc"}
_MIGRATIONS_VIEW: Final = (
    "SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations' AND type = 'view'"
)
_SETTINGS: Final = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -8192",
    # In pages: 32 MB. Indices of hashes are written all over; a checkpoint should find them once.
    "PRAGMA wal_autocheckpoint = 8000",
)


def open_store(path: Path, mode: Mode, permissions: int = OWNER_ONLY) -> sqlite3.Connection:
    """Connect to a store; in mode ``create`` make it where there is none.

    A new file has these permissions; those of a file that exists are left.

    Raises:
        StoreError: The file cannot be opened, or is not a store that this version understands.
    """
    if str(path) != MEMORY:
        check_path(path, mode)
    try:
        if mode == "create" and str(path) != MEMORY:
            _make_file(path, permissions)
        connection = connect(path, mode)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise translated(error, path) from error
    try:
        database = Database(connection, execute_plugins=False)
        _check_identity(database, path)
        if mode == "write":
            _check_version(database, path, mode)
        if mode != "read":
            _prepare(database, path)
        _check_version(database, path, mode)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        connection.close()
        raise translated(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def _make_file(path: Path, permissions: int) -> None:
    """Make an empty file with these permissions where there is none; SQLite's would be readable.

    Where it cannot be made SQLite says why.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, permissions))


def make_new_file(path: Path) -> None:
    """Make an empty file that its owner alone may read.

    Raises:
        StoreError: There is one, or it cannot be made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, OWNER_ONLY))
    except FileExistsError:
        raise StoreError(f"{path}: it is there already; a copy takes no file's place") from None
    except OSError as error:
        raise StoreError(f"{path}: cannot be made: {error.strerror}") from None


def check_path(path: Path, mode: Mode) -> None:
    """Check that there may be a store.

    Raises:
        StoreError: There is a directory, or nothing to be read, or no place for it.
    """
    if path.is_dir():
        raise StoreError(f"{path}: is a directory, expected the file of a store")
    if path.exists() and not path.is_file():
        raise StoreError(f"{path}: is no regular file, expected the file of a store")
    if mode != "create" and not path.exists():
        raise StoreError(f"{path}: no such file; `lifecycle replay {path} LOG` makes a store")
    if not path.parent.is_dir():
        raise StoreError(f"{path}: the directory {path.parent} does not exist")


def connect(path: Path, mode: Mode) -> sqlite3.Connection:
    """Connect to a database, whatever is in it.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    if str(path) == MEMORY:
        return _open_uri("file::memory:")
    uri = f"file:{quote(os.fsencode(path.absolute()))}?mode={_URI_MODE[mode]}"
    if mode != "read":
        return _open_uri(uri)
    deadline = time.monotonic() + _READER_SECONDS
    while True:
        try:
            return _open_uri(uri)
        except sqlite3.OperationalError:
            if not path.with_name(f"{path.name}-wal").exists():
                return _connect_beside_nobody(path, uri)
            # A writer has just opened the store, or is just closing it: its traces come and go.
            if time.monotonic() > deadline:
                raise
            time.sleep(_READER_WAITS)


def _connect_beside_nobody(path: Path, uri: str) -> sqlite3.Connection:
    """Open a store for reading that no writer has open, where SQLite itself cannot."""
    if path.with_name(f"{path.name}-journal").exists():
        # A writer was killed, and not in write-ahead mode: what it did not commit is taken back
        # first, as every reader of SQLite's does it.
        connect(path, "write").close()
        return _open_uri(uri)
    # A store in write-ahead mode, where this reader may write nothing. It reads without locks:
    # whether somebody wrote meanwhile is seen by the file.
    stamp = stamp_of(path)
    connection = _open_uri(f"{uri}&immutable=1")
    connection.unlocked = (path, stamp)
    return connection


def _open_uri(uri: str) -> StoreConnection:
    connection = sqlite3.connect(
        uri,
        uri=True,
        isolation_level=None,
        timeout=BUSY_SECONDS,
        check_same_thread=False,
        factory=StoreConnection,
    )
    try:
        for setting in _SETTINGS:
            connection.execute(setting)
        register(connection)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _check_identity(database: Database, path: Path) -> None:
    """Check that the file has our application id; an empty one may become a store."""
    # In this order: another process may make a store of it meanwhile, id and tables in one.
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    found = _pragma(database, "application_id")
    if found != APPLICATION_ID and (found or tables):
        raise StoreError(f"{path}: a SQLite database of another program, not a lifecycle store")


def _prepare(database: Database, path: Path) -> None:
    """Make the file a store of this version; a file that is one already is left as it is."""
    connection = database.conn

    def settings() -> None:
        if not _pragma(database, "application_id"):
            connection.execute("PRAGMA journal_mode = WAL")
        # Outside write-ahead mode a power loss may bring a journal back that FULL has removed.
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        connection.execute(f"PRAGMA synchronous = {'FULL' if journal == 'wal' else 'EXTRA'}")

    while_busy(path, settings)
    refuse_former(applied_migrations(connection), path)
    if migrations.pending(database):
        with unit_of_work(connection, path, _nothing):
            migrations.apply(database)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _nothing() -> None:
    """Forget nothing: there is nothing to forget."""


def _check_version(database: Database, path: Path, mode: Mode) -> None:
    """Check that a store has our migrations, and none that we do not know."""
    ours = our_migrations()
    applied = applied_migrations(database.conn)
    if not applied:
        raise nothing_in(path)
    refuse_former(applied, path)
    if mode == "read" and ours - applied:
        raise StoreError(
            f"{path}: written by an older lifecycle; whatever writes to it upgrades it, such as"
            f" `lifecycle rebuild {path}`"
        )
    if newer := sorted(applied - ours):
        raise StoreError(
            f"{path}: written by a newer lifecycle (with {', '.join(newer)}); update this one"
        )


def refuse_former(applied: frozenset[str], path: Path) -> None:
    """Refuse a store of before the first release, whose layout is not read any more.

    Raises:
        StoreError: It is one.
    """
    if not FORMER.isdisjoint(applied):
        raise StoreError(
            f"{path}: a store of before the first release, which this lifecycle does not read;"
            " replay its logs into a new store"
        )


def applied_migrations(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the names of the migrations that a database has; none where it is not a store.

    Raises:
        sqlite3.DatabaseError: A view stands in their place, which might never end.
    """
    if connection.execute(_MIGRATIONS_VIEW).fetchone():
        raise sqlite3.DatabaseError("_sqlite_migrations is a view, expected a table")
    database = Database(connection, execute_plugins=False)
    return frozenset(migration.name for migration in migrations.applied(database))


@lru_cache
def our_migrations() -> frozenset[str]:
    """Return all migrations that this version knows: those that an empty database lacks."""
    empty = Database(memory=True)
    try:
        return frozenset(migration.name for migration in migrations.pending(empty))
    finally:
        empty.close()


def _pragma(database: Database, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])
