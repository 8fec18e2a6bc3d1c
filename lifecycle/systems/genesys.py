"""``import genesys``: records of Genesys Web Services as field changes (seed 003).

Each record makes at most one message by itself, whatever other records say. What a state, an
operation or a notification means to a lead is decided by the meanings in the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from lifecycle.messages import format_time
from lifecycle.systems.documents import documents
from lifecycle.systems.genesys_records import GenesysRecord, RecordError
from lifecycle.systems.message import Message, Party, change_message, person
from lifecycle.systems.spool import Record
from lifecycle.systems.tally import Tally

#: The kinds of records, each with its fields and where it comes from.
KINDS: Final = {
    "notifications": "A message that Genesys Web Services sends by CometD, known by its "
    "`notificationType` or `messageType`, with a body under `email`, `chat`, `workitem` or `call`.",
    "operations": "What an agent asks of Genesys Web Services by HTTP, known by its "
    "`operationName`, with `statusCode` in the answer, flat or as `{request, response}`.",
    "interactions": "An interaction of the v3 Workspace API, known by `interaction` (as in "
    "`InteractionStateChanged`, by CometD) or by `mediatype` beside `state` (as by HTTP).",
}

_SYSTEM: Final = "genesys"
_INTERACTION: Final = "genesysInteractionId"
_CONTACT: Final = "genesysContactId"
_AGENT: Final = "genesysAgentId"


class _Moment(NamedTuple):
    """A time in microseconds, and whether the record states it as its own."""

    micros: int
    is_own: bool


def kind_of(value: Any) -> str | None:
    """Return the kind of a record, one of ``KINDS``; None where it is none of Genesys."""
    return GenesysRecord(value).kind if isinstance(value, dict) else None


def read_records(
    path: Path, received_at: int | None, tally: Tally, kinds: dict[str, None]
) -> Iterator[Record]:
    """Yield the field change of each record: JSON Lines, or one JSON document.

    ``received_at`` is the time of records without any; ``kinds`` takes the kinds that were met.
    """
    for document in documents(path):
        tally.records += 1
        try:
            result = _read(document.value, document.line, received_at, kinds)
        except RecordError as error:
            raise document.error(path, str(error)) from None
        if isinstance(result, str):
            tally.left_out[result] += 1
        else:
            tally.facts += 1
            yield result


def _read(value: Any, line: int, received_at: int | None, kinds: dict[str, None]) -> Record | str:
    """Return the field change of a record, or the reason why it makes none."""
    if not isinstance(value, dict):
        raise RecordError("expected an operation or a notification of Genesys Web Services")
    record = GenesysRecord(value)
    if record.kind is not None:
        kinds[record.kind] = None
    if reason := record.reason_to_leave_out():
        return reason
    interaction = record.interaction()
    if interaction is None:
        return "operation on no interaction"
    moment = _moment(record, received_at)
    if moment is None:
        return "no time"
    message = _message(record, interaction, moment)
    return Record(f"{_INTERACTION}:{interaction}", moment.micros, line, message)


def _moment(record: GenesysRecord, received_at: int | None) -> _Moment | None:
    """Return the record's own time, else the date of its mail, else ``received_at``."""
    own = record.time()
    if own is not None:
        return _Moment(own, is_own=True)
    mailed = record.mail_date()
    other = received_at if mailed is None else mailed
    return None if other is None else _Moment(other, is_own=False)


def _message(record: GenesysRecord, interaction: str, moment: _Moment) -> Message:
    field, value = record.change()
    message = change_message(
        _SYSTEM,
        field,
        time=moment.micros,
        lead={_INTERACTION: interaction},
        contact=_contact(record),
        new=value,
        agent=_party(record.agent()),
        recipient=_party(record.recipient()),
    )
    if not moment.is_own:
        # The decoder takes the date for the time then, and makes a finding of it.
        del message["time"]
        message["data"]["dateSent"] = format_time(moment.micros)
    return message


def _party(agent: str | None) -> Party | None:
    return None if agent is None else person(_AGENT, agent)


def _contact(record: GenesysRecord) -> dict[str, Any]:
    contact: dict[str, Any] = record.contact_details()
    if contact_id := record.contact_id():
        contact["identifier"] = {_CONTACT: contact_id}
    return contact
