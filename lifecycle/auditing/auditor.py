"""The audit: what a set of messages says under some rules, what was refused, and how to mend it.

Everything is folded again from the messages, subject by subject, and nothing is written. What is
found is a function of the set of messages and of the arguments: no clock, no order of arrival.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from attrs import define, field

from lifecycle.auditing.audit import Audit, OpenFinding
from lifecycle.auditing.comparison import Comparison
from lifecycle.auditing.deviations import Deviation, deviations, refused_steps
from lifecycle.auditing.evidence import SetAside
from lifecycle.auditing.figures import funnel_of, groups_of
from lifecycle.auditing.overdue import Overdue, watched_stays
from lifecycle.auditing.people import People
from lifecycle.auditing.repair import Repair, grouped, repairs_of
from lifecycle.auditing.stays import Milestones, stays
from lifecycle.auditing.tallies import Story, Tallies
from lifecycle.auditing.variants import Variants
from lifecycle.domain import (
    Finding,
    History,
    Key,
    LeadEvent,
    LeadHistory,
    LeadMachine,
    OnInvalid,
    Rules,
    State,
    Trigger,
    subject_history,
)
from lifecycle.messages import format_time


@define
class Auditor:
    """Takes up subject after subject, and keeps of each what a report needs."""

    _machine: LeadMachine
    _on_invalid: OnInvalid
    _conflicts: Mapping[str, Sequence[Finding]]
    _top: int
    _tallies: Tallies
    _comparison: Comparison | None = None
    _people: People = field(factory=People)
    _leads: int = 0
    _events: int = 0
    _earliest: int | None = None
    _latest: int | None = None
    _deviating: int = 0
    _verdicts: Counter[str] = field(factory=Counter)
    _states: Counter[State] = field(factory=Counter)
    _steps: Counter[tuple[State, Trigger, State]] = field(factory=Counter)
    _deviations: list[Deviation] = field(factory=list)
    _variants: Variants = field(factory=Variants)
    _repairs: list[Repair] = field(factory=list)
    _findings: list[OpenFinding] = field(factory=list)
    _worst: list[LeadHistory] = field(factory=list)

    def take(self, events: Sequence[LeadEvent]) -> History:
        """Take up the events of a subject, in fold order; what they say."""
        history = subject_history(self._machine, events, self._conflicts, self._on_invalid)
        self._events += len(events)
        self._note_times(events[0].time, events[-1].time)
        for event in events:
            self._people.learn(event)
        self._verdicts.update(fate.verdict for fate in history.fates.values())
        triggers: dict[str, Trigger] = {event.id: event.trigger for event in events}
        found: list[Deviation] = []
        for lead in history.leads:
            found += self._take_lead(lead, list(_asked_for(lead, triggers)))
        self._findings += [_open(one, None) for one in history.findings]
        if found:
            self._deviations += found
            self._repair(history, events)
        if self._comparison is not None:
            self._comparison.add(history, found, events, self._on_invalid)
        return history

    def join(self, other: Auditor) -> None:
        """Take up what another one found of other subjects, by the same rules."""
        self._leads += other._leads
        self._events += other._events
        self._deviating += other._deviating
        if other._earliest is not None and other._latest is not None:
            self._note_times(other._earliest, other._latest)
        self._verdicts.update(other._verdicts)
        self._states.update(other._states)
        self._steps.update(other._steps)
        self._deviations += other._deviations
        self._repairs += other._repairs
        self._findings += other._findings
        self._variants.join(other._variants)
        self._tallies.join(other._tallies)
        self._people.join(other._people)
        self._worst = sorted(self._worst + other._worst, key=_worst_first)[: self._top]

    def _note_times(self, first: int, last: int) -> None:
        self._earliest = first if self._earliest is None else min(self._earliest, first)
        self._latest = last if self._latest is None else max(self._latest, last)

    def audit(self, evidence: SetAside, rules: Rules, now: int | None, digest: str) -> Audit:
        """Return what was found."""
        until = (self._latest or 0) if now is None else now
        total = self._tallies.total
        breaches = total.watch.overdue(until)
        overdue = [one for one in breaches if one.until is None]
        findings = self._findings + [_overdue_finding(one) for one in overdue]
        self._deviations.sort(key=Deviation.order)
        self._repairs.sort(key=lambda one: (one.lead_id, one.edits[0].event_id))
        if self._comparison is not None:
            self._comparison.sort()
        judged = sum(self._verdicts.values())
        return Audit(
            rules=rules,
            on_invalid=self._on_invalid,
            digest=digest,
            now=until,
            began=self._earliest,
            ended=self._latest,
            leads=self._leads,
            conforming=self._leads - self._deviating,
            events=self._events,
            applied=self._verdicts["applied"],
            refused=self._verdicts["refused"],
            noted=self._verdicts["noted"],
            unjudged=self._events - judged,
            ignored=dict(sorted(evidence.ignored.items())),
            quarantined=dict(sorted(evidence.quarantined.items())),
            states=self._states,
            steps=self._steps,
            refused_by=refused_steps(self._deviations),
            deviations=self._deviations,
            variants=self._variants.listed(),
            repairs=self._repairs,
            groups=grouped(self._repairs),
            times=total.times,
            limits=total.watch.limits,
            overdue=overdue,
            were_overdue=[one for one in breaches if one.until is not None],
            funnel=funnel_of(total),
            figures=groups_of(self._tallies, self._people, until),
            people=self._people,
            findings=sorted(findings, key=OpenFinding.order),
            worst=self._worst,
            comparison=self._comparison,
            origins=evidence.origins(one.event_id for one in self._deviations),
        )

    def _take_lead(self, found: LeadHistory, triggers: Sequence[Trigger]) -> list[Deviation]:
        self._leads += 1
        lead = found.lead
        self._states[lead.state] += 1
        for row in found.rows:
            if not row.refused or row.source != row.target:
                self._steps[row.source, row.trigger, row.target] += 1
        its_stays = list(stays(found))
        watched = watched_stays(lead, its_stays)
        self._tallies.add(Story(found, its_stays, Milestones.of(its_stays), watched))
        self._findings += [_open(one, lead.lead_id) for one in found.findings]
        its_deviations = list(deviations(found))
        if its_deviations:
            self._deviating += 1
            insort(self._worst, found, key=_worst_first)
            del self._worst[self._top :]
        deviates_at = its_deviations[0].place if its_deviations else None
        self._variants.add(triggers, deviates_at, lead.lead_id)
        return its_deviations

    def _repair(self, history: History, events: Sequence[LeadEvent]) -> None:
        """Repair the leads that deviate, as the store would have them, whatever was asked for."""
        if self._on_invalid != "skip":
            history = subject_history(self._machine, events, {})
        self._repairs += [one for _, one in repairs_of(self._machine, history, events)]


def _worst_first(found: LeadHistory) -> tuple[int, str, tuple[Key, ...]]:
    """Sort leads by their refusals, the most first."""
    return (-found.lead.refusals, found.lead.lead_id, found.lead.keys)


def _asked_for(lead: LeadHistory, triggers: Mapping[str, Trigger]) -> Iterator[Trigger]:
    """Yield the trigger of each event of a lead: of a change the one that it meant, if it did."""
    meant = {row.event_id: row.trigger for row in lead.rows}
    for event_id in lead.event_ids:
        own = triggers[event_id]
        yield meant.get(event_id, own) if own == "change" else own


def _open(finding: Finding, lead_id: str | None) -> OpenFinding:
    return OpenFinding(finding.severity, finding.code, lead_id, finding.event_id, finding.detail)


def _overdue_finding(one: Overdue) -> OpenFinding:
    detail = f"{one.limit.text}, since {format_time(one.since)}"
    return OpenFinding("warning", "overdue", one.stay.lead_id, one.stay.row.event_id, detail)
