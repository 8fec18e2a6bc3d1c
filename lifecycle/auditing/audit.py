"""The result of an audit: totals, deviations, repairs, times, figures of groups, findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import asdict, field, frozen

from lifecycle.auditing.comparison import Comparison
from lifecycle.auditing.deviations import Deviation, RefusedStep
from lifecycle.auditing.edits import EditGroup
from lifecycle.auditing.figures import Group, Step, share_of
from lifecycle.auditing.overdue import Limit, Overdue
from lifecycle.auditing.people import People
from lifecycle.auditing.repair import Repair
from lifecycle.auditing.stays import Times
from lifecycle.auditing.variants import Variant
from lifecycle.domain import (
    LeadHistory,
    OnInvalid,
    Rules,
    Severity,
    State,
    Trigger,
    immutable,
)
from lifecycle.store import Origin
from lifecycle.utc import as_datetime, optional_datetime

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
        """Return it for JSON."""
        return asdict(self)

    def order(self) -> tuple[int, str, str, str, str]:
        """Sort the gravest first."""
        return (
            _GRAVITY[self.severity],
            self.code,
            self.lead_id or "",
            self.event_id or "",
            self.detail,
        )


@frozen
class Audit:
    """The result of an audit.

    Attributes:
        rules: The rules that it was judged by.
        on_invalid: What became of a lead at a refusal.
        digest: Of the messages: SHA-256 in hexadecimal, the same for the same set.
        now: The moment that open stays last until.
        began: The time of the first event; None without events.
        ended: The time of the latest event.
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
        limits: How long leads may stay in their states.
        overdue: The stays that were longer than allowed at that moment.
        were_overdue: Those that had been, and had ended by then.
        funnel: Of all leads that were sent, how many came how far, and after how long.
        figures: Figures of groups of leads, by what was asked for.
        people: The names of parties.
        findings: All that stand, the gravest first.
        worst: The leads with the most refusals, and their rows.
        comparison: What differs under other rules, if there are some.
        origins: Where the messages of the deviations stood.
    """

    rules: Rules
    on_invalid: OnInvalid
    digest: str
    now: datetime = field(converter=as_datetime)
    began: datetime | None = field(converter=optional_datetime)
    ended: datetime | None = field(converter=optional_datetime)
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
    limits: Sequence[Limit] = field(repr=False)
    overdue: Sequence[Overdue] = field(repr=False)
    were_overdue: Sequence[Overdue] = field(repr=False)
    funnel: Sequence[Step] = field(repr=False)
    figures: Mapping[str, Sequence[Group]] = field(repr=False)
    people: People = field(repr=False)
    findings: Sequence[OpenFinding] = field(repr=False)
    worst: Sequence[LeadHistory] = field(repr=False)
    comparison: Comparison | None = field(repr=False)
    origins: Mapping[str, Origin] = field(repr=False)

    @property
    def trace_fitness(self) -> float | None:
        """Leads without a refusal / leads; None without leads."""
        return share_of(self.conforming, self.leads)

    @property
    def event_fitness(self) -> float | None:
        """Events that were applied or noted / events; None without events."""
        return share_of(self.applied + self.noted, self.events)

    @property
    def repair_cost(self) -> int:
        """The number of edits that repair all leads."""
        return sum(one.cost for one in self.repairs)

    @property
    def not_proved_smallest(self) -> int:
        """Count the leads of whose repair it is not proved that no smaller one is possible."""
        return sum(not one.proved_smallest for one in self.repairs)
