"""Removal of what was erased from free pages and from the log of the file."""

from __future__ import annotations

import sqlite3
from typing import Final

from lifecycle.errors import PurgeIncompleteError

#: How long the last step waits for readers to let go of what was there before, in milliseconds.
PURGE_WAITS: Final = 10_000


def is_unpurged(connection: sqlite3.Connection) -> bool:
    """Return whether the file may still hold what was erased: in free pages, or in its log."""
    select = "SELECT EXISTS (SELECT 1 FROM erasure WHERE purged_at IS NULL)"
    return bool(connection.execute(select).fetchone()[0])


def remove_traces(connection: sqlite3.Connection, path: object, now: int) -> None:
    """Write the file anew without what was erased, and empty its log.

    Raises:
        PurgeIncompleteError: A reader, a writer or the disk is in the way; what was erased stays
            erased, but traces of it are still in the file.
    """
    (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {PURGE_WAITS}")
    try:
        connection.execute("PRAGMA temp_store = DEFAULT")
        (last,) = connection.execute("SELECT max(id) FROM erasure").fetchone()
        connection.execute("VACUUM")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise PurgeIncompleteError(f"{path}", "somebody still reads it")
        connection.execute(
            "UPDATE erasure SET purged_at = ? WHERE purged_at IS NULL AND id <= ?", (now, last)
        )
    except sqlite3.Error as error:
        raise PurgeIncompleteError(f"{path}", str(error)) from error
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA busy_timeout = {wait}")
