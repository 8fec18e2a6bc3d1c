"""Leads on their plain course: folded on from their rows, straight to the rows that are written.

Only arrivals that can change nothing but their own lead are taken: all of its messages have the
same keys, which are new or those that it has, and its cluster is no more than its leads. Whatever
else arrives is left to the general way, which says the same of these (a property holds it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import Final

import orjson

from lifecycle.domain import (
    TRIGGERS,
    Course,
    Key,
    LeadMachine,
    Verdicts,
)
from lifecycle.store.db import statements as sql
from lifecycle.store.db.codec import CHANGE_NUMBER, TRIGGER_NUMBER
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.cluster import leads_of
from lifecycle.store.ingest.identify import Arrival
from lifecycle.store.ingest.item import Outcome
from lifecycle.store.ingest.refold import Refold
from lifecycle.store.ingest.told import (
    CLUSTER,
    DECISIONS,
    IS_SAID,
    KEPT_HOLDER,
    KNOWN_SINCE,
    LEAD_ID,
    POSITION,
    Row,
    Story,
    course_of,
    event_of,
    findings_of,
    history_of,
    lead_of,
    outcomes_of,
)

_DELETE: Final = TRIGGER_NUMBER["delete"]


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
        stories, rest = _stories(arrivals, contested)
        touched = {cluster for one in rest for cluster in clusters_of(one)}
        stories, more = self._apart(stories, touched)
        rest += more
        leads = self._working.lead_rows(one.lead for one in stories if one.lead is not None)
        outcomes: dict[str, Outcome] = {}
        again: list[tuple[Story, Row]] = []
        for story in stories:
            before = None if story.lead is None else leads[story.lead]
            if not story.takes_names_of(before):
                rest += story.arrivals
            elif before is not None and not _goes_on(before, story.arrivals):
                again.append((story, before))
            elif (told := self._tell(story, before)) is None:
                rest += story.arrivals
            else:
                outcomes.update(told)
        if again:
            told_again, more = self._refold.take(again)
            outcomes.update(told_again)
            rest += more
        return outcomes, rest

    @cached_property
    def _refold(self) -> Refold:
        return Refold(self._working, self._writes, self._machine, self._recorded_at)

    def _apart(
        self, stories: list[Story], touched: Collection[int]
    ) -> tuple[list[Story], list[Arrival]]:
        """Return the leads of clusters that are only their leads, not touched; and the others."""
        rest: list[Arrival] = []
        clusters = {one.cluster for one in stories} - {None}
        self._working.load_clusters([one for one in clusters if one is not None])
        apart: list[Story] = []
        for story in stories:
            number = story.cluster
            if number is None or (
                number not in touched and self._working.cluster(number).is_no_more_than_leads
            ):
                apart.append(story)
            else:
                rest += story.arrivals
        return apart, rest

    # --- what is told of a lead -----------------------------------------------------------------

    def _tell(self, story: Story, before: Row | None) -> dict[str, Outcome] | None:
        """Fold the arrivals of a lead, and let it be written; None where they are not plain."""
        course = course_of(self._machine, before, self._parties)
        verdicts: list[Verdicts] = []
        for one in story.arrivals:
            packed = one.packed
            told = orjson.loads(packed.content)
            verdict = course.take(packed.id, TRIGGERS[packed.trigger], packed.time, told)
            if verdict is None:
                return None
            verdicts.append(verdict)
        row = self._lead_row(course, story, before)
        if row is None:
            return None
        self._write(course, story, verdicts, row)
        return dict(outcomes_of(course, story.arrivals, verdicts, row[LEAD_ID]))

    def _lead_row(self, course: Course, story: Story, before: Row | None) -> Row | None:
        """Return the row of the lead; None where its marks differ from before."""
        if before is not None:
            about = (*before[:3], story.keys_text, before[KNOWN_SINCE])
            row = lead_of(course, about, self._parties, before)
            return row if row[KEPT_HOLDER] == before[KEPT_HOLDER] else None
        numbers, lead_id = self._working.numbers, min(story.arrivals[0].packed.keys[0]).lead_id
        cluster = numbers.next_cluster() if story.cluster is None else story.cluster
        about = (numbers.next_lead(), lead_id, cluster, story.keys_text, self._recorded_at)
        return lead_of(course, about, self._parties)

    def _write(self, course: Course, story: Story, verdicts: Iterable[Verdicts], row: Row) -> None:
        lead, add, recorded_at = row[0], self._writes.add, self._recorded_at
        add(sql.ADD_LEAD if story.lead is None else sql.SAVE_LEAD, *row)
        story.belong(lead, row[CLUSTER])
        seqs = {}
        for one, verdict in zip(story.arrivals, verdicts, strict=True):
            seqs[one.packed.id] = one.seq
            add(sql.ADD_EVENT, *event_of(one, lead, verdict, recorded_at))
        next_change = self._working.numbers.next_change
        for seq, step, *content in history_of(course, seqs, self._parties):
            add(sql.ADD_HISTORY, next_change(), lead, seq, step, recorded_at, *content)
        for code, seq, detail in findings_of(course, seqs):
            add(sql.ADD_FINDING, code, lead, None, seq, detail, recorded_at)


# --- which arrivals can change nothing but their own lead ---------------------------------------


def _stories(
    arrivals: list[Arrival], contested: Collection[int]
) -> tuple[list[Story], list[Arrival]]:
    """Return the arrivals of each lead that may be plain, and the others."""
    rest = [one for one in arrivals if not _is_message(one) or one.seq in contested]
    others = {one.seq for one in rest}
    stories = _linked(one for one in arrivals if one.seq not in others)
    by_key: dict[Key, list[Story]] = defaultdict(list)
    for story in stories:
        for key in story.rows:
            by_key[key].append(story)
    odd = {key for one in rest for key in one.keys}
    for story in stories:
        shares = (len(by_key[key]) > 1 for key in story.rows)
        if not story.is_one_lead() or (story.lead is None and any(shares)):
            odd.update(story.rows)
    left = list(odd)
    while left:  # what shares a key with the others is folded with them
        for story in by_key.pop(left.pop(), ()):
            if not story.is_left:
                story.is_left = True
                left += story.rows
    rest += [one for story in stories if story.is_left for one in story.arrivals]
    return [story for story in stories if not story.is_left], rest


def _linked(arrivals: Iterable[Arrival]) -> list[Story]:
    """Return the stories of arrivals: those of one lead in the store, or that share its keys."""
    by_names: dict[tuple[Key, ...], list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        by_names[arrival.keys].append(arrival)
    firsts = [its[0] for its in by_names.values()]
    leads = [firsts] if len(firsts) == 1 else [one.arrivals for one in leads_of(firsts)]
    stories: list[Story] = []
    for some in leads:
        its = [one for first in some for one in by_names[first.keys]]
        rows = {row.key: row for first in some for row in first.rows}
        stories.append(Story(its, rows, len(some) > 1))
    return stories


def _is_message(arrival: Arrival) -> bool:
    """Return whether an arrival is new, names its lead, and is neither a change nor a deletion."""
    packed = arrival.packed
    return (
        arrival.stands is None
        and bool(packed.keys[0])
        and packed.trigger not in (CHANGE_NUMBER, _DELETE)
    )


def _goes_on(row: Row, its: list[Arrival]) -> bool:
    """Return whether a lead is on its plain course, and what arrived comes after it."""
    return (
        not any(IS_SAID(row))
        and (not row[DECISIONS] or not any(orjson.loads(row[DECISIONS]).values()))
        and row[POSITION] < its[0].position
    )
