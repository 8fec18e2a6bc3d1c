"""Leads, rows of history and events of a store, in order and as they stream: for exports."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from lifecycle.domain import TRIGGERS, Identity, Lead, LeadEvent, Verdicts
from lifecycle.store.db.lookups import UNNAMED, WorkingSet
from lifecycle.store.db.rows import OUTCOMES, Parties, select_in
from lifecycle.store.query.history import SELECT_ROWS, entry_of
from lifecycle.store.query.leads import read_leads
from lifecycle.store.query.messages import SELECT_MESSAGES, read_body
from lifecycle.store.query.results import HistoryEntry

#: So many names are sorted at a time: sorting all of them would take memory for each lead.
_SORTED: Final = 50_000
#: The rows of so many leads, and so many events, are read together.
_TOGETHER: Final = 256
# A lead that turned out to be another has its old rows still; no number is that of two.
_LEADS: Final = "lead"
_LEADS_EVER: Final = (
    "(SELECT id, lead_id FROM lead UNION ALL SELECT lead, lead_id FROM former_lead AS former"
    " WHERE lead NOT IN (SELECT id FROM lead) AND known_since ="
    " (SELECT max(known_since) FROM former_lead WHERE lead = former.lead))"
)
_CURRENT: Final = f"{SELECT_ROWS} WHERE history.superseded_at IS NULL AND event.lead IN"
_SUPERSEDED: Final = f"{SELECT_ROWS} WHERE history.superseded_at IS NOT NULL AND history.lead IN"
_EVENTS: Final = f"{SELECT_MESSAGES} WHERE event.cluster IS NOT {UNNAMED} ORDER BY event.seq"


@frozen
class EventEntry:
    """An event as the store keeps it, with its message.

    Attributes:
        seq: Its number, in the order of arrival.
        lead_id: The lead it belongs to; None for the deletion of a contact.
        event: What was decoded.
        outcome: What became of it, as far as is known.
        recorded_at: When it came, microseconds since 1970 in UTC.
        late: Whether a later one of its lead had come before.
        log: The log it stood in, None when it was applied directly.
        line: The line in the log, from 1.
        payload: The message itself, JSON as it came; None when it was erased.
        erased_at: When it was erased, in microseconds; None when it was not.
    """

    seq: int
    lead_id: str | None
    event: LeadEvent
    outcome: Verdicts
    recorded_at: int
    late: bool
    log: str | None
    line: int | None
    payload: str | None
    erased_at: int | None


class StoreListing:
    """All there is of one sort, in memory that does not grow with the store.

    Read it within one ``snapshot``.
    """

    def __init__(
        self, connection: sqlite3.Connection, parties: Parties, identity: Identity
    ) -> None:
        self._connection = connection
        self._parties = parties
        self._identity = identity

    def leads(self) -> Iterator[Lead]:
        """Yield all leads, sorted by ``lead_id``."""
        for names in self._names(_LEADS):
            yield from read_leads(self._connection, self._parties, list(names))

    def history(self, *, superseded: bool = False) -> Iterator[HistoryEntry]:
        """Yield the rows of all leads, by ``lead_id``, as ``LeadReader.history`` has them.

        ``superseded`` adds the rows that are not true any more, each under the lead that it was
        recorded for.
        """
        for names in self._names(_LEADS_EVER if superseded else _LEADS):
            found = select_in(self._connection, _CURRENT, names)
            if superseded:
                found += select_in(self._connection, _SUPERSEDED, names)
            rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
            for row in sorted(found):
                rows[row[0]].append(row)
            for pk, lead_id in names.items():
                for seq, row in enumerate(rows[pk], 1):
                    yield entry_of(row, lead_id, self._parties, seq)

    def events(self) -> Iterator[EventEntry]:
        """Yield the events with their canonical messages, in the order in which they came."""
        for number, row in enumerate(self._connection.execute(_EVENTS)):
            if number % _TOGETHER == 0:  # a working set keeps what it has read
                working = WorkingSet(self._connection, self._parties, self._identity)
            seq, lead_id, event_id, trigger, time, outcome, *known, entry, sealed_at = row
            recorded_at, late, log, line = known
            payload, erased_at = read_body(working, entry, sealed_at)
            if payload is None:
                event = LeadEvent(event_id, TRIGGERS[trigger], time, b"")
            else:
                event = working.content(entry, event_id)
            yield EventEntry(
                *(seq, lead_id, event, OUTCOMES[outcome], recorded_at, bool(late)),
                *(log, line, payload, erased_at),
            )

    def _names(self, leads: str) -> Iterator[dict[int, str]]:
        """Yield the leads by number, sorted by ``lead_id``, some at a time."""
        last = ("", 0)
        while rows := self._next_names(leads, last):
            for start in range(0, len(rows), _TOGETHER):
                yield {pk: lead_id for lead_id, pk in rows[start : start + _TOGETHER]}
            last = rows[-1]

    def _next_names(self, leads: str, last: tuple[str, int]) -> list[tuple[str, int]]:
        return self._connection.execute(
            f"SELECT lead_id, id FROM {leads} WHERE (lead_id, id) > (?, ?)"
            f" ORDER BY lead_id, id LIMIT {_SORTED}",
            last,
        ).fetchall()
