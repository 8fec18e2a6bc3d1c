"""Limits of how long leads may stay in a state, and the stays that are longer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import isodate
from attrs import define, evolve, field

from lifecycle.auditing.stays import Stay
from lifecycle.domain import STATES, Lead, Party, State, immutable
from lifecycle.errors import ArgumentError
from lifecycle.utc import as_datetime, optional_datetime

_SECOND: Final = 1_000_000
_QUOTES: Final = ", all of it in quotes: 'assigned>2h'"
#: Units as people write them, in seconds. Months and years have no fixed length.
_UNITS: Final = {
    name: size
    for size, names in (
        (1, "s sec secs second seconds"),
        (60, "m min mins minute minutes"),
        (3600, "h hr hrs hour hours"),
        (86_400, "d day days"),
        (604_800, "w week weeks"),
    )
    for name in names.split()
}
_UNFIXED: Final = frozenset(["mo", "month", "months", "y", "yr", "yrs", "year", "years"])
_PART: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)[ ]?([a-z]{1,7})(?:,? ?and |, | )?", re.ASCII)
_NO_FIXED_LENGTH: Final = "months and years have no fixed length; expected days"


@immutable
class Limit:
    """The limit of a stay in a state, in microseconds; ``text`` is as it was written."""

    state: State
    micros: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Limit:
        """Read a state and a duration: ``assigned>2h``, ``sent > 1 day``, ``assigned>PT30M``.

        Raises:
            ArgumentError: It is none, or a duration in months or years, which have no fixed length.
        """
        state, _, duration = (part.strip() for part in text.partition(">"))
        if state not in STATES[1:]:
            names = ", ".join(STATES[1:])
            raise ArgumentError(f"{text}: expected one of {names} before '>'{_QUOTES}")
        is_iso = duration.upper().lstrip("+-").startswith("P")
        micros = _iso_micros(text, duration) if is_iso else _plain_micros(text, duration)
        if micros <= 0:
            raise ArgumentError(f"{text}: expected a duration longer than nothing")
        return cls(state, micros, text)


def _bad_duration(text: str) -> ArgumentError:
    return ArgumentError(
        f"{text}: expected a duration such as 2h, 1 day 12 hours or PT30M{_QUOTES}"
    )


def _plain_micros(text: str, duration: str) -> int:
    """Read ``90 min``, ``1d12h``, ``2 days and 3 hours``."""
    rest, seconds = duration.lower(), 0.0
    while part := _PART.match(rest):
        number, unit = part.groups()
        if unit in _UNFIXED:
            raise ArgumentError(f"{text}: {_NO_FIXED_LENGTH}")
        if unit not in _UNITS:
            raise _bad_duration(text)
        seconds += float(number) * _UNITS[unit]
        rest = rest[part.end() :]
    if rest or not duration or seconds > _LONGEST:
        raise _bad_duration(text)
    return round(seconds * _SECOND)


#: Some ten thousand years.
_LONGEST: Final = 4e11


def _iso_micros(text: str, duration: str) -> int:
    try:
        parsed = isodate.parse_duration(duration.upper(), as_timedelta_if_possible=True)
    except (isodate.ISO8601Error, ValueError, OverflowError) as error:
        raise _bad_duration(text) from error
    if isinstance(parsed, isodate.Duration):
        raise ArgumentError(f"{text}: {_NO_FIXED_LENGTH}")
    return int((parsed.days * 86_400 + parsed.seconds) * _SECOND + parsed.microseconds)


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
        """The time when it began, in UTC."""
        return as_datetime(self.stay.since)

    @property
    def holder(self) -> Party | None:
        """Return who had the lead."""
        return self.stay.holder


@define
class Watch:
    """The stays that are, or may become, longer than allowed."""

    limits: tuple[Limit, ...]
    _stays: list[tuple[Limit, Stay]] = field(factory=list)

    def add(self, its_stays: Sequence[Stay]) -> None:
        """Take up stays."""
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
        """Return what was overdue at a moment, or had been: what came later is not looked at."""
        overdue = []
        for limit, stay in self._stays:
            until = None if stay.until is None or stay.until > now else stay.until
            micros = (now if until is None else until) - stay.since
            if micros > limit.micros:
                overdue.append(Overdue(limit, stay, until, micros))
        order = self.limits.index
        return sorted(overdue, key=lambda one: (order(one.limit), -one.micros, one.stay.lead_id))


def watched_stays(lead: Lead, its_stays: Iterable[Stay]) -> list[Stay]:
    """Return the stays as a watch has them: who asked to be deleted waits for nobody any more."""
    deleted = lead.contact_deleted_micros
    if deleted is None:
        return [*its_stays]
    return [
        evolve(stay, until=max(deleted, stay.since)) if stay.until is None else stay
        for stay in its_stays
    ]
