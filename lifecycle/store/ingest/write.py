"""The second half of a transaction: what the folds say is written, where it differs.

Rows of history and findings that are no longer true are superseded, never removed. What is to be
written is collected first, and written table by table at the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from lifecycle.domain import (
    HUB_SIZE,
    Finding,
    Group,
    HistoryRow,
    Key,
    Verdicts,
    are_several,
    names_contact,
)
from lifecycle.store.db.codec import hashed
from lifecycle.store.db.lookups import UNNAMED, KeyRow, SubjectRow, WorkingSet
from lifecycle.store.db.rows import (
    OUTCOME_NUMBER,
    OUTCOMES,
    StoredEvent,
    history_content,
    lead_row,
    row_keys,
)
from lifecycle.store.db.statements import (
    ADD_EVENT,
    ADD_FINDING,
    ADD_HISTORY,
    ADD_LEAD,
    MOVE_EVENT,
    MOVE_FINDING,
    ORDER,
    SAVE_EVENT,
    SAVE_KEY,
    SAVE_LEAD,
    SAVE_SUBJECT,
    SUPERSEDE_FINDING,
    SUPERSEDE_HISTORY,
    finding_row,
)
from lifecycle.store.ingest.diff import Current
from lifecycle.store.ingest.folding import Folding
from lifecycle.store.ingest.identify import Arrival, quarantine_event
from lifecycle.store.ingest.shared_findings import Settling


class Save:
    """What a transaction writes.

    ``renames``: all keys are found again under another identity policy; the old ones are gone.
    """

    def __init__(self, working: WorkingSet, recorded_at: int, *, renames: bool) -> None:
        self._working = working
        self._renames = renames
        self._connection = working.connection
        self._parties = working.parties
        self._recorded_at = recorded_at
        self._current = Current(working.connection)
        self._pending: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._hubs: dict[KeyRow, None] = {}
        self._contested: set[int] = set()
        self._removed_leads: set[int] = set()
        self._removed_subjects: set[int] = set()
        self._new_leads: set[int] = set()
        self._runs: Counter[tuple[int | None, Verdicts]] = Counter()
        self._were: dict[int, tuple[Any, ...]] = {}
        self._contacts: set[int] = set()

    # --- folds ------------------------------------------------------------------------------

    def part(self, folding: Folding, refolded: Collection[int]) -> None:
        """A fold of some leads of a subject, while its others stay as they are."""
        subject = self._join(folding.subjects)
        if _may_hold_several(folding):
            self._contacts.add(subject)
        if refolded:
            self._take_back([folding], refolded, ())
        pks = {group: stored.pk for group, stored in folding.leads.items()}
        self._number_leads(folding, pks, set())
        self._save_subject(folding, subject)
        self._save_leads(folding, subject, pks)
        self._removed_leads.update(set(refolded) - set(pks.values()))

    def whole(self, foldings: list[Folding], homes: Mapping[int, int], subjects: list[int]) -> None:
        """Folds that say all there is to say of these subjects.

        ``homes`` are the subjects of their leads so far, by lead.
        """
        named = self._take_back(foldings, homes, subjects)
        taken: set[int] = set()
        free = set(subjects)
        for folding in sorted(foldings, key=lambda one: len(one.stored), reverse=True):
            subject = self._settle(folding, homes, free)
            pks: dict[Group, int] = {}
            self._number_leads(folding, pks, taken)
            self._save_subject(folding, subject)
            self._save_leads(folding, subject, pks)
        if not self._renames:
            self._remove_unused_keys(foldings, named)
        self._removed_leads.update(set(homes) - taken)
        self._removed_subjects.update(free)

    def flush(self, contested: Iterable[int]) -> None:
        """Write all of it."""
        self._replace()
        self._pending[SAVE_KEY] = [
            (row.hash, *row.key, *row.belongs) for row in self._working.changed_keys()
        ]
        for statement in ORDER:
            if statement in self._pending:
                self._connection.executemany(statement, self._pending.pop(statement))
        for (run, verdict), more in self._runs.items():
            if run is None:
                continue
            statement = f"UPDATE run SET {verdict} = {verdict} + ? WHERE id = ?"
            self._connection.execute(statement, (more, run))
        self._remove_leads()
        settling = Settling(self._connection, self._recorded_at)
        for seq in sorted(self._contested.union(contested)):
            settling.conflicts_of(seq)
        for row in self._hubs:
            settling.hub(row)
        for subject in sorted(self._contacts):
            settling.contacts_of(self._working, subject)
        numbers = self._working.numbers
        self._connection.execute(
            "UPDATE store SET recorded_at = ?, change = ?, event = ?, lead = ?, subject = ?",
            (self._recorded_at, numbers.change, numbers.event, numbers.lead, numbers.subject),
        )

    # --- subjects ---------------------------------------------------------------------------

    def _join(self, subjects: list[SubjectRow]) -> int:
        """The one subject that these are from now on: the largest takes the others in."""
        if not subjects:
            return self._working.numbers.next_subject()
        if len(subjects) == 1:
            return subjects[0].id
        home = max(subjects, key=lambda row: (self._working.size(row.id), -row.id)).id
        others = [row.id for row in subjects if row.id != home]
        for row in self._working.lead_rows(self._working.leads_of(others)).values():
            self._belong(map(self._working.key_row, row_keys(row)), home)
        for other in others:
            for table in ("lead", "finding"):
                statement = f"UPDATE {table} SET subject = ? WHERE subject = ?"
                self._connection.execute(statement, (home, other))
            self._connection.execute("DELETE FROM subject WHERE id = ?", (other,))
        return home

    def _settle(self, folding: Folding, homes: Mapping[int, int], free: set[int]) -> int:
        """The number of a subject that was folded as a whole: where most of its events were."""
        were = Counter(
            one.subject if one.lead is None else homes[one.lead] for one in folding.stored.values()
        )
        for number, _ in sorted(were.items(), key=lambda one: (-one[1], one[0] or 0)):
            if number in free:
                free.discard(number)
                return number
        return self._working.numbers.next_subject()

    def _save_subject(self, folding: Folding, subject: int) -> None:
        """Note where keys belong, and what a subject is besides its leads."""
        for arrival in folding.arrivals.values():
            self._belong(arrival.rows, subject)
        if not folding.subjects:
            for stored in folding.stored.values():
                self._belong(map(self._working.key_row, stored.event.keys), subject)
        before = sum(row.contact_only for row in folding.subjects)
        known = {row.deletion: row.deletion_seq for row in folding.subjects}
        contact_only = before + folding.contact_only()
        deletion = folding.part.deletion
        if (contact_only, deletion) == (before, next(iter(known), None)):
            return
        seq = known.get(deletion)
        if seq is None and deletion is not None:
            seq = folding.seq(deletion[2])
        self._pending[SAVE_SUBJECT].append((subject, contact_only, seq))

    def _belong(self, rows: Iterable[KeyRow], subject: int) -> None:
        """Let these keys belong to a subject."""
        for row in rows:
            row.subject = subject

    def _remove_unused_keys(self, foldings: Iterable[Folding], named: Iterable[Key]) -> None:
        """A key that only a copy named which counts no more is no name of anything."""
        used = {
            key
            for folding in foldings
            for event, _, _ in folding.part.fates.values()
            for key in event.keys
        }
        for key in set(named) - used:
            row = self._working.forget_key(key)
            self._connection.execute("DELETE FROM key WHERE hash = ?", (row.hash,))

    # --- leads ------------------------------------------------------------------------------

    def _take_back(
        self, foldings: list[Folding], leads: Collection[int], subjects: Collection[int]
    ) -> set[Key]:
        """Take back what is said of leads and subjects that are folded again; their keys."""
        self._current.read(leads, subjects)
        again = [one.seq for folding in foldings for one in folding.stored.values()]
        arrivals = [one for folding in foldings for one in folding.arrivals.values()]
        again += [one.seq for one in arrivals if one.replaces is not None]
        self._contested.update(self._current.contested(again))
        self._connection.executemany("DELETE FROM subject WHERE id = ?", ((n,) for n in subjects))
        rows = self._working.lead_rows(leads)
        self._were.update(rows)
        of_leads = [row_keys(row) for row in rows.values()]
        named = {key for keys in of_leads for key in keys}
        named.update(key for one in self._working.deletions_of(subjects) for key in one.event.keys)
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
        arrived = (one.lead for one in folding.arrivals.values())
        were = {one.lead for one in folding.stored.values()}.union(arrived) - {None}
        if were:
            names = {self._were[lead][1]: lead for lead in sorted(filter(None, were))}
            for group, track in tracks.items():
                lead = names.get(track.lead.lead_id)
                if group not in pks and lead is not None and lead not in taken:
                    pks[group] = lead
                    taken.add(lead)
        for group in tracks:
            if group not in pks:
                pks[group] = self._working.numbers.next_lead()
                self._new_leads.add(pks[group])

    def _save_leads(self, folding: Folding, subject: int, pks: dict[Group, int]) -> None:
        part = folding.part
        touched = folding.touched()
        for group in part.tracks:
            if group in touched:
                self._save_lead(folding, subject, pks[group], group)
        for finding in part.findings:
            self._save_finding(finding, folding, None, subject)
        last = folding.last_stored() if folding.stored else {}
        for event, verdict, group in part.fates.values():
            lead = None if group is None else pks[group]
            home = subject if group is None else None
            arrival = folding.arrivals.get(event.id)
            stands = arrival.stands if arrival else folding.stored[event.id]
            if stands is not None:
                self._move_event(stands, lead, home, verdict)
            elif arrival is not None:
                late = event.position < last.get(group, event.position)
                self._save_event(arrival, lead, home, verdict, late=late)

    def _save_lead(self, folding: Folding, subject: int, pk: int, group: Group) -> None:
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
            self._save_row(row, folding.seq(row.event_id), pk)
        for finding in track.findings + track.open_findings():
            self._save_finding(finding, folding, pk, None)
        saved = lead_row(pk, subject, track, self._parties)
        if saved != self._were.get(pk):
            self._pending[ADD_LEAD if pk in self._new_leads else SAVE_LEAD].append(saved)

    def _remove_leads(self) -> None:
        """Leads that turned out to be others: what was recorded of them keeps their name."""
        for lead in sorted(self._removed_leads):
            self._connection.execute(
                "INSERT INTO former_lead SELECT id, lead_id FROM lead WHERE id = ?", (lead,)
            )
            self._connection.execute("DELETE FROM lead WHERE id = ?", (lead,))
        for subject in sorted(self._removed_subjects):
            self._connection.execute(
                "UPDATE finding SET subject = coalesce("
                "(SELECT subject FROM event WHERE seq = finding.event), subject) WHERE subject = ?",
                (subject,),
            )

    # --- events -----------------------------------------------------------------------------

    def _move_event(
        self, stored: StoredEvent, lead: int | None, subject: int | None, verdict: Verdicts
    ) -> None:
        if (stored.lead, stored.subject, stored.outcome) != (lead, subject, verdict):
            change = (lead, subject, OUTCOME_NUMBER[verdict], stored.seq)
            self._pending[MOVE_EVENT].append(change)
            self._runs[stored.run, stored.outcome] -= 1
            self._runs[stored.run, verdict] += 1

    def _save_event(
        self,
        arrival: Arrival,
        lead: int | None,
        subject: int | None,
        verdict: Verdicts,
        *,
        late: bool,
    ) -> None:
        place, packed = arrival.place, arrival.packed
        statement = ADD_EVENT
        if arrival.replaces is not None:
            statement = SAVE_EVENT
            self._runs[place.run, OUTCOMES[arrival.replaces]] -= 1
        self._runs[place.run, verdict] += 1
        self._pending[statement].append(
            (
                arrival.seq,
                arrival.ledger,
                lead,
                subject,
                OUTCOME_NUMBER[verdict],
                self._recorded_at,
                late,
                place.run,
                place.log,
                place.line,
                *packed,
            )
        )

    def set_aside(self, stored: Iterable[StoredEvent]) -> None:
        """Quarantine events in which the identity policy finds no name any more."""
        for one in stored:
            if one.subject == UNNAMED:
                continue
            change = (None, UNNAMED, OUTCOME_NUMBER[one.outcome], one.seq)
            self._pending[MOVE_EVENT].append(change)
            self._contested.update(self._current.contested([one.seq]))
            quarantine_event(self._connection, one.seq, self._working.identity, self._recorded_at)

    # --- history and findings ---------------------------------------------------------------

    def _save_row(self, row: HistoryRow, seq: int, lead: int) -> None:
        content = history_content(row, self._parties)
        if not self._current.says_row(seq, row.step, lead, content):
            self._current.additions.append((lead, seq, row.step, self._recorded_at, *content))

    def _save_finding(
        self, finding: Finding, folding: Folding, lead: int | None, subject: int | None
    ) -> None:
        seq = self._finding_seq(finding, folding)
        said = self._current.says_finding(finding.code, seq, finding.detail, lead)
        if said is None:
            added = finding_row(finding, lead, subject, seq, self._recorded_at)
            self._pending[ADD_FINDING].append(added)
        elif said.subject != subject:
            self._pending[MOVE_FINDING].append((subject, said.id))

    def _finding_seq(self, finding: Finding, folding: Folding) -> int | None:
        event_id = finding.event_id
        if event_id is None:
            return None
        if event_id in folding.arrivals or event_id in folding.stored:
            return folding.seq(event_id)
        row = self._connection.execute(
            "SELECT seq FROM event WHERE id_hash = ?", (hashed(event_id),)
        ).fetchone()
        return int(row[0])

    def _replace(self) -> None:
        """Supersede what was current and is not said any more; then add what is said instead."""
        numbers = self._working.numbers
        for number in self._current.untrue_rows():
            superseded = (self._recorded_at, numbers.next_change(), number)
            self._pending[SUPERSEDE_HISTORY].append(superseded)
        for added in self._current.additions:
            self._pending[ADD_HISTORY].append((numbers.next_change(), *added))
        for number in self._current.untrue_findings():
            self._pending[SUPERSEDE_FINDING].append((self._recorded_at, number))


def _may_hold_several(folding: Folding) -> bool:
    """Return whether what arrived can change whether contacts of a subject hold several ids."""
    named = [arrival.rows[len(arrival.event.lead_keys) :] for arrival in folding.arrivals.values()]
    rows = [row for some in named for row in some if names_contact(row.key)]
    if not rows:
        return False
    if not folding.subjects:
        return are_several(row.key for row in rows)
    if len(folding.subjects) > 1 or any(row.several for row in folding.subjects):
        return True
    # What only adds to the contact of a hub changes nothing: the finding of the hub stands. A key
    # that is new may be the second of its scheme, and several may link what was apart.
    some_more = [some for some in named if not any(map(_is_hub, some))]
    return any(len(some) > 1 or row.stored is None for some in some_more for row in some)


def _is_hub(row: KeyRow) -> bool:
    return row.leads > HUB_SIZE
