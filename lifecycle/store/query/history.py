"""Rows of history as the store keeps them: of a lead, and in the order of their changes."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any, Final

from lifecycle.domain import STATES, Lead, State
from lifecycle.store.db.rows import (
    FOLD_ORDER,
    HISTORY_CONTENT,
    VERDICT_NUMBER,
    Parties,
    row_values,
    select_in,
)
from lifecycle.store.query.results import Change, HistoryEntry

#: Sorted, the rows of one lead stand in fold order: history.id, the last of it, is no other row's.
_COLUMNS: Final = (
    f"history.lead, {FOLD_ORDER}, history.recorded_at, history.superseded_at, event.late,"
    " event.seq, event.entry, "
    + ", ".join(f"history.{name}" for name in HISTORY_CONTENT.split(", "))
)
_FROM: Final = "FROM history JOIN event ON event.seq = history.event"
_SELECT: Final = f"SELECT {_COLUMNS} {_FROM} WHERE"
#: Those that a lead has, or had once; and those that its events have, which were another's once.
_EVER: Final = (
    f"{_SELECT} event.lead = ?1 OR (history.lead = ?1 AND history.superseded_at IS NOT NULL)"
    f" ORDER BY {FOLD_ORDER}"
)
_MOVES: Final = (
    f"SELECT event.lead, {FOLD_ORDER}, history.target, history.at, history.reason {_FROM}"
    " WHERE history.superseded_at IS NULL AND history.verdict IN"
    f" ({VERDICT_NUMBER['stated']}, {VERDICT_NUMBER['implied']}) AND event.lead IN"
)
#: So many changes are read together.
_TOGETHER: Final = 1000
#: Behind every moment at which something can be recorded.
NOW: Final = 2**63 - 1
_CHANGES: Final = (
    f"SELECT history.id AS number, 'recorded', {_COLUMNS} {_FROM} WHERE history.id > ?1 UNION ALL"
    f" SELECT history.superseded_change, 'superseded', {_COLUMNS} {_FROM}"
    " WHERE history.superseded_change > ?1 ORDER BY number LIMIT ?2"
)
#: The last numbers of changes before a moment.
_BEFORE: Final = (
    "SELECT coalesce(max(id), 0) FROM history WHERE recorded_at < ?",
    "SELECT coalesce(max(superseded_change), 0) FROM history WHERE superseded_at < ?",
    "SELECT coalesce(max(change), 0) FROM sealed, erasure WHERE id = erasure AND erased_at < ?",
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
    """Return the entry of a row of ``read_rows``."""
    _, _, _, _, event_id, step, _, recorded_at, superseded_at, late, _, _, *content = row
    return HistoryEntry(
        **row_values(content, parties),
        event_id=event_id,
        step=step,
        seq=seq,
        lead_id=lead_id,
        recorded_at=recorded_at,
        superseded_at=superseded_at,
        late=bool(late),
    )


def read_rows(
    connection: sqlite3.Connection, leads: Collection[int], at: int = NOW, *, former: bool = False
) -> list[tuple[Any, ...]]:
    """Return the rows of leads that were true at a moment; ``former``: all recorded by then."""
    recorded = f"{_SELECT} history.recorded_at <= {at} AND history.superseded_at"
    former_ones = "IS NOT NULL" if former else f"> {at}"
    rows = select_in(connection, f"{recorded} IS NULL AND event.lead IN", leads)
    return rows + select_in(connection, f"{recorded} {former_ones} AND history.lead IN", leads)


def add_steps(connection: sqlite3.Connection, leads: Mapping[int, Lead]) -> None:
    """Complete leads, by number, with when they came into each state, and the last reason."""
    rows = select_in(connection, _MOVES, leads)
    moves: dict[int, dict[State, int]] = defaultdict(dict)
    for number, *_, target, at, reason in sorted(rows, key=itemgetter(slice(0, 7))):
        moves[number][STATES[target]] = at
        leads[number].reason = reason
    for number, reached in moves.items():
        leads[number].reached = reached


def full_history(connection: sqlite3.Connection, parties: Parties, lead: int) -> list[HistoryEntry]:
    """Return all rows of a lead, and those of other leads that its events were thought to be."""
    rows = connection.execute(_EVER, (lead,)).fetchall()
    names = lead_names(connection, (row[0] for row in rows))
    return [entry_of(row, names[row[0]], parties) for row in rows]


def read_changes(
    connection: sqlite3.Connection, parties: Parties, after: int, since: int | None = None
) -> Iterator[Change]:
    """Yield the changes: rows recorded, superseded, leads erased, in one numbering.

    ``since``: those made at this moment or later. Later numbers have later times.
    """
    if since is not None:
        after = max(after, *(connection.execute(one, (since,)).fetchone()[0] for one in _BEFORE))
    while changes := _next_changes(connection, parties, after):
        yield from changes
        after = changes[-1].number


def _next_changes(connection: sqlite3.Connection, parties: Parties, after: int) -> list[Change]:
    rows = connection.execute(_CHANGES, (after, _TOGETHER)).fetchall()
    sealed = connection.execute(_SEALED, (after, _TOGETHER)).fetchall()
    names = lead_names(connection, [row[2] for row in rows] + [lead for _, lead in sealed])
    changes = [
        Change(number, kind, row[0], names[row[0]], entry_of((*row,), names[row[0]], parties))
        for number, kind, *row in rows
    ]
    changes += [Change(number, "erased", lead, names[lead], None) for number, lead in sealed]
    return sorted(changes, key=lambda change: change.number)[:_TOGETHER]
