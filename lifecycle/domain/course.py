"""The plain course of a lead: allowed messages in their order, in which nothing is odd.

Most leads take it, and it is told here in few steps, without making objects of what was decoded.
Whatever is not plain is left to ``Track``, which stays the definition: where both tell a lead, they
tell the same, which a property holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from attrs import define, field

from lifecycle.domain.event import Position
from lifecycle.domain.history import Verdicts
from lifecycle.domain.machine import LeadMachine, LeadTransition
from lifecycle.domain.states import RANK, State, Trigger
from lifecycle.domain.track import OWN_STEP

#: What was decoded of a message, in the order of its parts in the store.
Told: TypeAlias = Sequence[Any]
#: The id of a party; with its name where that is known.
PartyValue: TypeAlias = str | tuple[str | None, str]
#: What a message of these says is told by ``Track`` alone.
_OTHERS: Final = ("change", "delete")


class PlainRow(NamedTuple):
    """A step that moved the lead, by whom, and who holds it afterwards."""

    event_id: str
    trigger: Trigger
    source: State
    target: State
    implied: bool
    at_micros: int
    by: PartyValue | None
    holder: PartyValue | None
    reason: str | None

    @property
    def step(self) -> int:
        """Its place among the steps of one event."""
        return OWN_STEP[self.trigger]


@define
class Course:
    """A lead on its plain course; the attributes are those of ``Lead`` and ``Track``.

    Attributes:
        joined: The event that it began with, and its trigger, where that was not a ``send``.
    """

    machine: LeadMachine
    state: State = "new"
    since: int | None = None
    holder: PartyValue | None = None
    owner: PartyValue | None = None
    sender: PartyValue | None = None
    recipient: PartyValue | None = None
    contact: Sequence[str | None] = (None, None, None)
    source: str | None = None
    events: int = 0
    position: Position | None = None
    decisions: dict[str, str | None] = field(factory=dict)
    rows: list[PlainRow] = field(factory=list)
    joined: tuple[str, Trigger] | None = None

    def take(self, event_id: str, trigger: Trigger, time: int, told: Told) -> Verdicts | None:
        """Fold a message, the next in order; None where it is not plain, and nothing holds."""
        if list in map(type, told[1:7]):
            told = [tuple(one) if type(one) is list else one for one in told]
        _, agent, recipient, participant, owner, sender, offered, sent, received, *rest = told
        accepted, rejected, contact, source, reason, notes, _ = rest
        if notes or trigger in _OTHERS:
            return None
        steps = self._steps(trigger, time, sent, received)
        if steps is None or not self._is_by_no_other(trigger, agent, participant, told):
            return None
        if self.position is None and trigger != "send":
            self.joined = (event_id, trigger)
        self.position = (time, RANK[trigger], event_id)
        self.events += 1
        self.owner = owner or self.owner
        self.sender = sender or self.sender
        self.recipient = offered or self.recipient
        self.source = source or self.source
        if contact is not None:
            self.contact = [new or old for new, old in zip(contact, self.contact, strict=True)]
        moved: Verdicts = "noted"
        for step, edge, at in steps:
            by = (
                self._actor(trigger, agent, sender, recipient, offered) if step == trigger else None
            )
            holder = self._holder_after(step, recipient, offered, by) or self.holder
            self.holder = holder
            if edge.moves:
                moved, source, self.since = "applied", self.state, at
                self.state = edge.target
                implied = step != trigger
                why = None if implied else reason
                self.rows.append(
                    PlainRow(event_id, step, source, edge.target, implied, at, by, holder, why)
                )
        self._remember_decisions(event_id, trigger, accepted, rejected)
        return moved

    def _remember_decisions(
        self, event_id: str, trigger: Trigger, accepted: int | None, rejected: int | None
    ) -> None:
        if trigger in ("accept", "reject"):
            self.decisions[trigger] = None
        if accepted is not None:
            self.decisions.setdefault("accept", event_id)
        if rejected is not None:
            self.decisions.setdefault("reject", event_id)

    def _steps(
        self, trigger: Trigger, time: int, sent: int | None, received: int | None
    ) -> list[tuple[Trigger, LeadTransition, int]] | None:
        """Return the steps of a message, as ``decide`` does; None where one may be refused."""
        first, state, last = self.machine.first_edges, self.state, self.since
        steps: list[tuple[Trigger, LeadTransition, int]] = []
        if trigger == "send" or (state == "new" and sent is not None):
            edge = first.get(("send", state))
            if edge is None and trigger == "send":
                return None
            if edge is not None and (trigger == "send" or edge.moves):
                at = time if sent is None else sent
                if at > time or (last is not None and at < last):
                    return None
                steps.append(("send", edge, at))
                state, last = edge.target, at
        if received is not None and trigger != "receive" and state in ("new", "sent"):
            edge = first.get(("receive", state))
            if received > time or (last is not None and received < last):
                return None
            if edge is not None and edge.moves:
                steps.append(("receive", edge, received))
                state = edge.target
        if trigger != "send":
            edge = first.get((trigger, state))
            if edge is None:
                return None
            steps.append((trigger, edge, time))
        return None if any(edge.guards for _, edge, _ in steps) else steps

    def _is_by_no_other(
        self, trigger: Trigger, agent: PartyValue | None, participant: PartyValue | None, told: Told
    ) -> bool:
        """Return whether no party contradicts what is known: they are the same, to the letter."""
        if trigger == "reject" and agent is not None:
            known = (self.holder, told[6] or self.recipient, told[4] or self.owner)
            return agent in known or not any(known)
        return trigger != "retract" or participant is None or self.holder in (None, participant)

    def _actor(
        self,
        trigger: Trigger,
        agent: PartyValue | None,
        sender: PartyValue | None,
        recipient: PartyValue | None,
        offered: PartyValue | None,
    ) -> PartyValue | None:
        """Return who did it, as ``track`` says."""
        if agent is not None:
            return agent
        match trigger:
            case "send":
                return sender or self.sender
            case "accept":
                return recipient or offered
            case "reject" | "receive":
                return offered
            case _:
                return None

    def _holder_after(
        self,
        step: Trigger,
        recipient: PartyValue | None,
        offered: PartyValue | None,
        by: PartyValue | None,
    ) -> PartyValue | None:
        """Return who has the lead after a step, as ``track`` says."""
        match step:
            case "send":
                return offered or recipient
            case "assign":
                return recipient or offered
            case "accept":
                return by
            case "reject":
                return self.owner or self.sender
            case "retract":
                return recipient or self.owner or self.sender
            case _:
                return None
