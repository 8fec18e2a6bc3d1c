"""Leads, rows of history and events of a store, in order and as they stream: for exports."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from lifecycle.domain import TRIGGERS, Lead, LeadEvent, State, Verdicts
from lifecycle.store.db.lookups import UNNAMED, WorkingSet
from lifecycle.store.db.rows import (
    OUTCOMES,
    SELECT_LEADS,
    STATE_NUMBER,
    Parties,
    complete_lead,
    select_in,
)
from lifecycle.store.db.rules import rules_at
from lifecycle.store.query.history import entry_of, read_rows
from lifecycle.store.query.messages import SELECT_MESSAGES, read_body
from lifecycle.store.query.pages import StorePages
from lifecycle.store.query.results import HistoryEntry
from lifecycle.utc import as_datetime, optional_datetime

#: So many names are sorted at a time: sorting all of them would take memory for each lead.
_SORTED: Final = 50_000
#: The rows of so many leads, and so many events, are read together.
_TOGETHER: Final = 256
# A lead that turned out to be another has its old rows still; no number is that of two.
_LEADS_EVER: Final = (
    "(SELECT id, lead_id FROM lead UNION ALL SELECT lead, lead_id FROM former_lead AS former"
    " WHERE lead NOT IN (SELECT id FROM lead) AND known_since ="
    " (SELECT max(known_since) FROM former_lead WHERE lead = former.lead))"
)
_EVENTS: Final = f"{SELECT_MESSAGES} WHERE event.cluster IS NOT {UNNAMED} ORDER BY event.seq"


@frozen
class EventEntry:
    """An event as the store keeps it, with its message.

    Attributes:
        seq: Its number, in the order of arrival.
        lead_id: The lead it belongs to; None for the deletion of a contact.
        event: What was decoded.
        outcome: What became of it, as far as is known.
        recorded_at: When it came.
        late: Whether a later one of its lead had come before.
        log: The log it stood in, None when it was applied directly.
        line: The line in the log, from 1.
        payload: The message itself, JSON as it came; None when it was erased.
        erased_at: When it was erased; None when it was not.
    """

    seq: int
    lead_id: str | None
    event: LeadEvent
    outcome: Verdicts
    recorded_at: datetime = field(converter=as_datetime)
    late: bool
    log: str | None
    line: int | None
    payload: str | None
    erased_at: datetime | None = field(converter=optional_datetime)


class StoreListing:
    """All there is of one sort, in memory that does not grow with the store.

    Read it within one ``snapshot``.
    """

    def __init__(self, connection: sqlite3.Connection, parties: Parties) -> None:
        self._connection = connection
        self._parties = parties

    def pages(self) -> StorePages:
        """Return what reads leads and messages by their numbers, so many at a time."""
        return StorePages(self._connection, self._parties)

    def leads(self, state: State | None = None) -> Iterator[Lead]:
        """Yield all leads, or those in one state, sorted by ``lead_id``."""
        where = "" if state is None else f" WHERE state = {STATE_NUMBER[state]}"
        for names in self._names(f"(SELECT id, lead_id FROM lead{where})"):
            rows = select_in(self._connection, f"{SELECT_LEADS} WHERE id IN", names)
            leads = {row[0]: complete_lead(row, self._parties) for row in rows}
            yield from (leads[pk] for pk in names if pk in leads)

    def history(self, *, superseded: bool = False) -> Iterator[HistoryEntry]:
        """Yield the rows of all leads, by ``lead_id``, as ``LeadReader.history`` has them.

        ``superseded`` adds the rows that are not true any more, each under the lead that it was
        recorded for.
        """
        for names in self._names(_LEADS_EVER if superseded else "lead"):
            rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
            for row in sorted(read_rows(self._connection, names, former=superseded)):
                rows[row[0]].append(row)
            for pk, lead_id in names.items():
                for seq, row in enumerate(rows[pk], 1):
                    yield entry_of(row, lead_id, self._parties, seq)

    def events(self) -> Iterator[EventEntry]:
        """Yield the events with their canonical messages, in the order in which they came."""
        identity = rules_at(self._connection, None).identity
        for number, row in enumerate(self._connection.execute(_EVENTS)):
            if number % _TOGETHER == 0:  # a working set keeps what it has read
                working = WorkingSet(self._connection, self._parties, identity)
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
