"""Decide: what an event may do to a lead, before anything changes (design.md section 4)."""

from __future__ import annotations

from attrs import define, field

from lifecycle.domain.event import LeadEvent
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine, LeadTransition
from lifecycle.domain.states import State, Trigger
from lifecycle.immutable import immutable
from lifecycle.reasons import Refusal


@immutable
class Step:
    """One step that an event is allowed to make."""

    trigger: Trigger
    edge: LeadTransition
    at: int
    implied: bool


@define
class Decision:
    """The steps that an event may make, in order, and its dates that were brought into bounds."""

    steps: list[Step] = field(factory=list)
    odd_dates: list[str] = field(factory=list)


def decide(machine: LeadMachine, lead: Lead, event: LeadEvent) -> Decision | Refusal:
    """Decide what this event would do to this lead: send, receive and own trigger, in this order.

    An event whose own trigger is refused takes no implied step either.
    """
    decision = Decision()
    own, snapshot = event.trigger, event.snapshot
    state = lead.state
    if own == "send" or (state == "new" and snapshot.date_sent is not None):
        sent = _send_step(machine, lead, event, decision)
        if isinstance(sent, Refusal):
            return sent
        state = sent
    if own != "receive" and snapshot.date_received is not None and state in ("new", "sent"):
        state = _receive_step(machine, lead, event, decision, state)
    if own != "send":
        edge = machine.decide(own, state, lead, event)
        if isinstance(edge, Refusal):
            return edge
        decision.steps.append(Step(own, edge, event.time, implied=False))
    return decision


def _send_step(
    machine: LeadMachine, lead: Lead, event: LeadEvent, decision: Decision
) -> State | Refusal:
    """Return the add's own send, or one that ``dateSent`` implies; the state after it."""
    stated = event.snapshot.date_sent
    own = event.trigger == "send"
    edge = machine.decide("send", lead.state, lead, event)
    if isinstance(edge, Refusal):
        return edge if own else lead.state
    if not own and not edge.moves:
        return lead.state
    at = _within_bounds("dateSent", stated, lead.since_micros, event.time, decision)
    decision.steps.append(Step("send", edge, at, implied=not own))
    return edge.target


def _receive_step(
    machine: LeadMachine, lead: Lead, event: LeadEvent, decision: Decision, state: State
) -> State:
    """Return the receive that ``dateReceived`` implies, unless it is stale; the state after it."""
    stated = event.snapshot.date_received
    last = decision.steps[-1].at if decision.steps else lead.since_micros
    if state == "sent" and stated is not None and last is not None and stated < last:
        decision.odd_dates.append("dateReceived is older than the sending")
        return state
    edge = machine.decide("receive", state, lead, event)
    if isinstance(edge, Refusal) or not edge.moves:
        return state
    at = _within_bounds("dateReceived", stated, last, event.time, decision)
    decision.steps.append(Step("receive", edge, at, implied=True))
    return edge.target


def _within_bounds(
    name: str, stated: int | None, last: int | None, time: int, decision: Decision
) -> int:
    """Return the stated date, brought within the lead's last step and the event's own time."""
    if stated is None:
        return time
    if stated > time:
        decision.odd_dates.append(f"{name} is later than the event")
        return time
    if last is not None and stated < last:
        decision.odd_dates.append(f"{name} is older than the lead's last step")
        return last
    return stated
