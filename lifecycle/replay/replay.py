"""Logs into a store: in batches, each with the cursor of where the next one begins."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from attrs import define, evolve, field

from lifecycle.errors import InputError
from lifecycle.replay.chunks import CHUNK, Chunk, chunks
from lifecycle.replay.decoder import decoded_elsewhere, is_worth_it
from lifecycle.replay.log import DamagedLogError, Log, check_log, digest_of
from lifecycle.store import Cursor, Ignored, IngestItem, LeadStore, OutcomeKind, Place

#: So many messages are in a transaction: what is written all over is written once for all of them.
BATCH: Final = 20_000
#: So many of them are folded together: many messages of one lead cost less than as many of several.
TOGETHER: Final = 2500
# Or so many bytes of lines.
_BATCH_BYTES: Final = 64 * 1024 * 1024
_TOGETHER_BYTES: Final = 48 * 1024 * 1024

_ARRIVED_BEFORE: Final[tuple[OutcomeKind, ...]] = (
    "duplicate",
    "conflict",
    "ignored",
    "quarantined",
)


@define
class Summary:
    """The outcomes of a run, counted (design.md section 10).

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
        """Return it for JSON."""
        names = [one for one in Summary.__slots__ if one not in ("ignored_topics", "__weakref__")]
        return {name: getattr(self, name) for name in names}


@define
class Progress:
    """The progress of a run, told after each batch.

    Attributes:
        name: The log being read.
        size: Its bytes; None for standard input.
        done: How many of them were read.
        read: Messages read so far.
        refused: How many of them were refused when they were applied; None: nobody knows yet.
    """

    name: str
    size: int | None
    done: int
    read: int
    refused: int | None = None


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
            check_log(source)
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
        self._session = store.session()
        self._identity = store.rules.identity
        self._counts: Counter[OutcomeKind] = Counter()
        self._topics: Counter[str] = Counter()
        self._read = 0
        self._resumed_from = 0

    def read(self, log: Log) -> None:
        """Read one log to its end."""
        cursor = self._start(log) if log.seekable else None
        try:
            with closing(self._chunks(log, cursor)) as source:
                for chunk in source:
                    cursor = self._take(chunk, source, log, cursor)
        except DamagedLogError:
            # What its checksum does not vouch for may be wrong: mended, it is read from the start.
            if cursor is not None:
                with self._session.transaction():
                    self._session.move(Cursor(cursor.log))
            raise

    def _chunks(self, log: Log, cursor: Cursor | None) -> Generator[Chunk]:
        offset, line = (cursor.byte_offset, cursor.line) if cursor else (0, 0)
        size = min(self._batch, CHUNK if log.seekable else TOGETHER)
        if log.seekable and is_worth_it(log):
            return decoded_elsewhere(log, offset, line, self._identity, size)
        return chunks(log, offset, line, self._identity, size)

    def _start(self, log: Log) -> Cursor:
        """Return where to begin: behind what is in the store, if it is the same log up to there."""
        cursor = self._session.cursor(log.name)
        tail = cursor.byte_offset - cursor.tail_size
        if (
            cursor.byte_offset
            and not self._restart
            and log.has(0, cursor.head_size, cursor.head_digest)
            and log.has(tail, cursor.tail_size, cursor.tail_digest)
        ):
            self._resumed_from += cursor.line
            self._session.forget_unfinished(cursor)
            return cursor
        return Cursor(cursor.log, 0, 0, *log.head())

    def _take(
        self, chunk: Chunk, source: Iterator[Chunk], log: Log, cursor: Cursor | None
    ) -> Cursor | None:
        """Apply a batch, which begins with this chunk; the cursor moves in the same transaction.

        A stream is not read while a transaction is open: nobody could write who knows how long.
        """
        failed: InputError | None = None
        gathered = _Gathered(cursor)
        with self._session.transaction():
            while True:
                gathered.add(chunk)
                if gathered.is_enough():
                    self._apply(gathered.release())
                if gathered.count >= self._batch or gathered.size >= _BATCH_BYTES:
                    break
                if not log.seekable:
                    break
                try:
                    more = next(source, None)
                except DamagedLogError:
                    raise
                except InputError as error:
                    failed, more = error, None
                if more is None:
                    break
                chunk = more
            self._apply(gathered.release())
            if gathered.cursor is not None:
                self._session.move(gathered.cursor)
        refused = self._counts["refused"]
        self._tell(Progress(log.name, log.size, chunk.bytes_read, self._read, refused))
        if failed is not None:
            raise failed
        return gathered.cursor

    def _apply(self, messages: list[tuple[IngestItem, Place]]) -> None:
        for outcome in self._session.take(messages) if messages else ():
            self._counts[outcome.kind] += 1
            if isinstance(outcome, Ignored):
                self._topics[outcome.topic] += 1
        self._read += len(messages)

    def summary(self, seconds: float) -> Summary:
        """Return what came of it."""
        counts = {name: self._counts[name] for name in _ARRIVED_BEFORE}
        return Summary(
            read=self._read,
            **self._session.counts(),
            **counts,
            leads=self._store.lead_count(),
            resumed_from=self._resumed_from,
            seconds=round(seconds, 3),
            ignored_topics=self._topics,
        )


class _Gathered:
    """Messages of a transaction that are still to be applied, and the cursor behind them."""

    def __init__(self, cursor: Cursor | None) -> None:
        self.cursor = cursor
        self.count = 0
        self.size = 0
        self._messages: list[tuple[IngestItem, Place]] = []
        self._released = 0

    def add(self, chunk: Chunk) -> None:
        """Add a chunk."""
        log = self.cursor.log if self.cursor else None
        for message, line, whole in chunk.messages:
            self._messages.append((message, Place(log, line, unfinished=not whole)))
        self.count += len(chunk.messages)
        self.size += chunk.size
        if self.cursor is not None and chunk.end is not None:
            self.cursor = evolve(
                self.cursor,
                byte_offset=chunk.end,
                line=chunk.line,
                tail_size=len(chunk.tail),
                tail_digest=digest_of(chunk.tail),
            )

    def is_enough(self) -> bool:
        """Return whether there are as many as are folded together."""
        return len(self._messages) >= TOGETHER or self.size - self._released >= _TOGETHER_BYTES

    def release(self) -> list[tuple[IngestItem, Place]]:
        """Return the messages, which are not kept any more."""
        messages, self._messages = self._messages, []
        self._released = self.size
        return messages
