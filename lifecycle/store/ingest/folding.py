"""A fold of one cluster within a transaction, and what it started from."""

from __future__ import annotations

from attrs import define, field

from lifecycle.domain import Group, Position, SubjectFold
from lifecycle.store.db.lookups import ClusterRow
from lifecycle.store.db.rows import StoredEvent, StoredLead
from lifecycle.store.ingest.identify import Arrival


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
        """The leads that events of this fold were bound to."""
        return {group for _, _, group in self.part.fates.values() if group is not None}

    def seq(self, event_id: str) -> int:
        """The number of an event of this fold."""
        arrival = self.arrivals.get(event_id)
        return arrival.seq if arrival else self.stored[event_id].seq

    def last_stored(self) -> dict[Group | None, Position]:
        """The last stored event of each lead that was folded again; of all of them under None."""
        last: dict[Group | None, Position] = {}
        for event, _, group in self.part.fates.values():
            if event.id in self.stored:
                for place in (group, None):
                    last[place] = max(last.get(place, event.position), event.position)
        return last

    def contact_only(self) -> int:
        """How many of its events name no key of a lead."""
        events = (event for event, _, _ in self.part.fates.values())
        return sum(event.trigger != "delete" and not event.lead_keys for event in events)
