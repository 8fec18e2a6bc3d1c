"""Plain leads folded again from their beginning: all that stands of them, read for many at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final, TypeAlias

import orjson
from attrs import define, field

from lifecycle.domain import TRIGGERS, Course, Identity, LeadMachine, Position, Verdicts
from lifecycle.store.db import statements as sql
from lifecycle.store.db.codec import written_names
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import HISTORY_CONTENT, OUTCOME_NUMBER, OUTCOMES, select_in
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.identify import Arrival
from lifecycle.store.ingest.item import Outcome
from lifecycle.store.ingest.told import (
    CLUSTER,
    IS_SAID,
    KEPT_HOLDER,
    KNOWN_SINCE,
    LEAD_ID,
    POSITION,
    Names,
    Row,
    Story,
    event_of,
    findings_of,
    history_of,
    keys_text,
    lead_of,
    outcomes_of,
)

_EVENTS: Final = "SELECT entry, lead, seq, id, outcome FROM event WHERE lead IN"
_CONTENT: Final = ", ".join(f"history.{name}" for name in HISTORY_CONTENT.split(", "))
_HISTORY: Final = (
    f"SELECT history.lead, history.id, event, step, {_CONTENT}"
    " FROM event JOIN history ON history.event = event.seq"
    " WHERE history.superseded_at IS NULL AND event.lead IN"
)
_FINDINGS: Final = (
    "SELECT lead, id, code, event, detail FROM finding"
    " WHERE superseded_at IS NULL AND code NOT IN ('conflict', 'hub') AND lead IN"
)
#: The place of an event in its lead, its number, what became of it (None: it arrives), and what
#: was decoded.
ToldEvent: TypeAlias = tuple[Position, int, Verdicts | None, bytes]


@define
class WholeLead:
    """A lead's row, and what stands of it: all of its events, its history, its findings.

    Attributes:
        history: Number, event, step and content of each row.
        findings: Number, code, event and detail of each.
    """

    row: Row
    events: list[ToldEvent] = field(factory=list)
    history: list[Row] = field(factory=list)
    findings: list[Row] = field(factory=list)


def whole_leads(working: WorkingSet, rows: Iterable[Row]) -> dict[int, WholeLead]:
    """Read what stands of leads, by their rows; return them by number."""
    leads = {row[0]: WholeLead(row) for row in rows}
    for entry, lead, seq, event_id, outcome in sorted(
        select_in(working.connection, _EVENTS, leads)
    ):
        _, trigger, time, content = working.blocks.of(entry).columns(entry)
        told = ((time, trigger, event_id), seq, OUTCOMES[outcome], content)
        leads[lead].events.append(told)
    for lead, *row in select_in(working.connection, _HISTORY, leads):
        if lead in leads:
            leads[lead].history.append(tuple(row))
    for lead, *row in select_in(working.connection, _FINDINGS, leads):
        leads[lead].findings.append(tuple(row))
    return leads


def refolded(
    machine: LeadMachine,
    identity: Identity,
    name: tuple[str, str],
    events: Collection[ToldEvent],
) -> tuple[Course, dict[int, Verdicts]] | None:
    """Fold a lead from all of its events, in their order; return the verdicts by event.

    None where it is not plain, or has another name by its events: its lead id, and its keys as a
    row has them.
    """
    course, names, verdicts = Course(machine), Names(), dict[int, Verdicts]()
    last: Any = None
    for (time, trigger, event_id), seq, _, content in sorted(events):
        said = orjson.loads(content)
        verdict = course.take(event_id, TRIGGERS[trigger], time, said)
        if verdict is None:
            return None
        if said[0] != last:
            last = said[0]
            if not names.take(*identity.keys(written_names(last))):
                return None
        verdicts[seq] = verdict
    if not verdicts or name != (names.lead_id, keys_text(names.keys)):
        return None
    return course, verdicts


class Refold:
    """Folds plain leads again of which something arrived that is not their last.

    It says of a lead what it says after all of its events, and writes what differs.
    """

    def __init__(
        self, working: WorkingSet, writes: Writes, machine: LeadMachine, recorded_at: int
    ) -> None:
        self._working = working
        self._parties = working.parties
        self._writes = writes
        self._machine = machine
        self._recorded_at = recorded_at

    def take(self, stories: list[tuple[Story, Row]]) -> tuple[dict[str, Outcome], list[Arrival]]:
        """Fold the arrivals of each lead and its events; return what became, and the others."""
        whole = whole_leads(self._working, [row for _, row in stories if not any(IS_SAID(row))])
        outcomes: dict[str, Outcome] = {}
        rest: list[Arrival] = []
        for story, row in stories:
            told = self._tell(story, whole[row[0]]) if row[0] in whole else None
            if told is None:
                rest += story.arrivals
            else:
                outcomes.update(told)
        return outcomes, rest

    def _tell(self, story: Story, whole: WholeLead) -> dict[str, Outcome] | None:
        """Fold a lead again, and let it be written; None where it is not plain."""
        before, its = whole.row, story.arrivals
        more = [(one.position, one.seq, None, one.packed.content) for one in its]
        name = (before[LEAD_ID], story.keys_text)
        told = refolded(self._machine, self._working.identity, name, [*whole.events, *more])
        if told is None:
            return None
        course, verdicts = told
        about = (*before[:3], story.keys_text, before[KNOWN_SINCE])
        row = lead_of(course, about, self._parties)
        if row[KEPT_HOLDER] != before[KEPT_HOLDER]:
            return None
        if row != before:
            self._writes.add(sql.SAVE_LEAD, *row)
            story.belong(before[0], before[CLUSTER])
        self._write_events(its, whole, verdicts)
        seqs = {event_id: seq for (_, _, event_id), seq, _, _ in (*whole.events, *more)}
        self._write_history(whole, history_of(course, seqs, self._parties))
        self._write_findings(whole, findings_of(course, seqs))
        return dict(outcomes_of(course, its, [verdicts[one.seq] for one in its], before[LEAD_ID]))

    def _write_events(
        self, its: list[Arrival], whole: WholeLead, verdicts: dict[int, Verdicts]
    ) -> None:
        lead, last = whole.row[0], whole.row[POSITION]
        for one in its:
            is_late = one.position < last
            row = event_of(one, lead, verdicts[one.seq], self._recorded_at, is_late=is_late)
            self._writes.add(sql.ADD_EVENT, *row)
        for _, seq, outcome, _ in whole.events:
            if verdicts[seq] != outcome:
                self._writes.add(sql.MOVE_EVENT, lead, None, OUTCOME_NUMBER[verdicts[seq]], seq)

    def _write_history(self, whole: WholeLead, told: list[Row]) -> None:
        lead, next_change = whole.row[0], self._working.numbers.next_change
        stands, says = {row[1:] for row in whole.history}, set(told)
        for number, *row in whole.history:
            if tuple(row) not in says:
                superseded = (self._recorded_at, next_change(), number)
                self._writes.add(sql.SUPERSEDE_HISTORY, *superseded)
        for seq, step, *content in told:
            if (seq, step, *content) not in stands:
                where = (next_change(), lead, seq, step, self._recorded_at)
                self._writes.add(sql.ADD_HISTORY, *where, *content)

    def _write_findings(self, whole: WholeLead, told: list[tuple[str, int, str]]) -> None:
        stands, says = {row[1:] for row in whole.findings}, set(told)
        for number, *row in whole.findings:
            if tuple(row) not in says:
                self._writes.add(sql.SUPERSEDE_FINDING, self._recorded_at, number)
        for code, seq, detail in told:
            if (code, seq, detail) not in stands:
                finding = (code, whole.row[0], None, seq, detail, self._recorded_at)
                self._writes.add(sql.ADD_FINDING, *finding)
