"""The event of a message: what its envelope and its shape say, and what is noted of it.

(design.md sections 3 and 4a)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from lifecycle.domain import (
    Contact,
    FieldChange,
    Identity,
    LeadEvent,
    Note,
    Problem,
    Snapshot,
    Trigger,
    WrittenNames,
    cut,
    fact_id,
    immutable,
    object_id,
    source_name,
)
from lifecycle.errors import ArgumentError, MessageError
from lifecycle.messages.parse import canonical
from lifecycle.messages.shapes import (
    ChangeAction,
    ChangePersonAction,
    ContactAction,
    ContactShape,
    LeadAction,
    LeadShape,
    PersonAction,
    PersonShape,
    structure,
)
from lifecycle.messages.times import FIRST_YEAR, Instant, parse_epoch, parse_time
from lifecycle.messages.topics import OWN_DATE, TRIGGER_OF_TOPIC, contradicts
from lifecycle.messages.values import decimal_text
from lifecycle.messages.wrappers import Envelope, kind_of, names_person
from lifecycle.utc import format_time

Action: TypeAlias = "LeadAction | PersonAction | ContactAction"
#: What finds keys in names, where no rules say otherwise.
DEFAULT_IDENTITY: Final = Identity()
_EXPECTED_TIME: Final = "expected a time: none is stated, and no date says when it happened"


def event_of(
    envelope: Envelope,
    received_at: int | None = None,
    identity: Identity | None = DEFAULT_IDENTITY,
) -> LeadEvent:
    """Return the event of one message whose topic is decoded.

    Without an identity policy it has no keys but only the names as written.
    """
    trigger = TRIGGER_OF_TOPIC[envelope.topic]
    problems: list[Problem] = []
    stated = _stated_time(envelope, problems)
    timeless = stated is None and not problems
    # A fact has the id of what it says (design.md section 4a).
    event_id = None if trigger == "change" else stated_id_of(envelope, problems)
    try:
        action = structure(envelope.data, _shape_of(trigger, envelope.data), envelope.path)
    except MessageError as error:
        raise MessageError([*problems, *error.problems]) from None
    names = _names(action)
    lead_keys, contact_keys = identity.keys(names) if identity else ((), ())
    if identity and not lead_keys and not contact_keys:
        problems.append(_no_identity(envelope.path))
    dates = _Dates.of(action)
    time, notes = _time(trigger, stated, dates, received_at)
    if time is None and timeless:
        problems.append(Problem(envelope.place("time"), _EXPECTED_TIME, "no_time"))
    if problems or time is None:
        raise MessageError(problems)
    change, digest = None, _digest(envelope, stated)
    if isinstance(action, ChangeAction):
        change = _field_change(action, names)
        time = cut(change.place[0], time)
        event_id = fact_id(change, time, action.agent, action.recipient)
    return LeadEvent(
        event_id or f"urn:sha256:{digest.hex()}",
        trigger,
        time,
        digest,
        lead_keys,
        contact_keys,
        agent=action.agent,
        recipient=getattr(action, "recipient", None),
        participant=getattr(action, "participant", None),
        snapshot=_snapshot(action, dates),
        reason=_reason(action),
        notes=(*notes, *_notes(envelope, stated, action, dates)),
        field_change=change,
        names=names,
    )


def _field_change(action: ChangeAction, names: WrittenNames) -> FieldChange:
    source = source_name(action.source)
    return FieldChange(
        source=action.source,
        field=action.field,
        object=object_id(source, action.record, names),
        old=action.old or None,
        new=action.new or "",
        current=action.current,
    )


def _reason(action: Action) -> str | None:
    """Return the reason that an action gives, with the comment on it."""
    if action.reason and action.comment:
        return f"{action.reason}: {action.comment}"
    return action.reason or action.comment or None


def _shape_of(trigger: Trigger, data: Any) -> type[Action]:
    if trigger == "delete":
        return ContactAction
    if trigger == "change":
        return ChangePersonAction if names_person(data) else ChangeAction
    return PersonAction if names_person(data) else LeadAction


@immutable
class _Stated:
    """The time that a message states, and what is said of it besides: it is part of the content."""

    micros: int
    has_offset: bool
    unit: str | None = None

    def content(self) -> Any:
        """Return what stands for it in the content: its microseconds, beside what makes a note."""
        if self.has_offset:
            return [self.micros, self.unit] if self.unit else self.micros
        return [self.micros]


def _stated_time(envelope: Envelope, problems: list[Problem]) -> _Stated | None:
    """Return the message's ``time``, else its ``timestamp``; None where both stand for none."""
    instant, unit, place = _of_text(envelope, problems), None, "time"
    if instant is None and not problems:
        instant, unit = _of_number(envelope, problems)
        place = "timestamp"
    if instant is None:
        return None
    if instant.is_odd:
        expected = f"expected a time from {FIRST_YEAR} on, got {format_time(instant.micros)}"
        problems.append(Problem(envelope.place(place), expected, "implausible_time"))
        return None
    return _Stated(instant.micros, instant.has_offset, unit)


def _of_text(envelope: Envelope, problems: list[Problem]) -> Instant | None:
    if envelope.time is None or envelope.time == "":
        return None
    if not isinstance(envelope.time, str):
        expected = f"expected a time, got {kind_of(envelope.time)}"
        problems.append(Problem(envelope.place("time"), expected))
        return None
    try:
        instant = parse_time(envelope.time)
    except ArgumentError as error:
        problems.append(Problem(envelope.place("time"), str(error)))
        return None
    return None if instant.is_null else instant


def _of_number(envelope: Envelope, problems: list[Problem]) -> tuple[Instant | None, str | None]:
    """Return the moment of the ``timestamp``, and its unit where that is not milliseconds."""
    value = envelope.timestamp
    if value is None or value == "":
        return None, None
    known = isinstance(value, (int, float, str)) and not isinstance(value, bool)
    epoch = parse_epoch(value) if known else None
    if epoch is None:
        expected = f"expected milliseconds since 1970, got {value!r:.40}"
        problems.append(Problem(envelope.place("timestamp"), expected))
        return None, None
    if epoch.instant.is_null:
        return None, None
    return epoch.instant, None if epoch.unit == "ms" else epoch.unit


def stated_id_of(envelope: Envelope, problems: list[Problem]) -> str | None:
    """Return the id that a message states; what is wrong with it is added to ``problems``."""
    match envelope.id:
        case None | "":
            return None
        case str():
            return envelope.id
        case int() | float() if not isinstance(envelope.id, bool):
            return decimal_text(envelope.id)
        case _:
            expected = f"expected a text, got {kind_of(envelope.id)}"
            problems.append(Problem(envelope.place("id"), expected))
            return None


@immutable
class _Dates:
    """The dates in the data of a message, by what they are called; odd ones are not used."""

    used: dict[str, Instant]
    odd: dict[str, Instant]

    @classmethod
    def of(cls, action: Action) -> _Dates:
        """Sort the dates of an action."""
        stated = {"dateSent": action.dateSent}
        if not isinstance(action, ContactAction):
            lead = action.object
            stated["object.dateSent"] = lead.dateSent
            stated["object.dateReceived"] = lead.dateReceived
            stated["object.dateAccepted"] = lead.dateAccepted
            stated["object.dateRejected"] = lead.dateRejected
        used = {name: date for name, date in stated.items() if date is not None}
        odd = {name: date for name, date in used.items() if date.is_odd}
        return cls({name: used[name] for name in used if name not in odd} if odd else used, odd)

    def micros(self, name: str) -> int | None:
        """Return a date in microseconds; None where it is not used."""
        date = self.used.get(name)
        return None if date is None else date.micros


def _time(
    trigger: Trigger, stated: _Stated | None, dates: _Dates, received_at: int | None
) -> tuple[int | None, tuple[Note, ...]]:
    """Return when it happened: as stated, else the date of that very step, else ``received_at``."""
    if stated is not None:
        return stated.micros, ()
    date, source = dates.used.get(f"object.{OWN_DATE.get(trigger)}"), "the date of the step"
    if date is None and "dateSent" in dates.used:
        date, source = dates.used["dateSent"], "data.dateSent"
    if date is not None:
        return date.micros, (Note("no_event_time", f"taken from {source}"),)
    if received_at is not None:
        return received_at, (Note("no_event_time", "taken from the moment of receipt"),)
    return None, ()


def _digest(envelope: Envelope, stated: _Stated | None) -> bytes:
    """Return SHA-256 of the content: topic, stated time in microseconds, data; canonically."""
    content = (envelope.topic, stated and stated.content(), envelope.data)
    return hashlib.sha256(canonical(content)).digest()


_UNITS: Final = {"s": "seconds", "us": "microseconds", "ns": "nanoseconds"}


def _notes(
    envelope: Envelope, stated: _Stated | None, action: Action, dates: _Dates
) -> Iterator[Note]:
    """Yield what the fold makes findings of."""
    action_type = action.type or action.at_type
    if contradicts(action_type, envelope.topic):
        yield Note("action_mismatch", f"{action_type} in {envelope.topic}")
    bare = ["time"] if stated and not stated.has_offset else []
    bare += [name for name, date in dates.used.items() if not date.has_offset]
    if bare:
        yield Note("no_offset", f"taken as UTC: {', '.join(bare)}")
    if stated and stated.unit:
        yield Note("epoch_unit", f"timestamp is in {_UNITS[stated.unit]}")
    if dates.odd:
        odd = (f"{name} is {format_time(date.micros)}" for name, date in dates.odd.items())
        yield Note("odd_dates", f"not used: {', '.join(odd)}")


def _names(action: Action) -> WrittenNames:
    """Return the names of the lead and its contact as the message writes them."""
    if isinstance(action, ContactAction):
        return WrittenNames((), (), *_contact_names(action.object))
    thing = action.object
    if isinstance(thing, PersonShape):
        return WrittenNames((), (), *_contact_names(thing))
    contact = _contact_names(thing.object) if thing.object else ((), ())
    return WrittenNames(tuple(thing.identifier or ()), _own_ids(thing), *contact)


def _contact_names(
    contact: ContactShape | PersonShape,
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    return (*(contact.identifier or ()), *(contact.sameAs or ())), _own_ids(contact)


def _own_ids(thing: LeadShape | ContactShape) -> tuple[str, ...]:
    return tuple([own for own in (thing.at_id, thing.id) if own])


def _no_identity(path: str) -> Problem:
    expected = "expected an identifier of the lead or its contact that is a name; got none"
    return Problem(f"{path}.object" if path else "object", expected, "no_identity")


def _snapshot(action: Action, dates: _Dates) -> Snapshot:
    if isinstance(action, ContactAction):
        return Snapshot()
    lead = action.object
    person = lead if isinstance(lead, PersonShape) else lead.object
    return Snapshot(
        owner=lead.owner,
        sender=lead.sender,
        recipient=lead.recipient,
        date_sent=dates.micros("object.dateSent"),
        date_received=dates.micros("object.dateReceived"),
        date_accepted=dates.micros("object.dateAccepted"),
        date_rejected=dates.micros("object.dateRejected"),
        contact=_contact(person) if person else None,
        lead_source=lead.leadSource,
    )


def _contact(shape: ContactShape | PersonShape) -> Contact | None:
    full = " ".join(part for part in (shape.givenName, shape.familyName) if part)
    name, email, telephone = shape.name or full or None, shape.email, shape.telephone
    if not (name or email or telephone):
        return None
    return Contact(name, email or None, telephone or None)
