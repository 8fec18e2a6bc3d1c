"""Leads on their plain course: folded on from their rows, straight to the rows that are written.

Only arrivals that can change nothing but their own lead are taken: all of its messages have the
same keys, which are new or those that it has, and its cluster is no more than its leads. Whatever
else arrives is left to the general way, which says the same of these (a property holds it).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

import orjson

from lifecycle.domain import (
    TRIGGERS,
    Course,
    Key,
    LeadMachine,
    Position,
    Verdicts,
    are_several,
)
from lifecycle.store.db import statements as sql
from lifecycle.store.db.codec import CHANGE_NUMBER, TRIGGER_NUMBER
from lifecycle.store.db.lookups import KeyRow, WorkingSet
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.identify import Arrival
from lifecycle.store.ingest.item import Outcome
from lifecycle.store.ingest.refold import Refold
from lifecycle.store.ingest.told import (
    CLUSTER,
    DECISIONS,
    IS_SAID,
    KEPT_HOLDER,
    KEYS,
    KNOWN_SINCE,
    LEAD_ID,
    POSITION,
    Row,
    course_of,
    event_of,
    findings_of,
    history_of,
    keys_text,
    lead_of,
    outcomes_of,
)

_DELETE: Final = TRIGGER_NUMBER["delete"]
_Names = tuple[Key, ...]


class PlainCourses:
    """Folds the leads of a transaction that are on their plain course."""

    def __init__(
        self, working: WorkingSet, writes: Writes, machine: LeadMachine, recorded_at: int
    ) -> None:
        self._working = working
        self._parties = working.parties
        self._writes = writes
        self._machine = machine
        self._recorded_at = recorded_at
        self._again = Refold(working, writes, machine, recorded_at)

    def take(
        self,
        arrivals: list[Arrival],
        contested: Collection[int],
        clusters_of: Callable[[Arrival], Iterable[int]],
    ) -> tuple[dict[str, Outcome], list[Arrival]]:
        """Fold what is plain; return what became of it, and the other arrivals.

        The rows of the keys of all arrivals were looked up; ``contested`` are the numbers of events
        of which several contents came; ``clusters_of`` tells those that an arrival may change.
        """
        stories, rest = self._stories(arrivals, contested)
        touched = {cluster for one in rest for cluster in clusters_of(one)}
        stories, more = self._apart(stories, touched)
        rest += more
        leads = self._working.lead_rows(filter(None, (its[0].rows[0].lead for its in stories)))
        outcomes: dict[str, Outcome] = {}
        again: list[tuple[list[Arrival], Row]] = []
        for its in stories:
            if len(its) > 1:
                its.sort(key=_in_order)
            before = None if its[0].rows[0].lead is None else leads[its[0].rows[0].lead]
            if before is not None and not _goes_on(before, its):
                again.append((its, before))
            elif (told := self._tell(its, before)) is None:
                rest += its
            else:
                outcomes.update(told)
        told_again, more = self._again.take(again)
        return outcomes | told_again, rest + more

    # --- which arrivals can change nothing but their own lead -----------------------------------

    def _stories(
        self, arrivals: list[Arrival], contested: Collection[int]
    ) -> tuple[list[list[Arrival]], list[Arrival]]:
        """Return the arrivals of each lead that may be plain, and the others."""
        by_names: dict[_Names, list[Arrival]] = {}
        for arrival in arrivals:
            by_names.setdefault(arrival.keys, []).append(arrival)
        mixed = _mixed(by_names)
        stories: list[list[Arrival]] = []
        rest: list[Arrival] = []
        for names, its in by_names.items():
            is_plain = names not in mixed and all(
                _is_message(one) and one.seq not in contested for one in its
            )
            if is_plain and _is_one_lead(names, its[0].rows):
                stories.append(its)
            else:
                rest += its
        return stories, rest

    def _apart(
        self, stories: list[list[Arrival]], touched: Collection[int]
    ) -> tuple[list[list[Arrival]], list[Arrival]]:
        """Return the leads of clusters that are only their leads, not touched; and the others."""
        rest: list[Arrival] = []
        clusters = {one[0].rows[0].cluster for one in stories} - {None}
        self._working.load_clusters([one for one in clusters if one is not None])
        apart: list[list[Arrival]] = []
        for its in stories:
            number = its[0].rows[0].cluster
            if number is None or (
                number not in touched and self._working.cluster(number).is_no_more_than_leads
            ):
                apart.append(its)
            else:
                rest += its
        return apart, rest

    # --- what is told of a lead -----------------------------------------------------------------

    def _tell(self, its: list[Arrival], before: Row | None) -> dict[str, Outcome] | None:
        """Fold the arrivals of a lead, and let it be written; None where they are not plain."""
        course = course_of(self._machine, before, self._parties)
        verdicts: list[Verdicts] = []
        for one in its:
            packed = one.packed
            told = orjson.loads(packed.content)
            verdict = course.take(packed.id, TRIGGERS[packed.trigger], packed.time, told)
            if verdict is None:
                return None
            verdicts.append(verdict)
        row = self._lead_row(course, its, before)
        if row is None:
            return None
        self._write(course, its, verdicts, row, is_new=before is None)
        return dict(outcomes_of(course, its, verdicts, row[LEAD_ID]))

    def _lead_row(self, course: Course, its: list[Arrival], before: Row | None) -> Row | None:
        """Return the row of the lead; None where its marks differ from before."""
        if before is not None:
            about = (*before[:3], before[KEYS], before[KNOWN_SINCE])
            row = lead_of(course, about, self._parties, before)
            return row if row[KEPT_HOLDER] == before[KEPT_HOLDER] else None
        numbers, lead_id = self._working.numbers, min(its[0].packed.keys[0]).lead_id
        where = (numbers.next_lead(), lead_id, numbers.next_cluster())
        return lead_of(course, (*where, keys_text(its[0].keys), self._recorded_at), self._parties)

    def _write(
        self,
        course: Course,
        its: list[Arrival],
        verdicts: Iterable[Verdicts],
        row: Row,
        *,
        is_new: bool,
    ) -> None:
        lead, add, recorded_at = row[0], self._writes.add, self._recorded_at
        add(sql.ADD_LEAD if is_new else sql.SAVE_LEAD, *row)
        if is_new:
            for key in its[0].rows:
                _belong(key, lead, row[CLUSTER])
        seqs = {}
        for one, verdict in zip(its, verdicts, strict=True):
            seqs[one.packed.id] = one.seq
            add(sql.ADD_EVENT, *event_of(one, lead, verdict, recorded_at))
        next_change = self._working.numbers.next_change
        for seq, step, *content in history_of(course, seqs, self._parties):
            add(sql.ADD_HISTORY, next_change(), lead, seq, step, recorded_at, *content)
        for code, seq, detail in findings_of(course, seqs):
            add(sql.ADD_FINDING, code, lead, None, seq, detail, recorded_at)


def _mixed(by_names: Iterable[_Names]) -> set[_Names]:
    """Return the names of which some are among other names, too."""
    mixed: set[_Names] = set()
    first: dict[Key, _Names] = {}
    for names in by_names:
        for key in names:
            other = first.setdefault(key, names)
            if other is not names:
                mixed.update((other, names))
    return mixed


def _is_message(arrival: Arrival) -> bool:
    """Return whether an arrival is new, names its lead, and is neither a change nor a deletion."""
    packed = arrival.packed
    return (
        arrival.stands is None
        and bool(packed.keys[0])
        and packed.trigger not in (CHANGE_NUMBER, _DELETE)
    )


def _is_one_lead(names: _Names, rows: list[KeyRow]) -> bool:
    """Return whether keys are all new, or all of one lead in the store."""
    first = rows[0]
    if first.stored is None:
        return all(row.stored is None for row in rows) and not are_several(names)
    return first.lead is not None and all(
        row.stored is not None
        and row.cluster == first.cluster
        and (row.lead == first.lead or row.key.kind == "contact")
        for row in rows
    )


def _goes_on(row: Row, its: list[Arrival]) -> bool:
    """Return whether a lead is on its plain course, and what arrived comes after it."""
    return (
        not any(IS_SAID(row))
        and (not row[DECISIONS] or not any(orjson.loads(row[DECISIONS]).values()))
        and row[POSITION] < its[0].position
        and row[KEYS] == keys_text(its[0].keys)
    )


def _belong(key: KeyRow, lead: int, cluster: int) -> None:
    """Let a new key name a new lead, or its contact."""
    key.cluster = cluster
    if key.key.kind == "lead":
        key.lead = lead
    else:
        key.leads = 1


def _in_order(arrival: Arrival) -> Position:
    return arrival.position
