"""Messages in, lead events out (design.md section 3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from attrs import field

from lifecycle.domain import Identity, LeadEvent, Problem, immutable
from lifecycle.errors import MessageError
from lifecycle.messages.event import DEFAULT_IDENTITY, event_of, stated_id_of
from lifecycle.messages.moment import Moment, optional_micros
from lifecycle.messages.parse import canonical, parse_message
from lifecycle.messages.plain import plain_event
from lifecycle.messages.topics import TRIGGER_OF_TOPIC
from lifecycle.messages.transports import Broken, is_envelope, unfold
from lifecycle.messages.wrappers import unwrap

Message: TypeAlias = bytes | bytearray | memoryview | str | dict[str, Any] | list[Any]


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
        """Return a reading of which all bytes are there."""
        return cls(raw, tuple(problems), len(raw), hashlib.sha256(raw).digest())


Reading: TypeAlias = Decoded | Ignored | Undecodable


def decode(message: Message, *, received_at: Moment | None = None) -> LeadEvent:
    """Decode one message, in any of the shapes that travel the network, to its event.

    The shapes: design.md section 3.

    ``received_at`` is the time of a message that states none.

    Raises:
        ArgumentError: ``received_at`` cannot be understood.
        MessageError: It cannot be decoded, holds several messages, or its topic is ignored.
    """
    readings = list(read_message(message, received_at=optional_micros(received_at)))
    if len(readings) != 1:
        raise MessageError([Problem("", f"expected one message, got {len(readings)}")])
    match readings[0]:
        case Decoded(event=event):
            return event
        case Ignored(topic=topic):
            raise MessageError([Problem("topic", f"{topic!r} does not concern leads")])
        case Undecodable(problems=problems):
            raise MessageError(problems)


def read_message(
    message: Message,
    *,
    received_at: int | None = None,
    identity: Identity | None = DEFAULT_IDENTITY,
) -> Iterator[Reading]:
    """Yield a reading for each message in this one: several for a page, an array or some envelopes.

    A message in which the identity policy finds no name is undecodable; without a policy it is
    decoded all the same, and whoever knows the policy judges its names.

    Raises:
        TypeError: It holds what JSON cannot say: the caller's mistake, not the sender's.
    """
    raw = as_bytes(message)
    try:
        value = parse_message(raw)
    except MessageError as error:
        yield Undecodable.whole(raw, error.problems)
        return
    if is_envelope(value):
        event = plain_event(value, identity)
        if event is not None:
            yield Decoded(event, raw)
            return
        yield _read(value, raw, "", received_at, identity)
        return
    for path, part in unfold(value):
        if isinstance(part, Broken):
            own = part.raw if "[" in path else raw
            yield Undecodable.whole(own, [below(path, part.problem)])
        else:
            own = canonical(part) if "[" in path else raw
            yield _read(part, own, path, received_at, identity)


def stated_id(message: Message) -> str | None:
    """Return the event id that a message states; None where it cannot be read or states none."""
    try:
        parts = [part for _, part in unfold(parse_message(as_bytes(message)))]
    except MessageError:
        return None
    if len(parts) != 1 or isinstance(parts[0], Broken):
        return None
    envelope = unwrap(parts[0])
    return None if isinstance(envelope, Problem) else stated_id_of(envelope, [])


def as_bytes(message: Message) -> bytes:
    """Return the message as JSON text."""
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message)
    if not isinstance(message, str):
        try:
            message = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"a message must be what JSON can say: {error}") from None
    return message.encode("utf-8", "surrogatepass")


def _read(
    value: Any, raw: bytes, path: str, received_at: int | None, identity: Identity | None
) -> Reading:
    envelope = unwrap(value)
    if isinstance(envelope, Problem):
        return Undecodable.whole(raw, [below(path, envelope)])
    if envelope.topic not in TRIGGER_OF_TOPIC:
        return Ignored(envelope.topic)
    try:
        return Decoded(event_of(envelope, received_at, identity), raw)
    except MessageError as error:
        return Undecodable.whole(raw, [below(path, problem) for problem in error.problems])


def below(path: str, problem: Problem) -> Problem:
    """Return the problem of a message that stands at this path."""
    if not path:
        return problem
    full = f"{path}.{problem.path}" if problem.path else path
    return Problem(full, problem.message, problem.code)
