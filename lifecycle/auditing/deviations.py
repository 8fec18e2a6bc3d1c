"""Deviations: the steps of a lead that the rules did not allow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from attrs import asdict

from lifecycle.domain import (
    RANK,
    STATES,
    LeadHistory,
    Party,
    Refusal,
    State,
    Trigger,
    immutable,
)
from lifecycle.messages import format_time
from lifecycle.store import Origin, refusal_dict


@immutable
class Deviation:
    """One refused message of a lead.

    Attributes:
        place: Its number among the lead's messages, from 0.
        first: Whether it is the lead's first; what follows is often only its echo.
    """

    lead_id: str
    place: int
    event_id: str
    at: datetime
    state: State
    trigger: Trigger
    refusal: Refusal
    by: Party | None
    first: bool

    def order(self) -> tuple[str, int, str]:
        """Sort by lead, and then in order."""
        return (self.lead_id, self.place, self.event_id)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "lead_id": self.lead_id,
            "event_id": self.event_id,
            "at": format_time(self.at),
            "state": self.state,
            "trigger": self.trigger,
            "by": None if self.by is None else str(self.by),
            "first": self.first,
            "reason": refusal_dict(self.refusal),
        }

    def located(self, origin: Origin) -> dict[str, Any]:
        """Return it for JSON, with where its message stood."""
        row = self.as_dict()
        return {
            "lead_id": row.pop("lead_id"),
            "event_id": row.pop("event_id"),
            "source": origin.source,
            "line": origin.line,
            **row,
        }


def deviations(found: LeadHistory) -> Iterator[Deviation]:
    """Yield the deviations of a lead, in order."""
    if not found.lead.refusals:
        return
    places = {event_id: place for place, event_id in enumerate(found.event_ids)}
    first = True
    for row in found.rows:
        if row.refusal is not None:
            yield Deviation(
                found.lead.lead_id,
                places[row.event_id],
                row.event_id,
                row.at,
                row.source,
                row.trigger,
                row.refusal,
                row.by,
                first,
            )
            first = False


@immutable
class RefusedStep:
    """One step that was refused: how often, in how many leads, and how often as their first."""

    state: State
    trigger: Trigger
    events: int
    leads: int
    first: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def refused_steps(found: Iterable[Deviation]) -> list[RefusedStep]:
    """Return the deviations by state and trigger, the most frequent first."""
    events: Counter[tuple[State, Trigger]] = Counter()
    firsts: Counter[tuple[State, Trigger]] = Counter()
    leads: dict[tuple[State, Trigger], set[str]] = {}
    for one in found:
        step = (one.state, one.trigger)
        events[step] += 1
        firsts[step] += one.first
        leads.setdefault(step, set()).add(one.lead_id)
    steps = [RefusedStep(*step, events[step], len(leads[step]), firsts[step]) for step in events]
    return sorted(steps, key=lambda one: (-one.events, STATES.index(one.state), RANK[one.trigger]))
