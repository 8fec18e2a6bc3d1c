"""The first half of a transaction: what arrived, and what of it is new."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, field

from lifecycle.domain import TRIGGERS, Identity, LeadEvent, Problem, immutable
from lifecycle.messages import (
    MAX_BYTES,
    Decoded,
    Ignored,
    Reading,
    Undecodable,
    format_time,
    read_message,
)
from lifecycle.store.db.codec import Packed, content_of, pack, unpack
from lifecycle.store.db.compression import ERASED, decompress
from lifecycle.store.db.rows import StoredEvent, select_in
from lifecycle.store.ingest.outcome import Outcome
from lifecycle.store.ledger.chain import Ledger

if TYPE_CHECKING:
    from lifecycle.store.db.lookups import KeyRow, WorkingSet

#: A time further ahead of the clock than this is quarantined until it is due, in microseconds.
AHEAD: Final = 24 * 60 * 60 * 1_000_000


@immutable
class Place:
    """Where a message came from: the number of a log and a line in it, and the run that read it.

    A line is ``unfinished`` when it has no end yet: it may be written to, and is read again.
    """

    log: int | None = None
    line: int | None = None
    run: int | None = None
    unfinished: bool = False


#: A message as the store takes it.
Taken: TypeAlias = Packed | Ignored | Undecodable


def taken(reading: Reading) -> Taken:
    """A reading as the store takes it."""
    return pack(reading) if isinstance(reading, Decoded) else reading


@define(eq=False)
class Arrival:
    """An event to be folded: a new one, or another copy that counts from now on.

    ``ledger`` is the number of its content; ``replaces`` that of the verdict on the copy that
    counted before, and ``lead`` the lead to which that was bound; ``rows`` are those of its keys,
    in their order. Where another copy only completes what stands in the store, ``stands`` is that.
    """

    seq: int
    ledger: int
    packed: Packed
    event: LeadEvent
    place: Place
    replaces: int | None = None
    lead: int | None = None
    stands: StoredEvent | None = None
    rows: list[KeyRow] = field(factory=list)


@define
class _Standing:
    """The copy that counts so far."""

    seq: int
    version: tuple[bytes, int]
    arrival: Arrival | None = None


class Arrivals:
    """Sorts what arrives: new events, copies, conflicts; and keeps what is none of these."""

    def __init__(self, working: WorkingSet, recorded_at: int, now: int) -> None:
        self._working = working
        self._connection = working.connection
        self._recorded_at = recorded_at
        self._ledger = Ledger(working.connection, recorded_at)
        self._latest = now + AHEAD
        self._identity = working.identity
        self._standing: dict[bytes, _Standing] = {}
        self._ignored: Counter[str] = Counter()
        self._erased: set[bytes] = set()
        (self._any_erased,) = working.connection.execute(
            "SELECT EXISTS (SELECT 1 FROM erased)"
        ).fetchone()
        self.to_fold: list[Arrival] = []
        self.contested: set[int] = set()

    def take(self, messages: Sequence[tuple[Taken, Place]]) -> list[Outcome | str]:
        """What became of each message; an event id where the fold will say it."""
        self._look_up(one.id_hash for one, _ in messages if isinstance(one, Packed))
        return [self._take(message, place) for message, place in messages]

    def save(self) -> None:
        """Write what no fold concerns: the ledger, and how many messages were ignored."""
        self._ledger.save()
        if not self._ignored:
            return
        self._connection.executemany(
            "INSERT INTO ignored VALUES (?1, ?2)"
            " ON CONFLICT (topic) DO UPDATE SET messages = messages + ?2",
            sorted(self._ignored.items()),
        )

    def _look_up(self, hashes: Iterable[bytes]) -> None:
        hashes = list(hashes)
        if self._any_erased:
            select = "SELECT id_hash FROM erased WHERE id_hash IN"
            self._erased.update(found for (found,) in select_in(self._connection, select, hashes))
        select = "SELECT id_hash, seq, digest, time FROM event WHERE id_hash IN"
        for id_hash, seq, digest, time in select_in(self._connection, select, hashes):
            self._standing.setdefault(id_hash, _Standing(seq, (digest, time)))

    def _take(self, message: Taken, place: Place) -> Outcome | str:
        if isinstance(message, Packed):
            if message.id_hash in self._erased:
                return Outcome("duplicate", message.id, TRIGGERS[message.trigger])
            if message.time > self._latest:
                return self._postpone(message, place)
            return self._arrive(message, place)
        if isinstance(message, Ignored):
            self._ignored[message.topic] += 1
            return Outcome("ignored", topic=message.topic)
        self._quarantine(message, place, None)
        return Outcome("quarantined", problems=message.problems)

    def _arrive(self, packed: Packed, place: Place) -> Outcome | str:
        standing = self._standing.get(packed.id_hash)
        if standing is not None and packed.version == standing.version:
            return Outcome("duplicate", packed.id, TRIGGERS[packed.trigger])
        event = unpack(*packed.columns, identity=self._identity)
        if not event.keys:
            return self._set_aside(packed, place)
        if standing is None:
            seq = self._working.numbers.next_event()
            arrival = Arrival(seq, self._ledger.enter(packed), packed, event, place)
            self._standing[packed.id_hash] = _Standing(seq, packed.version, arrival)
            self.to_fold.append(arrival)
            return packed.id
        if event.trigger == "change":
            return self._complete(standing, packed, event, place)
        known = self._is_known(standing, packed.digest)
        if packed.version < standing.version:
            self._replace(standing, packed, event, place)
        elif packed.digest != standing.version[0]:
            self._keep_other(standing.seq, packed)
        if not known:
            self.contested.add(standing.seq)
        return Outcome("duplicate" if known else "conflict", packed.id, TRIGGERS[packed.trigger])

    def _complete(
        self, standing: _Standing, packed: Packed, event: LeadEvent, place: Place
    ) -> Outcome:
        """Let another copy of a change complete it: the event is what all copies make."""
        if packed.version < standing.version:
            self._replace(standing, packed, event, place)
        elif standing.arrival is not None:
            self._keep_other(standing.seq, packed)
        else:
            self._complete_stored(standing, packed, place)
        if (arrival := standing.arrival) is not None:
            arrival.event = self._joined(arrival)
        return Outcome("duplicate", packed.id, "change")

    def _complete_stored(self, standing: _Standing, packed: Packed, place: Place) -> None:
        """Fold what stands in the store again, if another copy says more of it."""
        (stands,) = self._working.events_numbered([standing.seq])
        before = stands.event
        if not self._keep_other(standing.seq, packed):
            return
        ledger, verdict, *columns = self._connection.execute(
            "SELECT ledger, outcome, id, id_hash, digest, trigger, time, content, body"
            " FROM event WHERE seq = ?",
            (standing.seq,),
        ).fetchone()
        arrival = Arrival(
            *(standing.seq, ledger, Packed(*columns), before, place, verdict, stands.lead, stands)
        )
        if content_of(self._joined(arrival)) != content_of(before):
            standing.arrival = arrival
            self.to_fold.append(arrival)

    def _joined(self, arrival: Arrival) -> LeadEvent:
        own = unpack(*arrival.packed.columns, identity=self._identity)
        return self._working.joined(arrival.seq, own)

    def _is_known(self, standing: _Standing, digest: bytes) -> bool:
        """Return whether a content came under this id before, canonical or not."""
        return digest == standing.version[0] or bool(
            self._connection.execute(
                "SELECT EXISTS (SELECT 1 FROM copy WHERE event = ? AND digest = ?)",
                (standing.seq, digest),
            ).fetchone()[0]
        )

    def _set_aside(self, packed: Packed, place: Place) -> Outcome:
        """Quarantine a message in which the identity policy finds no name."""
        message = nameless(decompress(packed.body), packed.time, self._identity)
        self._quarantine(message, place, None)
        return Outcome("quarantined", problems=message.problems)

    def _replace(self, standing: _Standing, packed: Packed, event: LeadEvent, place: Place) -> None:
        """Let this copy count, and keep the one that counted, with its number in the ledger."""
        ledger = self._ledger.enter(packed)
        arrival = standing.arrival
        if arrival is not None:
            was = arrival.packed
            recorded_at = arrival.stands.recorded_at if arrival.stands else self._recorded_at
            self._keep_copy(
                *(standing.seq, arrival.ledger, was.digest, was.trigger, was.time),
                *(recorded_at, was.content, was.body),
            )
            arrival.event, arrival.packed, arrival.ledger = event, packed, ledger
            run = arrival.stands.run if arrival.stands else arrival.place.run
            arrival.stands = None
        else:
            verdict, run, lead, *copy = self._connection.execute(
                "SELECT outcome, run, lead, seq, ledger, digest, trigger, time, recorded_at,"
                " content, body FROM event WHERE seq = ?",
                (standing.seq,),
            ).fetchone()
            self._keep_copy(*copy)
            arrival = Arrival(standing.seq, ledger, packed, event, place, verdict, lead)
            standing.arrival = arrival
            self.to_fold.append(arrival)
        # It stands where this copy stood, and counts for the run that brought the first.
        arrival.place = Place(place.log, place.line, run)
        standing.version = packed.version

    def _keep_other(self, seq: int, packed: Packed) -> bool:
        """Keep a copy that does not count, if it is not known yet; return whether it was new."""
        known = self._connection.execute(
            "SELECT 1 FROM copy WHERE event = ? AND digest = ? AND time = ?", (seq, *packed.version)
        ).fetchone()
        if known is None:
            self._keep_copy(
                *(seq, self._ledger.enter(packed), packed.digest, packed.trigger, packed.time),
                *(self._recorded_at, packed.content, packed.body),
            )
        return known is None

    def _keep_copy(self, *columns: Any) -> None:
        self._connection.execute(
            "INSERT INTO copy (event, ledger, digest, trigger, time, recorded_at, content, body)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            columns,
        )

    def _postpone(self, packed: Packed, place: Place) -> Outcome:
        time = format_time(packed.time)
        expected = f"expected a time at most a day ahead of the clock, got {time}"
        problems = (Problem("time", expected, "future_time"),)
        message = Undecodable.whole(decompress(packed.body), problems)
        self._quarantine(message, place, packed.time - AHEAD)
        return Outcome("quarantined", problems=problems)

    def _quarantine(self, message: Undecodable, place: Place, due_at: int | None) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO quarantine"
            " (digest, raw, size, problems, log, line, unfinished, recorded_at, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.digest,
                message.raw[:MAX_BYTES],
                message.size,
                problems_text(message.problems),
                place.log,
                place.line,
                place.unfinished,
                self._recorded_at,
                due_at,
            ),
        )


def nameless(raw: bytes, time: int, identity: Identity) -> Undecodable:
    """Return a message in which an identity policy finds no name, with its problems."""
    readings = read_message(raw, received_at=time, identity=identity)
    problems = [one for reading in readings for one in getattr(reading, "problems", ())]
    return Undecodable.whole(raw, problems)


def quarantine_event(
    connection: sqlite3.Connection, seq: int, identity: Identity, recorded_at: int
) -> None:
    """Let the message of an event stand in the quarantine, as it has no name under a policy."""
    log, line, time, body = connection.execute(
        "SELECT log, line, time, body FROM event WHERE seq = ?", (seq,)
    ).fetchone()
    if body == ERASED:
        return
    message = nameless(decompress(body), time, identity)
    connection.execute(
        "INSERT INTO quarantine"
        " (digest, raw, size, problems, log, line, unfinished, recorded_at)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, ?)"
        " ON CONFLICT (digest) DO UPDATE SET left_at = NULL, left_as = NULL,"
        " problems = excluded.problems",
        (
            *(message.digest, message.raw, message.size, problems_text(message.problems)),
            *(log, line, recorded_at),
        ),
    )


def problems_text(problems: tuple[Problem, ...]) -> str:
    """Problems as JSON: path, message, code."""
    rows = [[problem.path, problem.message, problem.code] for problem in problems]
    return json.dumps(rows, ensure_ascii=True)


def problems_from(text: str) -> tuple[Problem, ...]:
    """Problems from their JSON."""
    rows: list[Any] = json.loads(text)
    return tuple(Problem(*row) for row in rows)
