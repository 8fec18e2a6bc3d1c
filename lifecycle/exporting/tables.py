"""What is exported: every table, its columns with their kinds, and the values of its rows.

Columns are never renamed, and new ones come last. A value is what Python has for its kind: times
are microseconds since 1970 in UTC, a payload is JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from lifecycle.domain import Lead, Party
from lifecycle.messages import format_time
from lifecycle.store import EventEntry, HistoryEntry, refusal_dict

Kind: TypeAlias = Literal["text", "integer", "boolean", "time", "texts", "reason", "payload"]
Row: TypeAlias = tuple[Any, ...]


@frozen
class Column:
    """A column: its name, the kind of its values, and what they mean."""

    name: str
    kind: Kind
    meaning: str


@frozen
class Table:
    """A table to export; ``row`` gives the values of one thing in it, in the columns' order."""

    name: str
    columns: tuple[Column, ...]
    row: Callable[[Any], Row]

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]


def plain_rows(table: Table, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Rows for JSON: times in RFC 3339, lists and payloads as they are."""
    for row in rows:
        yield {
            column.name: _plain(column.kind, value)
            for column, value in zip(table.columns, row, strict=True)
        }


def _plain(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind == "time":
        return format_time(value)
    return json.loads(value) if kind == "payload" else value


def _name(party: Party | None) -> str | None:
    return None if party is None else str(party)


def _lead(lead: Lead) -> Row:
    return (
        lead.lead_id,
        lead.state,
        lead.since,
        _name(lead.holder),
        _name(lead.owner),
        _name(lead.sender),
        [str(key) for key in lead.keys],
        lead.events,
        lead.refusals,
        lead.contact_deleted_at,
        _name(lead.recipient),
        lead.contact.name,
        lead.contact.email,
        lead.contact.telephone,
    )


def _history(entry: HistoryEntry) -> Row:
    row = entry.row
    return (
        entry.lead_id,
        entry.seq,
        row.trigger,
        row.source,
        row.target,
        row.verdict,
        row.at,
        row.event_id,
        _name(row.by),
        row.reason if row.refusal is None else refusal_dict(row.refusal),
        entry.recorded_at,
        entry.superseded_at,
    )


def _event(entry: EventEntry) -> Row:
    event, snapshot = entry.event, entry.event.snapshot
    return (
        entry.seq,
        event.id,
        entry.lead_id,
        event.trigger,
        event.time,
        entry.outcome,
        entry.recorded_at,
        entry.late,
        entry.log,
        entry.line,
        [str(key) for key in event.keys],
        _name(event.agent),
        _name(event.recipient),
        _name(event.participant),
        event.reason,
        _name(snapshot.owner),
        _name(snapshot.sender),
        _name(snapshot.recipient),
        snapshot.date_sent,
        snapshot.date_received,
        snapshot.date_accepted,
        snapshot.date_rejected,
        [note.code for note in event.notes],
        entry.payload,
        entry.erased_at,
    )


_LEADS: Final = (
    Column("lead_id", "text", "its name: `scheme:value` of its first key"),
    Column("state", "text", "the state it is in"),
    Column("since", "time", "when its last step was"),
    Column("holder", "text", "who has it now"),
    Column("owner", "text", "its original owner"),
    Column("sender", "text", "who provided it"),
    Column("keys", "texts", "all its names, with their kinds"),
    Column("events", "integer", "how many events are its own, refused ones included"),
    Column("refusals", "integer", "how many of them were refused"),
    Column("contact_deleted_at", "time", "when its contact was deleted"),
    Column("recipient", "text", "to whom it was offered"),
    Column("contact_name", "text", "the person behind it"),
    Column("contact_email", "text", "that person's e-mail"),
    Column("contact_telephone", "text", "that person's telephone"),
)
_HISTORY: Final = (
    Column("lead_id", "text", "the lead"),
    Column("seq", "integer", "its place among the rows of the lead, from 1"),
    Column("trigger", "text", "what moved the lead, or would have"),
    Column("from", "text", "the state before"),
    Column("to", "text", "the state after"),
    Column("verdict", "text", "`stated`, `implied`, or why it was refused"),
    Column("at", "time", "when it happened"),
    Column("event_id", "text", "the event that it comes from"),
    Column("by", "text", "who did it"),
    Column("reason", "reason", "the message's own text; of a refusal an object"),
    Column("recorded_at", "time", "since when the store says so"),
    Column("superseded_at", "time", "since when it says so no more"),
)
_EVENTS: Final = (
    Column("seq", "integer", "its number, in the order of arrival"),
    Column("event_id", "text", "its id"),
    Column("lead_id", "text", "its lead; none for the deletion of a contact"),
    Column("trigger", "text", "what it asks for"),
    Column("time", "time", "its time"),
    Column("outcome", "text", "`applied`, `refused` or `noted`, by what is known now"),
    Column("recorded_at", "time", "when it came"),
    Column("late", "boolean", "whether a later event of its lead had come before"),
    Column("log", "text", "the log it stood in"),
    Column("line", "integer", "the line in the log, from 1"),
    Column("keys", "texts", "the keys that it names, those of the lead first"),
    Column("agent", "text", "who did it"),
    Column("recipient", "text", "to whom"),
    Column("participant", "text", "from whom, or who made the offer"),
    Column("reason", "text", "why, in the message's own words"),
    Column("lead_owner", "text", "the lead's owner, as the message has it"),
    Column("lead_sender", "text", "the lead's sender, as the message has it"),
    Column("lead_recipient", "text", "the lead's recipient, as the message has it"),
    Column("date_sent", "time", "the lead's `dateSent`"),
    Column("date_received", "time", "the lead's `dateReceived`"),
    Column("date_accepted", "time", "the lead's `dateAccepted`"),
    Column("date_rejected", "time", "the lead's `dateRejected`"),
    Column("notes", "texts", "what was odd about the message: codes of findings"),
    Column("payload", "payload", "the message itself; none when it was erased"),
    Column("erased_at", "time", "when the message's content was erased"),
)
#: By their names.
TABLES: Final = {
    table.name: table
    for table in (
        Table("leads", _LEADS, _lead),
        Table("history", _HISTORY, _history),
        Table("events", _EVENTS, _event),
    )
}
