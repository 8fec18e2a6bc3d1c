"""Results of a fold: rows of history, findings, and the leads they belong to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias

from attrs import field

from lifecycle.domain.event import Party, Position
from lifecycle.domain.lead import Lead
from lifecycle.domain.meaning import Meaning
from lifecycle.domain.states import State, Trigger
from lifecycle.immutable import immutable
from lifecycle.reasons import Refusal, Verdict
from lifecycle.utc import as_datetime

Severity: TypeAlias = Literal["error", "warning", "info"]
Verdicts: TypeAlias = Literal["applied", "refused", "noted"]

#: Every finding and how grave it is (design.md section 7).
SEVERITY: Final[dict[str, Severity]] = {
    "invalid_transition": "error",
    "conflict": "error",
    "wrong_party": "warning",
    "unwitnessed_decision": "warning",
    "after_contact_deleted": "warning",
    "ambiguous_lead": "warning",
    "several_ids": "warning",
    "action_mismatch": "warning",
    "odd_dates": "warning",
    "contradiction": "warning",
    "unmapped_value": "warning",
    "hub": "warning",
    "joined_midway": "info",
    "merged": "info",
    "two_sources": "info",
    "no_event_time": "info",
    "no_offset": "info",
    "epoch_unit": "info",
}

#: More steps than one event makes.
STEPS: Final = 8

#: A contact key that more leads than this share is a hub (design.md section 6).
HUB_SIZE: Final = 100


@immutable
class HistoryRow:
    """One step of a lead: a transition, or a refusal, which leaves the state as it was.

    Attributes:
        trigger: What was asked for, or implied.
        source: The state before.
        target: The state after.
        verdict: ``stated`` or ``implied`` for a transition; ``no_edge``, ``guard`` or
            ``contact_deleted`` for a refusal.
        at_micros: When it happened, microseconds since 1970 in UTC; never runs backwards in a lead.
        event_id: The event it comes from.
        step: Which step of that event it is: 0, 1, 2. Of a change of a field its turn among those
            of the lead's instant, times STEPS, besides.
        by: Who did it, if the message says so.
        holder: Who had the lead afterwards.
        reason: The message's own words for it (a reject's ``reason`` and ``comment``).
        refusal: Why it was refused.
    """

    trigger: Trigger
    source: State
    target: State
    verdict: Verdict
    at_micros: int
    event_id: str
    step: int = 0
    by: Party | None = None
    holder: Party | None = None
    reason: str | None = None
    refusal: Refusal | None = None

    @property
    def at(self) -> datetime:
        """The time when it happened, in UTC."""
        return as_datetime(self.at_micros)

    @property
    def refused(self) -> bool:
        """True if the machine did not allow it."""
        return self.refusal is not None

    @property
    def implied_by(self) -> str | None:
        """Return what implied it: a date, or the change of a field; None for a stated step."""
        if self.verdict != "implied":
            return None
        return "the change" if self.step >= STEPS else "a date"


@immutable
class Finding:
    """Something an auditor should know (design.md section 7).

    ``event_id`` is the event that shows it; a ``hub`` concerns a key and has none.
    """

    code: str
    event_id: str | None
    detail: str = ""

    @property
    def severity(self) -> Severity:
        """The severity of its code."""
        return SEVERITY[self.code]


@immutable
class LeadHistory:
    """A lead, its rows in order, what was found, and the ids of its events in fold order."""

    lead: Lead
    rows: tuple[HistoryRow, ...]
    findings: tuple[Finding, ...]
    event_ids: tuple[str, ...] = field(repr=False)


@immutable
class Meant:
    """The meaning of a change: for whoever asks what it would do to the lead in another state.

    Attributes:
        rows: The rows that fit it in some state of the lead.
        holder: Who had the lead afterwards.
    """

    rows: tuple[Meaning, ...] = ()
    holder: Party | None = None


@immutable
class EventFate:
    """The fate of one event: its verdict, and the lead it was bound to (None: a deletion).

    ``meant``: of a change what a repair must know of it.
    """

    position: Position
    verdict: Verdicts
    lead_id: str | None
    meant: Meant | None = None


@immutable
class History:
    """The history that a set of events gives.

    Attributes:
        leads: Sorted by ``lead_id``.
        findings: Those that concern no single lead.
        fates: By event id.
    """

    leads: tuple[LeadHistory, ...]
    findings: tuple[Finding, ...]
    fates: Mapping[str, EventFate] = field(repr=False)
