"""Rows of history as the store keeps them: of a lead, and in the order of their changes."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from lifecycle.store.db.rows import FOLD_ORDER, HISTORY_CONTENT, Parties, history_row
from lifecycle.store.query.results import Change, HistoryEntry

_COLUMNS: Final = (
    "SELECT coalesce(lead.lead_id, former_lead.lead_id), event.id, history.step,"
    " history.recorded_at, history.superseded_at, event.late,"
    f" {', '.join(f'history.{name}' for name in HISTORY_CONTENT.split(', '))}"
)
_FROM: Final = (
    " FROM history JOIN event ON event.seq = history.event"
    " LEFT JOIN lead ON lead.id = history.lead"
    " LEFT JOIN former_lead ON former_lead.id = history.lead"
)
_IN_ORDER: Final = f" ORDER BY {FOLD_ORDER}"
_CHANGE_COLUMN: Final = 7 + len(HISTORY_CONTENT.split(", "))


class Entries:
    """The history of a store, within one snapshot."""

    def __init__(self, connection: sqlite3.Connection, parties: Parties) -> None:
        self._connection = connection
        self._parties = parties

    def of_lead(self, lead: int, *, superseded: bool) -> list[HistoryEntry]:
        """The rows of a lead; superseded ones too of what its events were thought to be before."""
        which = "event.lead = ?1 AND history.superseded_at IS NULL"
        if superseded:
            which = "event.lead = ?1 OR (history.lead = ?1 AND history.superseded_at IS NOT NULL)"
        rows = self._connection.execute(f"{_COLUMNS}{_FROM} WHERE {which}{_IN_ORDER}", (lead,))
        return [self._entry(row) for row in rows]

    def changes(self, after: int, limit: int) -> list[Change]:
        """The next changes: insertions and supersessions share one sequence of numbers."""
        rows = self._connection.execute(
            f"{_COLUMNS}, history.id, 'recorded'{_FROM} WHERE history.id > ?1 UNION ALL"
            f" {_COLUMNS}, history.superseded_change, 'superseded'{_FROM}"
            f" WHERE history.superseded_change > ?1 ORDER BY {_CHANGE_COLUMN} LIMIT ?2",
            (after, limit),
        )
        return [Change(row[-2], row[-1], self._entry(row[:-2])) for row in rows]

    def _entry(self, row: tuple[Any, ...]) -> HistoryEntry:
        lead_id, event_id, step, recorded_at, superseded_at, late, *content = row
        return HistoryEntry(
            seq=0,
            lead_id=lead_id,
            row=history_row(content, event_id, step, self._parties),
            recorded_at=recorded_at,
            superseded_at=superseded_at,
            late=bool(late),
        )
