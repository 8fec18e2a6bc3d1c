"""Messages that become no event: those that are quarantined, and those that are ignored."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from lifecycle.domain import Identity, Problem
from lifecycle.messages import MAX_BYTES, Undecodable, format_time, read_message
from lifecycle.store.db import statements as sql
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import select_in
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.item import Place
from lifecycle.store.ledger.chain import BOUND, Bound

#: A time further ahead of the clock than this is quarantined until it is due, in microseconds.
AHEAD: Final = 24 * 60 * 60 * 1_000_000
_ROWS: Final = f"SELECT {BOUND['quarantine']} FROM quarantine WHERE digest IN"


class SetAside:
    """The messages that a transaction quarantines and ignores."""

    def __init__(
        self, connection: sqlite3.Connection, writes: Writes, bound: Bound, recorded_at: int
    ) -> None:
        self._connection = connection
        self._writes = writes
        self._bound = bound
        self._recorded_at = recorded_at
        self._rows: dict[bytes, tuple[Any, ...] | None] = {}
        self._ignored: Counter[str] = Counter()

    def ignore(self, topic: str) -> None:
        """Count a message that does not concern leads."""
        self._ignored[topic] += 1

    def quarantine(
        self, message: Undecodable, place: Place, due_at: int | None = None, *, again: bool = False
    ) -> None:
        """Keep a message, unless its bytes were kept before; ``again``: also if they have left."""
        digest = message.digest
        if digest not in self._rows:
            self._rows.update((row[0], row) for row in select_in(self._connection, _ROWS, [digest]))
        before = self._rows.get(digest)
        problems = problems_text(message.problems)
        if before is not None:
            if again:
                self._put(digest, (*before[:7], None, None))
                self._writes.add(sql.QUARANTINE_AGAIN, problems, digest)
            return
        row = (
            *(digest, message.size, place.log, place.line, int(place.unfinished)),
            *(self._recorded_at, due_at),
        )
        self._put(digest, (*row, None, None))
        self._writes.add(sql.ADD_QUARANTINED, *row, message.raw[:MAX_BYTES], problems)

    def quarantine_again(self, working: WorkingSet, number: int) -> None:
        """Keep the message of an entry in which the identity policy finds no name any more."""
        block = working.blocks.of(number)
        entry = block.entry(number)
        message = nameless(block.body(number), entry.time, working.identity)
        self.quarantine(message, Place(entry.log or None, entry.line or None), again=True)

    def take_out(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Remove quarantined messages, given as the columns that are bound."""
        for row in rows:
            self._rows[row[0]] = row
            self._put(row[0], None)
            self._writes.add(sql.REMOVE_QUARANTINED, row[0])

    def count(self) -> None:
        """Let the counts of what was ignored be written."""
        if not self._ignored:
            return
        select = "SELECT topic, messages FROM ignored WHERE topic IN"
        counts = dict(select_in(self._connection, select, sorted(self._ignored)))
        for topic, more in sorted(self._ignored.items()):
            before = (topic, counts[topic]) if topic in counts else None
            after = (topic, counts.get(topic, 0) + more)
            self._bound.change("ignored", before, after)
            self._writes.add(sql.COUNT_IGNORED, *after)
        self._ignored.clear()

    def _put(self, digest: bytes, after: tuple[Any, ...] | None) -> None:
        self._bound.change("quarantine", self._rows.get(digest), after)
        self._rows[digest] = after


def unfit(
    raw: bytes, time: int, *, is_named: bool, now: int, identity: Identity
) -> tuple[Undecodable, int | None] | None:
    """Return a decoded message that is to be quarantined, and when it is due; None if it is not."""
    if time > now + AHEAD:
        return postponed(raw, time), time - AHEAD
    return None if is_named else (nameless(raw, time, identity), None)


def postponed(raw: bytes, time: int) -> Undecodable:
    """Return a message whose time is too far ahead of the clock, with its problem."""
    expected = f"expected a time at most a day ahead of the clock, got {format_time(time)}"
    return Undecodable.whole(raw, [Problem("time", expected, "future_time")])


def ignored_digest(raw: bytes, place: int) -> bytes:
    """Return the digest that tells an ignored message from others: of its text, and its place."""
    return hashlib.sha256(b"%d %b" % (place, raw)).digest()


def nameless(raw: bytes, time: int, identity: Identity) -> Undecodable:
    """Return a message in which an identity policy finds no name, with its problems."""
    readings = read_message(raw, received_at=time, identity=identity)
    problems = [one for reading in readings for one in getattr(reading, "problems", ())]
    return Undecodable.whole(raw, problems)


def problems_text(problems: tuple[Problem, ...]) -> str:
    """Return problems as JSON: path, message, code."""
    rows = [[problem.path, problem.message, problem.code] for problem in problems]
    return json.dumps(rows, ensure_ascii=True)


def problems_from(text: str) -> tuple[Problem, ...]:
    """Return problems from their JSON."""
    rows: list[Any] = json.loads(text)
    return tuple(Problem(*row) for row in rows)
