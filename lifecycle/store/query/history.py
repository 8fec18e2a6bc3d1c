"""Rows of history as the store keeps them: of a lead, and in the order of their changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from lifecycle.store.db.rows import FOLD_ORDER, HISTORY_CONTENT, Parties, history_row, select_in
from lifecycle.store.query.results import Change, HistoryEntry

#: Sorted, the rows of one lead stand in fold order: history.id, the last of it, is no other row's.
_COLUMNS: Final = (
    f"history.lead, {FOLD_ORDER}, history.recorded_at, history.superseded_at, event.late,"
    " event.seq, event.entry, "
    + ", ".join(f"history.{name}" for name in HISTORY_CONTENT.split(", "))
)
_FROM: Final = "FROM history JOIN event ON event.seq = history.event"
SELECT_ROWS: Final = f"SELECT {_COLUMNS} {_FROM}"
_CHANGES: Final = (
    f"SELECT history.id AS number, 'recorded', {_COLUMNS} {_FROM} WHERE history.id > ?1 UNION ALL"
    f" SELECT history.superseded_change, 'superseded', {_COLUMNS} {_FROM}"
    " WHERE history.superseded_change > ?1 ORDER BY number LIMIT ?2"
)
_SEALED: Final = "SELECT change, lead FROM sealed WHERE change > ? ORDER BY change LIMIT ?"


def lead_names(connection: sqlite3.Connection, leads: Iterable[int]) -> dict[int, str]:
    """Return the names of leads by number; of those that are no more, the last ones."""
    numbers = set(leads)
    select = "SELECT lead, known_since, lead_id FROM former_lead WHERE lead IN"
    former = sorted(select_in(connection, select, numbers))
    now = select_in(connection, "SELECT id, lead_id FROM lead WHERE id IN", numbers)
    return {lead: name for lead, _, name in former} | dict(now)


def entry_of(row: tuple[Any, ...], lead_id: str, parties: Parties, seq: int = 0) -> HistoryEntry:
    """Return the entry of a row of SELECT_ROWS."""
    _, _, _, _, event_id, step, _, recorded_at, superseded_at, late, _, _, *content = row
    row_of_fold = history_row(content, event_id, step, parties)
    return HistoryEntry(seq, lead_id, row_of_fold, recorded_at, superseded_at, bool(late))


def history_of(
    connection: sqlite3.Connection, parties: Parties, lead: int, *, superseded: bool
) -> list[HistoryEntry]:
    """Return the rows of a lead; superseded ones too of what its events were thought to be."""
    which = "event.lead = ?1 AND history.superseded_at IS NULL"
    if superseded:
        which = "event.lead = ?1 OR (history.lead = ?1 AND history.superseded_at IS NOT NULL)"
    rows = connection.execute(f"{SELECT_ROWS} WHERE {which} ORDER BY {FOLD_ORDER}", (lead,))
    found = rows.fetchall()
    names = lead_names(connection, (row[0] for row in found))
    return [entry_of(row, names[row[0]], parties) for row in found]


def changes_after(
    connection: sqlite3.Connection, parties: Parties, after: int, limit: int
) -> list[Change]:
    """Return the next changes: rows recorded, superseded, leads erased, in one numbering."""
    rows = connection.execute(_CHANGES, (after, limit)).fetchall()
    sealed = connection.execute(_SEALED, (after, limit)).fetchall()
    names = lead_names(connection, [row[2] for row in rows] + [lead for _, lead in sealed])
    changes = [
        Change(number, kind, row[0], names[row[0]], entry_of((*row,), names[row[0]], parties))
        for number, kind, *row in rows
    ]
    changes += [Change(number, "erased", lead, names[lead], None) for number, lead in sealed]
    return sorted(changes, key=lambda change: change.number)[:limit]
