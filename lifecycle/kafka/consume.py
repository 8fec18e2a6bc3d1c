"""Topics into a store: records and their partitions' offsets in one transaction."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import define, evolve, field

from lifecycle.errors import BusyStoreError, FullStoreError, InputError
from lifecycle.kafka.client import Client
from lifecycle.kafka.dead_letters import DeadLetters
from lifecycle.kafka.records import Partition, Record, items_of
from lifecycle.reasons import Problem
from lifecycle.store import (
    Cursor,
    IngestItem,
    LeadStore,
    Outcome,
    OutcomeKind,
    Place,
    Quarantined,
    stream_name,
)
from lifecycle.text import counted

_LOG: Final = logging.getLogger("lifecycle.kafka")
#: How long records are waited for, how often new partitions are looked for, and how often is said
#: how far it is, in seconds.
_WAIT: Final = 0.2
_LOOK: Final = 60.0
_SAY: Final = 10.0
#: A store that cannot be written is tried again after so many seconds, then later and later.
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0


@define
class Consumed:
    """The result of a run.

    Attributes:
        records: How many records were read.
        outcomes: What became of the messages in them.
        lag: How many records were still to come in the end.
    """

    records: int = 0
    outcomes: Counter[OutcomeKind] = field(factory=Counter)
    lag: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        outcomes: dict[str, int] = dict(sorted(self.outcomes.items()))
        totals = {"records": self.records, "messages": self.outcomes.total()}
        return {**totals, **outcomes, "lag": self.lag}


def consume(
    store: LeadStore,
    client: Client,
    *,
    stopping: threading.Event,
    source: str = "network",
    dead_letters: DeadLetters | None = None,
    restart: bool = False,
    until_end: bool = False,
) -> Consumed:
    """Read topics into a store until ``stopping`` is set; each goes on where the store is.

    Args:
        store: The store; commits do not wait for the disk, for offsets are in the same ones.
        client: The client that reads the topics.
        stopping: Ends the run behind the batch at hand.
        source: Whose records these are: ``network``, or a system that ``facts_of`` knows.
        dead_letters: What gets those that are quarantined, besides the quarantine.
        restart: Read partitions from their first record that is there; what is known is a
            duplicate.
        until_end: End when all that is there was read.

    Raises:
        InputError: A topic cannot be read, is another one than was read before, or lost records
            that were not read yet.
        StoreError: The store cannot be written for another reason than a full disk.
    """
    store.session().relax()
    run = _Run(store, client, source, dead_letters, restart=restart)
    return run.until(stopping, until_end=until_end)


class _Run:
    """One run over some topics."""

    def __init__(
        self,
        store: LeadStore,
        client: Client,
        source: str,
        dead_letters: DeadLetters | None,
        *,
        restart: bool,
    ) -> None:
        self._store = store
        self._client = client
        self._source = source
        self._dead_letters = dead_letters
        self._restart = restart
        #: Where each partition is, and what the store has of it.
        self._cursors: dict[Partition, Cursor] = {}
        self._stored: dict[Partition, Cursor] = {}
        self._names: dict[Partition, str] = {}
        #: The places of dead letters that were sent for the batch at hand.
        self._sent: set[tuple[Partition, int]] = set()
        self._consumed = Consumed()

    def until(self, stopping: threading.Event, *, until_end: bool) -> Consumed:
        """Read until it is enough."""
        look = said = 0.0
        while not stopping.is_set():
            if time.monotonic() >= look:
                self._look()
                look = time.monotonic() + _LOOK
            if records := self._unread(self._client.read(_WAIT)):
                self._take_patiently(records, stopping)
            if time.monotonic() >= said:
                self._say()
                said = time.monotonic() + _SAY
            if until_end and not records and self._client.is_at_end():
                break
        self._say()
        return self._consumed

    # --- where to begin ---------------------------------------------------------------------

    def _look(self) -> None:
        """Look for partitions that are not read yet; later it may be that nobody answers."""
        try:
            self._assign()
        except InputError as error:
            if not self._cursors:
                raise
            _LOG.warning("%s; looking again in %.0f s", error, _LOOK)

    def _assign(self) -> None:
        """Read all partitions that are not read yet."""
        cluster, partitions = self._client.partitions()
        stored: dict[Partition, Cursor] = {}
        cursors: dict[Partition, Cursor] = {}
        offsets: dict[Partition, int] = {}
        for partition in partitions:
            if partition not in self._cursors:
                name = stream_name(cluster, partition.topic, partition.number)
                self._names[partition] = name
                stored[partition] = self._store.session().cursor(name)
                cursors[partition], offsets[partition] = self._start(partition, stored[partition])
        if offsets:
            self._client.assign(offsets)
            self._cursors |= cursors
            self._stored |= stored

    def _start(self, partition: Partition, cursor: Cursor) -> tuple[Cursor, int]:
        """Return the cursor of a partition, and the offset to read from.

        That is one before its own: the record there is compared with the one that was read.

        Raises:
            InputError: What was to be read next is not there.
        """
        low, high = self._client.bounds(partition)
        if self._restart or cursor.tail_digest is None:
            return evolve(cursor, byte_offset=low, tail_size=0, tail_digest=None), low
        if not low <= cursor.byte_offset <= high:
            raise InputError(
                f"{partition}: the next offset is {cursor.byte_offset:,}, and the topic has"
                f" {low:,} to {high:,}: records were removed before they were read, or the topic"
                " was made anew; --restart reads what is there"
            )
        return cursor, max(low, cursor.byte_offset - 1)

    def _unread(self, records: Sequence[Record]) -> list[Record]:
        """Return the records that are not in the store.

        Raises:
            InputError: One that was read is another one now.
        """
        unread = []
        for record in records:
            cursor = self._cursors[record.partition]
            if record.offset >= cursor.byte_offset:
                unread.append(record)
            elif _digest(record) != cursor.tail_digest:
                raise InputError(
                    f"{record.partition}: another record stands at offset {record.offset:,} than"
                    " the one that was read: the topic was made anew; --restart reads it"
                )
        return unread

    # --- taking in --------------------------------------------------------------------------

    def _take_patiently(self, records: Sequence[Record], stopping: threading.Event) -> None:
        """Take records in; while the store has no room, let no more come, and try again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                self._take(records)
            except (BusyStoreError, FullStoreError) as error:
                _LOG.error("paused: %s; trying again in %.0f s", error, pause)
                with self._client.paused():
                    if stopping.wait(pause):
                        return
                pause = min(_LONGEST_PAUSE, 2 * pause)
            else:
                if pause > _FIRST_PAUSE:
                    _LOG.info("going on: the store can be written again")
                return

    def _take(self, records: Sequence[Record]) -> None:
        """Take records in and move the offsets, in one transaction."""
        rules = self._store.rules
        session = self._store.session()
        cursors = dict(self._cursors)
        items: list[tuple[IngestItem, Place]] = []
        origins: list[Record] = []
        for record in records:
            cursor = cursors[record.partition]
            place = Place(cursor.log, record.offset + 1)  # lines count from 1
            of_record = items_of(record, self._source, rules)
            items += [(item, place) for item in of_record]
            origins += [record] * len(of_record)
            cursors[record.partition] = self._behind(record, cursor)
        moved = {one: cursors[one] for one in {record.partition for record in records}}
        with session.transaction():
            for partition in moved:
                self._check_unmoved(partition, session.cursor(self._names[partition]))
            outcomes = session.take(items)
            self._send_dead_letters(origins, outcomes)
            for cursor in moved.values():
                session.move(cursor)
        self._cursors = cursors
        self._stored |= moved
        self._sent.clear()
        self._consumed.records += len(records)
        self._consumed.outcomes.update(one.kind for one in outcomes)
        self._client.tell_group({one: moved[one].byte_offset for one in moved})

    def _send_dead_letters(self, records: Sequence[Record], outcomes: Sequence[Outcome]) -> None:
        """Send what was quarantined of a batch; what is tried again is not sent again."""
        if self._dead_letters is None:
            return
        letters = _quarantined(records, outcomes)
        unsent = {place: letter for place, letter in letters.items() if place not in self._sent}
        if unsent:
            self._dead_letters.send(list(unsent.values()))
            self._sent |= unsent.keys()

    def _behind(self, record: Record, cursor: Cursor) -> Cursor:
        """Return the cursor of a partition behind a record."""
        return evolve(
            cursor,
            byte_offset=record.offset + 1,
            line=cursor.line + 1,
            head_size=max(record.offset + 1, self._client.end(record.partition)),
            tail_size=len(record.value or b""),
            tail_digest=_digest(record),
        )

    def _check_unmoved(self, partition: Partition, stored: Cursor) -> None:
        """Check that the store is where this run left it.

        Raises:
            InputError: Another process reads the same topic into it.
        """
        if stored != self._stored[partition]:
            raise InputError(
                f"{partition}: another process read on into the same store: let only one do so"
            )

    def _say(self) -> None:
        """Log how far it is."""
        lags = {
            str(partition): max(0, self._client.end(partition) - cursor.byte_offset)
            for partition, cursor in self._cursors.items()
        }
        self._consumed.lag = sum(lags.values())
        _LOG.info(
            "%s read, lag %d: %s",
            counted(self._consumed.records, "record"),
            self._consumed.lag,
            _told(lags),
        )


def _told(lags: Mapping[str, int]) -> str:
    behind = {name: lag for name, lag in lags.items() if lag}
    return ", ".join(f"{name} {lag}" for name, lag in behind.items()) or "all is read"


def _quarantined(
    records: Sequence[Record], outcomes: Sequence[Outcome]
) -> dict[tuple[Partition, int], tuple[Record, tuple[Problem, ...]]]:
    """Return the records of which something was quarantined, with the first problems of each."""
    letters: dict[tuple[Partition, int], tuple[Record, tuple[Problem, ...]]] = {}
    for record, outcome in zip(records, outcomes, strict=True):
        if isinstance(outcome, Quarantined):
            letters.setdefault((record.partition, record.offset), (record, outcome.problems))
    return letters


def _digest(record: Record) -> bytes:
    return hashlib.sha256(record.value or b"").digest()
