"""The audit: what a set of messages says under some rules, what was refused, and how to mend it.

Everything is folded again from the messages, subject by subject, and nothing is written. What is
found is a function of the set of messages and of the arguments: no clock, no order of arrival.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import asdict, define, field, frozen

from lifecycle.auditing.comparison import Comparison
from lifecycle.auditing.deviations import Deviation, RefusedStep, deviations, refused_steps
from lifecycle.auditing.edits import EditGroup
from lifecycle.auditing.evidence import Evidence, SetAside, digest_of
from lifecycle.auditing.repair import Repair, grouped, repairs_of
from lifecycle.auditing.stays import Limit, Overdue, Times, Watch, stays
from lifecycle.auditing.variants import Variant, Variants
from lifecycle.domain import (
    Finding,
    History,
    Key,
    LeadEvent,
    LeadHistory,
    LeadMachine,
    OnInvalid,
    Rules,
    Severity,
    State,
    Trigger,
    immutable,
    machine_for,
    subject_history,
)
from lifecycle.messages import format_time
from lifecycle.store import Origin
from lifecycle.utc import as_datetime

#: Of so many variants, groups of edits and leads a report tells, if nothing else is asked for.
TOP: Final = 10
_GRAVITY: Final[dict[Severity, int]] = {"error": 0, "warning": 1, "info": 2}


@immutable
class OpenFinding:
    """A finding that stands, and the lead it concerns."""

    severity: Severity
    code: str
    lead_id: str | None
    event_id: str | None
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def order(self) -> tuple[int, str, str, str, str]:
        """Sorts the gravest first."""
        return (
            _GRAVITY[self.severity],
            self.code,
            self.lead_id or "",
            self.event_id or "",
            self.detail,
        )


@frozen
class Audit:
    """What was found.

    Attributes:
        rules: The rules that it was judged by.
        on_invalid: What became of a lead at a refusal.
        digest: Of the messages: SHA-256 in hexadecimal, the same for the same set.
        now: The moment that open stays last until.
        leads: How many leads there are.
        conforming: How many of them have no refusal.
        events: How many events there are, each once; deletions of contacts are among them.
        applied: Of these, how many moved a lead.
        refused: How many were refused.
        noted: How many were valid and moved nothing.
        unjudged: How many came after a lead's first refusal, with ``on_invalid="stop"`` alone.
        ignored: Messages of topics that do not concern leads, by topic.
        quarantined: Undecodable messages, by the code of their first problem.
        states: How many leads end in each state.
        steps: How often each transition was made: (from, trigger, to).
        refused_by: The refusals by state and trigger.
        deviations: Every refusal, by lead and in order.
        variants: The sequences of triggers, the most frequent first.
        repairs: The smallest repair of each lead that deviates.
        groups: The edits of all repairs.
        times: How long leads stay in their states, and how fast they are accepted.
        overdue: The stays that were longer than allowed.
        findings: All that stand, the gravest first.
        worst: The leads with the most refusals, and their rows.
        comparison: What differs under other rules, if there are some.
        origins: Where the messages of the deviations stood.
    """

    rules: Rules
    on_invalid: OnInvalid
    digest: str
    now: datetime = field(converter=as_datetime)
    leads: int
    conforming: int
    events: int
    applied: int
    refused: int
    noted: int
    unjudged: int
    ignored: Mapping[str, int]
    quarantined: Mapping[str, int]
    states: Mapping[State, int]
    steps: Mapping[tuple[State, Trigger, State], int]
    refused_by: Sequence[RefusedStep]
    deviations: Sequence[Deviation] = field(repr=False)
    variants: Sequence[Variant] = field(repr=False)
    repairs: Sequence[Repair] = field(repr=False)
    groups: Sequence[EditGroup] = field(repr=False)
    times: Times = field(repr=False)
    overdue: Sequence[Overdue] = field(repr=False)
    findings: Sequence[OpenFinding] = field(repr=False)
    worst: Sequence[LeadHistory] = field(repr=False)
    comparison: Comparison | None = field(repr=False)
    origins: Mapping[str, Origin] = field(repr=False)

    @property
    def trace_fitness(self) -> float | None:
        """Leads without a refusal / leads; None without leads."""
        return _share(self.conforming, self.leads)

    @property
    def event_fitness(self) -> float | None:
        """Events that were applied or noted / events; None without events."""
        return _share(self.applied + self.noted, self.events)

    @property
    def repair_cost(self) -> int:
        """How many edits repair all leads."""
        return sum(one.cost for one in self.repairs)

    @property
    def not_proved_smallest(self) -> int:
        """Count the leads of whose repair it is not proved that no smaller one is possible."""
        return sum(not one.proved_smallest for one in self.repairs)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def audit_evidence(
    evidence: Evidence,
    rules: Rules,
    *,
    against: Rules | None = None,
    on_invalid: OnInvalid = "skip",
    limits: Iterable[Limit] = (),
    now: int | None = None,
    top: int = TOP,
    each: Callable[[History, Sequence[LeadEvent]], None] | None = None,
) -> Audit:
    """Audit the messages by these rules; ``each`` is called with every subject.

    Raises:
        RulesError: The rules name a guard that nobody registered.
    """
    auditor = Auditor(
        machine_for(rules),
        on_invalid,
        evidence.conflicts,
        top,
        Watch(tuple(limits)),
        None if against is None else Comparison(against),
    )
    for events in evidence.subjects():
        history = auditor.take(events)
        if each is not None:
            each(history, events)
    return auditor.audit(evidence, rules, now, digest_of(evidence))


@define
class Auditor:
    """Takes up subject after subject, and keeps of each what a report needs."""

    _machine: LeadMachine
    _on_invalid: OnInvalid
    _conflicts: Mapping[str, Sequence[Finding]]
    _top: int
    _watch: Watch
    _comparison: Comparison | None
    _leads: int = 0
    _events: int = 0
    _latest: int | None = None
    _deviating: int = 0
    _verdicts: Counter[str] = field(factory=Counter)
    _states: Counter[State] = field(factory=Counter)
    _steps: Counter[tuple[State, Trigger, State]] = field(factory=Counter)
    _deviations: list[Deviation] = field(factory=list)
    _variants: Variants = field(factory=Variants)
    _repairs: list[Repair] = field(factory=list)
    _times: Times = field(factory=Times)
    _findings: list[OpenFinding] = field(factory=list)
    _worst: list[LeadHistory] = field(factory=list)

    def take(self, events: Sequence[LeadEvent]) -> History:
        """Take up the events of a subject, in fold order; what they say."""
        history = subject_history(self._machine, events, self._conflicts, self._on_invalid)
        self._events += len(events)
        last = events[-1].time
        self._latest = last if self._latest is None else max(self._latest, last)
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
        if other._latest is not None:
            last = self._latest
            self._latest = other._latest if last is None else max(last, other._latest)
        self._verdicts.update(other._verdicts)
        self._states.update(other._states)
        self._steps.update(other._steps)
        self._deviations += other._deviations
        self._repairs += other._repairs
        self._findings += other._findings
        self._variants.join(other._variants)
        self._times.join(other._times)
        self._watch.join(other._watch)
        self._worst = sorted(self._worst + other._worst, key=_worst_first)[: self._top]

    def audit(self, evidence: SetAside, rules: Rules, now: int | None, digest: str) -> Audit:
        """What was found."""
        until = (self._latest or 0) if now is None else now
        overdue = self._watch.overdue(until)
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
            times=self._times,
            overdue=overdue,
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
        self._times.add(its_stays)
        self._watch.add(its_stays)
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
