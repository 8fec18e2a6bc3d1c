"""What reading a store gives: rows with the times they were known, changes, the quarantine."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from attrs import frozen

from lifecycle.domain import (
    TRIGGERS,
    Finding,
    HistoryRow,
    Lead,
    Party,
    Problem,
    Refusal,
    Trigger,
    Verdicts,
)
from lifecycle.messages import format_time
from lifecycle.store.db.codec import CHANGE_NUMBER
from lifecycle.store.db.compression import payload_text
from lifecycle.store.db.rows import OUTCOMES


def lead_dict(lead: Lead) -> dict[str, Any]:
    """A lead for JSON (design.md section 10); times in RFC 3339."""
    return {
        "lead_id": lead.lead_id,
        "state": lead.state,
        "since": _time(lead.since),
        "holder": _party(lead.holder),
        "owner": _party(lead.owner),
        "sender": _party(lead.sender),
        "keys": [str(key) for key in lead.keys],
        "events": lead.events,
        "refusals": lead.refusals,
        "contact_deleted_at": _time(lead.contact_deleted_at),
    }


@frozen
class HistoryEntry:
    """A row of history as the store keeps it.

    Attributes:
        seq: Its place among the rows shown with it, from 1.
        lead_id: The lead it belongs to.
        row: What it says.
        recorded_at: Since when the store says so, microseconds since 1970 in UTC.
        superseded_at: Since when it says so no more; None: it still does.
        late: Whether its event arrived after a later one of its lead.
    """

    seq: int
    lead_id: str
    row: HistoryRow
    recorded_at: int
    superseded_at: int | None = None
    late: bool = False

    def as_dict(self) -> dict[str, Any]:
        """For JSON (design.md section 10); ``reason`` is an object for a refusal."""
        row = self.row
        return {
            "seq": self.seq,
            "trigger": row.trigger,
            "from": row.source,
            "to": row.target,
            "verdict": row.verdict,
            "at": format_time(row.at),
            "event_id": row.event_id,
            "by": _party(row.by),
            "reason": row.reason if row.refusal is None else refusal_dict(row.refusal),
            "recorded_at": format_time(self.recorded_at),
            "superseded_at": _time(self.superseded_at),
        }


def refusal_dict(refusal: Refusal) -> dict[str, Any]:
    """A refusal for JSON: its kind, what was allowed, or which guard refused and why."""
    parts: dict[str, Any] = {"kind": refusal.kind}
    if refusal.kind == "no_edge":
        parts["allowed"] = list(refusal.allowed)
    if refusal.kind == "guard":
        parts |= {"guard": refusal.guard, "why": refusal.why}
    return parts


@frozen
class StoredMessage:
    """A message of a lead as the store keeps it.

    Attributes:
        event_id: The id of its event.
        trigger: What it asks for.
        time: Its time, microseconds since 1970 in UTC.
        outcome: What became of it, as far as is known.
        recorded_at: When it came, in microseconds.
        late: Whether a later one of its lead had come before.
        log: The log it stood in, None when it was applied directly.
        line: The line in the log, from 1.
        payload: The message itself; None when it was erased.
        erased_at: When it was erased, in microseconds; None when it was not.
    """

    event_id: str
    trigger: Trigger
    time: int
    outcome: Verdicts
    recorded_at: int
    late: bool
    log: str | None
    line: int | None
    payload: Any
    erased_at: int | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "event_id": self.event_id,
            "trigger": self.trigger,
            "time": format_time(self.time),
            "outcome": self.outcome,
            "recorded_at": format_time(self.recorded_at),
            "late": self.late,
            "log": self.log,
            "line": self.line,
            "payload": self.payload,
            "erased_at": None if self.erased_at is None else format_time(self.erased_at),
        }


@frozen
class StoredCopy:
    """Another content that came under the id of a message, and does not count.

    Of several contents that with the smallest digest counts (design.md section 3).

    Attributes:
        event_id: The id of the event.
        trigger: What this content asks for.
        time: Its time, microseconds since 1970 in UTC.
        recorded_at: When it came, in microseconds.
        payload: The message itself.
    """

    event_id: str
    trigger: Trigger
    time: int
    recorded_at: int
    payload: Any

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "event_id": self.event_id,
            "trigger": self.trigger,
            "time": format_time(self.time),
            "recorded_at": format_time(self.recorded_at),
            "payload": self.payload,
        }


@frozen
class UnmappedValue:
    """A value of a field in another system that no meaning fits, and in how many leads it is."""

    field: str
    value: str
    leads: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"field": self.field, "value": self.value, "leads": self.leads}

    def as_row(self, source: str) -> list[str]:
        """Return the lines of a row, in TOML, that would give it a meaning."""
        parts = {"source": source, "field": self.field, "value": self.value}
        lines = [f"{name} = {json.dumps(part, ensure_ascii=False)}" for name, part in parts.items()]
        return ["[[meaning]]", *lines, 'trigger = "update"']


# What packing.content_of writes of a change: source, field, object, old value, new value.
UNMAPPED_VALUES: Final = (
    "SELECT json_extract(content, '$[14][0]'), json_extract(content, '$[14][1]'),"
    " json_extract(content, '$[14][4]'), count(*) FROM finding"
    " JOIN event ON event.seq = finding.event"
    " WHERE finding.code = 'unmapped_value' AND finding.superseded_at IS NULL"
    " AND json_extract(content, '$[14][0]') IS NOT NULL"
    " GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3"
)
SELECT_COPIES: Final = (
    "SELECT event.id, copy.trigger, copy.time, copy.recorded_at, copy.body FROM copy"
    " JOIN event ON event.seq = copy.event AND event.digest <> copy.digest"
    f" AND event.trigger <> {CHANGE_NUMBER}"
)
SELECT_MESSAGES: Final = (
    "SELECT event.id, event.trigger, event.time, event.outcome, event.recorded_at,"
    " event.late, log.name, event.line, event.body, erased.erased_at FROM event"
    " LEFT JOIN log ON log.id = event.log LEFT JOIN erased ON erased.event = event.seq"
)
MESSAGES_IN_ORDER: Final = "ORDER BY event.time, event.trigger, event.id"


def stored_copy(row: tuple[Any, ...]) -> StoredCopy:
    """The copy of a row of SELECT_COPIES."""
    event_id, trigger, time, recorded_at, body = row
    payload = json.loads(payload_text(body) or "null")
    return StoredCopy(event_id, TRIGGERS[trigger], time, recorded_at, payload)


def stored_message(row: tuple[Any, ...]) -> StoredMessage:
    """The message of a row of SELECT_MESSAGES."""
    event_id, trigger, time, outcome, recorded_at, late, log, line, body, erased_at = row
    return StoredMessage(
        event_id,
        TRIGGERS[trigger],
        time,
        OUTCOMES[outcome],
        recorded_at,
        bool(late),
        log,
        line,
        json.loads(payload_text(body) or "null"),
        erased_at,
    )


@frozen
class Change:
    """One change of history: a row that was recorded, or one that was superseded.

    ``number`` grows with every change; ``changes(after=number)`` goes on behind it.
    """

    number: int
    kind: Literal["recorded", "superseded"]
    entry: HistoryEntry

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        row = self.entry.as_dict()
        del row["seq"]
        return {
            "change": self.number,
            "kind": self.kind,
            "lead_id": self.entry.lead_id,
            **row,
        }


@frozen
class FindingEntry:
    """A finding as the store keeps it, with the times it was known (see HistoryEntry)."""

    finding: Finding
    lead_id: str | None
    recorded_at: int
    superseded_at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "severity": self.finding.severity,
            "code": self.finding.code,
            "lead_id": self.lead_id,
            "event_id": self.finding.event_id,
            "detail": self.finding.detail,
            "recorded_at": format_time(self.recorded_at),
            "superseded_at": _time(self.superseded_at),
        }


@frozen
class Quarantined:
    """A message that could not be decoded, or is not due yet.

    Attributes:
        id: Its number.
        raw: Its bytes, of a message beyond the limit the first mebibyte.
        size: How many bytes it had.
        problems: Everything that is wrong with it.
        log: The log it stood in, None when it was applied directly.
        line: The line in the log, from 1.
        recorded_at: When it came, microseconds since 1970 in UTC.
        due_at: When a message from the future is taken in; None for all others.
        left_at: When it left the quarantine; None while it is there.
        left_as: How it left: ``retried``, ``dismissed`` or ``erased``.
    """

    id: int
    raw: bytes
    size: int
    problems: tuple[Problem, ...]
    log: str | None
    line: int | None
    recorded_at: int
    due_at: int | None
    left_at: int | None = None
    left_as: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON; bytes that are no UTF-8 are escaped."""
        return {
            "id": self.id,
            "problems": [
                {"path": one.path, "message": one.message, "code": one.code}
                for one in self.problems
            ],
            "log": self.log,
            "line": self.line,
            "recorded_at": format_time(self.recorded_at),
            "due_at": _time(self.due_at),
            "left_at": _time(self.left_at),
            "left_as": self.left_as,
            "size": self.size,
            "raw": self.raw.decode("utf-8", "backslashreplace"),
        }


def _time(micros: int | None) -> str | None:
    return None if micros is None else format_time(micros)


def _party(party: Party | None) -> str | None:
    return None if party is None else str(party)
