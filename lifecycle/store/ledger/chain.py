"""The ledger: what was stored when, each entry bound to its content and to the entry before it.

Every content that is stored has an entry, whether it is canonical or not, and so have rules that
were put in force, erasures, and the rows of bound tables. Its ``commitment`` is a salted digest;
its ``link`` one of the link before, the commitment, and what is never erased. So the last link,
noted elsewhere, vouches for all there is. Without its salt a commitment tells nothing of a content,
so that one can be erased while the chain still holds. (design.md section 8)

Bound tables hold rows that no message gives: cursors of logs, what was ignored, the quarantine,
what is kept out. Each transaction that changes one of these rows adds an entry with the sum of the
digests of all of them. So a cursor that was moved, or a planted suppression, is found.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final, Self, TypeAlias

import orjson
from attrs import frozen

from lifecycle.errors import ArgumentError
from lifecycle.store.db.blocks import (
    ADD_BLOCK,
    BLOCK,
    CONTENT,
    ERASURE,
    HALF,
    NO_DIGEST,
    NO_SALT,
    REMOVE_BLOCK,
    RULES,
    STATE,
    Block,
    Blocks,
    Entry,
    Stored,
    block_row,
    commitment_of_rules,
    encoded,
    link_of,
    merged,
)
from lifecycle.store.db.codec import Packed
from lifecycle.store.db.frames import SALT_BYTES, Contents, Draft, commitment
from lifecycle.store.db.lookups import Numbers
from lifecycle.store.db.statements import Writes

#: The link before the first entry.
BEGINNING: Final = bytes(32)
_HEAD: Final = re.compile(r"(0|[1-9][0-9]{0,18}):([0-9a-f]{64})", re.ASCII)


@frozen
class Head:
    """The end of a ledger, to be noted elsewhere: how many entries it has, and the last link."""

    count: int
    link: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the head that was noted as ``COUNT:HEX``.

        Raises:
            ArgumentError: It is no head.
        """
        found = _HEAD.fullmatch(text.strip()) if isinstance(text, str) else None
        if found is None:
            expected = "expected a head as COUNT:HEX with 64 hexadecimal digits"
            raise ArgumentError(f"{expected}, got {text!r:.100}")
        return cls(int(found[1]), bytes.fromhex(found[2]))

    def __str__(self) -> str:
        return f"{self.count}:{self.link.hex()}"


def head_of(connection: sqlite3.Connection) -> Head:
    """Return the end of the ledger as it stands."""
    found = connection.execute(
        "SELECT first + size - 1, link FROM block ORDER BY first DESC LIMIT 1"
    ).fetchone()
    return Head(*found) if found else Head(0, BEGINNING)


class Ledger:
    """The entries that a transaction adds."""

    def __init__(self, head: Head, recorded_at: int) -> None:
        self._head = head
        self.recorded_at = recorded_at
        self._added: list[tuple[Entry, Packed | None]] = []

    def enter(self, packed: Packed, log: int | None = None, line: int | None = None) -> int:
        """Add a content; return its number."""
        _, digest, trigger, time, content, _, message, draft, place = packed
        if draft is None:
            salt = os.urandom(SALT_BYTES)
            bound = commitment(salt, Contents(digest, trigger, time, content, message or b""))
        else:
            salt, bound = draft.commitment(place)
        number = self._head.count + len(self._added) + 1
        where = (number, CONTENT, trigger, self.recorded_at, time, log or 0, line or 0)
        self._added.append((Entry(*where, digest, salt, bound), packed))
        return number

    def enter_rules(self, toml: str) -> int:
        """Add rules; return the number of their entry."""
        salt = os.urandom(SALT_BYTES)
        return self._enter(RULES, salt, commitment_of_rules(salt, toml))

    def enter_state(self, bound: bytes) -> int:
        """Add the sum of the rows of bound tables; return the number of the entry."""
        return self._enter(STATE, NO_SALT, bound)

    def enter_erasure(self, salt: bytes, commitment: bytes) -> int:
        """Add an erasure; return the number of its entry."""
        return self._enter(ERASURE, salt, commitment)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows of the blocks of what was added."""
        rows, link = [], self._head.link
        for some, draft in _in_blocks(self._added):
            entries = [entry for entry, _ in some]
            for entry in entries:
                link = link_of(link, entry)
            if draft is not None:
                rows.append(block_row(entries, link, draft.ends, draft.frames))
            else:
                rows.append(encoded([_stored(*one) for one in some], link))
        return rows

    @property
    def last(self) -> int:
        """The number of the last entry."""
        return self._head.count + len(self._added)

    def _enter(self, kind: int, salt: bytes, commitment: bytes) -> int:
        entry = Entry(
            *(self.last + 1, kind, 0, self.recorded_at, 0, 0, 0),
            *(NO_DIGEST, salt, commitment),
        )
        self._added.append((entry, None))
        return entry.number


_Added: TypeAlias = "tuple[Entry, Packed | None]"


def _in_blocks(added: Sequence[_Added]) -> Iterator[tuple[Sequence[_Added], Draft | None]]:
    """Yield what was added block by block, with the draft that a block is made of as it is.

    That is one of at least half a block of which everything was added; where less than half a block
    waits before it, its entries are put to those.
    """
    waiting: list[_Added] = []
    place = 0
    while place < len(added):
        draft = None if 0 < len(waiting) < HALF else _whole_draft(added, place)
        if draft is None:
            waiting.append(added[place])
            place += 1
        if waiting and (draft is not None or len(waiting) == BLOCK):
            yield waiting, None
            waiting = []
        if draft is not None:
            yield added[place : place + len(draft)], draft
            place += len(draft)
    if waiting:
        yield waiting, None


def _whole_draft(added: Sequence[_Added], place: int) -> Draft | None:
    """Return the draft that all entries from here on are of, if all of it was added."""
    first = added[place][1]
    if first is None or first.draft is None or first.place or len(first.draft) < HALF:
        return None
    last = added[place + len(first.draft) - 1 :][:1]
    is_whole = last and last[0][1] is not None and last[0][1].draft is first.draft
    return first.draft if is_whole else None


def _stored(entry: Entry, packed: Packed | None) -> Stored:
    return Stored(entry) if packed is None else Stored(entry, packed.content, packed.body)


def blocks_of(stored: Iterable[Stored], link: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the blocks of some entries; ``link`` is that before the first of them."""
    rest = iter(stored)
    while some := list(islice(rest, BLOCK)):
        for one in some:
            link = link_of(link, one.entry)
        yield encoded(some, link)


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
        where: tuple[str, Sequence[Any]],
        statement: str,
        more: Sequence[Any] = (),
    ) -> None:
        """Execute a statement that changes or removes the rows of a condition.

        The statement is given the values of the condition, and ``more`` behind them.
        """
        condition, values = where
        select = f"SELECT rowid, {BOUND[table]} FROM {table} WHERE {condition}"
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


_SAVE: Final = (
    "UPDATE store SET recorded_at = ?, change = ?, entry = ?, lead = ?, cluster = ?, bound = ?"
)


class Unit:
    """The store's own row as a transaction knows it, and as it goes on.

    Attributes:
        numbers: The last numbers that were given.
        bound: The sum of the rows of bound tables.
        head: The end of the ledger.
        is_changed: Whether something was added to the ledger.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.numbers = Numbers(connection)
        self.bound = Bound(self.numbers.bound)
        self.head = Head(self.numbers.entry, self.numbers.link or BEGINNING)
        self.is_changed = False

    def ledger(self, recorded_at: int) -> Ledger:
        """Return the ledger, to add entries of a moment."""
        return Ledger(self.head, recorded_at)

    def add_blocks(self, ledger: Ledger, writes: Writes) -> None:
        """Let what a ledger added be written; small blocks at its end become full ones."""
        loose: list[Block] = []
        if self.head.count // BLOCK != ledger.last // BLOCK:
            loose = Blocks(self._connection).loose()
        if sum(map(len, loose)) >= BLOCK:
            for row in merged(loose):
                writes.add(ADD_BLOCK, *row)
            for block in loose:
                writes.add(REMOVE_BLOCK, block.first)
        rows = ledger.rows()
        for row in rows:
            writes.add(ADD_BLOCK, *row)
        self._go_on(ledger, rows)

    def write_blocks(self, ledger: Ledger) -> None:
        """Write what a ledger added at once."""
        rows = ledger.rows()
        self._connection.executemany(ADD_BLOCK, rows)
        self._go_on(ledger, rows)

    def save(self) -> None:
        """Write the store's own row; where bound rows were changed, an entry that binds them."""
        if self.bound.is_changed:
            ledger = self.ledger(self.numbers.recorded_at)
            ledger.enter_state(self.bound.total)
            self.write_blocks(ledger)
        if self.is_changed:
            one = self.numbers
            self._connection.execute(
                _SAVE,
                (
                    *(one.recorded_at, one.change, self.head.count, one.lead, one.cluster),
                    self.bound.total,
                ),
            )

    def _go_on(self, ledger: Ledger, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self.head = Head(ledger.last, rows[-1][2])
            self.numbers.recorded_at = ledger.recorded_at
            self.is_changed = True
