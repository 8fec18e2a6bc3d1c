"""The difference between what folds say and what stands: the rows that a transaction writes.

Rows of history and findings that are no longer true are superseded, never removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from lifecycle.domain import HUB_SIZE, Finding, Group, Key, Track, Verdicts
from lifecycle.store.db import statements as sql
from lifecycle.store.db.lookups import UNNAMED, ClusterRow, KeyRow, WorkingSet
from lifecycle.store.db.rows import (
    OUTCOME_NUMBER,
    StoredEvent,
    id_hash,
    lead_row,
    row_keys,
)
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.cluster import Folding
from lifecycle.store.ingest.identify import Arrival
from lifecycle.store.ingest.set_aside import SetAside
from lifecycle.store.ingest.standing import (
    Current,
    Home,
    NewDigests,
    SharedFindings,
    may_hold_several,
)

_SEQ: Final = "SELECT seq FROM event WHERE hash = ? AND id = ?"
_MARKS: Final = (
    "SELECT id, lead_id, deleted_at, kept_holder, known_since FROM lead WHERE cluster = ?"
)
# Columns of a lead's row.
_LEAD_ID, _HOLDER, _DELETED_AT, _KEPT_HOLDER, _KNOWN_SINCE = 1, 5, 21, 22, 23


class Diff:
    """The differences that a transaction writes.

    ``renames``: all keys are found again under another identity policy; the old ones are gone.
    """

    def __init__(
        self,
        working: WorkingSet,
        writes: Writes,
        aside: SetAside,
        *,
        recorded_at: int,
        new_digests: NewDigests,
        renames: bool,
    ) -> None:
        self._working = working
        self._writes = writes
        self._aside = aside
        self._renames = renames
        self._parties = working.parties
        self._recorded_at = recorded_at
        self._current = Current(working, writes, recorded_at)
        self._shared = SharedFindings(working, writes, recorded_at, new_digests)
        self._hubs: dict[KeyRow, None] = {}
        self._contested: set[int] = set()
        self._removed_leads: set[int] = set()
        self._removed_clusters: set[int] = set()
        self._were: dict[int, tuple[Any, ...]] = {}

    # --- folds ------------------------------------------------------------------------------

    def part(self, folding: Folding, refolded: Collection[int]) -> None:
        """Compare a fold of some leads of a cluster, while its others stay as they are."""
        cluster = self._join(folding.clusters)
        if refolded:
            self._load_rows_to_replace([folding], refolded, ())
        self._were.update((one.pk, one.row) for one in folding.leads.values())
        pks = {group: stored.pk for group, stored in folding.leads.items()}
        self._number_leads(folding, pks, set())
        is_doubtful = may_hold_several(folding)
        self._save_cluster(folding, cluster)
        self._save_leads(folding, cluster, pks)
        if is_doubtful:
            self._current.read_several([row.id for row in folding.clusters])
            for finding in self._shared.contact_findings(folding):
                self._save_finding(finding, folding, None, cluster)
        self._removed_leads.update(set(refolded) - set(pks.values()))

    def whole(self, foldings: list[Folding], homes: Mapping[int, int], clusters: list[int]) -> None:
        """Compare folds that say all there is to say of these clusters.

        ``homes`` are the clusters of their leads so far, by lead.
        """
        named = self._load_rows_to_replace(foldings, homes, clusters)
        taken: set[int] = set()
        free = set(clusters)
        for folding in sorted(foldings, key=lambda one: len(one.stored), reverse=True):
            cluster = next((one for one in folding.homes(homes) if one in free), None)
            if cluster is None:
                cluster = self._working.numbers.next_cluster()
            free.discard(cluster)
            pks: dict[Group, int] = {}
            self._number_leads(folding, pks, taken)
            self._save_cluster(folding, cluster)
            self._save_leads(folding, cluster, pks)
        if not self._renames:
            self._remove_unused_keys(foldings, named)
        self._removed_leads.update(set(homes) - taken)
        self._removed_clusters.update(free)

    def finish(self, contested: Iterable[int]) -> None:
        """Let all of it be written that no fold says by itself; nothing is read afterwards."""
        for seq in sorted(self._contested.union(contested)):
            self._shared.save_conflicts(seq)
        for row in self._hubs:
            self._shared.save_hub(row)
        self._current.replace()
        for lead in sorted(self._removed_leads):
            self._supersede_name(self._were[lead])
            self._writes.add(sql.REMOVE_LEAD, lead)
        for cluster in sorted(self._removed_clusters):
            self._writes.add(sql.REHOME_FINDINGS, cluster)

    def set_aside(self, stored: Iterable[StoredEvent]) -> None:
        """Quarantine events in which the identity policy finds no name any more."""
        for one in stored:
            if one.cluster == UNNAMED:
                continue
            self._writes.add(sql.MOVE_EVENT, None, UNNAMED, OUTCOME_NUMBER[one.outcome], one.seq)
            self._shared.homes[one.seq] = Home(one.event, None, UNNAMED)
            self._contested.update(self._current.contested([one.seq]))
            self._aside.quarantine_again(self._working, one.entry)

    # --- clusters ---------------------------------------------------------------------------

    def _join(self, clusters: list[ClusterRow]) -> int:
        """Return the one cluster that these are from now on: the largest takes the others in."""
        if not clusters:
            return self._working.numbers.next_cluster()
        if len(clusters) == 1:
            return clusters[0].id
        home = max(clusters, key=lambda row: (self._working.size(row.id), -row.id)).id
        others = [row.id for row in clusters if row.id != home]
        for row in self._working.lead_rows(self._working.leads_of(others)).values():
            _belong(map(self._working.key_row, row_keys(row)), home)
        for other in others:
            self._writes.add(sql.JOIN_LEADS, home, other)
            self._writes.add(sql.JOIN_FINDINGS, home, other)
            self._writes.add(sql.REMOVE_CLUSTER, other)
        return home

    def _save_cluster(self, folding: Folding, cluster: int) -> None:
        """Note where keys belong, and what a cluster is besides its leads."""
        for arrival in folding.arrivals.values():
            _belong(arrival.rows, cluster)
        if not folding.clusters:
            for stored in folding.stored.values():
                _belong(map(self._working.key_row, stored.event.keys), cluster)
        before = sum(row.contact_only for row in folding.clusters)
        known = {row.deletion: row.deletion_seq for row in folding.clusters}
        contact_only = before + folding.contact_only()
        deletion = folding.part.deletion
        was_deleted = next(iter(known), None)
        if (contact_only, deletion) == (before, was_deleted):
            return
        seq = known.get(deletion)
        if seq is None and deletion is not None:
            seq = folding.seq(deletion[2])
        self._writes.add(sql.SAVE_CLUSTER, cluster, contact_only, seq)
        if folding.clusters and deletion is not None and deletion != was_deleted:
            self._mark_leads(folding, deletion[0])

    def _mark_leads(self, folding: Folding, deleted_at: int) -> None:
        """Mark the leads of a cluster that no event of the fold is bound to."""
        touched = {folding.leads[group].pk for group in folding.touched() if group in folding.leads}
        touched.update(one.lead for one in folding.stored.values() if one.lead is not None)
        for cluster in folding.clusters:
            for pk, *marks in self._working.connection.execute(_MARKS, (cluster.id,)):
                if pk not in touched and marks[1] != deleted_at:
                    self._writes.add(sql.ADD_FORMER_LEAD, pk, *marks, self._recorded_at)
                    self._writes.add(sql.MARK_LEAD, deleted_at, self._recorded_at, pk)

    def _remove_unused_keys(self, foldings: Iterable[Folding], named: Iterable[Key]) -> None:
        """Remove keys that only a content named which is canonical no more."""
        used = {
            key
            for folding in foldings
            for event, _, _ in folding.part.fates.values()
            for key in event.keys
        }
        for key in sorted(set(named) - used):
            self._writes.add(sql.REMOVE_KEY, self._working.forget_key(key).hash)

    # --- leads ------------------------------------------------------------------------------

    def _load_rows_to_replace(
        self, foldings: list[Folding], leads: Collection[int], clusters: Collection[int]
    ) -> set[Key]:
        """Load what stands of leads and clusters that are folded again; return their keys."""
        self._current.read(leads, clusters)
        again = [one.seq for folding in foldings for one in folding.stored.values()]
        arrivals = [one for folding in foldings for one in folding.arrivals.values()]
        again += [one.seq for one in arrivals if one.stands is not None]
        self._contested.update(self._current.contested(again))
        for number in clusters:
            self._writes.add(sql.REMOVE_CLUSTER, number)
        rows = self._working.lead_rows(leads)
        self._were.update(rows)
        of_leads = [row_keys(row) for row in rows.values()]
        named = {key for keys in of_leads for key in keys}
        named.update(key for one in self._working.deletions_of(clusters) for key in one.event.keys)
        self._working.load_keys(named)
        if not self._renames:
            for keys in of_leads:
                self._count(map(self._working.key_row, keys), -1)
        return named

    def _count(self, rows: Iterable[KeyRow], more: int) -> None:
        """Count the leads that a key of a contact is shared by."""
        for row in rows:
            if row.key.kind == "contact":
                if max(row.leads, row.leads + more) > HUB_SIZE:
                    self._hubs[row] = None
                row.leads += more

    def _number_leads(self, folding: Folding, pks: dict[Group, int], taken: set[int]) -> None:
        """Give each lead its number: that of the lead of its name, or a new one."""
        tracks = folding.part.tracks
        arrived = (one.stands.lead for one in folding.arrivals.values() if one.stands)
        were = {one.lead for one in folding.stored.values()}.union(arrived) - {None}
        if were:
            names = {self._were[lead][_LEAD_ID]: lead for lead in sorted(filter(None, were))}
            for group, track in tracks.items():
                lead = names.get(track.lead.lead_id)
                if group not in pks and lead is not None and lead not in taken:
                    pks[group] = lead
                    taken.add(lead)
        for group in tracks:
            if group not in pks:
                pks[group] = self._working.numbers.next_lead()

    def _save_leads(self, folding: Folding, cluster: int, pks: dict[Group, int]) -> None:
        part = folding.part
        touched = folding.touched()
        for group in part.tracks:
            if group in touched:
                self._save_lead(folding, cluster, pks[group], group)
        for finding in part.findings:
            self._save_finding(finding, folding, None, cluster)
        last = folding.last_stored() if folding.stored else {}
        for event, verdict, group in part.fates.values():
            lead = None if group is None else pks[group]
            home = Home(event, lead, cluster if group is None else None)
            arrival = folding.arrivals.get(event.id)
            stands = arrival.stands if arrival else folding.stored[event.id]
            if arrival is None or (stands is not None and arrival.entry == stands.entry):
                if stands is not None:
                    self._move_event(stands, home, verdict)
            else:
                is_late = event.position < last.get(group, event.position)
                self._save_event(arrival, home, verdict, is_late=is_late)

    def _save_lead(self, folding: Folding, cluster: int, pk: int, group: Group) -> None:
        track = folding.part.tracks[group]
        stored = folding.leads.get(group)
        named = track.keys - stored.keys if stored else track.keys
        keys = [self._working.key_row(key) for key in named]
        self._count(keys, 1)
        for key in keys:
            if key.key.kind == "lead":
                key.lead = pk
        if stored and stored.claims:
            self._current.read_open(pk)
        for row in track.rows:
            self._current.save_row(row, folding.seq(row.event_id), pk)
        for finding in track.findings + track.open_findings():
            self._save_finding(finding, folding, pk, None)
        deletion = folding.part.deletion
        deleted_at = None if deletion is None else deletion[0]
        before = self._were.get(pk)
        saved = self._lead_row(pk, cluster, track, deleted_at, goes_on=stored is not None)
        if saved != before:
            self._writes.add(sql.SAVE_LEAD if before else sql.ADD_LEAD, *saved)

    def _lead_row(
        self, pk: int, cluster: int, track: Track, deleted_at: int | None, *, goes_on: bool
    ) -> tuple[Any, ...]:
        """Return the columns of a lead; where its name and marks differ, the old are superseded."""
        row, before = lead_row(pk, cluster, track, self._parties), self._were.get(pk)
        moved = next((one for one in reversed(track.rows) if not one.refused), None)
        kept_holder = row[_HOLDER]
        if moved is not None:
            kept_holder = None if moved.holder == track.lead.holder else kept_holder
        elif goes_on and before is not None and before[_HOLDER] == kept_holder:
            kept_holder = before[_KEPT_HOLDER]
        known_since = self._recorded_at
        if before is not None:
            marks = (before[_LEAD_ID], before[_DELETED_AT], before[_KEPT_HOLDER])
            if marks == (row[_LEAD_ID], deleted_at, kept_holder):
                known_since = before[_KNOWN_SINCE]
            else:
                self._supersede_name(before)
        return (*row, deleted_at, kept_holder, known_since, None)

    def _supersede_name(self, row: tuple[Any, ...]) -> None:
        """Keep the name and the marks of a lead as they were known until now."""
        marks = (row[_LEAD_ID], row[_DELETED_AT], row[_KEPT_HOLDER], row[_KNOWN_SINCE])
        self._writes.add(sql.ADD_FORMER_LEAD, row[0], *marks, self._recorded_at)

    def _move_event(self, stored: StoredEvent, home: Home, verdict: Verdicts) -> None:
        self._shared.homes[stored.seq] = home
        where = (home.lead, home.cluster)
        if (stored.lead, stored.cluster, stored.outcome) != (*where, verdict):
            self._writes.add(sql.MOVE_EVENT, *where, OUTCOME_NUMBER[verdict], stored.seq)

    def _save_event(
        self, arrival: Arrival, home: Home, verdict: Verdicts, *, is_late: bool
    ) -> None:
        place, packed = arrival.place, arrival.packed
        self._shared.homes[arrival.seq] = home
        statement = sql.ADD_EVENT if arrival.stands is None else sql.SAVE_EVENT
        about = (arrival.seq, arrival.entry, arrival.hash, packed.id, packed.trigger, packed.time)
        result = (home.lead, home.cluster, OUTCOME_NUMBER[verdict], is_late)
        self._writes.add(statement, *about, *result, self._recorded_at, place.log, place.line)

    def _save_finding(
        self, finding: Finding, folding: Folding, lead: int | None, cluster: int | None
    ) -> None:
        event_id = finding.event_id
        seq = None if event_id is None else self._seq(event_id, folding)
        self._current.save_finding(finding, lead, cluster, seq)

    def _seq(self, event_id: str, folding: Folding) -> int:
        if event_id in folding.arrivals or event_id in folding.stored:
            return folding.seq(event_id)
        values = (id_hash(self._working.numbers.secret, event_id), event_id)
        return int(self._working.connection.execute(_SEQ, values).fetchone()[0])


def _belong(rows: Iterable[KeyRow], cluster: int) -> None:
    for row in rows:
        row.cluster = cluster
