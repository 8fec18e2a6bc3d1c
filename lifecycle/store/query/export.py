"""Leads, rows of history and events of a store, in order and as they stream: for exports."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from lifecycle.domain import TRIGGERS, Lead, LeadEvent, Verdicts
from lifecycle.store.db.lookups import UNNAMED, WorkingSet
from lifecycle.store.db.rows import (
    OUTCOMES,
    SELECT_LEADS,
    Parties,
    complete_lead,
    select_in,
)
from lifecycle.store.db.rules import rules_at
from lifecycle.store.query.filters import BY_NAME, EVERY_LEAD, LeadFilter, order_by
from lifecycle.store.query.history import add_steps, entry_of, read_rows
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
_EVENTS: Final = f"{SELECT_MESSAGES} WHERE event.cluster IS NOT {UNNAMED} {{}} ORDER BY event.seq"


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

    def leads(self, asked: LeadFilter = EVERY_LEAD, *, sort: str = BY_NAME) -> Iterator[Lead]:
        """Yield all leads, or those that are asked for, sorted by ``lead_id`` or else."""
        for numbers in self._numbers(asked, sort):
            leads = self.numbered(numbers)
            yield from (leads[pk] for pk in numbers if pk in leads)

    def numbered(self, numbers: Sequence[int]) -> dict[int, Lead]:
        """Return the leads of these numbers, by number."""
        rows = select_in(self._connection, f"{SELECT_LEADS} WHERE id IN", numbers)
        leads = {row[0]: complete_lead(row, self._parties) for row in rows}
        add_steps(self._connection, leads)
        return leads

    def count(self, asked: LeadFilter = EVERY_LEAD) -> int:
        """Return how many leads are asked for."""
        where, values = asked.where()
        select = f"SELECT count(*) FROM lead WHERE {where}"
        return int(self._connection.execute(select, values).fetchone()[0])

    def history(
        self, asked: LeadFilter = EVERY_LEAD, *, superseded: bool = False
    ) -> Iterator[HistoryEntry]:
        """Yield the rows of all leads, by ``lead_id``, as ``LeadReader.history`` has them.

        ``asked`` leaves the rows of those leads; ``superseded`` adds the rows that are not true any
        more, each under the lead that it was recorded for.
        """
        where, values = asked.where()
        leads = _LEADS_EVER if superseded and asked == EVERY_LEAD else _of_leads(where)
        for names in self._names(leads, values):
            rows: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
            for row in sorted(read_rows(self._connection, names, former=superseded)):
                rows[row[0]].append(row)
            for pk, lead_id in names.items():
                for seq, row in enumerate(rows[pk], 1):
                    yield entry_of(row, lead_id, self._parties, seq)

    def events(self, asked: LeadFilter = EVERY_LEAD) -> Iterator[EventEntry]:
        """Yield the events with their canonical messages, in the order in which they came."""
        identity = rules_at(self._connection, None).identity
        select, values = _EVENTS.format(""), list[Any]()
        if asked != EVERY_LEAD:
            where, values = asked.where()
            select = _EVENTS.format(f"AND event.lead IN (SELECT id FROM lead WHERE {where})")
        for number, row in enumerate(self._connection.execute(select, values)):
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

    def _numbers(self, asked: LeadFilter, sort: str) -> Iterator[Sequence[int]]:
        """Yield the numbers of leads in their order, some at a time."""
        where, values = asked.where()
        if sort == BY_NAME:
            yield from map(tuple, self._names(_of_leads(where), values))
            return
        select = f"SELECT id FROM lead WHERE {where} ORDER BY {order_by(sort)}"
        numbers = [number for (number,) in self._connection.execute(select, values)]
        for start in range(0, len(numbers), _TOGETHER):
            yield numbers[start : start + _TOGETHER]

    def _names(self, leads: str, values: Sequence[Any] = ()) -> Iterator[dict[int, str]]:
        """Yield the leads by number, sorted by ``lead_id``, some at a time."""
        last = ("", 0)
        while rows := self._next_names(leads, values, last):
            for start in range(0, len(rows), _TOGETHER):
                yield {pk: lead_id for lead_id, pk in rows[start : start + _TOGETHER]}
            last = rows[-1]

    def _next_names(
        self, leads: str, values: Sequence[Any], last: tuple[str, int]
    ) -> list[tuple[str, int]]:
        return self._connection.execute(
            f"SELECT lead_id, id FROM {leads} WHERE (lead_id, id) > (?, ?)"
            f" ORDER BY lead_id, id LIMIT {_SORTED}",
            (*values, *last),
        ).fetchall()


def _of_leads(where: str) -> str:
    return f"(SELECT id, lead_id FROM lead WHERE {where})"
