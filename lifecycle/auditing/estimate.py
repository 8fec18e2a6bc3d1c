"""The fewest edits that the rest of a lead's messages can take: by states alone, guards aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from lifecycle.domain import STATES, LeadEvent, LeadMachine, State, Trigger

#: For each state the fewest edits from there to the end.
Estimate: TypeAlias = Mapping[State, int]
#: For each state where a message may lead from there, and after how many inserted steps.
_Moves: TypeAlias = Mapping[State, Sequence[tuple[int, State]]]

_ANYWHERE: Final[_Moves] = {state: [(0, other) for other in STATES] for state in STATES}
_NOTHING: Final[Estimate] = dict.fromkeys(STATES, 0)


def estimates(
    machine: LeadMachine, events: Sequence[LeadEvent], allowed: Sequence[bool]
) -> list[Estimate]:
    """Return an estimate before each event, and one behind the last.

    An event that is not ``allowed`` can only be removed. No repair takes less than the estimate:
    it lets every guard pass or refuse as it pleases, and every date imply a step or not.
    """
    found = [_NOTHING]
    for event, is_allowed in zip(reversed(events), reversed(allowed), strict=True):
        rest = found[-1]
        moves = _moves_of(machine, event) if is_allowed else {}
        found.append(
            {
                state: min(
                    [1 + rest[state], *(count + rest[to] for count, to in moves.get(state, ()))]
                )
                for state in STATES
            }
        )
    return found[::-1]


def _moves_of(machine: LeadMachine, event: LeadEvent) -> _Moves:
    # What a change means depends on more than the state: it may lead anywhere.
    return _ANYWHERE if event.trigger == "change" else _moves(machine, *_signature(event))


def _signature(event: LeadEvent) -> tuple[Trigger, bool, bool]:
    """Return what of an event decides where it may lead."""
    snapshot = event.snapshot
    return event.trigger, snapshot.date_sent is not None, snapshot.date_received is not None


@lru_cache(maxsize=1024)
def _moves(machine: LeadMachine, trigger: Trigger, sent: bool, received: bool) -> _Moves:  # noqa: FBT001
    targets = {state: _targets(machine, trigger, state, sent, received) for state in STATES}
    moves: dict[State, dict[State, int]] = {}
    for state in STATES:
        nearest = moves[state] = {}
        for before, count in _distances(machine, state).items():
            for target in targets[before]:
                nearest[target] = min(count, nearest.get(target, count))
    return {state: [(count, to) for to, count in its.items()] for state, its in moves.items()}


def _distances(machine: LeadMachine, state: State) -> dict[State, int]:
    """Return how many inserted steps lead from this state to each that they can reach."""
    distances = {state: 0}
    front = [state]
    for source in front:
        for _, edge in machine.edges(source):
            if edge.target not in distances:
                distances[edge.target] = distances[source] + 1
                front.append(edge.target)
    return distances


def _targets(
    machine: LeadMachine,
    trigger: Trigger,
    state: State,
    sent: bool,  # noqa: FBT001
    received: bool,  # noqa: FBT001
) -> set[State]:
    """Return where an event may lead from this state, as ``decide`` goes: implied steps first."""
    states = {state}
    if trigger == "send":
        states = _after(machine, "send", states)
    elif state == "new" and sent:
        states |= _after(machine, "send", states)
    if trigger != "receive" and received:
        states |= _after(machine, "receive", states & {"new", "sent"})
    return states if trigger == "send" else _after(machine, trigger, states)


def _after(machine: LeadMachine, trigger: Trigger, states: Iterable[State]) -> set[State]:
    return {
        edge.target for state in states for name, edge in machine.edges(state) if name == trigger
    }
