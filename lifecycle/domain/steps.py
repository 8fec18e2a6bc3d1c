"""The steps that a row of the meanings makes a lead take (design.md section 4a)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from lifecycle.domain.event import LeadEvent, Party
from lifecycle.domain.history import Meant
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine, LeadTransition
from lifecycle.domain.meaning import Meaning
from lifecycle.domain.states import State, Trigger
from lifecycle.domain.track import learn
from lifecycle.reasons import Refusal

#: The edge of a trigger in a state, or why there is none.
Edges: TypeAlias = "Callable[[Trigger, State], LeadTransition | Refusal]"


def steps_of(state: State, triggers: Sequence[Trigger], edge_of: Edges) -> list[Trigger] | None:
    """Return the triggers that are taken of several; None where the last is not allowed.

    Each but the last is left out if the rest is legal without it.
    """
    kept = list(triggers)
    place = 0
    while place < len(kept) - 1:
        rest = kept[:place] + kept[place + 1 :]
        if path_of(state, rest, edge_of) is not None:
            kept = rest
        else:
            place += 1
    return None if path_of(state, kept, edge_of) is None else kept


def path_of(
    state: State, triggers: Sequence[Trigger], edge_of: Edges
) -> list[LeadTransition] | None:
    """Return the edges of these triggers, one after the other; None where one is refused."""
    edges: list[LeadTransition] = []
    for trigger in triggers:
        edge = edge_of(trigger, state)
        if isinstance(edge, Refusal):
            return None
        edges.append(edge)
        state = edge.target
    return edges


def _contradict(one: Party | None, other: Party | None) -> bool:
    return one is not None and other is not None and one.contradicts(other)


def advance_change(machine: LeadMachine, lead: Lead, event: LeadEvent, meant: Meant) -> bool:
    """Let a change move a lead, if it may, without a history.

    ``meant`` is what it meant in the fold (``SubjectFold.meant``).
    """

    def edge_of(trigger: Trigger, state: State) -> LeadTransition | Refusal:
        return machine.decide(trigger, state, lead, event)

    row = next((one for one in meant.rows if fits_lead(one, lead, event)), None)
    triggers: list[Trigger] | None = []
    if row is not None and row.triggers:
        triggers = steps_of(lead.state, row.triggers, edge_of)
    if triggers is None:
        return False
    for edge in path_of(lead.state, triggers, edge_of) or []:
        if edge.moves:
            edge.move(lead)
            lead.since_micros = event.time
    lead.events += 1
    learn(lead, event.snapshot)
    lead.holder = meant.holder or lead.holder
    return True


def fits_lead(row: Meaning, lead: Lead, event: LeadEvent) -> bool:
    """Return whether a row fits the lead's state, and its holder where it asks for that."""
    if row.states is not None and lead.state not in row.states:
        return False
    return not (row.holder_only and _contradict(event.agent, lead.holder))


def holder_after(lead: Lead, trigger: Trigger, event: LeadEvent, *, is_named: bool) -> Party | None:
    """Return who has the lead after a step; None: it stays with whoever has it.

    ``is_named``: whether a field of the source names who has the lead. Then an agent only acts.
    """
    match trigger:
        case "send":
            return event.recipient or event.snapshot.recipient
        case "assign":
            return event.recipient or lead.holder or event.agent
        case "accept":
            known = (lead.holder, event.agent) if is_named else (event.agent, lead.holder)
            return event.recipient or known[0] or known[1]
        case "reject":
            return lead.owner or lead.sender
        case "retract":
            return event.recipient or lead.owner or lead.sender
        case _:
            return None
