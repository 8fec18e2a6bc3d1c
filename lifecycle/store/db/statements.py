"""The statements that a transaction writes with, and the order in which it does."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from operator import itemgetter
from typing import Any, Final

from lifecycle.domain import Finding
from lifecycle.store.db.blocks import ADD_BLOCK, REMOVE_BLOCK
from lifecycle.store.db.rows import HISTORY_CONTENT, LEAD_COLUMNS


def _insert(table: str, columns: str) -> str:
    marks = ",".join("?" * len(columns.split(",")))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"


def _update(table: str, columns: str) -> str:
    """Return an update that takes the values of an insert; the first column tells the row."""
    first, *names = (name.strip() for name in columns.split(","))
    updates = ", ".join(f"{name} = ?{number}" for number, name in enumerate(names, 2))
    return f"UPDATE {table} SET {updates} WHERE {first} = ?1"


_EVENT_COLUMNS: Final = (
    "seq, entry, hash, id, trigger, time, lead, cluster, outcome, late, recorded_at, log, line"
)
_FINDING_COLUMNS: Final = "code, lead, cluster, event, detail, recorded_at"
_QUARANTINE: Final = "digest, size, log, line, unfinished, recorded_at, due_at"
ADD_PARTY: Final = _insert("party", "id, uri, name")
SUPERSEDE_HISTORY: Final = (
    "UPDATE history SET superseded_at = ?, superseded_change = ? WHERE id = ?"
)
SUPERSEDE_FINDING: Final = "UPDATE finding SET superseded_at = ? WHERE id = ?"
MOVE_FINDING: Final = "UPDATE finding SET cluster = ? WHERE id = ?"
MOVE_EVENT: Final = "UPDATE event SET lead = ?, cluster = ?, outcome = ? WHERE seq = ?"
REMOVE_CLUSTER: Final = "DELETE FROM cluster WHERE id = ?"
SAVE_CLUSTER: Final = (
    "INSERT INTO cluster VALUES (?1, ?2, ?3)"
    " ON CONFLICT (id) DO UPDATE SET contact_only = ?2, deletion = ?3"
)
JOIN_LEADS: Final = "UPDATE lead SET cluster = ? WHERE cluster = ?"
JOIN_FINDINGS: Final = "UPDATE finding SET cluster = ? WHERE cluster = ?"
#: What is said of a cluster that is no more is said of that of its event.
REHOME_FINDINGS: Final = (
    "UPDATE finding SET cluster = coalesce("
    "(SELECT cluster FROM event WHERE seq = finding.event), cluster) WHERE cluster = ?"
)
REMOVE_KEY: Final = "DELETE FROM key WHERE hash = ?"
SAVE_KEY: Final = (
    "INSERT INTO key VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    " ON CONFLICT (hash) DO UPDATE SET cluster = ?5, lead = ?6, leads = ?7"
)
ADD_FORMER_LEAD: Final = _insert(
    "former_lead", "lead, lead_id, deleted_at, kept_holder, known_since, superseded_at"
)
REMOVE_LEAD: Final = "DELETE FROM lead WHERE id = ?"
MARK_LEAD: Final = "UPDATE lead SET deleted_at = ?, known_since = ? WHERE id = ?"
ADD_LEAD: Final = _insert("lead", LEAD_COLUMNS)
SAVE_LEAD: Final = _update("lead", LEAD_COLUMNS)
ADD_EVENT: Final = _insert("event", _EVENT_COLUMNS)
SAVE_EVENT: Final = _update("event", _EVENT_COLUMNS)
ADD_COPY: Final = _insert("copy", "event, entry")
ADD_HISTORY: Final = _insert("history", f"id, lead, event, step, recorded_at, {HISTORY_CONTENT}")
ADD_FINDING: Final = _insert("finding", _FINDING_COLUMNS)
ADD_QUARANTINED: Final = _insert("quarantine", f"{_QUARANTINE}, raw, problems")
QUARANTINE_AGAIN: Final = (
    "UPDATE quarantine SET left_at = NULL, left_as = NULL, problems = ? WHERE digest = ?"
)
REMOVE_QUARANTINED: Final = "DELETE FROM quarantine WHERE digest = ?"
COUNT_IGNORED: Final = (
    "INSERT INTO ignored VALUES (?1, ?2) ON CONFLICT (topic) DO UPDATE SET messages = ?2"
)
#: The order in which they are executed: what is superseded makes room for what takes its place.
ORDER: Final = (
    REMOVE_BLOCK,
    ADD_BLOCK,
    ADD_PARTY,
    SUPERSEDE_HISTORY,
    SUPERSEDE_FINDING,
    MOVE_FINDING,
    MOVE_EVENT,
    REMOVE_CLUSTER,
    SAVE_CLUSTER,
    JOIN_LEADS,
    JOIN_FINDINGS,
    REMOVE_KEY,
    SAVE_KEY,
    ADD_FORMER_LEAD,
    REMOVE_LEAD,
    MARK_LEAD,
    ADD_LEAD,
    SAVE_LEAD,
    ADD_EVENT,
    SAVE_EVENT,
    ADD_COPY,
    ADD_HISTORY,
    ADD_FINDING,
    REHOME_FINDINGS,
    REMOVE_QUARANTINED,
    ADD_QUARANTINED,
    QUARANTINE_AGAIN,
    COUNT_IGNORED,
)
#: Their first value is the key of the table: in its order each page is changed once.
_BY_KEY: Final = frozenset((SAVE_KEY, SAVE_LEAD, ADD_EVENT))
_key: Final = itemgetter(0)


class Writes:
    """The rows that a transaction is to write, by the statement that writes them."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = defaultdict(list)

    def add(self, statement: str, *values: Any) -> None:
        """Add a row."""
        self._rows[statement].append(values)

    def execute(self, connection: sqlite3.Connection) -> None:
        """Write all of it, table by table; nothing is read."""
        for statement in ORDER:
            rows = self._rows.pop(statement, None)
            if rows is None:
                continue
            if statement in _BY_KEY:
                rows.sort(key=_key)
            connection.executemany(statement, rows)


def finding_row(
    finding: Finding, lead: int | None, cluster: int | None, event: int | None, recorded_at: int
) -> tuple[Any, ...]:
    """Return the values of ADD_FINDING."""
    return (finding.code, lead, cluster, event, finding.detail, recorded_at)
