"""A fresh fold of every subject beside what the store says of it: leads, history, findings, keys.

Subjects are taken as the store has them. Each must be one by its keys, and since no key can be that
of two subjects, together they are what a fold of all events would give.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from attrs import define, field

from lifecycle.domain import (
    SEVERITY,
    STATES,
    TRIGGERS,
    VERDICTS,
    Finding,
    Group,
    LeadMachine,
    SubjectFold,
    conflict,
    contact_findings,
    hubs,
    lead_groups,
    machine_for,
    subjects_of,
)
from lifecycle.messages import DEFAULT_IDENTITY
from lifecycle.store.db.lookups import UNNAMED, WorkingSet, all_subjects
from lifecycle.store.db.rows import (
    HISTORY_CONTENT,
    LEAD_COLUMNS,
    OUTCOMES,
    SELECT_LEADS,
    Parties,
    StoredEvent,
    history_content,
    key_hash,
    lead_row,
    select_in,
)
from lifecycle.store.db.rules import rules_at
from lifecycle.store.ledger.tombstones import erased_conflicts
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import UNREADABLE, words

#: So many subjects are looked up at a time.
_TOGETHER: Final = 500
_LEAD: Final = tuple(LEAD_COLUMNS.split(", "))
_HISTORY: Final = ("lead", *HISTORY_CONTENT.split(", "))
_FINDING: Final = "code, severity, lead, subject, event, detail"
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "state": STATES,
    "source": STATES,
    "target": STATES,
    "trigger": TRIGGERS,
    "verdict": VERDICTS,
    "outcome": OUTCOMES,
}
#: The number of a party that is not there.
_NOBODY: Final = -1
_PARTIES: Final = ("by", "holder", "owner", "sender", "recipient")
#: What is counted in the end, so that nothing stands beside the subjects.
_ALL: Final = {
    "events": f"SELECT count(*) FROM event WHERE subject IS NOT {UNNAMED}",
    "leads": "SELECT count(*) FROM lead",
    "rows of history that stand": "SELECT count(*) FROM history WHERE superseded_at IS NULL",
    "findings that stand": "SELECT count(*) FROM finding WHERE superseded_at IS NULL",
    "keys": "SELECT count(*) FROM key",
}


class _KnownParties(Parties):
    """Parties by number; nothing is written: one that is not there has a number that none has."""

    def _add(self, names: tuple[str, str]) -> int:  # noqa: ARG002 - as the parties call it
        return _NOBODY


@define
class _Stored:
    """What the store says of some subjects.

    Attributes:
        events: The events of each subject.
        leads: The rows of leads by number.
        leads_of: The numbers of the leads of each subject.
        history: The rows that stand, by event and step.
        findings: How often each finding stands, by subject and lead.
        copies: The digests of the copies of each event.
        erased: The findings for other contents of each event that were erased.
        keys: The rows of keys by hash.
        subjects: The rows of subjects.
    """

    events: dict[int, list[StoredEvent]]
    leads: dict[int, tuple[Any, ...]]
    leads_of: dict[int, set[int]]
    history: dict[int, dict[int, tuple[Any, ...]]] = field(factory=lambda: defaultdict(dict))
    findings: dict[tuple[str, int], Counter[tuple[Any, ...]]] = field(
        factory=lambda: defaultdict(Counter)
    )
    copies: dict[int, set[bytes]] = field(factory=lambda: defaultdict(set))
    erased: dict[int, list[Finding]] = field(factory=lambda: defaultdict(list))
    keys: dict[bytes, tuple[Any, ...]] = field(factory=dict)
    subjects: dict[int, tuple[Any, ...]] = field(factory=dict)


@define
class _Folded:
    """A fresh fold of a subject, and the numbers that its leads have in the store."""

    subject: int
    part: SubjectFold
    stored: dict[str, StoredEvent]
    pks: dict[Group | None, int | None] = field(factory=dict)


class Folds:
    """Every subject, folded again with the store's rules.

    Attributes:
        checked: How many leads and rows of history were compared.
        rules: The digest of the rules.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parties = _KnownParties(connection)
        self._seen: Counter[str] = Counter()
        self.rules = ""
        self._identity = DEFAULT_IDENTITY

    @property
    def checked(self) -> int:
        """How many leads and rows of history were compared."""
        return self._seen["leads"] + self._seen["rows of history that stand"]

    def check(self) -> Iterator[Defect]:
        """Everything that a fresh fold does not say."""
        rules = rules_at(self._connection, None)
        self.rules = rules.digest
        self._identity = rules.identity
        machine = machine_for(rules)
        numbers = all_subjects(self._connection)
        for start in range(0, len(numbers), _TOGETHER):
            yield from self._some(machine, numbers[start : start + _TOGETHER])
        for what, select in _ALL.items():
            (there,) = self._connection.execute(select).fetchone()
            if there != self._seen[what]:
                yield _defect(what, f"{self._seen[what]} by the subjects", f"{there}")

    def _some(self, machine: LeadMachine, numbers: list[int]) -> Iterator[Defect]:
        """Check some subjects together; one by one where something of them cannot be read."""
        try:
            stored = self._read(numbers)
        except UNREADABLE as error:
            if len(numbers) == 1:
                yield _unreadable(numbers[0], error)
            else:
                for number in numbers:
                    yield from self._some(machine, [number])
            return
        for number in numbers:
            try:
                yield from self._subject(machine, number, stored)
            except UNREADABLE as error:
                yield _unreadable(number, error)

    # --- what the store says --------------------------------------------------------------------

    def _read(self, numbers: list[int]) -> _Stored:
        connection, working = (
            self._connection,
            WorkingSet(self._connection, self._parties, self._identity),
        )
        rows = select_in(connection, f"{SELECT_LEADS} WHERE subject IN", numbers)
        stored = _Stored(defaultdict(list), {row[0]: row for row in rows}, defaultdict(set))
        for pk, row in stored.leads.items():
            stored.leads_of[row[2]].add(pk)
        seqs: list[int] = []
        hashes: set[bytes] = set()
        deletions = working.deletions_of(numbers)
        for one in chain(working.events_of_leads(stored.leads), deletions):
            subject = one.subject if one.lead is None else stored.leads[one.lead][2]
            if subject is not None:
                stored.events[subject].append(one)
            seqs.append(one.seq)
            hashes.update(map(key_hash, one.event.keys))
        select = f"SELECT event, step, {', '.join(_HISTORY)} FROM history"
        for event, step, *content in select_in(
            connection, f"{select} WHERE superseded_at IS NULL AND event IN", seqs
        ):
            stored.history[event][step] = tuple(content)
        self._read_findings(stored, numbers, seqs)
        for name, *key in select_in(connection, "SELECT * FROM key WHERE hash IN", hashes):
            stored.keys[name] = tuple(key)
        for row in select_in(connection, "SELECT * FROM subject WHERE id IN", numbers):
            stored.subjects[row[0]] = row[1:]
        return stored

    def _read_findings(self, stored: _Stored, numbers: list[int], seqs: list[int]) -> None:
        """The findings, and the contents that are reasons for them."""
        connection = self._connection
        select = f"SELECT {_FINDING} FROM finding WHERE superseded_at IS NULL AND"
        for column, some in (("lead", stored.leads), ("subject", numbers)):
            for row in select_in(connection, f"{select} {column} IN", some):
                stored.findings[column, row[2] if column == "lead" else row[3]][row] += 1
        for event, digest in select_in(
            connection, "SELECT event, digest FROM copy WHERE event IN", seqs
        ):
            stored.copies[event].add(digest)
        for event, finding in erased_conflicts(connection, seqs):
            stored.erased[event].append(finding)

    # --- a subject ------------------------------------------------------------------------------

    def _subject(self, machine: LeadMachine, number: int, stored: _Stored) -> Iterator[Defect]:
        events = stored.events[number]
        members = sorted((one.event for one in events), key=attrgetter("position"))
        found = len(subjects_of(members))
        if found != 1:
            yield _defect(f"subject {number}", "events that keys link", f"{found} groups of them")
        folded = _Folded(number, SubjectFold(machine), {one.event.id: one for one in events})
        folded.part.run(members, lead_groups(members))
        self._seen["events"] += len(events)
        yield from self._fates(folded)
        yield from self._leads(folded, stored)
        yield from self._history(folded, stored)
        yield from self._findings(folded, stored)
        yield from self._keys(folded, stored)
        yield from self._subject_row(folded, stored)

    def _fates(self, folded: _Folded) -> Iterator[Defect]:
        """The events, each with the lead that it is bound to and what became of it."""
        for event_id, (_, verdict, group) in folded.part.fates.items():
            one = folded.stored[event_id]
            if group is not None and one.lead is not None:
                folded.pks.setdefault(group, one.lead)
            wanted = (folded.pks.get(group), folded.subject if group is None else None)
            if (one.lead, one.subject) != wanted:
                found = f"lead {words(one.lead)}"
                yield _defect(f"event {one.seq}", f"lead {words(wanted[0])}", found)
            if one.outcome != verdict:
                yield _defect(f"event {one.seq}", f"outcome {verdict}", one.outcome)

    def _leads(self, folded: _Folded, stored: _Stored) -> Iterator[Defect]:
        rest = set(stored.leads_of[folded.subject])
        self._seen["leads"] += len(rest)
        for group, track in folded.part.tracks.items():
            pk = folded.pks.get(group)
            where = f"lead {words(pk)} ({track.lead.lead_id})"
            if pk is None or pk not in rest:
                yield _defect(where, "a row of its own", "none")
                continue
            rest.discard(pk)
            wanted = lead_row(pk, folded.subject, track, self._parties)
            yield from _differences(where, _LEAD, wanted, stored.leads[pk])
        for pk in sorted(rest):
            yield _defect(f"lead {pk} ({words(stored.leads[pk][1])})", "no such lead", "one")

    def _history(self, folded: _Folded, stored: _Stored) -> Iterator[Defect]:
        there = {
            (one.seq, step): row
            for one in folded.stored.values()
            for step, row in stored.history.get(one.seq, {}).items()
        }
        self._seen["rows of history that stand"] += len(there)
        for group, track in folded.part.tracks.items():
            for row in track.rows:
                place = (folded.stored[row.event_id].seq, row.step)
                where = f"history of event {place[0]}, step {place[1]}"
                found = there.pop(place, None)
                if found is None:
                    yield _defect(where, f"a row for its {row.trigger}", "none")
                    continue
                wanted = (folded.pks.get(group), *history_content(row, self._parties))
                yield from _differences(where, _HISTORY, wanted, found)
        for event, step in sorted(there):
            yield _defect(f"history of event {event}, step {step}", "no such row", "one")

    def _findings(self, folded: _Folded, stored: _Stored) -> Iterator[Defect]:
        there: Counter[tuple[Any, ...]] = Counter(stored.findings["subject", folded.subject])
        for pk in stored.leads_of[folded.subject]:
            there += stored.findings["lead", pk]
        self._seen["findings that stand"] += there.total()
        wanted = Counter(_said(folded, stored))
        for row in (wanted - there).elements():
            yield _defect(_finding(row), "this finding", "none")
        for row in (there - wanted).elements():
            yield _defect(_finding(row), "no such finding", "one")

    def _keys(self, folded: _Folded, stored: _Stored) -> Iterator[Defect]:
        tracks = folded.part.tracks
        shared = Counter(key for track in tracks.values() for key in track.keys)
        owner = {
            key: folded.pks.get(group)
            for group, track in tracks.items()
            for key in track.keys
            if key.kind == "lead"
        }
        keys = {key for one in folded.stored.values() for key in one.event.keys}
        self._seen["keys"] += len(keys)
        for key in sorted(keys):
            leads = 0 if key.kind == "lead" else shared[key]
            wanted = (*key, folded.subject, owner.get(key), leads)
            found = stored.keys.get(key_hash(key))
            if found is None:
                yield _defect(f"key {key}", "a row", "none")
            elif found != wanted:
                yield _defect(f"key {key}", words(wanted), words(found))

    def _subject_row(self, folded: _Folded, stored: _Stored) -> Iterator[Defect]:
        contact_only = sum(
            not one.event.lead_keys and one.event.trigger != "delete"
            for one in folded.stored.values()
        )
        first = folded.part.deletion
        deletion = None if first is None else folded.stored[first[2]].seq
        found = stored.subjects.get(folded.subject, (0, None))
        if found != (contact_only, deletion):
            wanted = words((contact_only, deletion))
            yield _defect(f"subject {folded.subject}", wanted, words(found))


def _said(folded: _Folded, stored: _Stored) -> Iterator[tuple[Any, ...]]:
    """The findings of a subject as the columns of _FINDING."""
    part, subject = folded.part, folded.subject
    events = sorted((event for event, _, _ in part.fates.values()), key=attrgetter("position"))
    contacts = contact_findings(events, part.tracks.values())
    for finding in chain(part.findings, hubs(part.tracks.values()), contacts):
        yield _finding_row(finding, None, subject, folded)
    for group, track in part.tracks.items():
        for finding in track.findings + track.open_findings():
            yield _finding_row(finding, folded.pks.get(group), None, folded)
    for event_id, one in folded.stored.items():
        if one.event.trigger == "change":
            continue  # its copies make one event
        for digest in sorted(stored.copies.get(one.seq, set()) - {one.event.digest}):
            yield _finding_row(conflict(event_id, digest), one.lead, one.subject, folded)
        for finding in stored.erased.get(one.seq, ()):
            yield _finding_row(finding, one.lead, one.subject, folded)


def _finding_row(
    finding: Finding, lead: int | None, subject: int | None, folded: _Folded
) -> tuple[Any, ...]:
    seq = None if finding.event_id is None else folded.stored[finding.event_id].seq
    return (finding.code, SEVERITY[finding.code], lead, subject, seq, finding.detail)


def _finding(row: tuple[Any, ...]) -> str:
    code, _, lead, subject, event, _ = row
    place = f"lead {words(lead)}" if subject is None else f"subject {words(subject)}"
    return f"finding {words(code)} of {place}" + (f", event {words(event)}" if event else "")


def _differences(
    where: str, columns: Iterable[str], wanted: Iterable[Any], found: Iterable[Any]
) -> Iterator[Defect]:
    """The columns that differ."""
    for column, one, other in zip(columns, wanted, found, strict=True):
        if one != other:
            yield _defect(where, f"{column} {_named(column, one)}", _named(column, other))


def _named(column: str, value: Any) -> str:
    if column in _PARTIES and value == _NOBODY:
        return "a party that is not there"
    names = _WORDS.get(column, ())
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else words(value)


def _defect(where: str, expected: str, found: str) -> Defect:
    return Defect("folds", where, expected, found)


def _unreadable(subject: int, error: Exception) -> Defect:
    found = f"{type(error).__name__}: {error}"
    return _defect(f"subject {words(subject)}", "rows that can be read", found)
