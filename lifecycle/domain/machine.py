"""The machine: a ``transitions.Machine`` made from the rules, the only thing that moves a lead.

One machine serves all leads (``model=None``), triggered by ``machine.events[name].trigger``.
transitions lets ``event_cls`` and ``transition_cls`` be replaced; ours leave out its callbacks and
event data, and evaluate guards that say why they refuse. A property test holds the result equal
to a stock ``Machine`` of the same rules. (design.md section 4)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import transitions

from lifecycle.domain.guards import BUILT_IN, Guard, find_guard, is_party_guard
from lifecycle.domain.rules import Rules, usable
from lifecycle.domain.states import STATES, State, Trigger
from lifecycle.reasons import Refusal

if TYPE_CHECKING:
    from lifecycle.domain.event import LeadEvent
    from lifecycle.domain.lead import Lead


class LeadTransition(transitions.Transition):
    """One edge: its guards, and where it leads."""

    def __init__(
        self, source: State, dest: State | None, *_: object, guards: tuple[str, ...] = ()
    ) -> None:
        super().__init__(source, dest)  # type: ignore[arg-type] # None is how transitions says "stay"
        self.target: State = dest or source
        self.moves = dest is not None
        self.guards: tuple[tuple[str, Guard], ...] = tuple(
            (name, cast("Guard", find_guard(name))) for name in guards
        )
        #: Those that changes of fields are asked by.
        self.change_guards = tuple(one for one in self.guards if not is_party_guard(one[0]))

    def move(self, lead: Lead) -> None:
        """Set the lead's state."""
        lead.state = self.target

    def refusal(self, lead: Lead, event: LeadEvent) -> Refusal | None:
        """Return what the first guard to refuse says; None when all pass."""
        for name, guard in self.change_guards if event.trigger == "change" else self.guards:
            why = guard(lead, event)
            if why is not None:
                return Refusal("guard", guard=name, why=why)
        return None


class LeadTrigger(transitions.Event):
    """All edges of one trigger."""

    machine: LeadMachine
    transitions: dict[str, list[LeadTransition]]  # type: ignore[assignment]

    def decide(self, state: State, lead: Lead, event: LeadEvent) -> LeadTransition | Refusal:
        """Decide what the trigger would do in this state, and change nothing."""
        refusal: Refusal | None = None
        for edge in self.transitions.get(state, ()):
            if not edge.guards:
                return edge
            refusal = edge.refusal(lead, event)
            if refusal is None:
                return edge
        return refusal or Refusal("no_edge", allowed=self.machine.allowed(state))

    def trigger(self, model: object, *args: Any, **_: Any) -> bool:
        """Move the lead (``model``) for an event, if the rules allow it; True when they did."""
        lead = cast("Lead", model)
        decision = self.decide(lead.state, lead, args[0])
        if isinstance(decision, Refusal):
            return False
        decision.move(lead)
        return True


class LeadMachine(transitions.Machine):
    """The machine of one table of rules."""

    event_cls = LeadTrigger
    transition_cls = LeadTransition
    events: Mapping[Trigger, LeadTrigger]  # type: ignore[assignment]

    def __init__(self, rules: Rules) -> None:
        super().__init__(
            model=None,
            states=list(STATES),
            initial="new",
            auto_transitions=False,
            transitions=[
                {
                    "trigger": edge.trigger,
                    "source": list(edge.sources),
                    "dest": edge.target,
                    "guards": edge.guards,
                }
                for edge in rules.edges
            ],
        )
        self.meanings = rules.meanings
        #: Whether what is allowed depends on more than the state.
        self.has_guards = any(edge.guards for edge in rules.edges)
        #: Whether a guard is not one of those that come with lifecycle: it may look at anything.
        self.has_own_guards = any(not BUILT_IN.issuperset(edge.guards) for edge in rules.edges)
        self._targets = {
            edge.trigger: edge.target for edge in reversed(rules.edges) if edge.target is not None
        }
        #: By trigger and state the edge that is tried first.
        self.first_edges: dict[tuple[Trigger, State], LeadTransition] = {
            (name, state): edges[0]
            for name, trigger in self.events.items()
            for state, edges in cast("Any", trigger.transitions).items()
        }
        self._edges: dict[State, list[tuple[Trigger, LeadTransition]]] = {
            state: [
                (name, edge)
                for name, trigger in self.events.items()
                for edge in _reachable(trigger.transitions.get(state, ()))
            ]
            for state in STATES
        }
        self._allowed: dict[State, tuple[str, ...]] = {
            state: tuple(dict.fromkeys(name for name, _ in edges))
            for state, edges in self._edges.items()
        }

    def allowed(self, state: State) -> tuple[str, ...]:
        """Return the triggers that some edge allows from this state, guards aside."""
        return self._allowed[state]

    def forced(self, name: Trigger, state: State) -> State:
        """Return where a refused trigger would lead: by its row for this state, or its first."""
        rows = self.events[name].transitions.get(state) if name in self.events else None
        return rows[0].target if rows else self._targets.get(name, state)

    def edges(self, state: State) -> list[tuple[Trigger, LeadTransition]]:
        """Return each trigger that is allowed in this state with its edge, guards aside."""
        return self._edges[state]

    def decide(
        self, name: Trigger, state: State, lead: Lead, event: LeadEvent
    ) -> LeadTransition | Refusal:
        """Decide what the trigger would do in this state; refuse a trigger without a row."""
        trigger = self.events.get(name)
        if trigger is None:
            return Refusal("no_edge", allowed=self.allowed(state))
        return trigger.decide(state, lead, event)


def _reachable(edges: Sequence[LeadTransition]) -> Iterator[LeadTransition]:
    """Yield the edges of one trigger and state that some event takes."""
    for edge in edges:
        yield edge
        if not edge.guards:
            return


@lru_cache(maxsize=32)
def machine_for(rules: Rules) -> LeadMachine:
    """Return the machine of these rules.

    Raises:
        RulesError: The rules name a guard that nobody registered.
        TypeError: These are no rules.
    """
    return LeadMachine(usable(rules))
