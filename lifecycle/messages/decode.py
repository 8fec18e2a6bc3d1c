"""Messages in, lead events out (design.md section 3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from attrs import field

from lifecycle.domain import (
    Contact,
    Key,
    KeyKind,
    LeadEvent,
    Note,
    Problem,
    Snapshot,
    immutable,
    make_key,
)
from lifecycle.errors import MessageError, TimeFormatError
from lifecycle.messages.parse import canonical, parse
from lifecycle.messages.shapes import (
    ContactAction,
    ContactShape,
    LeadAction,
    LeadShape,
    decimal_text,
    structure,
)
from lifecycle.messages.times import FIRST_MILLISECOND, LAST_MILLISECOND, STAMP, Instant, parse_time
from lifecycle.messages.topics import TRIGGER_OF_TOPIC, contradicts
from lifecycle.messages.wrappers import Envelope, contained, kind_of, unwrap

Message: TypeAlias = "bytes | bytearray | memoryview | str | dict[str, Any] | list[Any]"


@immutable
class Decoded:
    """A message that was decoded: its event, and the message itself as JSON."""

    event: LeadEvent
    payload: bytes = field(repr=False)


@immutable
class Ignored:
    """A message of a topic that does not concern leads."""

    topic: str


@immutable
class Undecodable:
    """A message that cannot be decoded, as it came, and everything that is wrong with it.

    Of one beyond the limit ``raw`` is only the beginning; ``size`` and ``digest`` (SHA-256) are
    those of the whole.
    """

    raw: bytes
    problems: tuple[Problem, ...]
    size: int
    digest: bytes

    @classmethod
    def whole(cls, raw: bytes, problems: Sequence[Problem]) -> Undecodable:
        """One whose bytes are all there."""
        return cls(raw, tuple(problems), len(raw), hashlib.sha256(raw).digest())


Reading: TypeAlias = Decoded | Ignored | Undecodable


def decode(message: Message, *, received_at: int | None = None) -> LeadEvent:
    """The event of one message, in any of the shapes that travel the network.

    The shapes: design.md section 3.

    ``received_at`` (microseconds since 1970 in UTC) is the time of a message that states none.

    Raises:
        MessageError: It cannot be decoded, holds several messages, or its topic is ignored.
    """
    readings = list(read_message(message, received_at=received_at))
    if len(readings) != 1:
        raise MessageError([Problem("", f"expected one message, got {len(readings)}")])
    match readings[0]:
        case Decoded(event=event):
            return event
        case Ignored(topic=topic):
            raise MessageError([Problem("topic", f"{topic!r} does not concern leads")])
        case Undecodable(problems=problems):
            raise MessageError(problems)


def read_message(message: Message, *, received_at: int | None = None) -> Iterator[Reading]:
    """What this message is; an inbox page or an array yields one reading for each it contains.

    Raises:
        TypeError: It holds what JSON cannot say: the caller's mistake, not the sender's.
    """
    raw = as_bytes(message)
    try:
        value = parse(raw)
    except MessageError as error:
        yield Undecodable.whole(raw, error.problems)
        return
    several = contained(value)
    if several is None:
        yield _read(value, raw, "", received_at)
        return
    for path, one in several:
        yield _read(one, canonical(one), path, received_at)


def as_bytes(message: Message) -> bytes:
    """The message as JSON text.

    Raises:
        TypeError: It holds what JSON cannot say.
    """
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    text = message if isinstance(message, str) else _as_json(message)
    return text.encode("utf-8", "surrogatepass")


def _as_json(message: Any) -> str:
    try:
        return json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"a message must be what JSON can say: {error}") from None


def _read(value: Any, raw: bytes, path: str, received_at: int | None) -> Reading:
    envelope = unwrap(value)
    if isinstance(envelope, Problem):
        return Undecodable.whole(raw, [below(path, envelope)])
    if envelope.topic not in TRIGGER_OF_TOPIC:
        return Ignored(envelope.topic)
    try:
        return Decoded(event_of(envelope, received_at), raw)
    except MessageError as error:
        return Undecodable.whole(raw, [below(path, problem) for problem in error.problems])


def below(path: str, problem: Problem) -> Problem:
    """The problem of a message that stands at this path."""
    if not path:
        return problem
    full = f"{path}.{problem.path}" if problem.path else path
    return Problem(full, problem.message, problem.code)


def event_of(envelope: Envelope, received_at: int | None = None) -> LeadEvent:
    """The event of one message whose topic is decoded.

    Raises:
        MessageError: It cannot be decoded; every problem is named.
    """
    trigger = TRIGGER_OF_TOPIC[envelope.topic]
    problems: list[Problem] = []
    stated = _stated_time(envelope, problems)
    timeless = stated is None and not problems
    event_id = _stated_id(envelope, problems)
    shape: type[LeadAction | ContactAction] = ContactAction if trigger == "delete" else LeadAction
    try:
        action = structure(envelope.data, shape, envelope.path)
    except MessageError as error:
        raise MessageError([*problems, *error.problems]) from None
    lead_keys, contact_keys = _keys(action)
    if not lead_keys and not contact_keys:
        problems.append(_no_identity(envelope.path))
    time, notes = _time(envelope.topic, stated, action, received_at)
    if time is None and timeless:
        expected = "expected a time: none is stated, and no date says when it happened"
        problems.append(Problem(envelope.place("time"), expected, "no_time"))
    if problems or time is None:
        raise MessageError(problems)
    digest = _digest(envelope, stated)
    return LeadEvent(
        id=event_id or f"urn:sha256:{digest.hex()}",
        trigger=trigger,
        time=time,
        digest=digest,
        lead_keys=lead_keys,
        contact_keys=contact_keys,
        agent=action.agent,
        recipient=getattr(action, "recipient", None),
        participant=getattr(action, "participant", None),
        snapshot=_snapshot(action),
        reason=": ".join(part for part in (action.reason, action.comment) if part) or None,
        notes=(*notes, *_notes(envelope, stated, action)),
        field_change=getattr(action, "fieldChange", None),
    )


def _stated_time(envelope: Envelope, problems: list[Problem]) -> Instant | None:
    """The message's ``time``, else its ``timestamp`` in milliseconds."""
    if envelope.time is not None and envelope.time != "":
        if not isinstance(envelope.time, str):
            expected = f"expected a time, got {kind_of(envelope.time)}"
            problems.append(Problem(envelope.place("time"), expected))
            return None
        try:
            return parse_time(envelope.time)
        except TimeFormatError as error:
            problems.append(Problem(envelope.place("time"), str(error)))
            return None
    if envelope.timestamp is None or envelope.timestamp == "":
        return None
    micros = _epoch_milliseconds(envelope.timestamp)
    if micros is None:
        expected = f"expected milliseconds since 1970, got {envelope.timestamp!r:.40}"
        problems.append(Problem(envelope.place("timestamp"), expected))
        return None
    return Instant(micros, has_offset=True)


def _epoch_milliseconds(value: Any) -> int | None:
    """Milliseconds as microseconds; None for what is not so many."""
    if isinstance(value, str):
        return int(value) * 1000 if STAMP.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if not FIRST_MILLISECOND <= value <= LAST_MILLISECOND:
        return None
    return round(value * 1000)


def _stated_id(envelope: Envelope, problems: list[Problem]) -> str | None:
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


def _time(
    topic: str,
    stated: Instant | None,
    action: LeadAction | ContactAction,
    received_at: int | None,
) -> tuple[int | None, tuple[Note, ...]]:
    """When it happened: as stated, else the date of that very step, else ``received_at``."""
    if stated is not None:
        return stated.micros, ()
    date, source = _own_date(topic, action), "the date of the step"
    if date is None and action.dateSent is not None:
        date, source = action.dateSent, "data.dateSent"
    if date is not None:
        return date.micros, (Note("no_event_time", f"taken from {source}"),)
    if received_at is not None:
        return received_at, (Note("no_event_time", "taken from the moment of receipt"),)
    return None, ()


def _own_date(topic: str, action: LeadAction | ContactAction) -> Instant | None:
    if isinstance(action, ContactAction):
        return None
    match TRIGGER_OF_TOPIC[topic]:
        case "send":
            return action.object.dateSent
        case "receive":
            return action.object.dateReceived
        case "accept":
            return action.object.dateAccepted
        case "reject":
            return action.object.dateRejected
        case _:
            return None


def _digest(envelope: Envelope, stated: Instant | None) -> bytes:
    """SHA-256 of the content: topic, stated time in microseconds, data; in canonical form.

    A time without an offset is a finding, so that it is another content than the same with one.
    """
    time: Any = None
    if stated is not None:
        time = stated.micros if stated.has_offset else [stated.micros]
    content = (envelope.topic, time, envelope.data)
    return hashlib.sha256(canonical(content)).digest()


def _notes(
    envelope: Envelope, stated: Instant | None, action: LeadAction | ContactAction
) -> list[Note]:
    notes = []
    action_type = action.type or action.at_type
    if contradicts(action_type, envelope.topic):
        notes.append(Note("action_mismatch", f"{action_type} in {envelope.topic}"))
    bare = [name for name, date in _dates(stated, action) if not date.has_offset]
    if bare:
        notes.append(Note("no_offset", f"taken as UTC: {', '.join(bare)}"))
    return notes


def _dates(
    stated: Instant | None, action: LeadAction | ContactAction
) -> Iterator[tuple[str, Instant]]:
    """All dates of a message, with what they are called."""
    if stated is not None:
        yield "time", stated
    if action.dateSent is not None:
        yield "dateSent", action.dateSent
    if isinstance(action, LeadAction):
        lead = action.object
        if lead.dateSent is not None:
            yield "object.dateSent", lead.dateSent
        if lead.dateReceived is not None:
            yield "object.dateReceived", lead.dateReceived
        if lead.dateAccepted is not None:
            yield "object.dateAccepted", lead.dateAccepted
        if lead.dateRejected is not None:
            yield "object.dateRejected", lead.dateRejected


def _keys(action: LeadAction | ContactAction) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
    if isinstance(action, ContactAction):
        return (), _contact_keys(action.object)
    lead = action.object
    lead_keys = _as_keys("lead", lead.identifier) or _own_id("lead", lead)
    return lead_keys, _contact_keys(lead.object) if lead.object else ()


def _contact_keys(contact: ContactShape) -> tuple[Key, ...]:
    named = (*(contact.identifier or ()), *(contact.sameAs or ()))
    return _as_keys("contact", named) or _own_id("contact", contact)


def _as_keys(kind: KeyKind, identifiers: Iterable[tuple[str, str]] | None) -> tuple[Key, ...]:
    if not identifiers:
        return ()
    keys = {make_key(kind, scheme, value) for scheme, value in identifiers}
    keys.discard(None)
    return tuple(sorted(keys))  # type: ignore[arg-type] # there is no None any more


def _own_id(kind: KeyKind, thing: LeadShape | ContactShape) -> tuple[Key, ...]:
    """The first of its own ids that names it."""
    for own in (thing.at_id, thing.id):
        if own and (key := make_key(kind, "id", own)):
            return (key,)
    return ()


def _no_identity(path: str) -> Problem:
    expected = "expected an identifier of the lead or its contact; got none but masks or nothing"
    return Problem(f"{path}.object" if path else "object", expected, "no_identity")


def _snapshot(action: LeadAction | ContactAction) -> Snapshot:
    if isinstance(action, ContactAction):
        return Snapshot()
    lead = action.object
    return Snapshot(
        owner=lead.owner,
        sender=lead.sender,
        recipient=lead.recipient,
        date_sent=lead.dateSent.micros if lead.dateSent else None,
        date_received=lead.dateReceived.micros if lead.dateReceived else None,
        date_accepted=lead.dateAccepted.micros if lead.dateAccepted else None,
        date_rejected=lead.dateRejected.micros if lead.dateRejected else None,
        contact=_contact(lead.object) if lead.object else None,
    )


def _contact(shape: ContactShape) -> Contact | None:
    full = " ".join(part for part in (shape.givenName, shape.familyName) if part)
    name, email, telephone = shape.name or full or None, shape.email, shape.telephone
    if not (name or email or telephone):
        return None
    return Contact(name, email or None, telephone or None)
