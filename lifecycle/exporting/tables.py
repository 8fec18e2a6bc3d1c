"""Tables that are exported: the columns of each with their kinds, and the values of its rows.

Columns are never renamed, and new ones come last. A value is what Python has for its kind: times
are aware datetimes, a payload is JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from lifecycle.domain import STATES, Note, Party
from lifecycle.messages import format_time
from lifecycle.store import refusal_dict
from lifecycle.utc import optional_datetime

Kind: TypeAlias = Literal[
    "text",
    "integer",
    "boolean",
    "time",
    "texts",
    "reason",
    "payload",
    "fields",
    "bytes",
    "digests",
]
Row: TypeAlias = tuple[Any, ...]


@frozen
class Column:
    """A column: its name, the kind of its values, what they mean, and where they are found.

    Attributes:
        path: The attribute that holds the value, where it is not called as the column is.
    """

    name: str
    kind: Kind
    meaning: str
    path: str = ""


@frozen
class Table:
    """A table to export."""

    name: str
    columns: tuple[Column, ...]

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @cached_property
    def _attributes(self) -> attrgetter[Any]:
        return attrgetter(*(column.path or column.name for column in self.columns))

    def row(self, thing: Any) -> Row:
        """Return the values of one thing, in the columns' order."""
        values = zip(self.columns, self._attributes(thing), strict=True)
        return tuple(_value(thing, column.kind, value) for column, value in values)


def plain_rows(table: Table, rows: Iterable[Row]) -> Iterator[dict[str, Any]]:
    """Yield rows for JSON: times in RFC 3339, lists and payloads as they are."""
    for row in rows:
        yield {
            column.name: _plain(column.kind, value)
            for column, value in zip(table.columns, row, strict=True)
        }


def _plain(kind: Kind, value: Any) -> Any:
    if value is None:
        return None
    if kind == "time":
        return value if isinstance(value, str) else format_time(value)
    return json.loads(value) if kind in ("payload", "fields") else value


def _value(thing: Any, kind: Kind, value: Any) -> Any:
    """Return an attribute as its column has it: parties and keys by name, notes by their codes."""
    if kind == "time":
        return optional_datetime(value)
    if kind == "texts":
        return [one.code if isinstance(one, Note) else str(one) for one in value]
    if kind == "fields":
        return json.dumps(value, ensure_ascii=False)
    if kind == "reason" and thing.refusal is not None:
        return refusal_dict(thing.refusal)
    return str(value) if isinstance(value, Party) else value


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
    Column("contact_name", "text", "the person behind it", "contact.name"),
    Column("contact_email", "text", "that person's e-mail", "contact.email"),
    Column("contact_telephone", "text", "that person's telephone", "contact.telephone"),
    Column("source", "text", "where it came from: its messages' `leadSource`"),
    Column("systems", "texts", "the other systems whose field changes are known of it"),
    Column("fields", "fields", "its fields there, the last value of each: JSON by system"),
    *(Column(f"{state}_at", "time", f"when it last came to be `{state}`") for state in STATES[1:]),
    Column("reason", "text", "what was said as the reason of its last step"),
)
_HISTORY: Final = (
    Column("lead_id", "text", "the lead"),
    Column("seq", "integer", "its place among the rows of the lead, from 1"),
    Column("trigger", "text", "what moved the lead, or would have"),
    Column("from", "text", "the state before", "source"),
    Column("to", "text", "the state after", "target"),
    Column("verdict", "text", "`stated`, `implied`, or why it was refused"),
    Column("at", "time", "when it happened"),
    Column("event_id", "text", "the event that it comes from"),
    Column("by", "text", "who did it"),
    Column("reason", "reason", "the message's own text; of a refusal an object"),
    Column("recorded_at", "time", "since when the store says so"),
    Column("superseded_at", "time", "since when it says so no more"),
    Column("holder", "text", "who had the lead afterwards"),
)
_EVENTS: Final = (
    Column("seq", "integer", "its number, in the order of arrival"),
    Column("event_id", "text", "its id", "event.id"),
    Column("lead_id", "text", "its lead; none for the deletion of a contact"),
    Column("trigger", "text", "what it asks for", "event.trigger"),
    Column("time", "time", "its time", "event.time"),
    Column("outcome", "text", "`applied`, `refused` or `noted`, by what is known now"),
    Column("recorded_at", "time", "when it came"),
    Column("late", "boolean", "whether a later event of its lead had come before"),
    Column("log", "text", "the log it stood in"),
    Column("line", "integer", "the line in the log, from 1"),
    Column("keys", "texts", "the keys that it names, those of the lead first", "event.keys"),
    Column("agent", "text", "who did it", "event.agent"),
    Column("recipient", "text", "to whom", "event.recipient"),
    Column("participant", "text", "from whom, or who made the offer", "event.participant"),
    Column("reason", "text", "why, in the message's own words", "event.reason"),
    Column("lead_owner", "text", "the lead's owner, as the message has it", "event.snapshot.owner"),
    Column(
        "lead_sender", "text", "the lead's sender, as the message has it", "event.snapshot.sender"
    ),
    Column(
        "lead_recipient",
        "text",
        "the lead's recipient, as the message has it",
        "event.snapshot.recipient",
    ),
    Column("date_sent", "time", "the lead's `dateSent`", "event.snapshot.date_sent"),
    Column("date_received", "time", "the lead's `dateReceived`", "event.snapshot.date_received"),
    Column("date_accepted", "time", "the lead's `dateAccepted`", "event.snapshot.date_accepted"),
    Column("date_rejected", "time", "the lead's `dateRejected`", "event.snapshot.date_rejected"),
    Column("notes", "texts", "what was odd about the message: codes of findings", "event.notes"),
    Column("payload", "payload", "the message itself; none when it was erased"),
    Column("erased_at", "time", "when the message's content was erased"),
)
#: By their names.
TABLES: Final = {
    name: Table(name, columns)
    for name, columns in (("leads", _LEADS), ("history", _HISTORY), ("events", _EVENTS))
}
