"""What was known at a past moment: the events recorded by then, folded with the rules of then.

What a store says is a function of the set of its events, so what it said at a moment is that
function of those it had. Copies that counted then and do not any more are in the table ``copy``.
(design.md section 2, law 4)
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, frozen

from lifecycle.domain import Components, History, Key, Lead, LeadEvent, LeadHistory, fold
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.lookups import UNNAMED, WorkingSet, all_subjects
from lifecycle.store.db.rows import StoredEvent, select_in
from lifecycle.store.db.rules import rules_at


@frozen
class _Copy:
    """A copy that counted at the moment: its event, and the subject that this belongs to now."""

    event: LeadEvent
    subject: int


class Knowledge:
    """The store as it was known at a moment (``at``, microseconds), or as it is (None)."""

    def __init__(self, working: WorkingSet, at: int | None) -> None:
        self._working = working
        self._connection = working.connection
        self._at = at
        self.rules = rules_at(self._connection, at)
        # Under another identity policy other subjects hung together, and nobody knows which.
        self._as_now = self.rules.identity == working.identity
        self._counted: dict[int, list[_Copy]] = defaultdict(list)
        if at is not None:
            self._read_copies(at)

    def history_of(self, keys: Sequence[Key]) -> History:
        """What was known of everything that hangs together with these keys."""
        start = {
            one.subject
            for some in self._counted.values()
            for one in some
            if not set(keys).isdisjoint(one.event.keys)
        }
        start.update(self._subjects_of(keys))
        return fold(self.rules, self._events(self._linked(start)))

    def histories(self) -> Iterator[History]:
        """What was known of every subject, a few at a time."""
        if not self._as_now:
            yield fold(self.rules, self._events([UNNAMED, *all_subjects(self._connection)]))
            return
        components = self._components()
        together: dict[int | Key, list[int]] = defaultdict(list)
        for subject in all_subjects(self._connection):
            together[components.find(subject)].append(subject)
        for some in together.values():
            yield fold(self.rules, self._events(some))

    def _linked(self, subjects: set[int]) -> set[int]:
        """These subjects and those that were linked to them by copies that counted then."""
        if not self._as_now:
            return {UNNAMED, *all_subjects(self._connection)}
        components = self._components()
        roots = {components.find(subject) for subject in subjects}
        return subjects | {
            one for one in components if isinstance(one, int) and components.find(one) in roots
        }

    def _components(self) -> Components[int | Key]:
        """What was linked by copies that counted then: they may share keys that no lead has now."""
        components: Components[int | Key] = Components()
        for one in (one for some in self._counted.values() for one in some):
            keys = one.event.keys
            components.link((one.subject, *keys, *self._subjects_of(keys)))
        return components

    def _subjects_of(self, keys: Iterable[Key]) -> list[int]:
        rows = (self._working.key_row(key).subject for key in keys)
        return [subject for subject in rows if subject is not None]

    def _events(self, subjects: Iterable[int]) -> list[LeadEvent]:
        subjects = list(subjects)
        stored = self._working.events_of_leads(self._working.leads_of(subjects))
        stored += self._working.deletions_of(subjects)
        return [event for one in stored for event in self._version(one)]

    def _version(self, stored: StoredEvent) -> Iterator[LeadEvent]:
        """The copies of an event that the fold of then must see: it chooses among them."""
        if self._at is None or stored.recorded_at <= self._at:
            yield stored.own
        yield from (one.event for one in self._counted.get(stored.seq, ()))

    def _read_copies(self, at: int) -> None:
        """Read the copy of each event that counted then; of a change all that were known."""
        rows = self._connection.execute(
            "SELECT copy.event, coalesce(event.subject, lead.subject), event.id, copy.digest,"
            " copy.trigger, copy.time, copy.content FROM copy"
            " JOIN event ON event.seq = copy.event"
            " LEFT JOIN lead ON lead.id = event.lead"
            " WHERE copy.recorded_at <= ? ORDER BY copy.digest DESC, copy.time DESC",
            (at,),
        )
        for seq, subject, *packed in rows:
            copy = _Copy(unpack(*packed, identity=self.rules.identity), subject)
            known = self._counted[seq] if copy.event.trigger == "change" else []
            self._counted[seq] = [*known, copy]


def recorded_times(
    connection: sqlite3.Connection, event_ids: Iterable[int], at: int
) -> dict[tuple[int, int], int]:
    """When the rows that were current at a moment were recorded, by event and step."""
    select = "SELECT event, step, recorded_at, superseded_at FROM history WHERE event IN"
    return {
        (event, step): recorded_at
        for event, step, recorded_at, superseded_at in select_in(connection, select, event_ids)
        if recorded_at <= at and (superseded_at is None or superseded_at > at)
    }


def at_moment(leads: Iterable[LeadHistory], history: History, at: int) -> list[Lead]:
    """The leads as they were at a moment, by what is known: state and holder from the last step."""
    events = Counter(fate.lead_id for fate in history.fates.values() if fate.position[0] <= at)
    return [_lead_at(found, events[found.lead.lead_id], at) for found in leads]


def _lead_at(found: LeadHistory, events: int, at: int) -> Lead:
    rows = [row for row in found.rows if row.at <= at]
    last = next((row for row in reversed(rows) if not row.refused), None)
    deleted_at = found.lead.contact_deleted_at
    return evolve(
        found.lead,
        state=last.target if last else "new",
        since=last.at if last else None,
        holder=last.holder if last else None,
        events=events,
        refusals=sum(row.refused for row in rows),
        contact_deleted_at=deleted_at if deleted_at is not None and deleted_at <= at else None,
    )
