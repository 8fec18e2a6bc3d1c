"""Rows and findings that stand: those that a fold says again, and findings of no single lead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

from lifecycle.domain import (
    HUB_SIZE,
    OPEN_FINDINGS,
    TRIGGERS,
    Finding,
    HistoryRow,
    LeadEvent,
    are_several,
    conflict,
    contact_ids,
    hub,
    names_contact,
)
from lifecycle.messages import format_time
from lifecycle.store.db import statements as sql
from lifecycle.store.db.lookups import UNNAMED, KeyRow, WorkingSet
from lifecycle.store.db.rows import HISTORY_CONTENT, history_content, row_keys, select_in
from lifecycle.store.db.statements import Writes, finding_row
from lifecycle.store.ingest.cluster import Folding

_CONTENT: Final = ", ".join(f"history.{name}" for name in HISTORY_CONTENT.split(", "))
_ROWS: Final = (
    f"SELECT history.id, history.lead, event, step, {_CONTENT} FROM event"
    " JOIN history ON history.event = event.seq"
    " WHERE history.superseded_at IS NULL AND event.lead IN"
)
_FINDINGS: Final = (
    "SELECT code, event, detail, id, lead, cluster FROM finding WHERE superseded_at IS NULL"
)
_OPEN: Final = ", ".join(f"'{code}'" for code in OPEN_FINDINGS)
_CONTESTED: Final = "SELECT DISTINCT event FROM copy WHERE event IN"


class CurrentFinding(NamedTuple):
    """A finding that stands: its number, and the lead or the cluster that it concerns."""

    id: int
    lead: int | None
    cluster: int | None


class Current:
    """The rows of history and the findings that stand, beside what a fold says."""

    def __init__(self, working: WorkingSet, writes: Writes, recorded_at: int) -> None:
        self._working = working
        self._connection = working.connection
        self._writes = writes
        self._recorded_at = recorded_at
        self._rows: dict[tuple[int, int], tuple[int, int, tuple[Any, ...]]] = {}
        self._findings: dict[tuple[str, int | None, str], list[CurrentFinding]] = defaultdict(list)
        self._additions: list[tuple[Any, ...]] = []

    def read_several(self, clusters: Collection[int]) -> None:
        """Read the findings of contacts of these clusters that hold several ids."""
        self._read_findings(f"{_FINDINGS} AND code = 'several_ids' AND cluster IN", clusters)

    def read(self, leads: Collection[int], clusters: Collection[int]) -> None:
        """Read what stands of these leads, and of these clusters themselves.

        Conflicts and hubs are left out: they are settled when everything else is written.
        """
        for number, lead, event, step, *content in select_in(self._connection, _ROWS, leads):
            self._rows[event, step] = (number, lead, tuple(content))
        folded = f"{_FINDINGS} AND code NOT IN ('conflict', 'hub')"
        self._read_findings(f"{folded} AND lead IN", leads)
        self._read_findings(f"{folded} AND cluster IN", clusters)

    def read_open(self, lead: int) -> None:
        """Read the findings that a lead which is folded on may close."""
        self._read_findings(f"{_FINDINGS} AND code IN ({_OPEN}) AND lead IN", [lead])

    def contested(self, events: Iterable[int]) -> list[int]:
        """Return those of these events that have other contents."""
        return [seq for (seq,) in select_in(self._connection, _CONTESTED, events)]

    def save_row(self, row: HistoryRow, seq: int, lead: int) -> None:
        """Let a row of history stand, if it does not yet."""
        content = history_content(row, self._working.parties)
        was = self._rows.get((seq, row.step))
        if was is not None and was[1:] == (lead, content):
            del self._rows[seq, row.step]
        else:
            self._additions.append((lead, seq, row.step, self._recorded_at, *content))

    def save_finding(
        self, finding: Finding, lead: int | None, cluster: int | None, seq: int | None
    ) -> None:
        """Let a finding stand, if it does not yet."""
        were = self._findings.get((finding.code, seq, finding.detail), [])
        match = next((one for one in were if one.lead == lead), None)
        if match is None:
            row = finding_row(finding, lead, cluster, seq, self._recorded_at)
            self._writes.add(sql.ADD_FINDING, *row)
            return
        were.remove(match)
        if match.cluster != cluster:
            self._writes.add(sql.MOVE_FINDING, cluster, match.id)

    def replace(self) -> None:
        """Supersede what was not said again; then add what was said instead."""
        numbers = self._working.numbers
        for number, _, _ in self._rows.values():
            superseded = (self._recorded_at, numbers.next_change(), number)
            self._writes.add(sql.SUPERSEDE_HISTORY, *superseded)
        for added in self._additions:
            self._writes.add(sql.ADD_HISTORY, numbers.next_change(), *added)
        for were in self._findings.values():
            for one in were:
                self._writes.add(sql.SUPERSEDE_FINDING, self._recorded_at, one.id)

    def _read_findings(self, select: str, numbers: Iterable[int]) -> None:
        rows = select_in(self._connection, select, numbers)
        for code, event, detail, number, lead, cluster in rows:
            self._findings[code, event, detail].append(CurrentFinding(number, lead, cluster))


_OF_EVENT: Final = (
    "SELECT detail, lead, id FROM finding"
    " WHERE code = 'conflict' AND event = ? AND superseded_at IS NULL"
)
_OF_KEY: Final = (
    "SELECT detail, lead, id FROM finding"
    " WHERE code = 'hub' AND detail = ? AND superseded_at IS NULL"
)


#: Returns the canonical digest of an event and those of others, if a content of it came now.
NewDigests: TypeAlias = Callable[[int], tuple[bytes, list[bytes]] | None]


class Home(NamedTuple):
    """An event, and the lead or the cluster that it belongs to from now on."""

    event: LeadEvent
    lead: int | None
    cluster: int | None


class SharedFindings:
    """Compares the findings about contents, hubs and contacts with those that stand.

    Attributes:
        homes: Where the events belong that were folded in this transaction, by number.
    """

    def __init__(
        self,
        working: WorkingSet,
        writes: Writes,
        recorded_at: int,
        new_digests: NewDigests,
    ) -> None:
        self._working = working
        self._writes = writes
        self._recorded_at = recorded_at
        self._new_digests = new_digests
        self.homes: dict[int, Home] = {}

    def save_conflicts(self, seq: int) -> None:
        """Let there be one finding for each other content that is known under an event's id."""
        home = self.homes.get(seq) or self._stored_home(seq)
        if home.event.trigger == "change":
            return  # its copies make one event
        findings = [] if home.cluster == UNNAMED else self._conflicts(seq, home.event)
        rows = self._working.connection.execute(_OF_EVENT, (seq,)).fetchall()
        self._settle(findings, rows, home.lead, home.cluster, seq)

    def save_hub(self, row: KeyRow) -> None:
        """Let there be a finding for a contact key that very many leads share."""
        finding = hub(row.key)
        rows = self._working.connection.execute(_OF_KEY, (finding.detail,)).fetchall()
        self._settle([finding] if row.leads > HUB_SIZE else [], rows, None, row.cluster, None)

    def contact_findings(self, folding: Folding) -> list[Finding]:
        """Return a finding for each contact of joined clusters that holds several ids."""
        working, clusters = self._working, [row.id for row in folding.clusters]
        leads = working.leads_of(clusters)
        keys = {key for row in working.lead_rows(leads).values() for key in row_keys(row)}
        deletions = working.deletions_of(clusters)
        arrived = [one.event for one in folding.arrivals.values()]
        keys.update(key for one in deletions for key in one.event.keys)
        keys.update(key for event in arrived for key in event.keys)
        if not are_several(keys):
            return []
        working.load_keys(sorted(keys))
        events = [one.event for one in working.events_of_leads(leads) + deletions] + arrived
        hubs = [key for key in keys if working.key_row(key).leads > HUB_SIZE]
        return contact_ids(sorted(events, key=attrgetter("position")), hubs)

    def _conflicts(self, seq: int, event: LeadEvent) -> list[Finding]:
        blocks = self._working.blocks
        select = "SELECT entry FROM copy WHERE event = ? ORDER BY entry"
        rows = self._working.connection.execute(select, (seq,)).fetchall()
        others = [blocks.entry(entry) for (entry,) in rows]
        new = self._new_digests(seq)
        canonical, more = new or (event.digest, [])
        digests = {one.digest for one in others if not one.is_erased}.union(more) - {canonical}
        findings = [conflict(event.id, digest) for digest in sorted(digests)]
        for one in others:
            if one.is_erased:
                what = f"{TRIGGERS[one.trigger]} of {format_time(one.time)}"
                findings.append(Finding("conflict", event.id, f"another content, erased: {what}"))
        return list(dict.fromkeys(findings))

    def _stored_home(self, seq: int) -> Home:
        (stored,) = self._working.events_numbered([seq])
        return Home(stored.own, stored.lead, stored.cluster)

    def _settle(
        self,
        findings: Iterable[Finding],
        rows: Iterable[tuple[str, int | None, int]],
        lead: int | None,
        cluster: int | None,
        event: int | None,
    ) -> None:
        standing = {(detail, of_lead): number for detail, of_lead, number in rows}
        for finding in findings:
            number = standing.pop((finding.detail, lead), None)
            if number is None:
                row = finding_row(finding, lead, cluster, event, self._recorded_at)
                self._writes.add(sql.ADD_FINDING, *row)
            elif lead is None:
                self._writes.add(sql.MOVE_FINDING, cluster, number)
        for number in standing.values():
            self._writes.add(sql.SUPERSEDE_FINDING, self._recorded_at, number)


def may_hold_several(folding: Folding) -> bool:
    """Return whether what arrived can change whether contacts of a cluster hold several ids."""
    named = [arrival.rows[len(arrival.event.lead_keys) :] for arrival in folding.arrivals.values()]
    rows = [row for some in named for row in some if names_contact(row.key)]
    if not rows:
        return False
    if not folding.clusters:
        return are_several(row.key for row in rows)
    if len(folding.clusters) > 1 or any(row.several for row in folding.clusters):
        return True
    if _are_one_lead_s(rows, folding):
        return False
    # What only adds to the contact of a hub changes nothing: the finding of the hub stands. A key
    # that is new may be the second of its scheme, and several may link what was apart.
    some_more = [some for some in named if not any(map(_is_hub, some))]
    return any(len(some) > 1 or row.stored is None for some in some_more for row in some)


def _are_one_lead_s(rows: Sequence[KeyRow], folding: Folding) -> bool:
    """Return whether these keys name contacts of one lead alone, none of whom holds several ids."""
    known = {key for lead in folding.leads.values() for key in lead.keys}
    return (
        all(row.leads == 1 and row.key in known for row in rows)
        and not any(row.contact_only or row.deletion for row in folding.clusters)
        and not are_several(known)
    )


def _is_hub(row: KeyRow) -> bool:
    return row.leads > HUB_SIZE
