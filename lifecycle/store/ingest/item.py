"""Messages as the store takes them in: where each came from, and what became of it."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from lifecycle.domain import Problem, Refusal, State, Trigger, immutable
from lifecycle.errors import MessageError, TransitionRefusedError
from lifecycle.messages import Decoded, Ignored, Reading, Undecodable
from lifecycle.store.db.codec import Packed, pack

#: A message as the store takes it in.
IngestItem: TypeAlias = Packed | Ignored | Undecodable


@immutable
class Place:
    """Where a message came from: the number of a log and a line in it.

    A line is ``unfinished`` when it has no end yet: it may be written to, and is read again.
    ``entry`` is the number that it has in the ledger already, where a store is verified.
    """

    log: int | None = None
    line: int | None = None
    unfinished: bool = False
    entry: int | None = None


def to_stored(reading: Reading) -> IngestItem:
    """Return a reading as the store takes it in."""
    return pack(reading) if isinstance(reading, Decoded) else reading


OutcomeKind: TypeAlias = Literal[
    "applied", "refused", "noted", "duplicate", "conflict", "ignored", "quarantined"
]


@immutable
class Outcome:
    """What became of one message, as known when its transaction was committed.

    Attributes:
        kind: ``applied``: it moved the lead; ``refused``: its own trigger was not allowed;
            ``noted``: an update or deletion that moves nothing; ``duplicate``: known already;
            ``conflict``: its id is known with other content; ``ignored``: not about leads;
            ``quarantined``: could not be decoded, and is kept.
        event_id: None when it was ignored or quarantined.
        trigger: What it asked for.
        lead_id: The lead that it was bound to; None for a deletion.
        state: The state of that lead afterwards.
        refusal: Why it was refused.
        refused_in: The state in which it was refused; a late message may not be the last one.
        topic: The topic that was ignored.
        problems: Why it was quarantined.
    """

    kind: OutcomeKind
    event_id: str | None = None
    trigger: Trigger | None = None
    lead_id: str | None = None
    state: State | None = None
    refusal: Refusal | None = None
    refused_in: State | None = None
    topic: str | None = None
    problems: tuple[Problem, ...] = ()

    def raise_for_refusal(self) -> None:
        """Do nothing, unless the message was refused.

        Raises:
            TransitionRefusedError: It was.
        """
        if self.refusal is not None:
            raise TransitionRefusedError(
                lead_id=self.lead_id or "",
                trigger=self.trigger or "",
                state=self.refused_in or "",
                refusal=self.refusal,
            )

    def raise_for_problems(self) -> None:
        """Do nothing, unless the message was quarantined.

        Raises:
            MessageError: It was; its ``problems`` say where and what was expected.
        """
        if self.problems:
            raise MessageError(self.problems)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what applies to this outcome."""
        known = {
            "outcome": self.kind,
            "event_id": self.event_id,
            "trigger": self.trigger,
            "lead_id": self.lead_id,
            "state": self.state,
            "reason": str(self.refusal) if self.refusal else None,
            "refused_in": self.refused_in,
            "topic": self.topic,
            "problems": [str(problem) for problem in self.problems] or None,
        }
        return {name: value for name, value in known.items() if value is not None}
