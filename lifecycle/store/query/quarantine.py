"""The quarantine, read: messages that could not be decoded, or that left it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Final

from lifecycle.domain import Problem
from lifecycle.store.query.results import QuarantineEntry

_SELECT: Final = (
    "SELECT quarantine.id, raw, size, problems, log.name, quarantine.line, recorded_at,"
    " due_at, left_at, left_as FROM quarantine LEFT JOIN log ON log.id = quarantine.log"
    " WHERE quarantine.id = ? AND (left_at IS NOT NULL) = ?"
)
_NUMBERS: Final = "SELECT id FROM quarantine WHERE (left_at IS NOT NULL) = ? ORDER BY id"


def quarantine_numbers(connection: sqlite3.Connection, *, left: bool) -> list[int]:
    """Return the numbers of the messages in the quarantine, or of those that left it."""
    return [number for (number,) in connection.execute(_NUMBERS, (left,))]


def read_quarantine(connection: sqlite3.Connection, *, left: bool) -> Iterator[QuarantineEntry]:
    """Yield the messages in the quarantine, or those that left it, as far as they still are."""
    for number in quarantine_numbers(connection, left=left):
        if (message := read_quarantined(connection, number, left=left)) is not None:
            yield message


def read_quarantined(
    connection: sqlite3.Connection, number: int, *, left: bool
) -> QuarantineEntry | None:
    """Return the quarantined message of a number, if there is one."""
    row = connection.execute(_SELECT, (number, left)).fetchone()
    if row is None:
        return None
    number, raw, size, problems, *rest = row
    return QuarantineEntry(
        number, raw, size, tuple(Problem(*one) for one in json.loads(problems)), *rest
    )
