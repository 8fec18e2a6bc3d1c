"""All leads, rows of history and events of a store, in order and as they stream: for exports."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from lifecycle.domain import Identity, Lead, LeadEvent, Verdicts
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.compression import payload_text
from lifecycle.store.db.lookups import UNNAMED
from lifecycle.store.db.rows import (
    FOLD_ORDER,
    HISTORY_CONTENT,
    OUTCOMES,
    SELECT_LEADS,
    Parties,
    complete_lead,
    history_row,
    select_in,
)
from lifecycle.store.query.results import HistoryEntry

#: So many names are sorted at a time: sorting all of them would take memory for each lead.
_SORTED: Final = 50_000
#: The rows of so many leads are read together.
_TOGETHER: Final = 256
# A lead that turned out to be another has its old rows still; no number is that of two.
_LEADS: Final = "lead"
_LEADS_EVER: Final = "(SELECT id, lead_id FROM lead UNION ALL SELECT id, lead_id FROM former_lead)"
# In the order of the fold; nothing behind history.id, which no two rows share, is compared.
_ROWS: Final = (
    f"SELECT history.lead, {FOLD_ORDER}, history.recorded_at, history.superseded_at, event.late,"
    f" {', '.join(f'history.{name}' for name in HISTORY_CONTENT.split(', '))}"
    " FROM history JOIN event ON event.seq = history.event WHERE"
)
_CURRENT: Final = f"{_ROWS} history.superseded_at IS NULL AND event.lead IN"
_SUPERSEDED: Final = f"{_ROWS} history.superseded_at IS NOT NULL AND history.lead IN"
_DELETIONS: Final = (
    "SELECT subject.id, event.time FROM subject JOIN event ON event.seq = subject.deletion"
    " WHERE subject.id IN"
)
_EVENTS: Final = (
    "SELECT event.seq, lead.lead_id, event.outcome, event.recorded_at, event.late, log.name,"
    " event.line, event.body, erased.erased_at, event.id, event.digest, event.trigger, event.time,"
    " event.content FROM event LEFT JOIN lead ON lead.id = event.lead"
    " LEFT JOIN log ON log.id = event.log LEFT JOIN erased ON erased.event = event.seq"
    f" WHERE event.subject IS NOT {UNNAMED} ORDER BY event.seq"
)


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
        """All leads, sorted by ``lead_id``."""
        for names in self._names(_LEADS):
            found = select_in(self._connection, f"{SELECT_LEADS} WHERE id IN", names)
            rows = {row[0]: row for row in found}
            subjects = {row[2] for row in found}
            deletions = dict(select_in(self._connection, _DELETIONS, subjects))
            for pk in names:
                yield complete_lead(rows[pk], self._parties, deletions.get(rows[pk][2]))

    def history(self, *, superseded: bool = False) -> Iterator[HistoryEntry]:
        """The rows of all leads, sorted by ``lead_id`` and as ``LeadReader.history`` has them.

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
                    yield self._entry(seq, lead_id, row)

    def events(self) -> Iterator[EventEntry]:
        """The events that count, in the order in which they came."""
        for row in self._connection.execute(_EVENTS):
            seq, lead_id, outcome, recorded_at, late, log, line, body, erased_at, *packed = row
            yield EventEntry(
                seq,
                lead_id,
                unpack(*packed, identity=self._identity),
                OUTCOMES[outcome],
                recorded_at,
                bool(late),
                log,
                line,
                payload_text(body),
                erased_at,
            )

    def _names(self, leads: str) -> Iterator[dict[int, str]]:
        """The leads by number, sorted by ``lead_id``, some at a time."""
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

    def _entry(self, seq: int, lead_id: str, row: tuple[Any, ...]) -> HistoryEntry:
        _, _, _, _, event_id, step, _, recorded_at, superseded_at, late, *content = row
        return HistoryEntry(
            seq=seq,
            lead_id=lead_id,
            row=history_row(content, event_id, step, self._parties),
            recorded_at=recorded_at,
            superseded_at=superseded_at,
            late=bool(late),
        )
