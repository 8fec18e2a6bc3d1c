"""The smallest repair of a lead: the fewest edits after which every step is legal.

An edit removes one of the lead's messages, or inserts a trigger that no message states. A repair is
a proposal; nobody applies it.

Guards are judged as far as they are decidable: by what the messages kept so far say of the lead.
An inserted step is made by somebody who may make it; who has the lead then is anybody's guess, and
an unknown party contradicts nobody.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from lifecycle.auditing.edits import Edit, EditGroup, EditKind
from lifecycle.auditing.search import Search
from lifecycle.domain import (
    History,
    LeadEvent,
    LeadHistory,
    LeadMachine,
    Meant,
    Position,
    State,
    Trigger,
    immutable,
)

_NOTHING_MEANT: Final[Mapping[str, Meant]] = MappingProxyType({})


@immutable
class Repair:
    """The smallest repair of one lead.

    Attributes:
        proved_smallest: Whether no smaller one is possible. Where parties, or what guards of one's
            own may look at, can be combined in very many ways, not all of them are followed.
    """

    lead_id: str
    edits: tuple[Edit, ...]
    proved_smallest: bool = True

    @property
    def cost(self) -> int:
        """The number of edits."""
        return len(self.edits)


def repair(
    machine: LeadMachine,
    lead_id: str,
    events: Sequence[LeadEvent],
    deletion: Position | None = None,
    meant: Mapping[str, Meant] = _NOTHING_MEANT,
) -> Repair:
    """Find the fewest edits after which every step of a lead's events is legal.

    ``events`` are in fold order; ``deletion`` is the position of that of the contact; ``meant`` has
    by event id what changes of fields meant in the fold. Of several
    smallest repairs it is the one that removes the fewest messages; of those, compared from the
    last edit back, the one whose edits come latest, a removal before an insertion; then the one
    whose inserted triggers come last in the life cycle.
    """
    search = Search(machine, events, deletion, meant)
    edits = search.run()
    return Repair(lead_id, edits, search.proved_smallest)


def repairs_of(
    machine: LeadMachine, history: History, events: Sequence[LeadEvent]
) -> Iterator[tuple[LeadHistory, Repair]]:
    """Yield each lead of a subject that deviates, and its repair; ``history`` is its fold."""
    by_id = {event.id: event for event in events}
    deletion = next((event.position for event in events if event.trigger == "delete"), None)
    for found in history.leads:
        if found.lead.refusals:
            its_events = [by_id[event_id] for event_id in found.event_ids]
            fates = ((one.id, history.fates[one.id].meant) for one in its_events)
            meant = {event_id: one for event_id, one in fates if one is not None}
            yield found, repair(machine, found.lead.lead_id, its_events, deletion, meant)


def grouped(repairs: Iterable[Repair]) -> list[EditGroup]:
    """Return the edits of many leads, the most frequent first."""
    edits: Counter[tuple[EditKind, Trigger, State, Trigger | None]] = Counter()
    leads: dict[tuple[EditKind, Trigger, State, Trigger | None], int] = defaultdict(int)
    for one in repairs:
        kinds = [(edit.kind, edit.trigger, edit.state, edit.before) for edit in one.edits]
        edits.update(kinds)
        for kind in set(kinds):
            leads[kind] += 1
    groups = [EditGroup(*kind, count, leads[kind]) for kind, count in edits.items()]
    return sorted(groups, key=lambda one: (-one.edits, -one.leads, str(one)))
