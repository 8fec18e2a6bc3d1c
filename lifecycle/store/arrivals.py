"""The first half of a transaction: what arrived, and what of it is new."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from attrs import define, frozen

from lifecycle.domain import LeadEvent, Problem
from lifecycle.messages import MAX_BYTES, Decoded, Ignored, Reading, Undecodable, format_time
from lifecycle.store.outcome import Outcome
from lifecycle.store.rows import id_hash

if TYPE_CHECKING:
    from lifecycle.store.working import WorkingSet

#: A time further ahead of the clock than this is quarantined until it is due, in microseconds.
AHEAD: Final = 24 * 60 * 60 * 1_000_000


@frozen
class Place:
    """Where a message came from: the number of a log and a line in it, and the run that read it."""

    log: int | None = None
    line: int | None = None
    run: int | None = None


@define
class Arrival:
    """An event to be folded: a new one, or another copy that counts from now on (``replaces``)."""

    seq: int
    event: LeadEvent
    body: str
    place: Place
    replaces: bool = False
    late: bool = False


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
        self._now = now
        self._standing: dict[str, _Standing] = {}
        self._ignored: Counter[str] = Counter()
        self.to_fold: dict[int, Arrival] = {}
        self.contested: set[int] = set()

    def take(self, reading: Reading, place: Place) -> Outcome | str:
        """What became of this message; an event id where the fold will say it."""
        match reading:
            case Decoded(event=event) if event.time > self._now + AHEAD:
                return self._postpone(reading, place)
            case Decoded():
                return self._arrive(reading, place)
            case Ignored(topic=topic):
                self._ignored[topic] += 1
                return Outcome("ignored", topic=topic)
            case Undecodable(problems=problems):
                self._quarantine(reading, place, None)
                return Outcome("quarantined", problems=problems)

    def save_ignored(self) -> None:
        """Add up the ignored topics."""
        self._connection.executemany(
            "INSERT INTO ignored VALUES (?1, ?2)"
            " ON CONFLICT (topic) DO UPDATE SET messages = messages + ?2",
            sorted(self._ignored.items()),
        )

    def _arrive(self, decoded: Decoded, place: Place) -> Outcome | str:
        event, body = decoded.event, decoded.payload.decode("utf-8-sig")
        standing = self._standing.get(event.id) or self._find(event.id)
        if standing is None:
            arrival = Arrival(self._working.numbers.next("event"), event, body, place)
            self._standing[event.id] = _Standing(arrival.seq, event.version, arrival)
            self.to_fold[arrival.seq] = arrival
            return event.id
        same = event.digest == standing.version[0]
        if event.version < standing.version:
            self._replace(standing, event, body, place)
        elif not same:
            self._keep_copy(standing.seq, event.version, body)
        if not same:
            self.contested.add(standing.seq)
        return Outcome("duplicate" if same else "conflict", event.id, event.trigger)

    def _find(self, event_id: str) -> _Standing | None:
        row = self._connection.execute(
            "SELECT seq, digest, time FROM event WHERE id_hash = ?", (id_hash(event_id),)
        ).fetchone()
        if row is None:
            return None
        standing = self._standing[event_id] = _Standing(row[0], (row[1], row[2]))
        return standing

    def _replace(self, standing: _Standing, event: LeadEvent, body: str, place: Place) -> None:
        """Let this copy count, and keep the one that counted."""
        if standing.arrival is not None:
            self._keep_copy(standing.seq, standing.version, standing.arrival.body)
            standing.arrival.event, standing.arrival.body = event, body
        else:
            row = self._connection.execute(
                "SELECT payload.body, event.recorded_at, event.run FROM event"
                " JOIN payload ON payload.event = event.seq WHERE event.seq = ?",
                (standing.seq,),
            ).fetchone()
            self._keep_copy(standing.seq, standing.version, row[0], row[1])
            place = Place(place.log, place.line, row[2])
            standing.arrival = Arrival(standing.seq, event, body, place, replaces=True)
            self.to_fold[standing.seq] = standing.arrival
        standing.version = event.version

    def _keep_copy(
        self, seq: int, version: tuple[bytes, int], body: str, recorded_at: int | None = None
    ) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO copy (event, digest, time, body, recorded_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (seq, *version, body, recorded_at or self._recorded_at),
        )

    def _postpone(self, decoded: Decoded, place: Place) -> Outcome:
        time = decoded.event.time
        expected = f"expected a time at most a day ahead of the clock, got {format_time(time)}"
        problems = (Problem("time", expected, "future_time"),)
        self._quarantine(Undecodable.whole(decoded.payload, problems), place, time - AHEAD)
        return Outcome("quarantined", problems=problems)

    def _quarantine(self, message: Undecodable, place: Place, due_at: int | None) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO quarantine"
            " (digest, raw, size, problems, log, line, recorded_at, due_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.digest,
                message.raw[:MAX_BYTES],
                message.size,
                problems_text(message.problems),
                place.log,
                place.line,
                self._recorded_at,
                due_at,
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
