"""The smallest repair of a lead: the fewest edits after which every step is legal.

An edit removes one of the lead's messages, or inserts a trigger that no message states. The search
is dynamic programming over (position, state): after each message, the cheapest way to be in each
state. A repair is a proposal; nobody applies it.

Guards are judged as far as they are decidable: by the parties that the messages kept so far name.
An inserted step is made by somebody who may make it; who has the lead then is anybody's guess, and
an unknown party contradicts nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from attrs import define, frozen

from lifecycle.domain import (
    RANK,
    STATES,
    History,
    Lead,
    LeadEvent,
    LeadHistory,
    LeadMachine,
    Party,
    Position,
    State,
    Trigger,
    advance,
    immutable,
)

EditKind: TypeAlias = Literal["insert", "remove"]

#: Whoever made an inserted step: neither an id nor a name, so that nothing contradicts it.
_SOMEBODY: Final = Party()
# Where guards make parties matter, so many ways to be in some state are followed, the cheapest.
_WAYS: Final = 64
# No state is farther from another than this, in steps.
_FARTHEST: Final = len(STATES) - 1
_STATE_ORDER: Final = {state: number for number, state in enumerate(STATES)}


@immutable
class Edit:
    """One edit of a lead's messages.

    Attributes:
        kind: ``insert`` a step, or ``remove`` a message.
        trigger: The trigger inserted or removed.
        state: The state of the lead there.
        event_id: The message removed, or that before which the step is inserted.
        before: The trigger of the message before which the step is inserted.
        place: The number of that message among the lead's, from 0.
    """

    kind: EditKind
    trigger: Trigger
    state: State
    event_id: str
    before: Trigger | None
    place: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "edit": self.kind,
            "trigger": self.trigger,
            "state": self.state,
            "before": self.before,
            "event_id": self.event_id,
        }

    def __str__(self) -> str:
        return edit_text(self.kind, self.trigger, self.state, self.before)


def edit_text(kind: EditKind, trigger: str, state: str, before: str | None) -> str:
    """An edit in words."""
    return f"{kind} {trigger} in {state}" + (f", before {before}" if before else "")


@immutable
class Repair:
    """The smallest repair of one lead."""

    lead_id: str
    edits: tuple[Edit, ...]

    @property
    def cost(self) -> int:
        """How many edits it takes."""
        return len(self.edits)


@immutable
class EditGroup:
    """The same edit in several leads: how many edits, and in how many leads."""

    kind: EditKind
    trigger: Trigger
    state: State
    before: Trigger | None
    edits: int
    leads: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "edit": self.kind,
            "trigger": self.trigger,
            "state": self.state,
            "before": self.before,
            "edits": self.edits,
            "leads": self.leads,
        }

    def __str__(self) -> str:
        return edit_text(self.kind, self.trigger, self.state, self.before)


def repair(
    machine: LeadMachine,
    events: Sequence[LeadEvent],
    refused: Mapping[str, State],
    deletion: Position | None = None,
) -> tuple[Edit, ...]:
    """The fewest edits after which every step of a lead's events is legal.

    ``refused`` has the ids of those that the fold refused, and the states they were refused in: to
    remove all of them is a repair, if seldom the smallest. ``deletion`` is the position of that of
    the contact. Of several smallest repairs it is the one that removes the fewest messages; of
    those, compared from the last edit back, the one whose edits come latest, a removal before an
    insertion; then the one whose inserted triggers come last in the life cycle.
    """
    return _Search(machine, deletion, events, refused).run()


def repairs_of(
    machine: LeadMachine, history: History, events: Sequence[LeadEvent]
) -> Iterator[tuple[LeadHistory, Repair]]:
    """The smallest repair of each lead of a subject that deviates; ``history`` is its fold."""
    by_id = {event.id: event for event in events}
    deletion = next((event.position for event in events if event.trigger == "delete"), None)
    for found in history.leads:
        refused = {row.event_id: row.source for row in found.rows if row.refused}
        if refused:
            its_events = [by_id[event_id] for event_id in found.event_ids]
            edits = repair(machine, its_events, refused, deletion)
            yield found, Repair(found.lead.lead_id, edits)


def grouped(repairs: Iterable[Repair]) -> list[EditGroup]:
    """The edits of many leads, the most frequent first."""
    edits: Counter[tuple[EditKind, Trigger, State, Trigger | None]] = Counter()
    leads: dict[tuple[EditKind, Trigger, State, Trigger | None], int] = defaultdict(int)
    for one in repairs:
        kinds = [(edit.kind, edit.trigger, edit.state, edit.before) for edit in one.edits]
        edits.update(kinds)
        for kind in set(kinds):
            leads[kind] += 1
    groups = [EditGroup(*kind, count, leads[kind]) for kind, count in edits.items()]
    return sorted(groups, key=lambda one: (-one.edits, -one.leads, str(one)))


@frozen(eq=False)
class _Edits:
    """The edits of one way, the last first: ``before`` are those before it."""

    last: Edit
    before: _Edits | None
    count: int
    removed: int


@define(eq=False)
class _Way:
    """The cheapest way found to have the lead as it is."""

    lead: Lead
    edits: _Edits | None = None

    @property
    def count(self) -> int:
        return self.edits.count if self.edits else 0

    @property
    def cost(self) -> tuple[int, int]:
        """How many edits, and how many of them removals."""
        return (self.edits.count, self.edits.removed) if self.edits else (0, 0)

    def edited(self, lead: Lead, edit: Edit) -> _Way:
        """This way with one edit more, which leads to ``lead``."""
        count, removed = self.cost
        removes = edit.kind == "remove"
        return _Way(lead, _Edits(edit, self.edits, count + 1, removed + removes))

    def is_better(self, other: _Way) -> bool:
        """Whether this way is to be preferred."""
        if self.cost != other.cost:
            return self.cost < other.cost
        mine, theirs = self.edits, other.edits
        while mine is not theirs and mine is not None and theirs is not None:
            if _order(mine.last) != _order(theirs.last):
                return _order(mine.last) < _order(theirs.last)
            mine, theirs = mine.before, theirs.before
        return False


def _order(edit: Edit) -> tuple[int, bool, int]:
    """Later edits first; in one place a removal, then the latest in the life cycle."""
    return (-edit.place, edit.kind != "remove", -RANK[edit.trigger])


_Ways: TypeAlias = "dict[Hashable, _Way]"


class _Search:
    """The search for one lead's repair."""

    def __init__(
        self,
        machine: LeadMachine,
        deletion: Position | None,
        events: Sequence[LeadEvent],
        refused: Mapping[str, State],
    ) -> None:
        self._machine = machine
        self._deletion = deletion
        self._events = events
        self._refused = refused
        self._dated = any(event.snapshot.date_received is not None for event in events)

    def run(self) -> tuple[Edit, ...]:
        """The edits, in their order."""
        # The way of the fold: every refused message is removed. It is always there to fall back on.
        best = _Way(Lead(""))
        ways: _Ways = {}
        self._offer(ways, best)
        for place, event in enumerate(self._events):
            if event.id in self._refused:
                best = best.edited(best.lead, _removal(event, self._refused[event.id], place))
            ways = self._after(ways, event, place)
        for way in ways.values():
            if way.is_better(best):
                best = way
        return tuple(_listed(best.edits))[::-1]

    def _after(self, ways: _Ways, event: LeadEvent, place: int) -> _Ways:
        """The ways behind an event: each keeps it, perhaps after an inserted step, or not."""
        found: _Ways = {}
        for way in ways.values():
            if way.count < len(self._refused):
                self._offer(found, way.edited(way.lead, _removal(event, way.lead.state, place)))
        if self._deletion is None or event.position < self._deletion:
            for way in self._with_insertions(ways, event, place).values():
                lead = _copied(way.lead)
                if advance(self._machine, lead, event):
                    self._offer(found, _Way(lead, way.edits))
        return _cheapest(found)

    def _with_insertions(self, ways: _Ways, event: LeadEvent, place: int) -> _Ways:
        """The ways to stand before an event, with steps inserted there."""
        found = dict(ways)
        front = list(ways.values())
        while front:
            front = [
                inserted
                for way in front
                if way.count < len(self._refused)
                for inserted in self._insertions(way, event, place, found)
                if self._offer(found, inserted)
            ]
        return found

    def _insertions(self, way: _Way, event: LeadEvent, place: int, known: _Ways) -> Iterator[_Way]:
        """This way with one more step, where no cheaper one leads there."""
        for trigger, target in self._machine.edges(way.lead.state):
            lead = _copied(way.lead)
            lead.state = target
            lead.holder = _SOMEBODY
            lead.events += 1
            other = known.get(self._key(lead))
            if other is None or way.count < other.count:
                edit = Edit("insert", trigger, way.lead.state, event.id, event.trigger, place)
                yield way.edited(lead, edit)

    def _offer(self, ways: _Ways, way: _Way) -> bool:
        """Keep a way if it is the best to have the lead so; whether it is."""
        key = self._key(way.lead)
        known = ways.get(key)
        if known is not None and not way.is_better(known):
            return False
        ways[key] = way
        return True

    def _key(self, lead: Lead) -> Hashable:
        """What of a lead decides what comes next.

        Beside the state, that is when it was sent, where a date of receipt may be older; and with
        guards the parties.
        """
        since = lead.since if self._dated and lead.state == "sent" else None
        if not self._machine.has_guards:
            return (lead.state, since)
        return (lead.state, since, lead.holder, lead.owner, lead.sender)


def _removal(event: LeadEvent, state: State, place: int) -> Edit:
    return Edit("remove", event.trigger, state, event.id, None, place)


def _cheapest(ways: _Ways) -> _Ways:
    """The cheapest ways; a longer one than to insert steps from the cheapest on leads nowhere."""
    least = min((way.count for way in ways.values()), default=0)
    order = sorted(
        (one for one in ways.items() if one[1].count <= least + _FARTHEST),
        key=lambda one: (one[1].cost, _STATE_ORDER[one[1].lead.state]),
    )
    return dict(order[:_WAYS])


def _copied(lead: Lead) -> Lead:
    """What of a lead decides what comes next, to be changed."""
    return Lead(
        lead.lead_id,
        lead.state,
        lead.since,
        lead.holder,
        lead.owner,
        lead.sender,
        lead.recipient,
        lead.contact,
        events=lead.events,
    )


def _listed(edits: _Edits | None) -> Iterator[Edit]:
    while edits is not None:
        yield edits.last
        edits = edits.before
