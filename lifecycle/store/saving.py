"""The second half of a transaction: what the folds say is written, where it differs.

Rows of history and findings that are no longer true are superseded, never removed. What is to be
written is collected first, and written table by table at the end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from attrs import define, field

from lifecycle.domain import (
    Finding,
    Group,
    HistoryRow,
    Key,
    LeadEvent,
    Position,
    SubjectFold,
    Track,
    Verdicts,
)
from lifecycle.store.arrivals import Arrival
from lifecycle.store.current import Current
from lifecycle.store.rows import (
    EVENT_CONTENT,
    HISTORY_CONTENT,
    LEAD_COLUMNS,
    OUTCOME_NUMBER,
    StoredEvent,
    StoredLead,
    event_content,
    history_content,
    id_hash,
    lead_row,
    select_in,
)
from lifecycle.store.settling import (
    ADD_FINDING,
    MOVE_FINDING,
    SUPERSEDE_FINDING,
    Settling,
    finding_row,
)
from lifecycle.store.working import SubjectRow, WorkingSet


def _insert(table: str, columns: str) -> str:
    marks = ",".join("?" * len(columns.split(",")))
    return f"INSERT INTO {table} ({columns}) VALUES ({marks})"


def _upsert(table: str, columns: str, key: str = "id") -> str:
    names = [name.strip() for name in columns.split(",")]
    updates = ", ".join(f"{name} = excluded.{name}" for name in names if name != key)
    return f"{_insert(table, columns)} ON CONFLICT ({key}) DO UPDATE SET {updates}"


# In the order in which they are executed: what is superseded makes room for what takes its place.
_SUPERSEDE_HISTORY: Final = (
    "UPDATE history SET superseded_at = ?, superseded_change = ? WHERE id = ?"
)
_MOVE_EVENT: Final = "UPDATE event SET lead = ?, subject = ?, outcome = ? WHERE seq = ?"
_SAVE_SUBJECT: Final = _upsert("subject", "id, contact_only, deletion")
_SAVE_KEY: Final = _upsert("key", "id, kind, scheme, value, subject, lead")
_SAVE_LEAD: Final = _upsert("lead", LEAD_COLUMNS)
_SAVE_EVENT: Final = _upsert(
    "event",
    f"seq, lead, subject, outcome, id_hash, recorded_at, late, run, log, line, {EVENT_CONTENT}",
    "seq",
)
_SAVE_PAYLOAD: Final = _upsert("payload", "event, body", "event")
_ADD_HISTORY: Final = _insert("history", f"id, lead, event, step, recorded_at, {HISTORY_CONTENT}")
_ORDER: Final = (
    _SUPERSEDE_HISTORY,
    SUPERSEDE_FINDING,
    MOVE_FINDING,
    _MOVE_EVENT,
    _SAVE_SUBJECT,
    _SAVE_KEY,
    _SAVE_LEAD,
    _SAVE_EVENT,
    _SAVE_PAYLOAD,
    _ADD_HISTORY,
    ADD_FINDING,
)


@define
class Folding:
    """A fold of one subject, and what it started from.

    Attributes:
        part: The fold.
        arrivals: What arrived, by event id.
        stored: The stored events that were folded again, by event id.
        leads: The leads that were folded on, by group.
        subjects: The subjects that were joined; none where a subject was folded as a whole.
    """

    part: SubjectFold
    arrivals: dict[str, Arrival]
    stored: dict[str, StoredEvent] = field(factory=dict)
    leads: dict[Group, StoredLead] = field(factory=dict)
    subjects: list[SubjectRow] = field(factory=list)

    def touched(self) -> set[Group]:
        """The leads that events of this fold were bound to."""
        return {group for _, _, group in self.part.fates.values() if group is not None}

    def seq(self, event_id: str) -> int:
        """The number of an event of this fold."""
        arrival = self.arrivals.get(event_id)
        return arrival.seq if arrival else self.stored[event_id].seq


class Save:
    """What a transaction writes."""

    def __init__(self, working: WorkingSet, recorded_at: int) -> None:
        self._working = working
        self._connection = working.connection
        self._parties = working.parties
        self._recorded_at = recorded_at
        self._change: int = self._connection.execute("SELECT change FROM store").fetchone()[0]
        self._pending: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        self._contested: set[int] = set()
        self._touched_contacts: set[int] = set()
        self._removed_leads: set[int] = set()
        self._removed_subjects: set[int] = set()

    # --- folds ------------------------------------------------------------------------------

    def part(self, folding: Folding, refolded: Collection[int]) -> None:
        """A fold of some leads of a subject, while its others stay as they are."""
        subject = self._join(folding.subjects)
        current = self._current(refolded, ())
        touched = folding.touched() & folding.leads.keys()
        current.read_unwitnessed(folding.leads[group] for group in touched)
        pks = {group: stored.pk for group, stored in folding.leads.items()}
        self._number_leads(folding, pks, set())
        self._save_subject(folding, subject)
        self._save_leads(folding, subject, pks, current)
        self._replace(current)
        self._removed_leads.update(set(refolded) - set(pks.values()))

    def whole(self, foldings: list[Folding], homes: Mapping[int, int], subjects: list[int]) -> None:
        """Folds that say all there is to say of these subjects.

        ``homes`` are the subjects of their leads so far, by lead.
        """
        current = self._current(homes.keys(), subjects)
        taken: set[int] = set()
        free = set(subjects)
        for folding in sorted(foldings, key=lambda one: len(one.stored), reverse=True):
            subject = self._settle(folding, homes, free)
            pks: dict[Group, int] = {}
            self._number_leads(folding, pks, taken)
            self._save_subject(folding, subject)
            self._save_leads(folding, subject, pks, current)
        self._replace(current)
        self._remove_unused_keys(foldings, subjects)
        self._removed_leads.update(set(homes) - taken)
        self._removed_subjects.update(free)

    def flush(self, contested: Iterable[int]) -> None:
        """Write all of it."""
        for statement in _ORDER:
            self._connection.executemany(statement, self._pending.pop(statement, ()))
        self._remove_leads()
        settling = Settling(self._connection, self._recorded_at)
        for seq in sorted(self._contested.union(contested)):
            settling.conflicts_of(seq)
        for key in sorted(self._touched_contacts):
            settling.hub(key)
        self._connection.execute(
            "UPDATE store SET recorded_at = ?, change = ?", (self._recorded_at, self._change)
        )

    # --- subjects ---------------------------------------------------------------------------

    def _join(self, subjects: list[SubjectRow]) -> int:
        """The one subject that these are from now on: the largest takes the others in."""
        if not subjects:
            return self._working.numbers.next("subject")
        if len(subjects) == 1:
            return subjects[0].id
        home = max(subjects, key=lambda row: (self._working.size(row.id), -row.id)).id
        for row in subjects:
            if row.id != home:
                for table in ("lead", "key", "finding"):
                    statement = f"UPDATE {table} SET subject = ? WHERE subject = ?"
                    self._connection.execute(statement, (home, row.id))
                self._connection.execute("DELETE FROM subject WHERE id = ?", (row.id,))
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
        return self._working.numbers.next("subject")

    def _save_subject(self, folding: Folding, subject: int) -> None:
        part = folding.part
        known = sum(row.contact_only for row in folding.subjects)
        events = [event for event, _, _ in part.fates.values()]
        contact_only = known + sum(_is_contact_only(event) for event in events)
        for event in events:
            for key in event.keys:
                self._save_key(key, subject, None)
        deletion = part.deletion
        if len(folding.subjects) == 1:
            row = folding.subjects[0]
            if row.contact_only == contact_only and row.deletion == deletion:
                return
            if deletion is not None and deletion == row.deletion:
                statement = "UPDATE subject SET contact_only = ? WHERE id = ?"
                self._connection.execute(statement, (contact_only, subject))
                return
        seq = None if deletion is None else folding.seq(deletion[2])
        self._pending[_SAVE_SUBJECT].append((subject, contact_only, seq))

    def _save_key(self, key: Key, subject: int, lead: int | None) -> None:
        """Note where a key belongs, and have it written where that is new."""
        row = self._working.key_row(key)
        if row.subject == subject and lead in (None, row.lead):
            return
        row.subject, row.lead = subject, lead or row.lead
        self._pending[_SAVE_KEY].append((row.id, *key, row.subject, row.lead))

    def _remove_unused_keys(self, foldings: Iterable[Folding], subjects: list[int]) -> None:
        """A key that only a copy named which counts no more is no name of anything."""
        used = {
            self._working.key_row(key).id
            for folding in foldings
            for event, _, _ in folding.part.fates.values()
            for key in event.keys
        }
        rows = select_in(self._connection, "SELECT id FROM key WHERE subject IN", subjects)
        for (number,) in list(rows):
            if number not in used:
                self._connection.execute("DELETE FROM key WHERE id = ?", (number,))

    # --- leads ------------------------------------------------------------------------------

    def _number_leads(self, folding: Folding, pks: dict[Group, int], taken: set[int]) -> None:
        """Give each lead its number: that of the lead of its name, or a new one."""
        names = self._names(one.lead for one in folding.stored.values() if one.lead is not None)
        for group, track in folding.part.tracks.items():
            lead = names.get(track.lead.lead_id)
            if group not in pks and lead is not None and lead not in taken:
                pks[group] = lead
                taken.add(lead)
        for group in folding.part.tracks:
            if group not in pks:
                pks[group] = self._working.numbers.next("lead")

    def _names(self, leads: Iterable[int]) -> dict[str, int]:
        """The numbers of these leads by the names that they are shown under."""
        select = "SELECT lead_id, id FROM lead WHERE id IN"
        return dict(select_in(self._connection, select, sorted(set(leads))))

    def _save_leads(
        self, folding: Folding, subject: int, pks: dict[Group, int], current: Current
    ) -> None:
        part = folding.part
        touched = folding.touched()
        for group, track in part.tracks.items():
            if group in touched:
                self._save_lead(folding, subject, pks[group], track, current)
        for finding in part.findings:
            self._save_finding(finding, folding, None, subject, current)
        last = _last_stored(folding)
        for event, verdict, group in part.fates.values():
            lead = None if group is None else pks[group]
            home = subject if group is None else None
            arrival = folding.arrivals.get(event.id)
            if arrival is None:
                self._move_event(folding.stored[event.id], lead, home, verdict)
            else:
                arrival.late = event.position < last.get(group, event.position)
                self._save_event(arrival, lead, home, verdict)

    def _save_lead(
        self, folding: Folding, subject: int, pk: int, track: Track, current: Current
    ) -> None:
        for key in track.keys:
            if key.kind == "lead":
                self._save_key(key, subject, pk)
            else:
                self._save_contact(pk, self._working.key_row(key).id)
        for row in track.rows:
            self._save_row(row, folding.seq(row.event_id), pk, current)
        for finding in track.findings + track.unwitnessed():
            self._save_finding(finding, folding, pk, None, current)
        last_event = folding.seq(track.position[2] if track.position else "")
        self._pending[_SAVE_LEAD].append(lead_row(pk, subject, track, last_event, self._parties))

    def _save_contact(self, lead: int, key: int) -> None:
        statement = "INSERT OR IGNORE INTO lead_contact VALUES (?, ?)"
        if self._connection.execute(statement, (lead, key)).rowcount:
            self._touched_contacts.add(key)

    def _remove_leads(self) -> None:
        """Leads that turned out to be others: what was recorded of them keeps their name."""
        for lead in sorted(self._removed_leads):
            self._connection.execute(
                "INSERT INTO former_lead SELECT id, lead_id FROM lead WHERE id = ?", (lead,)
            )
            self._connection.execute("DELETE FROM lead WHERE id = ?", (lead,))
        for subject in sorted(self._removed_subjects):
            self._connection.execute("DELETE FROM subject WHERE id = ?", (subject,))
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
            self._pending[_MOVE_EVENT].append(change)

    def _save_event(
        self, arrival: Arrival, lead: int | None, subject: int | None, verdict: Verdicts
    ) -> None:
        event, place = arrival.event, arrival.place
        keys = [self._working.key_row(key).id for key in event.keys]
        self._pending[_SAVE_EVENT].append(
            (
                arrival.seq,
                lead,
                subject,
                OUTCOME_NUMBER[verdict],
                id_hash(event.id),
                self._recorded_at,
                arrival.late,
                place.run,
                place.log,
                place.line,
                *event_content(event, keys, self._parties),
            )
        )
        self._pending[_SAVE_PAYLOAD].append((arrival.seq, arrival.body))

    # --- history and findings ---------------------------------------------------------------

    def _current(self, leads: Collection[int], subjects: Collection[int]) -> Current:
        """What is current of leads and subjects that are folded again."""
        current = Current(self._connection)
        current.read(leads, subjects)
        self._contested.update(current.contested(leads, subjects))
        for lead in leads:
            keys = self._connection.execute(
                "DELETE FROM lead_contact WHERE lead = ? RETURNING key", (lead,)
            )
            self._touched_contacts.update(key for (key,) in keys.fetchall())
        return current

    def _save_row(self, row: HistoryRow, seq: int, lead: int, current: Current) -> None:
        content = history_content(row, self._parties)
        if not current.says_row(seq, row.step, lead, content):
            current.additions.append((lead, seq, row.step, self._recorded_at, *content))

    def _save_finding(
        self,
        finding: Finding,
        folding: Folding,
        lead: int | None,
        subject: int | None,
        current: Current,
    ) -> None:
        seq = self._finding_seq(finding, folding)
        said = current.says_finding(finding.code, seq, finding.detail, lead)
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
            "SELECT seq FROM event WHERE id_hash = ?", (id_hash(event_id),)
        ).fetchone()
        return int(row[0])

    def _replace(self, current: Current) -> None:
        """Supersede what was current and is not said any more; then add what is said instead."""
        for number in current.untrue_rows():
            self._change += 1
            superseded = (self._recorded_at, self._change, number)
            self._pending[_SUPERSEDE_HISTORY].append(superseded)
        for added in current.additions:
            self._change += 1
            self._pending[_ADD_HISTORY].append((self._change, *added))
        for number in current.untrue_findings():
            self._pending[SUPERSEDE_FINDING].append((self._recorded_at, number))


def _is_contact_only(event: LeadEvent) -> bool:
    return event.trigger != "delete" and not event.lead_keys


def _last_stored(folding: Folding) -> dict[Group | None, Position]:
    """The last stored event of each lead that was folded again; of all of them under None."""
    last: dict[Group | None, Position] = {}
    for event, _, group in folding.part.fates.values():
        if event.id in folding.stored:
            for place in (group, None):
                last[place] = max(last.get(place, event.position), event.position)
    return last
