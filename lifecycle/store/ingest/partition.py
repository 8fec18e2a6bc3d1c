"""Arrivals sorted into what hangs together: clusters by all their keys, leads by their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from attrs import define, field

from lifecycle.store.db.lookups import KeyRow
from lifecycle.store.ingest.identify import Arrival

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
