"""Messages taken in together: what arrived is folded onto what is known, what differs is written.

The events are sorted into clusters. A cluster in which every one of them is last in its order is
folded on from the leads as they are; where one is earlier, or links what was apart, the leads that
it can change are folded again from their events. (design.md sections 5 and 6)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import cached_property
from operator import attrgetter
from typing import Final

from lifecycle.domain import (
    Group,
    Identity,
    LeadEvent,
    LeadMachine,
    Position,
    SubjectFold,
    Track,
    contact_findings,
    is_refolded,
    lead_groups,
    subjects_of,
)
from lifecycle.messages import read_message
from lifecycle.store.db import statements as sql
from lifecycle.store.db.blocks import Blocks
from lifecycle.store.db.lookups import UNNAMED, ClusterRow, WorkingSet
from lifecycle.store.db.rows import Parties, StoredEvent, select_in
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.cluster import Component, Folding, Partition, leads_of
from lifecycle.store.ingest.diff import Diff
from lifecycle.store.ingest.identify import Arrival, Arrivals
from lifecycle.store.ingest.item import (
    IngestItem,
    Outcome,
    Place,
    to_stored,
)
from lifecycle.store.ingest.plain import PlainCourses
from lifecycle.store.ingest.set_aside import AHEAD, SetAside
from lifecycle.store.ingest.unchanged import Unchanged
from lifecycle.store.ledger.chain import BOUND, Unit

_in_order = attrgetter("position")
_DUE: Final = f"SELECT raw, {BOUND['quarantine']} FROM quarantine WHERE due_at <= ? ORDER BY id"


class Intake:
    """The work of taking some messages in, on a connection that has begun a transaction.

    ``blocks``: where the contents of earlier entries are read, if not in this very store.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        machine: LeadMachine,
        parties: Parties,
        identity: Identity,
        *,
        unit: Unit,
        recorded_at: int,
        now: int,
        renames: bool = False,
        blocks: Blocks | None = None,
    ) -> None:
        self._machine, self._connection = machine, connection
        self._working = WorkingSet(
            connection, parties, identity, numbers=unit.numbers, blocks=blocks
        )
        self._unit = unit
        self._writes = Writes()
        self._ledger = unit.ledger(recorded_at)
        self._aside = SetAside(connection, self._writes, unit.bound, recorded_at)
        self._arrivals = Arrivals(self._working, self._ledger, self._writes, self._aside, now)
        self._renames, self._recorded_at = renames, recorded_at
        self._plain = PlainCourses(self._working, self._writes, machine, recorded_at)
        self._now = now
        self._results: dict[str, Outcome] = {}

    @cached_property
    def _diff(self) -> Diff:
        """Return what compares folds with what stands; leads on their plain course need none."""
        return Diff(
            *(self._working, self._writes, self._aside),
            recorded_at=self._recorded_at,
            new_digests=self._arrivals.digests,
            renames=self._renames,
        )

    def take(self, messages: Sequence[tuple[IngestItem, Place]]) -> list[Outcome]:
        """Take these messages in; return what became of each."""
        self._take_due()
        results = self._arrivals.take(messages)
        self._fold_arrivals(self._arrivals.to_fold)
        self._flush()
        return [one if isinstance(one, Outcome) else self._results[one] for one in results]

    def deleted_clusters(self) -> list[int]:
        """Return the clusters of what was taken in whose contact is deleted."""
        select = (
            "SELECT DISTINCT cluster.id FROM event LEFT JOIN lead ON lead.id = event.lead"
            " JOIN cluster ON cluster.id = coalesce(event.cluster, lead.cluster)"
            " WHERE cluster.deletion IS NOT NULL AND event.seq IN"
        )
        seqs = (arrival.seq for arrival in self._arrivals.to_fold)
        return sorted({one for (one,) in select_in(self._connection, select, seqs)})

    def fold_again(self, clusters: list[int]) -> None:
        """Fold these clusters again from all their events, and write what differs."""
        for some in Unchanged(self._working, self._machine).others(clusters):
            self._fold_whole(some, [])
        self._flush()

    def fold_renamed(self, clusters: list[int], unnamed: Iterable[int]) -> None:
        """Fold these clusters and unnamed events again, with the keys that are found in them now.

        Together they must be whole: no key of theirs is one of other clusters.
        """
        self._fold_whole(clusters, [], self._working.events_numbered(unnamed))
        self._flush()

    def _flush(self) -> None:
        """Write what differs; until here nothing was written, and nothing is read any more."""
        if "_diff" in self.__dict__ or self._arrivals.contested:
            self._diff.finish(self._arrivals.contested)
        for key in self._working.changed_keys():
            self._writes.add(sql.SAVE_KEY, key.hash, *key.key, *key.belongs)
        for party in self._working.parties.release_added():
            self._writes.add(sql.ADD_PARTY, *party)
        self._aside.count()
        self._unit.add_blocks(self._ledger, self._writes)
        self._writes.execute(self._connection)

    def _take_due(self) -> None:
        """Take in what was quarantined because its time was ahead, and is due."""
        for raw, *row in self._connection.execute(_DUE, (self._now,)).fetchall():
            self._aside.take_out([tuple(row)])
            _, _, log, line, _, _, due_at, _, _ = row
            # It may have no time but that of its receipt.
            readings = read_message(raw, received_at=due_at + AHEAD, identity=None)
            place = Place(log, line)
            identity = self._working.identity
            self._arrivals.take([(to_stored(reading, identity), place) for reading in readings])

    def _fold_arrivals(self, arrivals: list[Arrival]) -> None:
        self._working.load_keys([key for arrival in arrivals for key in arrival.keys])
        for arrival in arrivals:
            arrival.rows = [self._working.key_row(key) for key in arrival.keys]
        outcomes, arrivals = self._plain.take(arrivals, self._arrivals.contested, self._clusters)
        self._results.update(outcomes)
        if arrivals:
            self._fold_components(arrivals)

    def _fold_components(self, arrivals: list[Arrival]) -> None:
        """Fold arrivals cluster by cluster."""
        components = Partition()
        for arrival in arrivals:
            components.add(arrival, arrival.rows, self._clusters(arrival))
        clusters = list(components)
        self._working.load_clusters(
            {number for component in clusters for number in component.numbers}
        )
        self._working.load_leads(
            {row.lead for arrival in arrivals for row in arrival.rows if row.lead is not None}
        )
        for component in clusters:
            self._fold_cluster(component)

    def _clusters(self, arrival: Arrival) -> set[int]:
        """Return the clusters that an arrival belongs to by its keys, or by what it replaces."""
        clusters = {row.cluster for row in arrival.rows if row.cluster is not None}
        stands = arrival.stands
        if stands is not None:
            clusters.add(self._cluster_of(stands))
        return clusters - {UNNAMED}

    def _cluster_of(self, stands: StoredEvent) -> int:
        if stands.cluster is not None:
            return stands.cluster
        select = "SELECT cluster FROM lead WHERE id = ?"
        return int(self._connection.execute(select, (stands.lead,)).fetchone()[0])

    # --- one cluster --------------------------------------------------------------------------

    def _fold_cluster(self, component: Component) -> None:
        """Fold the arrivals of one cluster in the least costly way that is exact."""
        component.arrivals.sort(key=_in_order)
        rows = [self._working.cluster(number) for number in sorted(component.numbers)]
        leads = leads_of(component.arrivals)
        if self._needs_whole(component.arrivals, rows, leads):
            self._fold_whole(sorted(component.numbers), component.arrivals)
        else:
            self._fold_on(rows, component.arrivals, leads)

    def _needs_whole(
        self, arrivals: list[Arrival], rows: list[ClusterRow], leads: list[Component]
    ) -> bool:
        """Return whether what arrived can change leads that it does not name."""
        if any(arrival.stands is not None for arrival in arrivals):
            return True
        unnamed = any(map(_is_of_contact, arrivals))
        contact_only = any(row.contact_only for row in rows)
        if len(rows) > 1:
            return contact_only or unnamed or any(row.deletion for row in rows)
        if not rows or not (contact_only or unnamed):
            return False
        last = self._working.last_position(rows[0].id)
        if last is not None and _is_not_after(arrivals[0].event, last):
            return True
        # What is folded again may be what an event of the contact alone was bound by.
        folds_again = any(not self._goes_on(lead) for lead in leads if lead.numbers)
        if folds_again or any(map(_is_unnamed_change, arrivals)):
            return True
        counts = {len(lead.numbers) for lead in leads}
        # A new lead matters to earlier events of the contact alone while there is one or none.
        return max(counts, default=1) > 1 or (
            0 in counts and self._working.has_few_leads(rows[0].id)
        )

    def _fold_on(
        self, rows: list[ClusterRow], arrivals: list[Arrival], leads: list[Component]
    ) -> None:
        """Fold the arrivals onto the leads as they are; again only leads that they precede."""
        deletions = [row.deletion for row in rows if row.deletion is not None]
        part = SubjectFold(self._machine, deletion=min(deletions, default=None))
        folding = Folding(part, {one.event.id: one for one in arrivals}, clusters=rows)
        groups: dict[str, Group] = {
            arrival.event.id: lead for lead in leads for arrival in lead.arrivals
        }
        refolded: list[int] = []
        rest: Generator[tuple[Group, Track]] | None = None
        if rows and any(map(_is_contact_only, arrivals)):
            rest = self._go_on_from_all(folding, leads)
        else:
            for lead in leads:
                if lead.numbers and not self._go_on(folding, lead):
                    refolded += self._go_again(folding, lead, groups)
        events = [one.event for one in arrivals]
        if folding.stored:
            events += [one.event for one in folding.stored.values()]
            events.sort(key=attrgetter("position"))
        part.run(events, groups)
        if rest is not None:
            rest.close()  # or its statement would keep the file, and what was committed in its log
        self._diff.part(folding, refolded)
        self._results.update(folding.outcomes())

    def _go_on_from_all(
        self, folding: Folding, leads: list[Component]
    ) -> Generator[tuple[Group, Track]]:
        """Let an event without lead keys choose among all leads of the cluster.

        Return the leads that no arrival names, which are read one by one; to be closed.
        """
        groups: dict[int, Group] = {pk: lead for lead in leads for pk in lead.numbers}
        for pk, group in groups.items():
            folding.go_on(group, self._working.lead(pk))
        rest = self._rest(folding, groups)
        folding.part.rest = rest
        return rest

    def _rest(
        self, folding: Folding, groups: Mapping[int, Group]
    ) -> Generator[tuple[Group, Track]]:
        """Yield the leads of a cluster that no arrival names, the latest first."""
        for stored in self._working.latest_leads(folding.clusters[0].id):
            if stored.pk not in groups:
                folding.leads[stored.pk] = stored
                yield stored.pk, stored.track

    def _go_on(self, folding: Folding, lead: Component) -> bool:
        """Go on from the lead as it is, if nothing that arrived changes what was folded of it."""
        if not self._goes_on(lead):
            return False
        folding.go_on(lead, self._working.lead(min(lead.numbers)))
        return True

    def _goes_on(self, lead: Component) -> bool:
        """Return whether what arrived can be folded onto a lead as it is."""
        if len(lead.numbers) > 1:
            return False
        track = self._working.lead(min(lead.numbers)).track
        return not any(is_refolded(arrival.event, track) for arrival in lead.arrivals)

    def _go_again(self, folding: Folding, lead: Component, groups: dict[str, Group]) -> list[int]:
        """Load all events of a lead, or of those that turn out to be one; their numbers."""
        for one in self._working.events_of_leads(lead.numbers):
            folding.stored[one.event.id] = one
            groups[one.event.id] = lead
        return sorted(lead.numbers)

    def _fold_whole(
        self, clusters: list[int], arrivals: list[Arrival], more: Sequence[StoredEvent] = ()
    ) -> None:
        """Fold all events of these clusters again; they may turn out to be other clusters now."""
        homes = self._working.leads_of(clusters)
        stored = self._working.events_of_leads(homes) + self._working.deletions_of(clusters)
        self._diff.set_aside([one for one in stored if not one.event.keys])
        stored = [one for one in (*stored, *more) if one.event.keys]
        replaced = {arrival.seq for arrival in arrivals if arrival.stands is not None}
        known = {one.event.id: one for one in stored if one.seq not in replaced}
        new = {arrival.event.id: arrival for arrival in arrivals}
        events = [one.event for one in known.values()] + [one.event for one in arrivals]
        foldings = []
        for members in subjects_of(sorted(events, key=attrgetter("position"))):
            part = SubjectFold(self._machine)
            part.run(members, lead_groups(members))
            part.findings += contact_findings(members, part.tracks.values())
            foldings.append(
                Folding(
                    part,
                    {event.id: new[event.id] for event in members if event.id in new},
                    {event.id: known[event.id] for event in members if event.id in known},
                )
            )
        self._diff.whole(foldings, homes, clusters)
        for folding in foldings:
            self._results.update(folding.outcomes())


def _is_not_after(event: LeadEvent, last: Position) -> bool:
    """Return whether an event precedes the last one, or is a change of its moment."""
    same_moment = event.trigger == "change" and event.position[:2] == last[:2]
    return same_moment or event.position < last


def _is_of_contact(arrival: Arrival) -> bool:
    """Return whether an arrival concerns a contact: what it means depends on all its leads."""
    return not arrival.event.lead_keys or arrival.event.trigger == "delete"


def _is_unnamed_change(arrival: Arrival) -> bool:
    return not arrival.event.lead_keys and arrival.event.trigger == "change"


def _is_contact_only(arrival: Arrival) -> bool:
    return not arrival.event.lead_keys and arrival.event.trigger != "delete"
