"""The search for the fewest edits of a lead's messages: dynamic programming over (position, lead).

After each message it knows the cheapest way to have the lead in each condition. Of a condition it
keeps apart what decides the future: the state; with guards the parties that they compare; with
guards of one's own everything that is known of the lead, since they may look at anything.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Final, TypeAlias

from attrs import define, fields, frozen

from lifecycle.auditing.edits import Edit
from lifecycle.auditing.estimate import estimates
from lifecycle.domain import (
    RANK,
    STATES,
    Lead,
    LeadEvent,
    LeadMachine,
    LeadTransition,
    Meant,
    Party,
    Position,
    State,
    Trigger,
    advance,
    advance_change,
)

#: Whoever made an inserted step: neither an id nor a name, so that nothing contradicts it.
_SOMEBODY: Final = Party()
#: Of the ways to stand behind a message so many are followed, the cheapest.
_WAYS: Final = 64
_STATE_ORDER: Final = {state: number for number, state in enumerate(STATES)}
#: Triggers that leave a lead with whoever has it.
_HANDS_ON_NOTHING: Final = ("receive", "update")
#: All that is known of a lead, in the order in which a new one takes it.
_everything = attrgetter(*(field.name for field in fields(Lead)))
#: What is known of a lead only when it is read from a store.
_READ: Final = ("fields", "reached", "reason")
#: The same as a guard may look at it in a search.
_judged = attrgetter(*(field.name for field in fields(Lead) if field.name not in _READ))


@frozen(eq=False)
class _Edits:
    """The edits of one way, the last first: ``before`` are those before it."""

    last: Edit
    before: _Edits | None
    count: int
    removed: int


@define(eq=False)
class _Way:
    """The cheapest way found to have the lead as it is.

    ``named``: whether a message that it keeps has a key of the lead.
    """

    lead: Lead
    edits: _Edits | None = None
    named: bool = False

    @property
    def count(self) -> int:
        return self.edits.count if self.edits else 0

    @property
    def cost(self) -> tuple[int, int]:
        """The number of edits, and of removals among them."""
        return (self.edits.count, self.edits.removed) if self.edits else (0, 0)

    def edited(self, lead: Lead, edit: Edit) -> _Way:
        """Return this way with one edit more, which leads to ``lead``."""
        count, removed = self.cost
        removes = edit.kind == "remove"
        return _Way(lead, _Edits(edit, self.edits, count + 1, removed + removes), self.named)

    def is_better(self, other: _Way) -> bool:
        """Return whether this way is to be preferred."""
        if self.cost != other.cost:
            return self.cost < other.cost
        mine, theirs = self.edits, other.edits
        while mine is not theirs and mine is not None and theirs is not None:
            if _order(mine.last) != _order(theirs.last):
                return _order(mine.last) < _order(theirs.last)
            mine, theirs = mine.before, theirs.before
        return False


def _order(edit: Edit) -> tuple[int, bool, int]:
    """Sort later edits first; in one place a removal, then the latest in the life cycle."""
    return (-edit.place, edit.kind != "remove", -RANK[edit.trigger])


_Ways: TypeAlias = "dict[Hashable, _Way]"


class Search:
    """The search for one lead's repair.

    Attributes:
        proved_smallest: After ``run``: whether no smaller repair was lost by a cut.
    """

    def __init__(
        self,
        machine: LeadMachine,
        events: Sequence[LeadEvent],
        deletion: Position | None,
        meant: Mapping[str, Meant],
    ) -> None:
        self._machine = machine
        self._meant = meant
        self._events = events
        self._allowed = [
            deletion is None
            or event.position < deletion
            or (event.trigger == "change" and not meant.get(event.id, Meant()).rows)
            for event in events
        ]
        self._rest = estimates(machine, events, self._allowed)
        self._timed = _timed_states(machine, events)
        self._most = 0
        self._least_cut: float = math.inf
        self.proved_smallest = False

    def run(self) -> tuple[Edit, ...]:
        """Return the edits, in their order."""
        best = self._by_removals()
        for most in _growing(self._rest[0]["new"], best.count):
            self._most = most
            found = self._within()
            if found is not None:
                best = found
                break
        # What a change means depends on the changes before it, which a repair may remove.
        is_certain = all(event.trigger != "change" for event in self._events)
        self.proved_smallest = is_certain and best.count <= self._least_cut
        return tuple(_listed(best.edits))[::-1]

    def _within(self) -> _Way | None:
        """Find the best way of at most so many edits, if it is not cut off."""
        ways: _Ways = {}
        self._offer(ways, _Way(Lead("")), 0)
        for place in range(len(self._events)):
            ways = self._cheapest(self._after(ways, place), place + 1)
        best: _Way | None = None
        for way in ways.values():
            if best is None or way.is_better(best):
                best = way
        return best

    def _by_removals(self) -> _Way:
        """Remove each message that is refused: seldom the smallest repair, but always one."""
        way = _Way(Lead(""))
        for place in range(len(self._events)):
            way = self._keep(way, place) or self._remove(way, place)
        return way

    def _after(self, ways: _Ways, place: int) -> _Ways:
        """Find the ways behind an event: each keeps it, perhaps after inserted steps, or not."""
        found: _Ways = {}
        for way in ways.values():
            self._offer(found, self._remove(way, place), place + 1)
        if self._allowed[place]:
            for way in self._with_insertions(ways, place).values():
                kept = self._keep(way, place)
                if kept is not None:
                    self._offer(found, kept, place + 1)
        return found

    def _keep(self, way: _Way, place: int) -> _Way | None:
        """Let the event move the lead; None when it is refused."""
        if not self._allowed[place]:
            return None
        event = self._events[place]
        lead, named = _copied(way.lead), way.named
        if not named:
            # As in the fold: the first message names the lead, the first with a key of it for good.
            named = bool(event.lead_keys)
            if named or not lead.lead_id:
                lead.lead_id = min(event.lead_keys or event.contact_keys).lead_id
        if event.trigger == "change":
            goes = advance_change(self._machine, lead, event, self._meant.get(event.id, Meant()))
        else:
            goes = advance(self._machine, lead, event)
        return _Way(lead, way.edits, named) if goes else None

    def _remove(self, way: _Way, place: int) -> _Way:
        event = self._events[place]
        edit = Edit("remove", event.trigger, way.lead.state, None, event.id, place)
        return way.edited(way.lead, edit)

    def _with_insertions(self, ways: _Ways, place: int) -> _Ways:
        """Find the ways to stand before an event, with steps inserted there."""
        found = dict(ways)
        front = list(ways.values())
        while front:
            front = [
                inserted
                for way in front
                if way.count < self._most
                for inserted in self._insertions(way, place)
                if self._offer(found, inserted, place)
            ]
        return found

    def _insertions(self, way: _Way, place: int) -> Iterator[_Way]:
        """Yield this way with one more step."""
        event = self._events[place]
        for trigger, edge in self._machine.edges(way.lead.state):
            if edge.moves or self._machine.has_guards:
                edit = Edit("insert", trigger, way.lead.state, event.trigger, event.id, place)
                yield way.edited(_stepped(way.lead, trigger, edge), edit)

    def _offer(self, ways: _Ways, way: _Way, place: int) -> bool:
        """Keep a way if it is the best to have the lead so; return whether it is."""
        if way.count + self._rest[place][way.lead.state] > self._most:
            return False
        key = self._key(way)
        known = ways.get(key)
        if known is not None and not way.is_better(known):
            return False
        ways[key] = way
        return True

    def _key(self, way: _Way) -> Hashable:
        """Return what of a lead decides what comes next."""
        lead = way.lead
        if self._machine.has_own_guards:
            return (way.named, *_judged(lead))
        since = lead.since_micros if lead.state in self._timed else None
        if not self._machine.has_guards:
            return (lead.state, since)
        return (lead.state, since, lead.holder, lead.owner, lead.sender)

    def _cheapest(self, ways: _Ways, place: int) -> _Ways:
        """Cut off the ways that cost the most, where there are too many to follow."""
        if len(ways) <= _WAYS:
            return ways
        rest = self._rest[place]

        def order(way: _Way) -> tuple[int, tuple[int, int], int]:
            state = way.lead.state
            return (way.count + rest[state], way.cost, _STATE_ORDER[state])

        ordered = sorted(ways.items(), key=lambda one: order(one[1]))
        self._least_cut = min(self._least_cut, order(ordered[_WAYS][1])[0])
        return dict(ordered[:_WAYS])


def _growing(least: int, most: int) -> Iterator[int]:
    """Yield bounds from the least to the most, farther and farther apart."""
    step = 1
    while least < most:
        yield least
        least, step = least + step, 2 * step
    yield most


def _timed_states(machine: LeadMachine, events: Sequence[LeadEvent]) -> frozenset[State]:
    """Return the states in which it matters since when: a date of receipt may be older."""
    received = [event for event in events if event.snapshot.date_received is not None]
    if not received:
        return frozenset()
    if any(one.trigger == "send" and one.snapshot.date_sent is not None for one in received):
        return frozenset(state for state in STATES if "send" in machine.allowed(state)) | {"sent"}
    return frozenset({"sent"})


def _stepped(lead: Lead, trigger: Trigger, edge: LeadTransition) -> Lead:
    """Return the lead after an inserted step: who has it then is anybody's guess."""
    stepped = _copied(lead)
    stepped.state = edge.target
    if edge.moves or trigger not in _HANDS_ON_NOTHING:
        stepped.holder = _SOMEBODY
    stepped.events += 1
    return stepped


def _copied(lead: Lead) -> Lead:
    return Lead(*_everything(lead))


def _listed(edits: _Edits | None) -> Iterator[Edit]:
    while edits is not None:
        yield edits.last
        edits = edits.before
