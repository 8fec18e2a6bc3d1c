"""Clusters within a transaction: arrivals sorted by what hangs together, and the folds of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, cast

from attrs import define, field

from lifecycle.domain import Group, Position, Refusal, SubjectFold
from lifecycle.store.db.lookups import ClusterRow, KeyRow
from lifecycle.store.db.rows import StoredEvent, StoredLead
from lifecycle.store.ingest.identify import Arrival
from lifecycle.store.ingest.item import Applied, Noted, Outcome, Refused

#: By what arrivals hang together: keys, and the number of a cluster or a lead in the store.
Node: TypeAlias = KeyRow | int


@define(eq=False)
class Component:
    """Arrivals that hang together.

    Attributes:
        arrivals: In the order in which they came.
        numbers: The clusters, or the leads, in the store that they belong to.
        nodes: By what they hang together.
    """

    arrivals: list[Arrival] = field(factory=list)
    numbers: set[int] = field(factory=set)
    nodes: list[Node] = field(factory=list)

    def take_in(self, other: Component) -> None:
        """Take another component in."""
        self.arrivals += other.arrivals
        self.numbers |= other.numbers
        self.nodes += other.nodes


class Partition:
    """Components of arrivals: a union-find whose roots carry what belongs to them."""

    def __init__(self) -> None:
        self._of: dict[Node, Component] = {}

    def __iter__(self) -> Iterator[Component]:
        return iter(dict.fromkeys(self._of.values()))

    def add(self, arrival: Arrival, keys: list[KeyRow], numbers: set[int]) -> None:
        """Put an arrival where its keys and numbers belong, joining what they join."""
        of = self._of
        nodes: list[Node] = [*keys, *numbers]
        found = [of[node] for node in nodes if node in of]
        component = found[0] if found else Component()
        for other in found:
            if other is not component:
                component = self._joined(component, other)
        if len(found) < len(nodes):
            for node in nodes:
                if node not in of:
                    of[node] = component
                    component.nodes.append(node)
            component.numbers |= numbers
        component.arrivals.append(arrival)

    def _joined(self, one: Component, other: Component) -> Component:
        if one is other or self._of[other.nodes[0]] is one:
            return one
        small, large = sorted((one, other), key=lambda component: len(component.nodes))
        for node in small.nodes:
            self._of[node] = large
        large.take_in(small)
        return large


def leads_of(arrivals: Iterable[Arrival]) -> list[Component]:
    """Return the leads that arrivals name, each with those in the store that have these names."""
    leads = Partition()
    for arrival in arrivals:
        own = [row for row in arrival.rows if row.key.kind == "lead"]
        if own:
            leads.add(arrival, own, {row.lead for row in own if row.lead is not None})
    return list(leads)


@define
class Folding:
    """A fold of one cluster, and what it started from.

    Attributes:
        part: The fold.
        arrivals: What arrived, by event id.
        stored: The stored events that were folded again, by event id.
        leads: The leads that were folded on, by group.
        clusters: The clusters that were joined; none where a cluster was folded as a whole.
    """

    part: SubjectFold
    arrivals: dict[str, Arrival]
    stored: dict[str, StoredEvent] = field(factory=dict)
    leads: dict[Group, StoredLead] = field(factory=dict)
    clusters: list[ClusterRow] = field(factory=list)

    def go_on(self, group: Group, stored: StoredLead) -> None:
        """Let the fold of this group go on from a lead as it is stored."""
        self.leads[group] = stored
        self.part.tracks[group] = stored.track

    def touched(self) -> set[Group]:
        """Return the leads that events of this fold were bound to."""
        return {group for _, _, group in self.part.fates.values() if group is not None}

    def seq(self, event_id: str) -> int:
        """Return the number of an event of this fold."""
        arrival = self.arrivals.get(event_id)
        return arrival.seq if arrival else self.stored[event_id].seq

    def last_stored(self) -> dict[Group | None, Position]:
        """Return the last stored event of each lead folded again; of all of them under None."""
        last: dict[Group | None, Position] = {}
        for event, _, group in self.part.fates.values():
            if event.id in self.stored:
                for place in (group, None):
                    last[place] = max(last.get(place, event.position), event.position)
        return last

    def outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """Yield what became of each arrival, by its id."""
        for event_id in self.arrivals:
            event, verdict, group = self.part.fates[event_id]
            track = None if group is None else self.part.tracks[group]
            lead = None if track is None else track.lead
            lead_id, state = (lead.lead_id, lead.state) if lead else (None, None)
            if track is not None and verdict == "refused":
                row = next(row for row in track.rows if row.event_id == event_id)
                refusal = cast("Refusal", row.refusal)
                yield (
                    event_id,
                    Refused(event_id, row.trigger, lead_id, state, refusal, row.source),
                )
            else:
                kind = Applied if verdict == "applied" else Noted
                yield event_id, kind(event_id, event.trigger, lead_id, state)

    def homes(self, homes: Mapping[int, int]) -> list[int | None]:
        """Return the clusters of its stored events, given those of leads; the one of most first."""
        were = Counter(
            one.cluster if one.lead is None else homes[one.lead] for one in self.stored.values()
        )
        return sorted(were, key=lambda one: (-were[one], one or 0))

    def contact_only(self) -> int:
        """Return how many of its events name no key of a lead."""
        events = (event for event, _, _ in self.part.fates.values())
        return sum(event.trigger != "delete" and not event.lead_keys for event in events)
