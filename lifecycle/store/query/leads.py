"""Leads as they stand in the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from lifecycle.domain import Lead, State
from lifecycle.store.db.rows import SELECT_LEADS, STATE_NUMBER, Parties, complete_lead, select_in


def lead_numbers(connection: sqlite3.Connection, state: State | None) -> list[int]:
    """Return the numbers of all leads, or of those in a state, sorted by ``lead_id``."""
    rows = connection.execute(
        "SELECT id FROM lead WHERE ?1 IS NULL OR state = ?1 ORDER BY lead_id, id",
        (None if state is None else STATE_NUMBER[state],),
    )
    return [number for (number,) in rows]


def read_leads(
    connection: sqlite3.Connection, parties: Parties, numbers: Sequence[int]
) -> list[Lead]:
    """Return the leads of these numbers, in their order, as far as there are any."""
    rows = {row[0]: row for row in select_in(connection, f"{SELECT_LEADS} WHERE id IN", numbers)}
    return [complete_lead(rows[number], parties) for number in numbers if number in rows]
