"""Logs into a store: in batches, each with the cursor of where the next one begins."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field

from lifecycle.errors import InputError
from lifecycle.messages import Reading
from lifecycle.replay.log import DamagedLogError, Line, Log, check_readable, digest_of
from lifecycle.store import Cursor, LeadStore, OutcomeKind, Place

#: A batch ends with so many messages, or so many bytes of them.
BATCH: Final = 5000
_BATCH_BYTES: Final = 8 * 1024 * 1024

_ARRIVED_BEFORE: Final[tuple[OutcomeKind, ...]] = (
    "duplicate",
    "conflict",
    "ignored",
    "quarantined",
)


@define
class Summary:
    """What a run did (design.md section 10).

    ``read = applied + refused + noted + duplicate + conflict + ignored + quarantined``, where
    applied, refused and noted are what the events that the run stored are when it ends.

    Attributes:
        read: Messages read.
        leads: Leads in the store at the end.
        resumed_from: How many lines of the logs were in the store already, and not read again.
        seconds: How long it took.
    """

    read: int = 0
    applied: int = 0
    refused: int = 0
    noted: int = 0
    duplicate: int = 0
    conflict: int = 0
    ignored: int = 0
    quarantined: int = 0
    leads: int = 0
    resumed_from: int = 0
    seconds: float = 0.0
    ignored_topics: Counter[str] = field(factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = [one for one in Summary.__slots__ if one not in ("ignored_topics", "__weakref__")]
        return {name: getattr(self, name) for name in names}


@define
class Progress:
    """How far a run is, told after each batch.

    Attributes:
        name: The log being read.
        size: Its bytes; None for standard input.
        done: How many of them were read.
        read: Messages read so far.
        refused: How many of them were refused when they were applied.
    """

    name: str
    size: int | None
    done: int
    read: int
    refused: int


def _silent(_: Progress) -> None:
    """Tell nobody."""


def replay(
    store: LeadStore,
    logs: Iterable[Path | Log],
    *,
    batch: int = BATCH,
    restart: bool = False,
    tell: Callable[[Progress], None] = _silent,
) -> Summary:
    """Apply logs, one after the other; each goes on where an earlier run ended.

    Memory does not depend on the length of the logs. ``restart`` reads them from the beginning,
    which does no harm: what is known is a duplicate. An unfinished batch leaves no trace, and is
    done again by the next run.

    Raises:
        InputError: A log cannot be read; what was read before is in the store.
        StoreError: The store cannot be written; earlier batches are in it.
    """
    started = time.monotonic()
    sources = list(logs)
    for source in sources:
        if isinstance(source, Path):
            check_readable(source)
    run = _Run(store, batch=batch, restart=restart, tell=tell)
    for source in sources:
        with Log.open(source) if isinstance(source, Path) else source as log:
            run.read(log)
    return run.summary(time.monotonic() - started)


class _Run:
    """One run over some logs."""

    def __init__(
        self,
        store: LeadStore,
        *,
        batch: int,
        restart: bool,
        tell: Callable[[Progress], None],
    ) -> None:
        self._store = store
        self._batch = batch
        self._restart = restart
        self._tell = tell
        self._number = store.begin_run()
        self._counts: Counter[OutcomeKind] = Counter()
        self._topics: Counter[str] = Counter()
        self._read = 0
        self._resumed_from = 0

    def read(self, log: Log) -> None:
        """Read one log to its end."""
        cursor = self._start(log) if log.seekable else None
        batch = _Batch(self._number, cursor)
        try:
            for line in log.lines(cursor.byte_offset if cursor else 0):
                batch.add(line)
                if len(batch.messages) >= self._batch or batch.size >= _BATCH_BYTES:
                    self._take(batch, log)
        except DamagedLogError:
            # What its checksum does not vouch for may be wrong: mended, it is read from the start.
            if cursor is not None:
                self._store.take([], Cursor(cursor.log))
            raise
        except InputError:
            self._take(batch, log)
            raise
        self._take(batch, log)

    def _start(self, log: Log) -> Cursor:
        """Where to begin: behind what is in the store, if it is the same log up to there."""
        cursor = self._store.cursor(log.name)
        tail = cursor.byte_offset - cursor.tail_size
        if (
            cursor.byte_offset
            and not self._restart
            and log.has(0, cursor.head_size, cursor.head_digest)
            and log.has(tail, cursor.tail_size, cursor.tail_digest)
        ):
            self._resumed_from += cursor.line
            self._store.forget_unfinished(cursor)
            return cursor
        return Cursor(cursor.log, 0, 0, *log.head())

    def _take(self, batch: _Batch, log: Log) -> None:
        """Apply what was gathered; the cursor moves in the same transaction."""
        if batch.lines:
            for outcome in self._store.take(batch.messages, batch.marked_cursor()):
                self._counts[outcome.kind] += 1
                if outcome.topic is not None:
                    self._topics[outcome.topic] += 1
            self._read += len(batch.messages)
            batch.begin()
        refused = self._counts["refused"]
        self._tell(Progress(log.name, log.size, log.bytes_read, self._read, refused))

    def summary(self, seconds: float) -> Summary:
        """What came of it."""
        counts = {name: self._counts[name] for name in _ARRIVED_BEFORE}
        return Summary(
            read=self._read,
            **self._store.run_counts(self._number),
            **counts,
            leads=self._store.lead_count(),
            resumed_from=self._resumed_from,
            seconds=round(seconds, 3),
            ignored_topics=self._topics,
        )


class _Batch:
    """Messages for one transaction, and the cursor behind them."""

    def __init__(self, run: int, cursor: Cursor | None) -> None:
        self._run = run
        self._line = cursor.line if cursor else 0
        self._tail = b""
        self.cursor = cursor
        self.begin()

    def begin(self) -> None:
        """Begin the next one."""
        self.messages: list[tuple[Reading, Place]] = []
        self.lines = 0
        self.size = 0

    def add(self, line: Line) -> None:
        """Add what a line says. A last line without an end is read again by the next run."""
        self._line += 1
        self.lines += 1
        self.size += len(line.raw)
        log = self.cursor.log if self.cursor else None
        place = Place(log, self._line, self._run)
        self.messages += [(reading, place) for reading in line.readings()]
        if self.cursor is not None and line.whole:
            self._tail = line.tail
            self.cursor = evolve(self.cursor, byte_offset=line.end, line=self._line)

    def marked_cursor(self) -> Cursor | None:
        """The cursor, with what it is recognised by."""
        if self.cursor is None or not self._tail:
            return self.cursor
        digest = digest_of(self._tail)
        return evolve(self.cursor, tail_size=len(self._tail), tail_digest=digest)
