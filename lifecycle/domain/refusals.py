"""Refusals in plain words, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lifecycle.domain.guards import condition_of
from lifecycle.domain.states import State, Trigger
from lifecycle.reasons import Refusal, alternatives

#: What is done to a lead by each trigger.
_DONE: Final[Mapping[str, str]] = {
    "send": "sent",
    "receive": "received",
    "assign": "assigned",
    "accept": "accepted",
    "reject": "rejected",
    "retract": "retracted",
    "update": "updated",
}


def refused_in_words(refusal: Refusal, trigger: Trigger, state: State) -> str:
    """Say why a step was refused, without the names of edges and guards."""
    match refusal.kind:
        case "no_edge":
            only = alternatives([_DONE.get(one, one) for one in refusal.allowed])
            rest = f", only {only}" if only else ", and nothing else may happen to it"
            return f"a lead that is {state} cannot be {_DONE.get(trigger, trigger)}{rest}"
        case "guard":
            return guard_in_words(refusal.guard or "", refusal.why or "")
        case _:
            return str(refusal)


def guard_in_words(guard: str, why: str) -> str:
    """Say what a guard asks for, and why it refused."""
    condition = condition_of(guard).removesuffix(".")
    return f"{condition[:1].lower()}{condition[1:]}: {why}"
