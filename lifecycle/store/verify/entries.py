"""The ledger beside what it binds: blocks, rules, erasures, bound tables, the store's own row."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Final

from lifecycle.domain import TRIGGERS
from lifecycle.messages import LAST, MAX_BYTES
from lifecycle.store.db.blocks import (
    BLOCK,
    CONTENT,
    NO_DIGEST,
    NO_SALT,
    RULES,
    STATE,
    Block,
    Blocks,
    Entry,
    Stored,
)
from lifecycle.store.ledger.chain import (
    BEGINNING,
    Head,
    commitment_of,
    commitment_of_rules,
    link_of,
    sum_of,
)
from lifecycle.store.ledger.seals import broken_seals
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import UNREADABLE, time_words, words

_EMPTY: Final = bytes(32)
_KINDS: Final = ("a content", "rules", "the bound tables", "an erasure")
_STORE: Final = "SELECT entry, recorded_at, bound FROM store"
_UNSEALED: Final = (
    "SELECT DISTINCT erasure FROM sealed WHERE erasure NOT IN (SELECT id FROM erasure)"
)
_RAW: Final = "SELECT digest, raw, size FROM quarantine"
_RULES: Final = "SELECT entry, toml, recorded_at, id FROM rules ORDER BY id"
_ERASURES: Final = "SELECT entry, id, entries FROM erasure ORDER BY id"


class Entries:
    """The check of the ledger.

    Attributes:
        head: Its end.
        erased: The numbers of the contents that were erased.
    """

    def __init__(self, connection: sqlite3.Connection, noted: Iterable[Head]) -> None:
        self._connection = connection
        self._noted = set(noted)
        self._rules: dict[int, tuple[Any, ...]] = {}
        self._erasures: dict[int, tuple[Any, ...]] = {}
        self._state = Entry(0, STATE, 0, 0, 0, 0, 0, NO_DIGEST, NO_SALT, _EMPTY)
        self._recorded_at = 0
        self.head = Head(0, BEGINNING)
        self.erased: set[int] = set()

    @property
    def checked(self) -> int:
        """How many entries were looked at."""
        return self.head.count

    def check(self) -> Iterator[Defect]:
        """Yield every defect of the ledger and of what it binds."""
        self._rules = {row[0]: row[1:] for row in self._connection.execute(_RULES)}
        self._erasures = {row[0]: row[1:] for row in self._connection.execute(_ERASURES)}
        self._noted.discard(self.head)
        for block in self._connection.execute("SELECT first FROM block ORDER BY first"):
            yield from self._block(block[0])
        for head in sorted(self._noted, key=lambda one: one.count):
            yield self._lost(head)
        yield from self._unbound()
        yield from self._listed()
        for sentence in broken_seals(self._connection, Blocks(self._connection)):
            where, _, found = sentence.rpartition(": ")
            expected = "expected what the ledger commits to"
            yield _defect(where or "sealed leads", found, expected)

    # --- blocks ---------------------------------------------------------------------------------

    def _block(self, first: int) -> Iterator[Defect]:
        """Check a block: its place, its entries, and the link at its end."""
        where = f"entries from {first} on"
        if first != self.head.count + 1:
            yield _defect(where, "a gap or an overlap", f"expected entry {self.head.count + 1}")
        select = "SELECT first, size, link, about, contents, bodies FROM block WHERE first = ?"
        row = self._connection.execute(select, (first,)).fetchone()
        before, size, stored_link = self.head, row[1], row[2]
        try:
            block = Block(row)
            stored = block.stored()
        except UNREADABLE as error:
            yield _defect(where, f"unreadable ({error})", "expected a block of entries")
            self.head = Head(first + size - 1, stored_link)
            return
        if not 0 < len(stored) == size <= BLOCK:
            yield _defect(
                where, f"{len(stored)} entries", f"expected {words(size)}, at most {BLOCK}"
            )
        link = before.link
        for one in stored:
            yield from self._entry(one)
            try:
                link = link_of(link, one.entry)
            except UNREADABLE:  # a number beyond what it can bind
                link = b""
            self._noted.discard(Head(one.entry.number, link))
        if link != stored_link:
            expected = "expected the one that binds them to all before"
            yield _defect(where, f"link {words(stored_link)} at their end", expected)
        # What follows is held against what stands here: one wrong link is one defect.
        self.head = Head(first + len(stored) - 1, stored_link)

    def _entry(self, stored: Stored) -> Iterator[Defect]:
        """Check an entry: its time, and what it commits to."""
        entry = stored.entry
        where = f"entry {entry.number}"
        if not self._recorded_at <= entry.recorded_at <= LAST:
            found, last = (time_words(one) for one in (entry.recorded_at, self._recorded_at))
            yield _defect(where, f"recorded {found}", f"expected a time not before {last}")
        self._recorded_at = max(self._recorded_at, min(entry.recorded_at, LAST))
        if entry.kind == CONTENT:
            yield from self._content(where, stored)
            return
        is_bare = not (stored.content or stored.body or entry[2] or any(entry[4:7]))
        if not is_bare or entry.digest != NO_DIGEST or not 0 < entry.kind < len(_KINDS):
            yield _defect(where, "something of a content", "expected none of it")
        elif entry.kind == STATE:
            self._state = entry
        else:
            yield from self._row_of(where, entry)

    def _content(self, where: str, stored: Stored) -> Iterator[Defect]:
        entry = stored.entry
        if not 0 <= entry.trigger < len(TRIGGERS):
            yield _defect(where, f"trigger {entry.trigger}", "expected a known one")
        if entry.is_erased:
            self.erased.add(entry.number)
            if stored.content or stored.body or entry.digest != NO_DIGEST:
                yield _defect(where, "something of an erased content", "expected none of it")
        elif commitment_of(stored) != entry.commitment:
            found = "another content or another origin"
            yield _defect(where, found, "expected the one that the ledger commits to")

    def _row_of(self, where: str, entry: Entry) -> Iterator[Defect]:
        """Check the row that an entry of rules or of an erasure was made for."""
        rows = self._rules if entry.kind == RULES else self._erasures
        row = rows.pop(entry.number, None)
        kind = _KINDS[entry.kind]
        if row is None:
            yield _defect(where, "nothing in the store", f"expected {kind}")
        elif entry.kind == RULES:
            if row[1] != entry.recorded_at:
                found, expected = map(time_words, (row[1], entry.recorded_at))
                yield _defect(where, f"rules of {found}", f"expected those of {expected}")
            if commitment_of_rules(entry.salt, row[0]) != entry.commitment:
                yield _defect(where, "other rules", "expected those that the ledger commits to")

    # --- what is bound --------------------------------------------------------------------------

    def _lost(self, head: Head) -> Defect:
        if head.count > self.head.count:
            found = f"the ledger ends at {self.head.count}, the last entries were cut off"
        else:
            found = "another link, what was stored until then was written anew"
        return _defect(f"the head noted as {head.count}", found, f"expected {head.link.hex()}")

    def _unbound(self) -> Iterator[Defect]:
        """Yield rows that no entry was made for, and what the store's own row says otherwise."""
        for rows, kind in ((self._rules, "rules"), (self._erasures, "erasure")):
            for number in rows:
                yield _defect(f"{kind} of entry {number}", "a row", "expected no such entry")
        for number, (*_, place) in enumerate(self._connection.execute(_RULES), 1):
            if place != number:
                yield _defect("rules", f"number {place}", f"expected {number}")
        entry, recorded_at, bound = self._connection.execute(_STORE).fetchone()
        if entry != self.head.count:
            yield _defect("the store", f"{entry} entries", f"expected {self.head.count}")
        if recorded_at != self._recorded_at:
            found, last = time_words(recorded_at), time_words(self._recorded_at)
            yield _defect("the store", f"last written {found}", f"the last entry was made {last}")
        if not self._state.commitment == bound == sum_of(self._connection):
            where = "cursors of logs, ignored topics, quarantine, suppressions"
            expected = "expected those that the ledger commits to"
            yield _defect(where, "other rows", expected)
        for digest, raw, size in self._connection.execute(_RAW):
            whole = size == len(raw) and sha256(raw).digest() == digest
            if size and not (whole or size > MAX_BYTES == len(raw)):
                where = f"quarantined message {words(digest)}"
                yield _defect(where, "other bytes", "expected those of its digest")

    def _listed(self) -> Iterator[Defect]:
        """Yield contents that were erased by no erasure, and such that were not erased."""
        listed: Counter[int] = Counter()
        for _, number, entries in self._connection.execute(_ERASURES):
            try:
                listed.update(json.loads(entries))
            except UNREADABLE as error:
                yield _defect(f"erasure {number}", str(error), "expected a list of entries")
        for (number,) in self._connection.execute(_UNSEALED):
            yield _defect("a sealed lead", f"of erasure {number}", "expected no such erasure")
        for number in sorted(self.erased - listed.keys()):
            yield _defect(f"entry {number}", "erased", "no erasure says so")
        for number in sorted(listed.keys() - self.erased):
            yield _defect(f"entry {number}", "a content", "an erasure says that it was erased")
        for number, count in listed.items():
            if count > 1:
                yield _defect(f"entry {number}", f"erased {count} times", "expected once")


def _defect(where: str, found: str, expected: str) -> Defect:
    return Defect("ledger", where, found, expected)
