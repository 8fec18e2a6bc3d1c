"""``import genesys``: operations and notifications of Genesys Web Services (seed 003).

``genesys_records.py`` reads them; here an interaction goes from state to state, and each step of it
is a step of a lead. What is a step depends on the state before, so records are put in the order of
their times first. An operation and the notification that follows are one step: whichever comes
first tells it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

from attrs import asdict, define, field

from lifecycle.domain import Trigger
from lifecycle.messages import LAST, format_time
from lifecycle.systems.documents import documents
from lifecycle.systems.genesys_records import (
    AGENT,
    CONTACT,
    INTERACTION,
    Part,
    part_of,
    record_of,
)
from lifecycle.systems.message import Message, Party, derived_id, lead_message, person
from lifecycle.systems.source import Made, Recall, Source, Tally
from lifecycle.systems.spool import Record, Spool

_INVITED: Final = "Invited"
_PROCESSING: Final = ("Processing", "Chatting")
_COMPLETED: Final = "Completed"
# Revoked was not seen in the documents.
_TAKEN: Final = ("InWorkbin", "Revoked")
_SYSTEM: Final = "genesys"

_SAME_STEP: Final = "the same step, told by an operation and a notification"
_TWICE: Final = "told twice"
_FORMER: Final = "operation of an agent who had it before, and told by then"


def read_genesys(path: Path, *, received_at: int | None = None) -> Source:
    """Read operations and notifications: JSON Lines, or one JSON document.

    ``received_at`` (microseconds since 1970 in UTC) is the time of records that have none.

    Raises:
        InputError: The file cannot be read, is not JSON, or holds something else.
    """
    tally, spool = Tally(), Spool()
    try:
        spool.fill(_records(path, received_at, tally))
    except BaseException:
        spool.close()
        raise
    return Source(path, tally, spool, _messages)


def _records(path: Path, received_at: int | None, tally: Tally) -> Iterator[Record]:
    latest: dict[str, int] = {}
    for document in documents(path):
        tally.records += 1
        found = record_of(path, document, received_at, latest)
        if isinstance(found, str):
            tally.left_out[found] += 1
        else:
            yield found


@define
class _Step:
    """A step of the lead that a record tells."""

    trigger: Trigger
    agent: str | None = None
    recipient: str | None = None
    participant: str | None = None
    reason: str | None = None


@define
class _Interaction:
    """An interaction so far.

    Attributes:
        state: As the last notification or operation left it; None: nobody knows.
        agent: Whom it was offered to last.
        expected: Notifications that will tell again what an operation told: the state, and the
            agent where one is known.
        told: The operation that a notification told of, and that may come as well.
        unclear: The operation that would tell what a notification meant, which was taken for an
            update: who had it before was not known.
        former: Those whom it was offered to before.
    """

    state: str | None = None
    agent: str | None = None
    expected: dict[str, str | None] = field(factory=dict)
    told: str | None = None
    unclear: str | None = None
    former: list[str] = field(factory=list)

    @classmethod
    def recalled(cls, recall: Recall, name: str, until: int, new: Collection[str]) -> Self:
        """The interaction as the messages left it that a store has from up to this time.

        Those with ``new`` ids are about to be made again. What is not as we write it is passed
        over: anybody may send messages.
        """
        for message in reversed(recall(f"{INTERACTION}:{name}")):
            known = _part(_part(message.payload, "data"), "additionalProperty").get(_SYSTEM)
            after = _part(known, "after")
            ours = message.event_id.rsplit("@", 1)[0] not in new
            if ours and message.time <= until and after:
                with suppress(TypeError):
                    return cls(**after)
        return cls()

    def take(self, part: Part) -> list[_Step] | str:
        """The steps that a record tells; or why it tells none."""
        if part.operation is not None:
            return self._operation(part)
        if part.kind != "StatusChange":
            return [_Step("update")]
        if self._is_expected(part):
            return _SAME_STEP
        return self._status(part)

    # --- notifications ------------------------------------------------------------------

    def _is_expected(self, part: Part) -> bool:
        """Whether an operation told it already."""
        if part.state not in self.expected:
            self.expected = {}
            return False
        agent = self.expected[part.state]
        if agent is not None and part.agent is not None and agent != part.agent:
            return False
        del self.expected[part.state]
        if part.state == _INVITED:
            self.expected = {state: one for state, one in self.expected.items() if one}
        return True

    def _status(self, part: Part) -> list[_Step]:
        before, self.state, self.told, self.unclear = self.state, part.state, None, None
        if part.state == _INVITED:
            self._offer(part.agent)
            return [_Step("assign", recipient=part.agent)]
        if part.state in _TAKEN:
            return [_Step("retract", participant=self.agent)]
        if part.state in _PROCESSING and before == _INVITED:
            self.told = "Accept"
            return [_Step("accept", agent=part.agent or self.agent)]
        if part.state == _COMPLETED and before == _INVITED and not part.capabilities:
            self.told = "Reject"
            return [_Step("reject", agent=self.agent or part.agent)]
        if before not in _PROCESSING:
            self.unclear = {_COMPLETED: "Reject"}.get(part.state or "", "Accept")
        return [_Step("update", reason="completed" if part.state == _COMPLETED else None)]

    # --- operations ---------------------------------------------------------------------

    def _operation(self, part: Part) -> list[_Step] | str:
        if self.told == part.operation:
            self.told = None
            return _SAME_STEP
        if part.agent in self.former and part.agent != self.agent:
            return _FORMER
        may_decide = self.state in (_INVITED, None) or self.unclear == part.operation
        match part.operation:
            case "Accept" if may_decide:
                agent = part.agent or self.agent
                self._now("Processing", agent, dict.fromkeys(_PROCESSING))
                return [_Step("accept", agent=agent)]
            case "Reject" if may_decide:
                agent = part.agent or self.agent
                self._now(_COMPLETED, agent, {_COMPLETED: None})
                return [_Step("reject", agent=agent)]
            case "Transfer" | "PlaceInQueue" if self.state not in (_INVITED, *_TAKEN):
                return self._hand_on(part)
            case _:
                return f"operation {part.operation} in state {self.state or 'unknown'}"

    def _hand_on(self, part: Part) -> list[_Step]:
        """To another agent, or back to a queue."""
        former = self.agent or part.agent
        steps = [_Step("retract", agent=part.agent or former, participant=former)]
        leaving: dict[str, str | None] = dict.fromkeys((_COMPLETED, *_TAKEN), former)
        if part.target is None:
            self._now(_TAKEN[0], None, leaving)
            return steps
        self._now(_INVITED, part.target, {**leaving, _INVITED: part.target})
        assign = _Step("assign", agent=part.agent or former, recipient=part.target)
        return [*steps, assign]

    def _now(self, state: str, agent: str | None, expected: dict[str, str | None]) -> None:
        self._offer(agent)
        self.state, self.expected, self.told, self.unclear = state, expected, None, None

    def _offer(self, agent: str | None) -> None:
        if self.agent is not None and self.agent not in (agent, *self.former):
            self.former.append(self.agent)
        self.agent = agent


def _part(value: Any, name: str) -> dict[str, Any]:
    """An object in an object; empty where there is none."""
    part = value.get(name) if isinstance(value, dict) else None
    return part if isinstance(part, dict) else {}


def _messages(records: list[Record], recall: Recall, tally: Tally) -> Iterator[Made]:
    """The messages of one interaction."""
    name = records[0].lead
    parts = [part_of(record.content) for record in records]
    identities = [derived_id(_SYSTEM, (name, part.said)) for part in parts]
    interaction = _Interaction.recalled(recall, name, records[0].time, set(identities))
    seen: set[str] = set()
    for record, part, identity in zip(records, parts, identities, strict=True):
        if identity in seen:
            tally.left_out[_TWICE] += 1
            continue
        seen.add(identity)
        steps = interaction.take(part)
        if isinstance(steps, str):
            tally.left_out[steps] += 1
            continue
        tally.told += 1
        kept = {"record": record.content["record"], "after": asdict(interaction)}
        make = partial(_letter, name=name, part=part, kept=kept)
        yield from (Made(one, record.line) for one in _letters(make, steps, identity, record.time))


def _letters(make: Any, steps: Iterable[_Step], identity: str, time: int) -> Iterator[Message]:
    """A message for each step; of several each has an id and a microsecond of its own."""
    for number, step in enumerate(steps):
        suffix = f"@{number + 1}" if number else ""
        yield make(step, identity=identity + suffix, time=min(time + number, LAST))


def _letter(
    step: _Step, *, name: str, part: Part, kept: dict[str, Any], identity: str, time: int
) -> Message:
    message = lead_message(
        step.trigger,
        event_id=identity,
        time=time,
        lead={INTERACTION: name},
        contact=_contact(part),
        agent=_party(step.agent),
        recipient=_party(step.recipient),
        participant=_party(step.participant),
        reason=step.reason,
        additionalProperty={_SYSTEM: kept},
    )
    if not part.timed:
        # The time is not that of the step: the message says so, and it becomes a finding.
        del message["time"]
        message["data"]["dateSent"] = format_time(time)
    return message


def _party(agent: str | None) -> Party | None:
    return None if agent is None else person(AGENT, agent)


def _contact(part: Part) -> dict[str, Any]:
    contact: dict[str, Any] = dict(part.details)
    if part.contact:
        contact["identifier"] = {CONTACT: part.contact}
    return contact
