"""A whole store as JSON lines, and back: seals, suppressions, cursors and the quarantine included.

The first line tells the format, the head of the ledger and the digest; then each line is an entry
of the ledger with its content and its message, or a row of another table; the last one counts the
lines. Bytes are ``{"base64": ...}``.
"""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import orjson

from lifecycle.errors import InputError
from lifecycle.store.db.blocks import ADD_BLOCK, Blocks, Entry, Stored
from lifecycle.store.db.transaction import unit_of_work
from lifecycle.store.ledger.chain import BEGINNING, blocks_of, head_of
from lifecycle.store.ledger.digest import digest_of

FORMAT: Final = 1
#: The tables that are written row by row; sqlite_sequence has the numbers that were given.
TABLES: Final = (
    "store", "rules", "party", "log", "cluster", "lead", "former_lead", "key", "event", "copy",
    "history", "finding", "quarantine", "ignored", "erasure", "sealed", "suppressed",
    "sqlite_sequence",
)  # fmt: skip


def dump(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield the lines of a store; read them within one snapshot."""
    head, digest = str(head_of(connection)), digest_of(connection)
    yield _line({"lifecycle": "dump", "format": FORMAT, "head": head, "digest": digest})
    lines = 1
    for value in _values(connection):
        yield _line(value)
        lines += 1
    yield _line({"lines": lines})


def load(connection: sqlite3.Connection, lines: Iterable[str | bytes], name: str) -> None:
    """Fill a new, empty store, within a transaction; ``name`` is that of the dump, for errors.

    Raises:
        InputError: A line is none of a dump, the dump ends early, or its head is another.
    """
    numbered = enumerate(lines, 1)
    first = _parsed(next(numbered, (1, ""))[1], f"{name}, line 1")
    if first.get("lifecycle") != "dump" or first.get("format") != FORMAT:
        raise InputError(f"{name}, line 1: expected the first line of a dump, in format {FORMAT}")
    loading = _Loading(connection)
    if not _is_whole(loading, numbered, name):
        raise InputError(f"{name}: not a whole dump: its last line is missing or counts others")
    loading.finish()
    if str(head_of(connection)) != first.get("head"):
        raise InputError(f"{name}: its entries do not give the head of its first line")


def _is_whole(loading: _Loading, numbered: Iterable[tuple[int, str | bytes]], name: str) -> bool:
    """Take lines up to the last one; return whether that was there, and counted them."""
    for number, line in numbered:
        where = f"{name}, line {number}"
        value = _parsed(line, where)
        if "lines" in value:
            return bool(value["lines"] == number - 1)
        try:
            loading.take(value)
        except (LookupError, TypeError, ValueError, AttributeError, sqlite3.Error) as error:
            expected = "expected an entry or a row, as `lifecycle dump` writes them"
            raise InputError(f"{where}: {expected}: {error}") from error
    return False


def load_dump(path: Path, lines: Iterable[str | bytes], name: str) -> None:
    """Make a store of the lines of a dump; raise as ``load`` does."""
    from lifecycle.store.db.file import open_store  # noqa: PLC0415 - sqlite_utils takes a while

    with (
        closing(open_store(path, "create")) as connection,
        unit_of_work(connection, path, lambda: None),
    ):
        load(connection, lines, name)


class _Loading:
    """Lines taken into a store: entries by blocks, rows one by one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._stored: list[Stored] = []
        self._columns = {table: _columns(connection, table) for table in TABLES}

    def take(self, value: dict[str, Any]) -> None:
        """Take the value of a line."""
        if "entry" in value:
            parts: list[Any] = [
                _bytes(part) if isinstance(part, dict) else part for part in value["entry"]
            ]
            texts = (value["content"].encode(), value["body"].encode())
            self._stored.append(Stored(Entry(*parts), *texts))
            return
        table, row = value["table"], value["row"]
        columns = self._columns[table]
        if set(row) != set(columns):
            raise ValueError(f"columns {', '.join(columns)}")
        if table == "sqlite_sequence":
            self._connection.execute(f"DELETE FROM {table} WHERE name = ?", (row["name"],))
        values = _values_of(row.values())
        statement = f"INSERT OR REPLACE INTO {table} ({', '.join(row)})"
        self._connection.execute(f"{statement} VALUES ({','.join('?' * len(row))})", values)

    def finish(self) -> None:
        """Write the entries in full blocks."""
        self._connection.executemany(ADD_BLOCK, blocks_of(self._stored, BEGINNING))


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")
    return [column[0] for column in cursor.description]


def _values(connection: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    for block in Blocks(connection).all():
        for entry, content, body in block.stored():
            yield {"entry": list(entry), "content": content.decode(), "body": body.decode()}
    for table in TABLES:
        cursor = connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield {"table": table, "row": dict(zip(names, row, strict=True))}


def _line(value: dict[str, Any]) -> str:
    return orjson.dumps(value, default=_base64).decode()


def _base64(value: Any) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError
    return {"base64": base64.b64encode(value).decode()}


def _bytes(value: dict[str, str]) -> bytes:
    try:
        return base64.b64decode(value["base64"], validate=True)
    except binascii.Error as error:
        raise ValueError(f"bytes in base64: {error}") from error


def _parsed(line: str | bytes, where: str) -> dict[str, Any]:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{where}: expected JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{where}: expected an object")
    return value


def _values_of(parts: Iterable[Any]) -> list[Any]:
    """Return the values of a line as SQLite has them."""
    return [_bytes(part) if isinstance(part, dict) else part for part in parts]
