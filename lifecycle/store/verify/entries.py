"""The ledger beside what it binds: blocks, rules, erasures, bound tables, the store's own row."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Final

from lifecycle.domain import Rules
from lifecycle.errors import RulesError
from lifecycle.messages import LAST, MAX_BYTES
from lifecycle.store.db.blocks import (
    CONTENT,
    ERASURE,
    NO_DIGEST,
    RULES,
    STATE,
    Block,
    Blocks,
    Entry,
    Stored,
    commitment_of,
    commitment_of_rules,
    link_of,
)
from lifecycle.store.ledger.chain import BEGINNING, Head, sum_of
from lifecycle.store.ledger.seals import broken_seals
from lifecycle.store.verify.result import UNREADABLE, Defect, difference, time_words, words
from lifecycle.text import counted

_BLOCKS: Final = "SELECT first, size, link, about, contents, bodies FROM block ORDER BY first"
_TABLES: Final = {RULES: "rules", ERASURE: "erasure"}
_EXPECTED: Final = "expected what the ledger commits to"
_RULES: Final = "SELECT entry, digest, toml, recorded_at FROM rules ORDER BY id"


class Entries:
    """The check of the ledger.

    Attributes:
        head: Its end.
        erased: The numbers of the contents that were erased.
    """

    def __init__(self, connection: sqlite3.Connection, noted: Iterable[Head]) -> None:
        self._connection = connection
        self._noted = set(noted)
        #: Entries that are no contents, by their kind and number.
        self._others: dict[int, dict[int, Entry]] = {RULES: {}, STATE: {}, ERASURE: {}}
        self._recorded_at = 0
        self.head = Head(0, BEGINNING)
        self.erased: set[int] = set()

    def check(self) -> Iterator[Defect]:
        """Yield every defect of the ledger and of what it binds."""
        self._noted.discard(self.head)
        for row in self._connection.execute(_BLOCKS):
            yield from self._block(row)
        for head in sorted(self._noted, key=lambda one: one.count):
            yield self._lost(head)
        yield from self._rows()
        yield from self._rules()
        yield from self._quarantine()
        yield from self._listed()
        for where, found in broken_seals(self._connection, Blocks(self._connection)):
            yield _defect(where, found, _EXPECTED)

    # --- blocks ---------------------------------------------------------------------------------

    def _block(self, row: tuple[Any, ...]) -> Iterator[Defect]:
        """Check a block: its place, its entries, and the link at its end."""
        first, size, last_link, *_ = row
        where = f"entries from {first} on"
        if first != self.head.count + 1:
            yield _defect(where, "a gap or an overlap", f"expected entry {self.head.count + 1}")
        # What follows is held against what stands here: one wrong link is one defect.
        link, self.head = self.head.link, Head(first + size - 1, last_link)
        try:
            stored = Block(row).stored()
        except UNREADABLE as error:
            yield _defect(where, f"unreadable ({error})", "expected a block of entries")
            return
        if len(stored) != size:
            yield _defect(where, f"{len(stored)} entries", f"expected {size}")
        for one in stored:
            yield from self._entry(one)
            try:
                link = link_of(link, one.entry)
            except UNREADABLE:  # a number beyond what it can bind
                link = b""
            self._noted.discard(Head(one.entry.number, link))
        if link != last_link:
            expected = "expected the one that binds them to all before"
            yield _defect(where, f"link {words(last_link)} at their end", expected)

    def _entry(self, stored: Stored) -> Iterator[Defect]:
        """Check an entry: its time, its kind, and what it commits to."""
        entry = stored.entry
        where = f"entry {entry.number}"
        if not self._recorded_at <= entry.recorded_at <= LAST:
            found, last = (time_words(one) for one in (entry.recorded_at, self._recorded_at))
            yield _defect(where, f"recorded {found}", f"expected a time not before {last}")
        self._recorded_at = max(self._recorded_at, min(entry.recorded_at, LAST))
        is_bare = not (stored.content or stored.body) and entry.digest == NO_DIGEST
        if entry.kind != CONTENT:
            is_bare = is_bare and not (entry.trigger or any(entry[4:7]))
            self._others.get(entry.kind, {})[entry.number] = entry
        elif entry.is_erased:
            self.erased.add(entry.number)
        elif commitment_of(stored) != entry.commitment:
            yield _defect(where, "another content or another origin", _EXPECTED)
        if (entry.kind != CONTENT or entry.is_erased) and not is_bare:
            yield _defect(where, "something of a content", "expected none of it")

    def _lost(self, head: Head) -> Defect:
        if head.count > self.head.count:
            found = f"the ledger ends at {self.head.count}, the last entries were cut off"
        else:
            found = "another link, what was stored until then was written anew"
        return _defect(f"the head noted as {head.count}", found, f"expected {head.link.hex()}")

    # --- what is bound --------------------------------------------------------------------------

    def _rows(self) -> Iterator[Defect]:
        """Yield entries without their rows, rows without their entries, and other numbers."""
        for kind, table in _TABLES.items():
            rows = {entry for (entry,) in self._connection.execute(f"SELECT entry FROM {table}")}
            for number in sorted(rows - self._others[kind].keys()):
                yield _defect(f"entry {number}", f"a row of {table}", "expected no such entry")
            for number in sorted(self._others[kind].keys() - rows):
                yield _defect(f"entry {number}", "nothing in the store", f"expected {table}")
        states = self._others[STATE]
        bound = states[max(states)].commitment if states else bytes(32)
        expected = (self.head.count, self._recorded_at, bound)
        columns = ("entry", "recorded_at", "bound")
        select = f"SELECT {', '.join(columns)} FROM store"
        if (found := self._connection.execute(select).fetchone()) != expected:
            texts = difference(columns, "the ledger gives", found, expected)
            yield Defect("ledger", "the store", *texts)
        if sum_of(self._connection) != bound:
            where = "cursors of logs, ignored topics, quarantine, suppressions"
            yield _defect(where, "other rows", _EXPECTED)

    def _rules(self) -> Iterator[Defect]:
        """Yield rules that are not those of their entries, and such that cannot be used."""
        for number, digest, toml, recorded_at in self._connection.execute(_RULES).fetchall():
            where = f"entry {number}"
            entry = self._others[RULES].get(number)
            if entry is not None and (entry.recorded_at, entry.commitment) != (
                recorded_at,
                commitment_of_rules(entry.salt, toml),
            ):
                yield _defect(where, "other rules", _EXPECTED)
            try:
                expected = Rules.loads(toml).digest
            except RulesError as error:
                yield _defect(where, str(error), "expected rules that can be used")
                continue
            if digest != expected:
                yield _defect(where, f"rules of digest {words(digest)}", f"expected {expected}")

    def _quarantine(self) -> Iterator[Defect]:
        for digest, raw, size in self._connection.execute(
            "SELECT digest, raw, size FROM quarantine"
        ):
            whole = size == len(raw) and sha256(raw).digest() == digest
            if size and not (whole or size > MAX_BYTES == len(raw)):
                where = f"quarantined message {words(digest)}"
                yield _defect(where, "other bytes", "expected those of its digest")

    def _listed(self) -> Iterator[Defect]:
        """Yield contents that were erased by no erasure or by several, and such that were not."""
        select = "SELECT value, count(*) FROM erasure, json_each(entries) GROUP BY value"
        counts = dict(self._connection.execute(select).fetchall())
        for number in self.erased | counts.keys():
            count, is_erased = counts.get(number, 0), number in self.erased
            if count != is_erased:
                found = "erased" if is_erased else "a content"
                yield _defect(f"entry {number}", found, f"{counted(count, 'erasure')} list it")


def _defect(where: str, found: str, expected: str) -> Defect:
    return Defect("ledger", where, found, expected)
