"""Two tables of rules side by side: the leads and the refusals that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from attrs import asdict, define, field

from lifecycle.auditing.deviations import Deviation, deviations
from lifecycle.domain import (
    History,
    Key,
    LeadEvent,
    OnInvalid,
    Rules,
    State,
    Trigger,
    immutable,
    machine_for,
    subject_history,
)


@immutable
class LeadDifference:
    """A lead that ends in another state; None: these rules know no such lead."""

    lead_id: str
    here: State | None
    there: State | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


@define
class Comparison:
    """The leads and events that differ: ``here`` by the rules of the audit, ``there`` by ``rules``.

    Attributes:
        rules: The other rules.
        leads: Those that end in another state.
        only_here: Events that are refused by the rules of the audit alone.
        only_there: Events that are refused by the other rules alone.
    """

    rules: Rules
    leads: list[LeadDifference] = field(factory=list)
    only_here: list[Deviation] = field(factory=list)
    only_there: list[Deviation] = field(factory=list)

    def add(
        self,
        history: History,
        refused: Sequence[Deviation],
        events: Sequence[LeadEvent],
        on_invalid: OnInvalid,
    ) -> None:
        """Take up a subject; leads are told apart by id and first key."""
        other = subject_history(machine_for(self.rules), events, {}, on_invalid)
        other_refused = [one for lead in other.leads for one in deviations(lead)]
        states, other_states = _states(history), _states(other)
        for name in states | other_states:
            here, there = states.get(name), other_states.get(name)
            if here != there:
                self.leads.append(LeadDifference(name[0], here, there))
        ours = {one.event_id for one in refused}
        theirs = {one.event_id for one in other_refused}
        self.only_here += [one for one in refused if one.event_id not in theirs]
        self.only_there += [one for one in other_refused if one.event_id not in ours]

    def sort(self) -> None:
        """Bring all into the order of leads."""
        self.leads.sort(key=lambda one: one.lead_id)
        self.only_here.sort(key=Deviation.order)
        self.only_there.sort(key=Deviation.order)

    def moves(self) -> list[tuple[State | None, State | None, int]]:
        """Return how many leads end in which other state, the most first."""
        counts = Counter((one.here, one.there) for one in self.leads)
        found = [(here, there, count) for (here, there), count in counts.items()]
        return sorted(found, key=lambda one: (-one[2], one[0] or "", one[1] or ""))

    def refused(self) -> list[tuple[str, State, Trigger, int]]:
        """Return what one side alone refuses (``here``, ``there``), the most frequent first."""
        counts = Counter(("here", one.state, one.trigger) for one in self.only_here)
        counts.update(("there", one.state, one.trigger) for one in self.only_there)
        found = [(*step, count) for step, count in counts.items()]
        return sorted(found, key=lambda one: (-one[3], one[:3]))

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "rules": {"name": self.rules.name, "digest": self.rules.digest},
            "leads": [one.as_dict() for one in self.leads],
            "refused_only_here": [one.as_dict() for one in self.only_here],
            "refused_only_there": [one.as_dict() for one in self.only_there],
        }


def _states(history: History) -> dict[tuple[str, Key], State]:
    return {(one.lead.lead_id, one.lead.keys[0]): one.lead.state for one in history.leads}
