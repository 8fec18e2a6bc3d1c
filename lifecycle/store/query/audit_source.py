"""A store as an audit sees it: its messages by subject, and what did not become an event."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Any, Final, Literal, NamedTuple

from attrs import frozen

from lifecycle.domain import TRIGGERS, Finding, Identity, LeadEvent, Position, Trigger, conflict
from lifecycle.messages import format_time
from lifecycle.store.db.codec import CHANGE_NUMBER, hashed
from lifecycle.store.db.lookups import WorkingSet, all_subjects
from lifecycle.store.db.rows import Parties, select_in
from lifecycle.store.ledger.digest import contents_of
from lifecycle.store.ledger.tombstones import erased_conflicts
from lifecycle.store.query.results import (
    MESSAGES_IN_ORDER,
    SELECT_MESSAGES,
    StoredMessage,
    stored_message,
)

#: So many subjects are looked up at a time.
_TOGETHER: Final = 500


class Origin(NamedTuple):
    """Where a message stood: its log, and the line in it from 1; None where it was applied."""

    source: str | None = None
    line: int | None = None


@frozen
class VerdictChange:
    """A verdict that a later message changed, or other rules did.

    Times are microseconds since 1970 in UTC.

    Attributes:
        at: The time of the event.
        became: What it became: ``valid`` was refused before, ``refused`` was valid.
        known_since: Since when the store had said otherwise.
        changed_at: Since when it says so.
    """

    lead_id: str
    event_id: str
    trigger: Trigger
    at: int
    became: Literal["refused", "valid"]
    known_since: int
    changed_at: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "lead_id": self.lead_id,
            "event_id": self.event_id,
            "trigger": self.trigger,
            "at": format_time(self.at),
            "became": self.became,
            "known_since": format_time(self.known_since),
            "changed_at": format_time(self.changed_at),
        }


class StoreEvidence:
    """What a store holds, for an audit; read it within one ``snapshot``.

    Attributes:
        conflicts: The findings for copies that do not count, by event id.
        ignored: Ignored messages by topic, as often as they came.
        quarantined: Messages in the quarantine, each by the code of its first problem.
    """

    def __init__(
        self, connection: sqlite3.Connection, parties: Parties, identity: Identity
    ) -> None:
        self._connection = connection
        self._working = WorkingSet(connection, parties, identity)
        self.conflicts = self._read_conflicts()
        self.ignored: dict[str, int] = dict(
            connection.execute("SELECT topic, messages FROM ignored ORDER BY topic")
        )
        self.quarantined = self._read_quarantined()

    def subjects(self) -> Iterator[list[LeadEvent]]:
        """The events of each subject in fold order, some subjects at a time."""
        numbers = all_subjects(self._connection)
        for start in range(0, len(numbers), _TOGETHER):
            yield from self._events_of(numbers[start : start + _TOGETHER])

    def contents(self) -> Iterator[tuple[str, bytes, int]]:
        """The id, the digest and the earliest time of each content, in any order."""
        return contents_of(self._connection)

    def origins(self, event_ids: Iterable[str]) -> dict[str, Origin]:
        """Where the messages of these events stood."""
        rows = select_in(
            self._connection,
            "SELECT event.id, log.name, event.line FROM event LEFT JOIN log ON log.id = event.log"
            " WHERE event.id_hash IN",
            map(hashed, event_ids),
        )
        return {event_id: Origin(source, line) for event_id, source, line in rows}

    def subject_of(self, event_id: str) -> list[LeadEvent]:
        """The events of the subject that an event belongs to, in fold order."""
        (events,) = self._events_of(self._subject_of(event_id))
        return events

    def _subject_of(self, event_id: str) -> list[int]:
        rows = self._connection.execute(
            "SELECT coalesce(event.subject, lead.subject) FROM event"
            " LEFT JOIN lead ON lead.id = event.lead WHERE id_hash = ?",
            (hashed(event_id),),
        )
        return [row[0] for row in rows]

    def came_at(self, event_id: str, times: Iterable[int]) -> dict[int, list[StoredMessage]]:
        """The messages of an event's subject that came, or came to count, at these moments."""
        (subject,) = self._subject_of(event_id)
        wanted = set(times)
        rows = self._connection.execute(
            f"{SELECT_MESSAGES} WHERE event.subject = ?1 OR event.lead IN"
            f" (SELECT id FROM lead WHERE subject = ?1) {MESSAGES_IN_ORDER}",
            (subject,),
        )
        found: dict[int, list[StoredMessage]] = defaultdict(list)
        for row in rows:
            if row[4] in wanted:
                found[row[4]].append(stored_message(row))
        return found

    def verdict_changes(self) -> list[VerdictChange]:
        """The verdicts that later messages or other rules changed, by lead and in order."""
        rows = self._connection.execute(
            "SELECT coalesce(lead.lead_id, former_lead.lead_id), event.id, event.trigger,"
            " event.time, history.refusal IS NOT NULL, history.recorded_at, history.superseded_at,"
            " event.recorded_at FROM history JOIN event ON event.seq = history.event"
            " LEFT JOIN lead ON lead.id = event.lead"
            " LEFT JOIN former_lead ON former_lead.id = history.lead WHERE event.seq IN ("
            "SELECT history.event FROM history JOIN event ON event.seq = history.event"
            " WHERE history.superseded_at IS NOT NULL"
            " OR history.recorded_at > event.recorded_at)"
            " ORDER BY 1, event.time, event.trigger, event.id, history.recorded_at"
        )
        found: list[VerdictChange] = []
        for event, some in groupby(rows, _of_event):
            its_rows = list(some)
            # Where another copy counts since, the event came when the first one did.
            came = min(min(row[5], row[7]) for row in its_rows)
            refused = [(row[5], row[6]) for row in its_rows if row[4]]
            lead_id, event_id, trigger, at = event
            found += _changes((lead_id, event_id, TRIGGERS[trigger], at), came, refused)
        return found

    def _events_of(self, subjects: list[int]) -> Iterator[list[LeadEvent]]:
        leads = self._working.leads_of(subjects)
        found: dict[int, list[LeadEvent]] = defaultdict(list)
        deletions = self._working.deletions_of(subjects)
        for stored in chain(self._working.events_of_leads(leads), deletions):
            subject = stored.subject if stored.lead is None else leads[stored.lead]
            if subject is not None:
                found[subject].append(stored.event)
        for events in found.values():
            events.sort(key=_position)
            yield events

    def _read_conflicts(self) -> dict[str, list[Finding]]:
        rows = self._connection.execute(
            "SELECT DISTINCT event.id, copy.digest FROM copy JOIN event ON event.seq = copy.event"
            " WHERE copy.digest <> event.digest AND event.trigger <> ? ORDER BY 1, 2",
            (CHANGE_NUMBER,),
        )
        found: dict[str, list[Finding]] = defaultdict(list)
        for event_id, digest in rows:
            found[event_id].append(conflict(event_id, digest))
        for _, finding in erased_conflicts(self._connection):
            found[str(finding.event_id)].append(finding)
        return found

    def _read_quarantined(self) -> dict[str, int]:
        rows = self._connection.execute(
            "SELECT problems FROM quarantine WHERE left_at IS NULL ORDER BY id"
        )
        return dict(Counter(json.loads(problems)[0][2] for (problems,) in rows))


def _of_event(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:4]


def _changes(
    event: tuple[str, str, Trigger, int], arrived_at: int, refused: list[tuple[int, int | None]]
) -> Iterator[VerdictChange]:
    """The changes of one event's verdict, from the times during which it was known as refused."""
    valid_since: int | None = arrived_at
    for number, (start, end) in enumerate(refused):
        if valid_since is not None and start > valid_since:
            yield VerdictChange(*event, "refused", valid_since, start)
        if valid_since is not None:
            refused_since = start
        goes_on = number + 1 < len(refused) and refused[number + 1][0] == end
        valid_since = None if goes_on else end
        if valid_since is not None:
            yield VerdictChange(*event, "valid", refused_since, valid_since)


def _position(event: LeadEvent) -> Position:
    return event.position
