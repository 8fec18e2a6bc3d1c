"""One transaction: what arrived is folded onto what is known, and what differs is written.

The events of the batch are sorted into subjects. A subject in which every one of them is last in
its order is folded on from the leads as they are; where one is earlier, or links what was apart,
the leads that it can change are folded again from their events. (design.md sections 5 and 6)
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence

from lifecycle.domain import (
    Components,
    Group,
    Key,
    LeadMachine,
    Position,
    SubjectFold,
    lead_groups,
    subjects_of,
)
from lifecycle.messages import Reading, read_message
from lifecycle.store.arrivals import Arrival, Arrivals, Place
from lifecycle.store.outcome import Outcome
from lifecycle.store.rows import Parties
from lifecycle.store.saving import Folding, Save
from lifecycle.store.working import SubjectRow, WorkingSet


class Transaction:
    """The work of one transaction, on a connection that has begun one."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        machine: LeadMachine,
        parties: Parties,
        *,
        recorded_at: int,
        now: int,
    ) -> None:
        self._machine = machine
        self._working = WorkingSet(connection, parties)
        self._arrivals = Arrivals(self._working, recorded_at, now)
        self._save = Save(self._working, recorded_at)
        self._now = now
        self._results: dict[str, Outcome] = {}

    def take(self, messages: Sequence[tuple[Reading, Place]]) -> list[Outcome]:
        """Take these messages in; what became of each."""
        self._take_due()
        taken = [self._arrivals.take(reading, place) for reading, place in messages]
        self._fold_arrivals(list(self._arrivals.to_fold.values()))
        self._arrivals.save_ignored()
        self._save.flush(self._arrivals.contested)
        return [one if isinstance(one, Outcome) else self._results[one] for one in taken]

    def rebuild(self) -> None:
        """Fold every subject again, and write what differs."""
        rows = self._working.connection.execute("SELECT id FROM subject ORDER BY id").fetchall()
        for (subject,) in rows:
            self._fold_whole([subject], [])
        self._save.flush(())

    def _take_due(self) -> None:
        """Take in what was quarantined because its time was ahead, and is due."""
        connection = self._working.connection
        due = connection.execute(
            "SELECT id, raw, log, line FROM quarantine WHERE due_at <= ?", (self._now,)
        ).fetchall()
        for number, raw, log, line in due:
            connection.execute("DELETE FROM quarantine WHERE id = ?", (number,))
            for reading in read_message(raw):
                self._arrivals.take(reading, Place(log, line))

    def _fold_arrivals(self, arrivals: list[Arrival]) -> None:
        components: Components[Key | int] = Components()
        for arrival in arrivals:
            components.link(self._links(arrival))
        subjects: dict[Key | int, list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            subjects[components.find(arrival.event.keys[0])].append(arrival)
        for members in subjects.values():
            members.sort(key=lambda arrival: arrival.event.position)
            self._fold_subject(members)

    def _links(self, arrival: Arrival) -> list[Key | int]:
        """The keys of an arrival, and the subjects that it belongs to by them."""
        rows = [self._working.key_row(key) for key in arrival.event.keys]
        subjects = [row.subject for row in rows if row.subject is not None]
        if arrival.replaces:
            subjects.append(self._subject_of(arrival.seq))
        return [*arrival.event.keys, *subjects]

    def _subject_of(self, seq: int) -> int:
        row = self._working.connection.execute(
            "SELECT coalesce(event.subject, lead.subject) FROM event"
            " LEFT JOIN lead ON lead.id = event.lead WHERE event.seq = ?",
            (seq,),
        ).fetchone()
        return int(row[0])

    def _fold_subject(self, arrivals: list[Arrival]) -> None:
        """Fold the arrivals of one subject in the least costly way that is exact."""
        numbers = sorted({one for a in arrivals for one in self._links(a) if isinstance(one, int)})
        rows = [self._working.subject(number) for number in numbers]
        groups = self._groups(arrivals)
        if self._needs_whole(arrivals, rows, groups):
            self._fold_whole(numbers, arrivals)
        else:
            self._fold_on(rows, arrivals, groups)

    def _groups(self, arrivals: Iterable[Arrival]) -> _Groups:
        groups = _Groups()
        for arrival in arrivals:
            for key in arrival.event.lead_keys:
                lead = self._working.key_row(key).lead
                groups.components.link((arrival.event.lead_keys[0], key))
                if lead is not None:
                    groups.components.link((lead, key))
                    groups.names[lead].add(key)
        return groups

    def _needs_whole(
        self, arrivals: list[Arrival], rows: list[SubjectRow], groups: _Groups
    ) -> bool:
        """Whether what arrived can change leads that it does not name."""
        if any(arrival.replaces for arrival in arrivals):
            return True
        contact_only = any(row.contact_only for row in rows)
        if len(rows) > 1:
            return contact_only or any(row.deletion for row in rows) or _unnamed(arrivals)
        if not rows or not (contact_only or _unnamed(arrivals)):
            return False
        last = self._working.last_position(rows[0].id)
        if last is not None and arrivals[0].event.position < last:
            return True
        known = groups.known()
        counts = {len(known.get(group, ())) for group in groups.of(arrivals).values()}
        # A new lead matters to earlier events of the contact alone while there is one or none.
        return max(counts, default=1) > 1 or (0 in counts and self._working.size(rows[0].id) <= 1)

    def _fold_on(self, rows: list[SubjectRow], arrivals: list[Arrival], groups: _Groups) -> None:
        """Fold the arrivals onto the leads as they are; again only leads that they precede."""
        deletions = [row.deletion for row in rows if row.deletion is not None]
        part = SubjectFold(self._machine, deletion=min(deletions, default=None))
        folding = Folding(part, {one.event.id: one for one in arrivals}, subjects=rows)
        refolded: list[int] = []
        if rows and any(map(_is_contact_only, arrivals)):
            self._go_on_from_all(folding, groups)
        else:
            refolded = self._go_on_or_again(folding, groups)
        named = groups.of(arrivals)
        for event_id, stored in folding.stored.items():
            named[event_id] = groups.components.find(stored.lead or 0)
        events = [one.event for one in arrivals]
        events += [one.event for one in folding.stored.values()]
        part.run(sorted(events, key=lambda event: event.position), named)
        self._save.part(folding, refolded)
        self._tell(folding)

    def _go_on_from_all(self, folding: Folding, groups: _Groups) -> None:
        """Load every lead of the subject: an event without lead keys chooses among them."""
        for stored in self._working.leads_with_keys(folding.subjects[0].id):
            group = groups.components.find(stored.pk)
            folding.leads[group] = stored
            folding.part.tracks[group] = stored.track

    def _go_on_or_again(self, folding: Folding, groups: _Groups) -> list[int]:
        """Load each lead that is named, or its events where one arrived before its last."""
        refolded: list[int] = []
        first = groups.first_positions(folding.arrivals.values())
        for group, pks in groups.known().items():
            stored = self._working.lead(min(pks))
            if len(pks) == 1 and (stored.track.position or ()) < first[group]:
                stored.track.pieces = [groups.names[stored.pk]]
                folding.leads[group] = stored
                folding.part.tracks[group] = stored.track
                continue
            refolded += sorted(pks)
            for one in self._working.events_of_leads(pks):
                folding.stored[one.event.id] = one
        return refolded

    def _fold_whole(self, subjects: list[int], arrivals: list[Arrival]) -> None:
        """Fold all events of these subjects again; they may turn out to be other subjects now."""
        homes = self._working.leads_of(subjects)
        stored = self._working.events_of_leads(homes) + self._working.deletions_of(subjects)
        replaced = {arrival.seq for arrival in arrivals if arrival.replaces}
        known = {one.event.id: one for one in stored if one.seq not in replaced}
        new = {arrival.event.id: arrival for arrival in arrivals}
        events = [one.event for one in known.values()] + [one.event for one in arrivals]
        foldings = []
        for members in subjects_of(sorted(events, key=lambda event: event.position)):
            part = SubjectFold(self._machine)
            part.run(members, lead_groups(members))
            foldings.append(
                Folding(
                    part,
                    {event.id: new[event.id] for event in members if event.id in new},
                    {event.id: known[event.id] for event in members if event.id in known},
                )
            )
        self._save.whole(foldings, homes, subjects)
        for folding in foldings:
            self._tell(folding)

    def _tell(self, folding: Folding) -> None:
        """What became of each arrival."""
        part = folding.part
        refusals = {
            row.event_id: row.refusal
            for track in part.tracks.values()
            for row in track.rows
            if row.refusal is not None
        }
        for event_id in folding.arrivals:
            event, verdict, group = part.fates[event_id]
            lead = None if group is None else part.tracks[group].lead
            self._results[event_id] = Outcome(
                verdict,
                event_id,
                event.trigger,
                lead.lead_id if lead else None,
                lead.state if lead else None,
                refusals.get(event_id),
            )


class _Groups:
    """The leads that arrivals name, and those in the store that have these keys (``names``)."""

    def __init__(self) -> None:
        self.components: Components[Key | int] = Components()
        self.names: dict[int, set[Key]] = defaultdict(set)

    def of(self, arrivals: Iterable[Arrival]) -> dict[str, Group]:
        """The group of each arrival with lead keys, by event id."""
        return {
            arrival.event.id: self.components.find(arrival.event.lead_keys[0])
            for arrival in arrivals
            if arrival.event.lead_keys
        }

    def known(self) -> dict[Group, set[int]]:
        """The leads in the store, by group."""
        known: dict[Group, set[int]] = defaultdict(set)
        for lead in self.names:
            known[self.components.find(lead)].add(lead)
        return known

    def first_positions(self, arrivals: Iterable[Arrival]) -> dict[Group, Position]:
        """The position of the first arrival with lead keys, by group."""
        first: dict[Group, Position] = {}
        for arrival in arrivals:
            if arrival.event.lead_keys:
                group = self.components.find(arrival.event.lead_keys[0])
                position = arrival.event.position
                first[group] = min(first.get(group, position), position)
        return first


def _unnamed(arrivals: Iterable[Arrival]) -> bool:
    """Whether some of them name no lead: deletions, and events of a contact alone."""
    return any(not arrival.event.lead_keys for arrival in arrivals)


def _is_contact_only(arrival: Arrival) -> bool:
    return not arrival.event.lead_keys and arrival.event.trigger != "delete"
