"""The statements that a transaction writes with, and the order in which it does."""

from __future__ import annotations

from typing import Any, Final

from lifecycle.domain import SEVERITY, Finding
from lifecycle.store.db.rows import HISTORY_CONTENT, LEAD_COLUMNS

ADD_FINDING: Final = (
    "INSERT INTO finding (code, severity, lead, subject, event, detail, recorded_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
SUPERSEDE_FINDING: Final = "UPDATE finding SET superseded_at = ? WHERE id = ?"
MOVE_FINDING: Final = "UPDATE finding SET subject = ? WHERE id = ?"


def _insert(table: str, columns: str) -> str:
    marks = ",".join("?" * len(columns.split(",")))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"


def _update(table: str, columns: str) -> str:
    """An update that takes the values of an insert; the first column tells the row."""
    first, *names = (name.strip() for name in columns.split(","))
    updates = ", ".join(f"{name} = ?{number}" for number, name in enumerate(names, 2))
    return f"UPDATE {table} SET {updates} WHERE {first} = ?1"


_EVENT_COLUMNS: Final = (
    "seq, ledger, lead, subject, outcome, recorded_at, late, run, log, line,"
    " id, id_hash, digest, trigger, time, content, body"
)
SUPERSEDE_HISTORY: Final = (
    "UPDATE history SET superseded_at = ?, superseded_change = ? WHERE id = ?"
)
MOVE_EVENT: Final = "UPDATE event SET lead = ?, subject = ?, outcome = ? WHERE seq = ?"
SAVE_SUBJECT: Final = (
    "INSERT INTO subject VALUES (?1, ?2, ?3)"
    " ON CONFLICT (id) DO UPDATE SET contact_only = ?2, deletion = ?3"
)
SAVE_KEY: Final = (
    "INSERT INTO key VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
    " ON CONFLICT (hash) DO UPDATE SET subject = ?5, lead = ?6, leads = ?7"
)
ADD_LEAD: Final = _insert("lead", LEAD_COLUMNS)
SAVE_LEAD: Final = _update("lead", LEAD_COLUMNS)
ADD_EVENT: Final = _insert("event", _EVENT_COLUMNS)
SAVE_EVENT: Final = _update("event", _EVENT_COLUMNS)
ADD_HISTORY: Final = _insert("history", f"id, lead, event, step, recorded_at, {HISTORY_CONTENT}")
#: The order in which they are executed: what is superseded makes room for what takes its place.
ORDER: Final = (
    SUPERSEDE_HISTORY,
    SUPERSEDE_FINDING,
    MOVE_FINDING,
    MOVE_EVENT,
    SAVE_SUBJECT,
    SAVE_KEY,
    ADD_LEAD,
    SAVE_LEAD,
    ADD_EVENT,
    SAVE_EVENT,
    ADD_HISTORY,
    ADD_FINDING,
)


def finding_row(
    finding: Finding, lead: int | None, subject: int | None, event: int | None, recorded_at: int
) -> tuple[Any, ...]:
    """The values of ADD_FINDING."""
    severity = SEVERITY[finding.code]
    return (finding.code, severity, lead, subject, event, finding.detail, recorded_at)
