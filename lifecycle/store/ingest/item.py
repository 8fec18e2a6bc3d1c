"""Messages as the store takes them in: where each came from, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

from attrs import asdict

from lifecycle.domain import Identity, Problem, Refusal, State, Trigger, immutable
from lifecycle.errors import MessageError, TransitionRefusedError
from lifecycle.messages import Decoded, Message, Reading, Undecodable, read_message
from lifecycle.messages import Ignored as OtherTopic
from lifecycle.store.db.codec import Packed, pack

_Some = TypeVar("_Some")
#: A message as the store takes it in.
IngestItem: TypeAlias = Packed | OtherTopic | Undecodable


@immutable
class Place:
    """The place that a message came from: the number of a log and a line in it.

    A line is ``unfinished`` when it has no end yet: it may be written to, and is read again.
    ``entry`` is the number that it has in the ledger already, where a store is verified.
    """

    log: int | None = None
    line: int | None = None
    unfinished: bool = False
    entry: int | None = None


#: Messages, and where each came from.
Items: TypeAlias = Sequence[tuple[IngestItem, Place]]


def to_stored(reading: Reading, identity: Identity) -> IngestItem:
    """Return a reading as a store with this identity policy takes it in."""
    return pack(reading, identity) if isinstance(reading, Decoded) else reading


def stored_items(messages: Iterable[Message], identity: Identity, received_at: int | None) -> Items:
    """Return messages, and those in pages of them, as a store takes them in from a caller."""
    place = Place()
    return [
        (to_stored(one, identity), place)
        for message in messages
        for one in read_message(message, received_at=received_at, identity=None)
    ]


def is_ready(message: IngestItem, latest: int) -> bool:
    """Return whether a message would not be quarantined."""
    if isinstance(message, Packed):
        return message.time <= latest and any(message.keys)
    return not isinstance(message, Undecodable)


def several(messages: Iterable[_Some]) -> Iterable[_Some]:
    """Return several messages.

    Raises:
        TypeError: It is one, which could be taken for several.
    """
    if isinstance(messages, (str, bytes, dict)):
        raise TypeError("expected several messages, got one: use apply, or put it in a list")
    return messages


OutcomeKind: TypeAlias = Literal[
    "applied", "refused", "noted", "duplicate", "conflict", "ignored", "quarantined"
]


@immutable
class Outcome:
    """The fate of one message, as known when its transaction was committed; a class for each.

    ``kind`` is the name of its class in lower case.
    """

    kind: ClassVar[OutcomeKind]

    def raise_for_refusal(self) -> None:
        """Do nothing, unless the message was refused.

        Raises:
            TransitionRefusedError: It was.
        """

    def raise_for_problems(self) -> None:
        """Do nothing, unless the message was quarantined.

        Raises:
            MessageError: It was; its ``problems`` say where and what was expected.
        """

    def as_dict(self) -> dict[str, Any]:
        """Return what there is to say of it, for JSON."""
        parts = {"outcome": self.kind, **asdict(self, recurse=False)}
        return {name: part for name, part in parts.items() if part is not None}


@immutable
class _Decided(Outcome):
    event_id: str
    trigger: Trigger
    lead_id: str | None
    state: State | None


@immutable
class Applied(_Decided):
    """It moved the lead ``lead_id``, which is in ``state`` afterwards."""

    kind: ClassVar[OutcomeKind] = "applied"


@immutable
class Noted(_Decided):
    """It is valid, and moves nothing: an update, a deletion, which concerns no single lead."""

    kind: ClassVar[OutcomeKind] = "noted"


@immutable
class Refused(_Decided):
    """Its own trigger was not allowed, in the state ``refused_in``: a late one may not be last."""

    kind: ClassVar[OutcomeKind] = "refused"
    refusal: Refusal
    refused_in: State

    def raise_for_refusal(self) -> None:
        """Raise it as an error."""
        raise TransitionRefusedError(
            lead_id=self.lead_id or "",
            trigger=self.trigger,
            state=self.refused_in,
            refusal=self.refusal,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return what there is to say of it, for JSON; the refusal as ``reason`` in words."""
        names = {"refusal": "reason"}
        return {names.get(name, name): part for name, part in Outcome.as_dict(self).items()} | {
            "reason": str(self.refusal)
        }


@immutable
class _Known(Outcome):
    event_id: str
    trigger: Trigger
    lead_id: str | None = None
    state: State | None = None


@immutable
class Duplicate(_Known):
    """It was known already, as a message of the lead ``lead_id``, which is in ``state``."""

    kind: ClassVar[OutcomeKind] = "duplicate"


@immutable
class Conflict(_Known):
    """Its id is known with another content."""

    kind: ClassVar[OutcomeKind] = "conflict"


@immutable
class Ignored(Outcome):
    """It is not about leads, but about ``topic``; or about somebody erased (``suppressed``)."""

    kind: ClassVar[OutcomeKind] = "ignored"
    topic: str


@immutable
class Quarantined(Outcome):
    """It could not be decoded, and is kept with its problems under ``number``."""

    kind: ClassVar[OutcomeKind] = "quarantined"
    problems: tuple[Problem, ...]
    number: int | None = None

    def raise_for_problems(self) -> None:
        """Raise them as an error."""
        raise MessageError(self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Return what there is to say of it, for JSON; the problems in words."""
        return Outcome.as_dict(self) | {"problems": [str(problem) for problem in self.problems]}
