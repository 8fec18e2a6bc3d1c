"""A session that reads logs into a store, in batches with the cursor behind each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from attrs import astuple, frozen

from lifecycle.store.db.rows import OUTCOMES
from lifecycle.store.ingest.item import IngestItem, Outcome, Place
from lifecycle.store.ledger.chain import BOUND
from lifecycle.store.writer import Writer

_ROW: Final = f"SELECT {BOUND['log']} FROM log WHERE "
_MOVE: Final = (
    "UPDATE log SET byte_offset = ?, line = ?, head_size = ?, head_digest = ?,"
    " tail_size = ?, tail_digest = ? WHERE id = ?"
)
_UNFINISHED: Final = "log = ? AND unfinished AND left_at IS NULL"
_OUTCOMES: Final = "SELECT outcome, count(*) FROM event WHERE seq BETWEEN ? AND ? GROUP BY outcome"


@frozen
class Cursor:
    """The place to which a log was read: everything before ``byte_offset`` is in the store.

    The log is recognised by digests of its first ``head_size`` bytes and of the ``tail_size`` bytes
    before the offset.
    """

    log: int
    byte_offset: int = 0
    line: int = 0
    head_size: int = 0
    head_digest: bytes | None = None
    tail_size: int = 0
    tail_digest: bytes | None = None


class ReplaySession:
    """A run over some logs; ``LeadStore.session`` opens it."""

    def __init__(
        self, writer: Writer, take: Callable[[Sequence[tuple[IngestItem, Place]]], list[Outcome]]
    ) -> None:
        self._writer = writer
        self._take = take
        #: The first and the last entry of each batch.
        self._batches: list[tuple[int, int]] = []

    def cursor(self, log: str) -> Cursor:
        """Return how far the log of this name was read; it is remembered from now on."""
        connection = self._writer.connection
        with self._writer.transaction() as unit:
            select = f"{_ROW} name = ?"
            row = connection.execute(select, (log,)).fetchone()
            if row is None:
                connection.execute("INSERT INTO log (name) VALUES (?)", (log,))
                row = connection.execute(select, (log,)).fetchone()
                unit.bound.change("log", None, row)
        return Cursor(row[0], *row[2:])

    def forget_unfinished(self, cursor: Cursor) -> None:
        """Forget what was quarantined of a last line that had no end yet: it is read again."""
        statement = f"DELETE FROM quarantine WHERE {_UNFINISHED}"
        with self._writer.transaction() as unit:
            unit.bound.change_rows(
                self._writer.connection, "quarantine", (_UNFINISHED, (cursor.log,)), statement
            )

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Put all that is taken in within one transaction: it is in the store in the end, or not.

        Raises:
            StoreError: The store could not be written; nothing of it is in the store.
            RulesMismatchError: Another process folded everything again, with other rules.
        """
        with self._writer.transaction() as unit:
            first = unit.head.count + 1
            yield
            batch = (first, unit.head.count)
        self._batches.append(batch)

    def take(self, messages: Sequence[tuple[IngestItem, Place]]) -> list[Outcome]:
        """Take messages in, within a ``transaction``; return what became of each, to be counted."""
        return self._take(messages)

    def apply(self, messages: Sequence[tuple[IngestItem, Place]]) -> list[Outcome]:
        """Take messages in, in one transaction; return what became of each, to be told."""
        with self._writer.transaction():
            return self._writer.told(messages, self._take(messages))

    def move(self, cursor: Cursor) -> None:
        """Move a log's cursor, within a ``transaction``."""
        connection = self._writer.connection
        with self._writer.transaction() as unit:
            select = f"{_ROW} id = ?"
            before = connection.execute(select, (cursor.log,)).fetchone()
            connection.execute(_MOVE, (*astuple(cursor)[1:], cursor.log))
            after = connection.execute(select, (cursor.log,)).fetchone()
            unit.bound.change("log", before, after)

    def counts(self) -> dict[str, int]:
        """Return how many of the events that the run stored are applied, refused and noted now."""
        counts: Counter[str] = Counter()
        with self._writer.snapshot():
            for batch in self._batches:
                for outcome, events in self._writer.connection.execute(_OUTCOMES, batch):
                    counts[OUTCOMES[outcome]] += events
        return {outcome: counts[outcome] for outcome in OUTCOMES}

    def relax(self) -> None:
        """Commit without waiting for the disk: a power loss may undo whole batches.

        The cursor moves in the same transactions, so the next run goes on where the store is.
        """
        connection = self._writer.connection
        with self._writer.snapshot():
            (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        # Elsewhere a power loss could damage the file.
        if journal == "wal":
            connection.execute("PRAGMA synchronous = NORMAL")
