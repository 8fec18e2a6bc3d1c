"""Write transactions and read snapshots, and the gate of an open store.

The gate lets one thread at a time use a connection, in the process that opened it, until it closes:
what one thread does within a transaction must not mix with what another does.
"""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Final, ParamSpec, Protocol, TypeAlias, TypeVar, cast

from lifecycle.errors import BusyStoreError, FullStoreError, StoreError

Params = ParamSpec("Params")
Result = TypeVar("Result")
#: Connections that a fork brought along. SQLite must not close them there: it would let go of the
#: locks of the process that opened them.
_FROM_BEFORE_A_FORK: Final[list[sqlite3.Connection]] = []


class Gate:
    """Lets one thread after the other use a connection."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._is_closed = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no other thread use the connection meanwhile.

        Raises:
            StoreError: The store was closed, or opened before the process forked.
        """
        self._check_process()
        with self._lock:
            if self._is_closed:
                raise StoreError(f"{self.path}: this store was closed; open it again")
            yield

    def close(self) -> None:
        """Close the connection when no thread uses it; doing it again changes nothing."""
        if self._is_forked():
            _FROM_BEFORE_A_FORK.append(self._connection)
            return
        with self._lock:
            self._is_closed = True
            self._connection.close()

    def _check_process(self) -> None:
        if self._is_forked():
            raise StoreError(
                f"{self.path}: this store was opened before the process forked;"
                " open it in each process"
            )

    def _is_forked(self) -> bool:
        return os.getpid() != self._process


_LOG: Final = logging.getLogger("lifecycle")
#: How long a writer waits for another to let go, in seconds.
BUSY_SECONDS: Final = 60.0
#: Number, size and time of the last change of a file.
Stamp: TypeAlias = tuple[int, int, int]
_HINTS: Final = {
    sqlite3.SQLITE_CORRUPT: "; put a backup back, or replay the logs into a new store",
    sqlite3.SQLITE_IOERR: "; is there room, and may files be that large?",
}


class StoreConnection(sqlite3.Connection):
    """A connection to a store.

    Attributes:
        unlocked: The file, and its stamp when it was opened, where it is read without locks.
    """

    unlocked: tuple[Path, Stamp] | None = None


def stamp_of(path: Path) -> Stamp:
    """Return what differs of a file once somebody has written to it."""
    status = path.stat()
    return (status.st_ino, status.st_size, status.st_mtime_ns)


@contextmanager
def unit_of_work(
    connection: sqlite3.Connection, path: Path, undo: Callable[[], None]
) -> Iterator[None]:
    """Do all of what is within in one ``BEGIN IMMEDIATE`` transaction, or nothing of it.

    When another writer is in the way, beginning and committing wait and try again; in between no
    other can be. ``undo`` is called after a rollback, to forget what is not in the store.

    Raises:
        BusyStoreError: Another writer did not let go for BUSY_SECONDS.
        StoreError: SQLite failed; nothing of the work is in the store.
    """
    try:
        while_busy(path, lambda: connection.execute("BEGIN IMMEDIATE"))
        yield
        while_busy(path, lambda: connection.execute("COMMIT"))
    except BaseException as error:
        # SQLite may have rolled back by itself, as it does when the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        undo()
        if isinstance(error, (sqlite3.Error, UnicodeDecodeError)):
            raise translated(error, path) from error
        raise


def while_busy(path: Path, attempt: Callable[[], object]) -> None:
    """Try until no other writer is in the way."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            attempt()
        except sqlite3.Error as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise translated(error, path) from error
            _LOG.debug("%s: another writer is in the way; trying again", path)
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 - only to keep writers apart
        else:
            return


class _Readable(Protocol):
    def snapshot(self) -> AbstractContextManager[None]: ...


def reading(method: Callable[Params, Result]) -> Callable[Params, Result]:
    """Let a method of a store read as of one moment."""

    @wraps(method)
    def read(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        store = cast("_Readable", args[0])
        with store.snapshot():
            return method(*args, **kwargs)

    return read


@contextmanager
def snapshot(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Read as of one moment, whatever others write meanwhile; SQLite's errors are StoreErrors."""
    outermost = False
    try:
        outermost = not connection.in_transaction
        if outermost:
            connection.execute("BEGIN")
        yield
        # Of a damaged file SQLite may have given up by itself.
        if outermost and connection.in_transaction:
            connection.execute("COMMIT")
        check_unwritten(connection)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        check_unwritten(connection)
        raise translated(error, path) from error
    finally:
        if outermost and connection.in_transaction:
            connection.execute("ROLLBACK")


def check_unwritten(connection: sqlite3.Connection) -> None:
    """Check that nobody wrote to a store that is read without locks.

    Raises:
        BusyStoreError: Somebody did: what was read may mix two moments.
    """
    unlocked = getattr(connection, "unlocked", None)
    if unlocked is None:
        return
    path, stamp = unlocked
    try:
        is_same = stamp_of(path) == stamp and not path.with_name(f"{path.name}-wal").exists()
    except OSError:
        is_same = False
    if not is_same:
        raise BusyStoreError(f"{path}: somebody wrote to the store meanwhile; open it again")


def translated(error: Exception, path: Path) -> StoreError:
    """Return the SQLite error as one sentence that names the store."""
    if isinstance(error, UnicodeDecodeError):
        return StoreError(f"{path}: the file is damaged: a text in it is not UTF-8")
    if _is_busy(error):
        return BusyStoreError(f"{path}: another writer holds the store; try again when it is done")
    if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
        hint = "expected a store, as `lifecycle replay DB LOG` makes it"
        return StoreError(f"{path}: not a SQLite database; {hint}")
    if _is_full(error):
        return FullStoreError(f"{path}: {error}; nothing was written: make room, and go on")
    return StoreError(f"{path}: {error}{_hint(error, path)}")


def nothing_in(path: Path) -> StoreError:
    """Return an error for a file with nothing in it, or nothing but what SQLite makes first."""
    if path.stat().st_size:
        return StoreError(
            f"{path}: a database without anything in it; where a store in use was copied, its file"
            f" {path.name}-wal belongs to the copy"
        )
    return StoreError(f"{path}: an empty file; `lifecycle replay {path} LOG` makes a store")


def _hint(error: Exception, path: Path) -> str:
    """Return what SQLite does not say of its errors."""
    code = (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF
    if code == sqlite3.SQLITE_CANTOPEN:
        return _hint_of_access(path)
    return _HINTS.get(code, "")


def _hint_of_access(path: Path) -> str:
    if path.exists() and not os.access(path, os.R_OK):
        return "; the file may not be read: permission denied"
    if path.with_name(f"{path.name}-wal").exists():
        return (
            f"; {path.name}-wal holds what a writer left, which can be read only where the"
            " directory may be written to: let somebody open the store who may"
        )
    if not os.access(path.parent, os.W_OK):
        return f"; the directory {path.parent} may not be written to: permission denied"
    return ""


def _is_full(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)


def _is_busy(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
