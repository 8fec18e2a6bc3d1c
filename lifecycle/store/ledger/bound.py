"""Bound tables: rows that no message gives, bound to the ledger by the sum of their digests.

Cursors of logs, what was ignored, the quarantine, and what is kept out: each transaction that
changes one of these rows adds an entry to the ledger, with the sum as it is then. So a cursor that
was moved, or a planted suppression, is found. (design.md section 8)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

#: What is bound of each table.
BOUND: Final = {
    "log": "id, name, byte_offset, line, head_size, head_digest, tail_size, tail_digest",
    "ignored": "topic, messages",
    "quarantine": "digest, size, log, line, unfinished, recorded_at, due_at, left_at, left_as",
    "suppressed": "hash, kind, until",
}
_MODULUS: Final = 1 << 256


def row_digest(table: str, row: Sequence[Any]) -> int:
    """Return the digest of a row as a number."""
    return int.from_bytes(sha256(orjson.dumps([table, *row], default=bytes.hex)).digest())


def sum_of(connection: sqlite3.Connection) -> bytes:
    """Return the sum over all bound rows as they stand."""
    total = 0
    for table, columns in BOUND.items():
        for row in connection.execute(f"SELECT {columns} FROM {table}"):
            total += row_digest(table, row)
    return (total % _MODULUS).to_bytes(32)


class Bound:
    """The sum, and what a transaction changes of it."""

    def __init__(self, bound: bytes) -> None:
        self._sum = int.from_bytes(bound)
        self.is_changed = False

    def change(self, table: str, before: Sequence[Any] | None, after: Sequence[Any] | None) -> None:
        """Put a row in the place of another; None: there was none, or is none any more."""
        if before == after:
            return
        self.is_changed = True
        if before is not None:
            self._sum -= row_digest(table, before)
        if after is not None:
            self._sum += row_digest(table, after)

    def change_rows(
        self,
        connection: sqlite3.Connection,
        table: str,
        where: str,
        values: Sequence[Any],
        statement: str,
        more: Sequence[Any] = (),
    ) -> None:
        """Execute a statement that changes or removes the rows of a condition.

        The statement is given the values of the condition, and ``more`` behind them.
        """
        select = f"SELECT rowid, {BOUND[table]} FROM {table} WHERE {where}"
        before = {row[0]: row[1:] for row in connection.execute(select, values)}
        connection.execute(statement, (*values, *more))
        for rowid, row in before.items():
            found = connection.execute(
                f"SELECT {BOUND[table]} FROM {table} WHERE rowid = ?", (rowid,)
            ).fetchone()
            self.change(table, row, found)

    @property
    def total(self) -> bytes:
        """The sum as it is now."""
        return (self._sum % _MODULUS).to_bytes(32)
