"""Messages taken in together: what arrived is folded onto what is known, what differs is written.

The events are sorted into subjects. A subject in which every one of them is last in its order is
folded on from the leads as they are; where one is earlier, or links what was apart, the leads that
it can change are folded again from their events. (design.md sections 5 and 6)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter

from lifecycle.domain import (
    Group,
    HistoryRow,
    Identity,
    LeadEvent,
    LeadMachine,
    Position,
    SubjectFold,
    contact_findings,
    is_refolded,
    lead_groups,
    subjects_of,
)
from lifecycle.messages import read_message
from lifecycle.store.db.lookups import SubjectRow, WorkingSet
from lifecycle.store.db.rows import Parties, StoredEvent, select_in
from lifecycle.store.ingest.folding import Folding
from lifecycle.store.ingest.identify import AHEAD, Arrival, Arrivals, Place, Taken, taken
from lifecycle.store.ingest.outcome import Outcome
from lifecycle.store.ingest.partition import Piece, Pieces
from lifecycle.store.ingest.write import Save

_in_order = attrgetter("event.position")


class Intake:
    """The work of taking some messages in, on a connection that has begun a transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        machine: LeadMachine,
        parties: Parties,
        identity: Identity,
        *,
        recorded_at: int,
        now: int,
        renames: bool = False,
    ) -> None:
        self._machine = machine
        self._connection = connection
        self._working = WorkingSet(connection, parties, identity)
        self._arrivals = Arrivals(self._working, recorded_at, now)
        self._save = Save(self._working, recorded_at, renames=renames)
        self._now = now
        self._results: dict[str, Outcome] = {}

    def take(self, messages: Sequence[tuple[Taken, Place]]) -> list[Outcome]:
        """Take these messages in; what became of each."""
        self._take_due()
        results = self._arrivals.take(messages)
        self._fold_arrivals(self._arrivals.to_fold)
        self._arrivals.save()
        self._save.flush(self._arrivals.contested)
        return [one if isinstance(one, Outcome) else self._results[one] for one in results]

    def deleted_subjects(self) -> list[int]:
        """The subjects of what was taken in whose contact is deleted."""
        select = (
            "SELECT DISTINCT subject.id FROM event LEFT JOIN lead ON lead.id = event.lead"
            " JOIN subject ON subject.id = coalesce(event.subject, lead.subject)"
            " WHERE subject.deletion IS NOT NULL AND event.seq IN"
        )
        seqs = (arrival.seq for arrival in self._arrivals.to_fold)
        return sorted({one for (one,) in select_in(self._connection, select, seqs)})

    def fold_again(self, subjects: list[int]) -> None:
        """Fold these subjects again from all their events, and write what differs."""
        self._fold_whole(subjects, [])
        self._save.flush(())

    def fold_renamed(self, subjects: list[int], unnamed: Iterable[int]) -> None:
        """Fold these subjects and unnamed events again, with the keys that are found in them now.

        Together they must be whole: no key of theirs is one of other subjects.
        """
        self._fold_whole(subjects, [], self._working.events_numbered(unnamed))
        self._save.flush(())

    def _take_due(self) -> None:
        """Take in what was quarantined because its time was ahead, and is due."""
        due = self._connection.execute(
            "SELECT id, raw, log, line, due_at FROM quarantine WHERE due_at <= ?", (self._now,)
        ).fetchall()
        for number, raw, log, line, due_at in due:
            self._connection.execute("DELETE FROM quarantine WHERE id = ?", (number,))
            place = Place(log, line)
            # It may have no time but that of its receipt.
            readings = read_message(raw, received_at=due_at + AHEAD, identity=None)
            self._arrivals.take([(taken(reading), place) for reading in readings])

    def _fold_arrivals(self, arrivals: list[Arrival]) -> None:
        pieces = Pieces()
        self._working.load_keys([key for arrival in arrivals for key in arrival.event.keys])
        for arrival in arrivals:
            arrival.rows = [self._working.key_row(key) for key in arrival.event.keys]
            pieces.add(arrival, arrival.rows, self._subjects(arrival))
        subjects = list(pieces)
        self._working.load_subjects({number for piece in subjects for number in piece.numbers})
        self._working.load_leads(
            {row.lead for arrival in arrivals for row in arrival.rows if row.lead is not None}
        )
        for piece in subjects:
            self._fold_subject(piece)

    def _subjects(self, arrival: Arrival) -> set[int]:
        """The subjects that an arrival belongs to by its keys, or by what it replaces."""
        subjects = {row.subject for row in arrival.rows if row.subject is not None}
        if arrival.replaces is not None:
            subjects.add(self._subject_of(arrival.seq))
        return subjects

    def _subject_of(self, seq: int) -> int:
        row = self._connection.execute(
            "SELECT coalesce(event.subject, lead.subject) FROM event"
            " LEFT JOIN lead ON lead.id = event.lead WHERE event.seq = ?",
            (seq,),
        ).fetchone()
        return int(row[0])

    # --- one subject --------------------------------------------------------------------------

    def _fold_subject(self, piece: Piece) -> None:
        """Fold the arrivals of one subject in the least costly way that is exact."""
        piece.arrivals.sort(key=_in_order)
        rows = [self._working.subject(number) for number in sorted(piece.numbers)]
        leads = _leads(piece.arrivals)
        if self._needs_whole(piece.arrivals, rows, leads):
            self._fold_whole(sorted(piece.numbers), piece.arrivals)
        else:
            self._fold_on(rows, piece.arrivals, leads)

    def _needs_whole(
        self, arrivals: list[Arrival], rows: list[SubjectRow], leads: list[Piece]
    ) -> bool:
        """Whether what arrived can change leads that it does not name."""
        if any(arrival.replaces is not None for arrival in arrivals):
            return True
        unnamed = any(not arrival.event.lead_keys for arrival in arrivals)
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
        return max(counts, default=1) > 1 or (0 in counts and self._working.size(rows[0].id) <= 1)

    def _fold_on(self, rows: list[SubjectRow], arrivals: list[Arrival], leads: list[Piece]) -> None:
        """Fold the arrivals onto the leads as they are; again only leads that they precede."""
        deletions = [row.deletion for row in rows if row.deletion is not None]
        part = SubjectFold(self._machine, deletion=min(deletions, default=None))
        folding = Folding(part, {one.event.id: one for one in arrivals}, subjects=rows)
        groups: dict[str, Group] = {
            arrival.event.id: lead for lead in leads for arrival in lead.arrivals
        }
        refolded: list[int] = []
        if rows and any(map(_is_contact_only, arrivals)):
            self._go_on_from_all(folding, leads)
        else:
            for lead in leads:
                if lead.numbers and not self._go_on(folding, lead):
                    refolded += self._go_again(folding, lead, groups)
        events = [one.event for one in arrivals]
        if folding.stored:
            events += [one.event for one in folding.stored.values()]
            events.sort(key=attrgetter("position"))
        part.run(events, groups)
        self._save.part(folding, refolded)
        self._tell(folding)

    def _go_on_from_all(self, folding: Folding, leads: list[Piece]) -> None:
        """Load every lead of the subject: an event without lead keys chooses among them."""
        groups: dict[int, Group] = {pk: lead for lead in leads for pk in lead.numbers}
        for stored in self._working.leads_of_subject(folding.subjects[0].id):
            folding.go_on(groups.get(stored.pk, stored.pk), stored)

    def _go_on(self, folding: Folding, lead: Piece) -> bool:
        """Go on from the lead as it is, if nothing that arrived changes what was folded of it."""
        if not self._goes_on(lead):
            return False
        folding.go_on(lead, self._working.lead(min(lead.numbers)))
        return True

    def _goes_on(self, lead: Piece) -> bool:
        """Return whether what arrived can be folded onto a lead as it is."""
        if len(lead.numbers) > 1:
            return False
        track = self._working.lead(min(lead.numbers)).track
        return not any(is_refolded(arrival.event, track) for arrival in lead.arrivals)

    def _go_again(self, folding: Folding, lead: Piece, groups: dict[str, Group]) -> list[int]:
        """Load all events of a lead, or of those that turn out to be one; their numbers."""
        for one in self._working.events_of_leads(lead.numbers):
            folding.stored[one.event.id] = one
            groups[one.event.id] = lead
        return sorted(lead.numbers)

    def _fold_whole(
        self, subjects: list[int], arrivals: list[Arrival], more: Sequence[StoredEvent] = ()
    ) -> None:
        """Fold all events of these subjects again; they may turn out to be other subjects now."""
        homes = self._working.leads_of(subjects)
        stored = self._working.events_of_leads(homes) + self._working.deletions_of(subjects)
        self._save.set_aside(one for one in stored if not one.event.keys)
        stored = [one for one in (*stored, *more) if one.event.keys]
        replaced = {arrival.seq for arrival in arrivals if arrival.replaces is not None}
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
        self._save.whole(foldings, homes, subjects)
        for folding in foldings:
            self._tell(folding)

    def _tell(self, folding: Folding) -> None:
        """What became of each arrival."""
        part = folding.part
        for event_id in folding.arrivals:
            event, verdict, group = part.fates[event_id]
            track = None if group is None else part.tracks[group]
            refused: HistoryRow | None = None
            if track is not None and verdict == "refused":
                refused = next(row for row in track.rows if row.event_id == event_id)
            self._results[event_id] = Outcome(
                verdict,
                event_id,
                refused.trigger if refused else event.trigger,
                track.lead.lead_id if track else None,
                track.lead.state if track else None,
                refused.refusal if refused else None,
                refused.source if refused else None,
            )


def _leads(arrivals: Iterable[Arrival]) -> list[Piece]:
    """The leads that arrivals name, each with those in the store that have these names."""
    leads = Pieces()
    for arrival in arrivals:
        own = arrival.rows[: len(arrival.event.lead_keys)]
        if own:
            leads.add(arrival, own, {row.lead for row in own if row.lead is not None})
    return list(leads)


def _is_not_after(event: LeadEvent, last: Position) -> bool:
    """Return whether an event precedes the last one, or is a change of its moment."""
    same_moment = event.trigger == "change" and event.position[:2] == last[:2]
    return same_moment or event.position < last


def _is_unnamed_change(arrival: Arrival) -> bool:
    return not arrival.event.lead_keys and arrival.event.trigger == "change"


def _is_contact_only(arrival: Arrival) -> bool:
    return not arrival.event.lead_keys and arrival.event.trigger != "delete"
