"""Records put in order on disk: by lead, then time, then their place in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import orjson

#: So many pages of 1 KiB stay in memory, the rest is in a temporary file.
_CACHE: Final = -24 * 1024
_TABLE: Final = (
    "CREATE TABLE record (lead TEXT, time INTEGER, file INTEGER, line INTEGER, content BLOB)"
)


class Record(NamedTuple):
    """The fact that one line of a file says of one lead.

    ``time`` is in microseconds since 1970 in UTC, ``line`` counts from 1, ``content`` is what the
    source made of it, as JSON can say it.
    """

    lead: str
    time: int
    line: int
    content: Any


class Spool:
    """Records of any number, to be read in order; a temporary file, gone when it is closed."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        for statement in (
            f"PRAGMA cache_size = {_CACHE}",
            "PRAGMA journal_mode = OFF",
            _TABLE,
            "BEGIN",
        ):
            self._connection.execute(statement)

    def close(self) -> None:
        """Forget the records."""
        self._connection.close()

    def fill(self, records: Iterable[Record], file: int = 0) -> None:
        """Take in the records of a file, which is known by its number."""
        self._connection.executemany(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?)",
            (
                (lead, time, file, line, orjson.dumps(content))
                for lead, time, line, content in records
            ),
        )

    def rows(self) -> Iterator[tuple[str, int, int, bytes]]:
        """Return the lead, file, line and content of each record, in order."""
        yield from self._connection.execute(
            "SELECT lead, file, line, content FROM record ORDER BY lead, time, file, line, rowid"
        )
