"""One trigger of the machine, and of a stock ``transitions.Machine`` of the same rules.

    trigger.py COUNT

Both take the same steps, all of them legal, in turns of some thousand; one step meets a guard.
Prints triggers a second of each, at the median turn, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from transitions import Machine

from lifecycle import STATES, Lead, LeadEvent, Rules, decode
from lifecycle.domain.guards import find_guard
from lifecycle.domain.machine import machine_for

_TURNS: Final = 20
# They begin and end in the same state, so that they can be taken again and again.
_FIRST: Final = "retracted"
_STEPS: Final = (
    "send",
    "receive",
    "assign",
    "accept",
    "update",
    "assign",  # by_holder_or_owner
    "reject",
    "assign",
    "accept",
    "retract",
)
_OWNER: Final = "https://owner.example"


def main(count: int) -> None:
    """Let both take so many steps, in turns, and print how fast they were."""
    cycles = max(1, count // len(_STEPS) // _TURNS)
    sides = {"lifecycle": lifecycle_turn(), "transitions": stock_turn()}
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(_TURNS):
        for name, turn in sides.items():
            started = time.perf_counter()
            turn(cycles)
            rates[name].append(cycles * len(_STEPS) / (time.perf_counter() - started))
    print(json.dumps({name: median(found) for name, found in rates.items()}))


def lifecycle_turn() -> Callable[[int], None]:
    """Our machine, and a lead."""
    machine = machine_for(Rules.default())
    event = an_event()
    lead = Lead("crmleadid:1", state=_FIRST)
    lead.owner = lead.holder = event.agent
    triggers = [machine.events[name].trigger for name in _STEPS]

    def turn(cycles: int) -> None:
        for _ in range(cycles):
            for trigger in triggers:
                trigger(lead, event)

    return checked(turn, lead)


def stock_turn() -> Callable[[int], None]:
    """Make a machine of transitions, with a lead as its model and guards as conditions."""
    event = an_event()
    model = StockLead(event)
    Machine(
        model,
        states=list(STATES),
        initial=_FIRST,
        auto_transitions=False,
        transitions=[
            {
                "trigger": edge.trigger,
                "source": list(edge.sources),
                "dest": edge.target,
                "conditions": [model.condition(name) for name in edge.guards],
            }
            for edge in Rules.default().edges
        ],
    )
    triggers = [getattr(model, name) for name in _STEPS]

    def turn(cycles: int) -> None:
        for _ in range(cycles):
            for trigger in triggers:
                trigger(event)

    return checked(turn, model)


class StockLead:
    """A model of transitions that our guards can be asked about."""

    state: str

    def __init__(self, event: LeadEvent) -> None:
        self.owner = self.holder = event.agent

    def condition(self, name: str) -> Callable[[LeadEvent], bool]:
        """Return a guard as a condition."""
        guard: Any = find_guard(name)
        return lambda event: guard(self, event) is None


def checked(turn: Callable[[int], None], lead: Any) -> Callable[[int], None]:
    """Return the turn, after checking that it comes back to where it began."""
    turn(1)
    if lead.state != _FIRST:
        raise RuntimeError(f"a step was refused: it ended in {lead.state}")
    return turn


def an_event() -> LeadEvent:
    """Return an event that the owner caused."""
    return decode(
        {
            "topic": "realestate/lead#assign",
            "time": "2026-03-02T10:00:00Z",
            "data": {"agent": _OWNER, "object": {"identifier": {"crmLeadId": 1}}},
        }
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
