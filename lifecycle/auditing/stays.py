"""State durations, and the speed at which leads are accepted.

A stay lasts from one step of a lead to the next, as ``Lead.since`` does: who is assigned again
begins a new one. Durations are microseconds.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import define, field

from lifecycle.domain import STATES, HistoryRow, LeadHistory, Party, State, immutable

_SECOND: Final = 1_000_000
_QUANTILES: Final = (0.5, 0.9, 0.99)


@immutable
class Stay:
    """A lead in a state, from one step to the next; in microseconds since 1970 in UTC.

    Attributes:
        since: When it began.
        until: When it ended; None while it is open.
        row: The step that began it.
        holder: Who had the lead meanwhile; of one that is open, who has it now.
    """

    lead_id: str
    state: State
    since: int
    until: int | None
    row: HistoryRow
    holder: Party | None


@immutable
class Spread:
    """The spread of durations: quantiles by nearest rank, so that each is one that occurred."""

    count: int
    median: int | None
    p90: int | None
    p99: int | None

    @classmethod
    def of(cls, durations: Sequence[int]) -> Spread:
        """Return the spread of these durations."""
        ordered = sorted(durations)
        ranks = (math.ceil(share * len(ordered)) - 1 for share in _QUANTILES)
        return cls(len(ordered), *(ordered[rank] if ordered else None for rank in ranks))

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, in seconds."""
        quantiles = {name: seconds(getattr(self, name)) for name in ("median", "p90", "p99")}
        return {"count": self.count, **quantiles}


def seconds(micros: int | None) -> float | None:
    """Return microseconds as seconds."""
    return None if micros is None else micros / _SECOND


def stays(found: LeadHistory) -> Iterator[Stay]:
    """Yield the stays of a lead, in order."""
    lead_id = found.lead.lead_id
    last: HistoryRow | None = None
    for row in found.rows:
        if row.source == row.target and row.refused:
            continue
        if last is not None:
            yield Stay(lead_id, last.target, last.at_micros, row.at_micros, last, last.holder)
        last = row
    if last is not None:
        yield Stay(lead_id, last.target, last.at_micros, None, last, found.lead.holder)


@immutable
class Milestones:
    """The times when a lead came into its states first, from its first ``sent`` on.

    Attributes:
        first: The first time of each state since then; empty without a ``sent``.
        handed_over: The first ``assigned`` on the way to ``accepted``, else the first ``received``.
    """

    first: Mapping[str, int]
    handed_over: int | None

    @classmethod
    def of(cls, its_stays: Iterable[Stay]) -> Milestones:
        """Find them among the stays of a lead."""
        first: dict[str, int] = {}
        handed_over = None
        for stay in its_stays:
            if stay.state == "sent" or first:
                if stay.state == "accepted" and "accepted" not in first:
                    handed_over = first.get("assigned", first.get("received"))
                first.setdefault(stay.state, stay.since)
        return cls(first, handed_over)

    def until(self, state: str) -> int | None:
        """Return how long it took from ``sent`` to a state; None if it was not reached."""
        return self.first[state] - self.first["sent"] if state in self.first else None


def _none() -> array[int]:
    return array("q")


def _durations() -> dict[str, array[int]]:
    return defaultdict(_none)


@define
class Times:
    """The durations of many leads.

    Attributes:
        in_state: Those of stays that ended, by state.
        open: How many stays have not, by state.
        to_accepted: From a lead's first ``sent`` to its first ``accepted`` after it.
        network: Of that, the time until it was handed over: to the first ``assigned`` on the way,
            else to the first ``received``.
        human: The rest, from then on. Where nobody handed it over there is neither.
    """

    in_state: dict[str, array[int]] = field(factory=_durations)
    open: Counter[str] = field(factory=Counter)
    to_accepted: array[int] = field(factory=_none)
    network: array[int] = field(factory=_none)
    human: array[int] = field(factory=_none)

    def add(self, its_stays: Iterable[Stay], milestones: Milestones) -> None:
        """Take up a lead."""
        self.add_stays(its_stays)
        total = milestones.until("accepted")
        if total is None:
            return
        self.to_accepted.append(total)
        handed_over = milestones.handed_over
        if handed_over is not None:
            network = handed_over - milestones.first["sent"]
            self.network.append(network)
            self.human.append(total - network)

    def add_stays(self, its_stays: Iterable[Stay]) -> None:
        """Take up stays."""
        for stay in its_stays:
            if stay.until is None:
                self.open[stay.state] += 1
            else:
                self.in_state[stay.state].append(stay.until - stay.since)

    def join(self, other: Times) -> None:
        """Take up the leads of another part."""
        for state, durations in other.in_state.items():
            self.in_state[state].extend(durations)
        self.open.update(other.open)
        self.to_accepted.extend(other.to_accepted)
        self.network.extend(other.network)
        self.human.extend(other.human)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; durations in seconds."""
        return {
            "in_state": [
                {"state": state, **spread.as_dict(), "open": still_open}
                for state, spread, still_open in self.by_state()
            ],
            "speed_to_lead": {name: spread.as_dict() for name, spread in self.speed().items()},
        }

    def by_state(self) -> list[tuple[str, Spread, int]]:
        """Return for each state that was entered: its stays that ended, and how many have not."""
        return [
            (state, Spread.of(self.in_state.get(state, ())), self.open[state])
            for state in STATES
            if state in self.in_state or state in self.open
        ]

    def speed(self) -> dict[str, Spread]:
        """Return speed to lead: sent to accepted, the network's part of it, and the human's."""
        return {
            "total": Spread.of(self.to_accepted),
            "network": Spread.of(self.network),
            "human": Spread.of(self.human),
        }
