"""Results of reading a store: rows with the times they were known, changes, messages, findings.

All times are aware datetimes in UTC; the classes are given microseconds, as they are stored.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, Literal

from attrs import asdict, field, frozen

from lifecycle.domain import (
    STATES,
    Finding,
    HistoryRow,
    Lead,
    Party,
    Problem,
    Refusal,
    Trigger,
    Verdicts,
    immutable,
)
from lifecycle.messages import format_time
from lifecycle.utc import as_datetime, optional_datetime

#: The states of which a lead's row says when it last came into them.
REACHED: Final = STATES[1:]
#: What JSON says of a row of history, beside its place.
_ROW_PARTS: Final = (
    *("trigger", "from", "to", "verdict", "at", "event_id", "by", "reason"),
    *("recorded_at", "superseded_at"),
)


def lead_dict(lead: Lead) -> dict[str, Any]:
    """Return a lead for JSON (design.md section 10); times in RFC 3339."""
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
        "source": lead.source,
        "systems": list(lead.systems),
        "fields": {system: dict(fields) for system, fields in lead.fields.items()},
        **{f"{state}_at": _time(optional_datetime(lead.reached.get(state))) for state in REACHED},
        "reason": lead.reason,
    }


@immutable
class HistoryEntry(HistoryRow):
    """A row of history as the store keeps it: what a HistoryRow says, and since when it is known.

    Attributes:
        seq: Its place among the rows shown with it, from 1.
        lead_id: The lead it belongs to.
        recorded_at: Since when the store says so.
        superseded_at: Since when it says so no more; None: it still does.
        late: Whether its event arrived after a later one of its lead.
    """

    seq: int = field(kw_only=True)
    lead_id: str = field(kw_only=True)
    recorded_at: datetime = field(kw_only=True, converter=as_datetime)
    superseded_at: datetime | None = field(kw_only=True, default=None, converter=optional_datetime)
    late: bool = field(kw_only=True, default=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON (design.md section 10); ``reason`` is an object for a refusal."""
        reason = self.reason if self.refusal is None else refusal_dict(self.refusal)
        values = (
            *(self.trigger, self.source, self.target, self.verdict, format_time(self.at)),
            *(self.event_id, _party(self.by), reason),
            *(format_time(self.recorded_at), _time(self.superseded_at)),
        )
        return {"seq": self.seq, **dict(zip(_ROW_PARTS, values, strict=True))}


def refusal_dict(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal for JSON: its kind, what was allowed, or which guard refused and why."""
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
        time: Its time.
        outcome: What became of it, as far as is known.
        recorded_at: When it came.
        late: Whether a later one of its lead had come before.
        log: The log it stood in, None when it was applied directly.
        line: The line in the log, from 1.
        payload: The message itself; None when it was erased.
        erased_at: When it was erased; None when it was not.
    """

    event_id: str
    trigger: Trigger
    time: datetime = field(converter=as_datetime)
    outcome: Verdicts
    recorded_at: datetime = field(converter=as_datetime)
    late: bool
    log: str | None
    line: int | None
    payload: Any
    erased_at: datetime | None = field(converter=optional_datetime)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return _with_times(self, "time", "recorded_at", "erased_at")


@frozen
class StoredCopy:
    """A content under the id of a message that is not the canonical one.

    Attributes:
        event_id: The id of the event.
        trigger: What this content asks for.
        time: Its time.
        recorded_at: When it came.
        payload: The message itself.
    """

    event_id: str
    trigger: Trigger
    time: datetime = field(converter=as_datetime)
    recorded_at: datetime = field(converter=as_datetime)
    payload: Any

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return _with_times(self, "time", "recorded_at")


@frozen
class UnmappedValue:
    """A value of a field in another system that no meaning fits, and in how many leads it is."""

    field: str
    value: str
    leads: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)

    def as_row(self, source: str) -> list[str]:
        """Return the lines of a row, in TOML, that would give it a meaning."""
        parts = {"source": source, "field": self.field, "value": self.value}
        lines = [f"{name} = {json.dumps(part, ensure_ascii=False)}" for name, part in parts.items()]
        return ["[[meaning]]", *lines, 'trigger = "update"']


@frozen
class Change:
    """A change of the histories: a row recorded or superseded, or a lead whose person was erased.

    Attributes:
        number: Grows with every change; ``changes(after=number)`` goes on behind it.
        kind: What happened.
        lead_no: The number of the lead, which never changes.
        lead_id: Its name; of one that is erased, ``erased:`` and a number.
        entry: The row; None where a lead is erased.
    """

    number: int
    kind: Literal["recorded", "superseded", "erased"]
    lead_no: int
    lead_id: str
    entry: HistoryEntry | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, with the same names for every kind."""
        row = self.entry.as_dict() if self.entry else dict.fromkeys(_ROW_PARTS)
        row.pop("seq", None)
        opening = {"change": self.number, "kind": self.kind, "lead_id": self.lead_id}
        return {**opening, **row, "lead_no": self.lead_no}


@immutable
class FindingEntry(Finding):
    """A finding as the store keeps it, with the times it was known (see HistoryEntry)."""

    lead_id: str | None = field(kw_only=True)
    recorded_at: datetime = field(kw_only=True, converter=as_datetime)
    superseded_at: datetime | None = field(kw_only=True, default=None, converter=optional_datetime)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "severity": self.severity,
            "code": self.code,
            "lead_id": self.lead_id,
            "event_id": self.event_id,
            "detail": self.detail,
            "recorded_at": format_time(self.recorded_at),
            "superseded_at": _time(self.superseded_at),
        }


@frozen
class QuarantineEntry:
    """A message that could not be decoded, or is not due yet.

    Attributes:
        id: Its number.
        raw: Its bytes, of a message beyond the limit the first mebibyte.
        size: How many bytes it had.
        problems: Everything that is wrong with it.
        log: The log it stood in, None when it was applied directly.
        line: The line in the log, from 1.
        recorded_at: When it came.
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
    recorded_at: datetime = field(converter=as_datetime)
    due_at: datetime | None = field(converter=optional_datetime)
    left_at: datetime | None = field(default=None, converter=optional_datetime)
    left_as: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; bytes that are no UTF-8 are escaped."""
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


def _with_times(result: StoredMessage | StoredCopy, *names: str) -> dict[str, Any]:
    parts = asdict(result, recurse=False)
    return parts | {name: _time(parts[name]) for name in names}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else format_time(moment)


def _party(party: Party | None) -> str | None:
    return None if party is None else str(party)
