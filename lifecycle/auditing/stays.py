"""How long leads stay in their states, how fast they are accepted, and which are overdue.

A stay lasts from one step of a lead to the next, as ``Lead.since`` does: who is assigned again
begins a new one. Durations are microseconds.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import isodate
from attrs import define, field

from lifecycle.domain import STATES, HistoryRow, LeadHistory, Party, State, immutable
from lifecycle.errors import ArgumentError
from lifecycle.utc import as_datetime, optional_datetime

_SECOND: Final = 1_000_000
_QUANTILES: Final = (0.5, 0.9, 0.99)
_QUOTES: Final = ", all of it in quotes: 'assigned>PT30M'"


@immutable
class Limit:
    """How long a lead may stay in a state, in microseconds; ``text`` is as it was written."""

    state: State
    micros: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read a state and an ISO 8601 duration, as in ``assigned>PT30M``.

        Raises:
            ArgumentError: It is none, or a duration in months or years, which have no fixed length.
        """
        state, _, duration = text.partition(">")
        if state not in STATES[1:]:
            names = ", ".join(STATES[1:])
            raise ArgumentError(f"{text}: expected one of {names} before '>'{_QUOTES}")
        try:
            parsed = isodate.parse_duration(duration, as_timedelta_if_possible=True)
        except (isodate.ISO8601Error, ValueError, OverflowError) as error:
            expected = f"expected a duration such as PT30M or P1DT12H{_QUOTES}"
            raise ArgumentError(f"{text}: {expected}") from error
        if isinstance(parsed, isodate.Duration):
            raise ArgumentError(f"{text}: months and years have no fixed length; expected days")
        micros = (parsed.days * 86_400 + parsed.seconds) * _SECOND + parsed.microseconds
        if micros <= 0:
            raise ArgumentError(f"{text}: expected a duration longer than nothing")
        return cls(state, micros, text)


@immutable
class Stay:
    """A lead in a state, from one step to the next; in microseconds since 1970 in UTC.

    Attributes:
        since: When it began.
        until: When it ended; None while it is open.
        row: The step that began it.
    """

    lead_id: str
    state: State
    since: int
    until: int | None
    row: HistoryRow


@immutable
class Overdue:
    """A stay that was longer than allowed.

    Attributes:
        limit: What it broke.
        stay: The stay.
        until: When it ended, as far as that moment knew; None: it was overdue then.
        micros: How long it was until then, or until that moment.
    """

    limit: Limit
    stay: Stay
    until: datetime | None = field(converter=optional_datetime)
    micros: int

    @property
    def since(self) -> datetime:
        """When it began, in UTC."""
        return as_datetime(self.stay.since)

    @property
    def holder(self) -> Party | None:
        """Who had the lead."""
        return self.stay.row.holder


@immutable
class Spread:
    """How durations are spread: quantiles by nearest rank, so that each is one that occurred."""

    count: int
    median: int | None
    p90: int | None
    p99: int | None

    @classmethod
    def of(cls, durations: Sequence[int]) -> Spread:
        """The spread of these durations."""
        ordered = sorted(durations)
        ranks = (math.ceil(share * len(ordered)) - 1 for share in _QUANTILES)
        return cls(len(ordered), *(ordered[rank] if ordered else None for rank in ranks))

    def as_dict(self) -> dict[str, Any]:
        """For JSON, in seconds."""
        quantiles = {name: seconds(getattr(self, name)) for name in ("median", "p90", "p99")}
        return {"count": self.count, **quantiles}


def seconds(micros: int | None) -> float | None:
    """Microseconds as seconds."""
    return None if micros is None else micros / _SECOND


def stays(found: LeadHistory) -> Iterator[Stay]:
    """The stays of a lead, in order."""
    last: HistoryRow | None = None
    for row in found.rows:
        if row.source == row.target and row.refused:
            continue
        if last is not None:
            yield Stay(found.lead.lead_id, last.target, last.at_micros, row.at_micros, last)
        last = row
    if last is not None:
        yield Stay(found.lead.lead_id, last.target, last.at_micros, None, last)


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

    def add(self, its_stays: Sequence[Stay]) -> None:
        """Take up a lead."""
        for stay in its_stays:
            if stay.until is None:
                self.open[stay.state] += 1
            else:
                self.in_state[stay.state].append(stay.until - stay.since)
        self._add_speed(its_stays)

    def join(self, other: Times) -> None:
        """Take up the leads of another part."""
        for state, durations in other.in_state.items():
            self.in_state[state].extend(durations)
        self.open.update(other.open)
        self.to_accepted.extend(other.to_accepted)
        self.network.extend(other.network)
        self.human.extend(other.human)

    def _add_speed(self, its_stays: Sequence[Stay]) -> None:
        first: dict[str, int] = {}
        for stay in its_stays:
            if stay.state == "sent" or "sent" in first:
                first.setdefault(stay.state, stay.since)
            if "accepted" in first:
                break
        if "accepted" not in first:
            return
        self.to_accepted.append(first["accepted"] - first["sent"])
        handed_over = first.get("assigned", first.get("received"))
        if handed_over is not None:
            self.network.append(handed_over - first["sent"])
            self.human.append(first["accepted"] - handed_over)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; durations in seconds."""
        return {
            "in_state": [
                {"state": state, **spread.as_dict(), "open": still_open}
                for state, spread, still_open in self.by_state()
            ],
            "speed_to_lead": {name: spread.as_dict() for name, spread in self.speed().items()},
        }

    def by_state(self) -> list[tuple[str, Spread, int]]:
        """For each state that was entered: its stays that ended, and how many have not."""
        return [
            (state, Spread.of(self.in_state.get(state, ())), self.open[state])
            for state in STATES
            if state in self.in_state or state in self.open
        ]

    def speed(self) -> dict[str, Spread]:
        """Speed to lead: sent to accepted, the network's part of it, and the human's."""
        return {
            "total": Spread.of(self.to_accepted),
            "network": Spread.of(self.network),
            "human": Spread.of(self.human),
        }


@define
class Watch:
    """The stays that are, or may become, longer than allowed."""

    limits: tuple[Limit, ...]
    _stays: list[tuple[Limit, Stay]] = field(factory=list)

    def add(self, its_stays: Sequence[Stay]) -> None:
        """Take up a lead."""
        for limit in self.limits:
            self._stays += [
                (limit, stay)
                for stay in its_stays
                if stay.state == limit.state
                and (stay.until is None or stay.until - stay.since > limit.micros)
            ]

    def join(self, other: Watch) -> None:
        """Take up the stays of another part."""
        self._stays += other._stays

    def overdue(self, now: int) -> list[Overdue]:
        """What was overdue at this moment, or had been: what came later is not looked at."""
        found = []
        for limit, stay in self._stays:
            until = None if stay.until is None or stay.until > now else stay.until
            micros = (now if until is None else until) - stay.since
            if micros > limit.micros:
                found.append(Overdue(limit, stay, until, micros))
        order = self.limits.index
        return sorted(found, key=lambda one: (order(one.limit), -one.micros, one.stay.lead_id))
