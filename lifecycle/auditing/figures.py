"""Figures of groups of leads, and the funnel, made of what was counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lifecycle.auditing.people import People
from lifecycle.auditing.stays import Spread
from lifecycle.auditing.tallies import OUTCOMES, Key, Tallies, Tally
from lifecycle.domain import STATES, State, immutable

#: The groupings of a page.
PAGE_BY: Final = ("holder", "source", "week")
#: A group of fewer leads is marked: its figures are those of a few.
SMALL: Final = 10
_OF_PARTIES: Final = ("holder", "owner", "sender")
_OF_TIMES: Final = ("week", "month")


@immutable
class Step:
    """A step of the funnel: how many of those that were sent came so far, and after how long."""

    step: State
    leads: int
    share: float | None
    took: Spread

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON; durations in seconds."""
        return {
            "step": self.step,
            "leads": self.leads,
            "share": self.share,
            **{name: value for name, value in self.took.as_dict().items() if name != "count"},
        }


@immutable
class Group:
    """The figures of one group.

    Attributes:
        by: What it is a group by.
        key: What leads of it have in common; None: nothing is said of it.
        name: The name of the party, where it is known.
        overdue: How many of its leads are overdue.
    """

    by: str
    key: str | None
    name: str | None
    tally: Tally
    overdue: int

    @property
    def text(self) -> str | None:
        """Return the name of the group, as the leads write it."""
        return self.tally.text

    @property
    def is_small(self) -> bool:
        """Tell whether it has so few leads that its figures say little."""
        return self.tally.leads < SMALL

    @property
    def share(self) -> float | None:
        """Accepted leads / leads; None without leads."""
        return share_of(self.tally.accepted, self.tally.leads)

    @property
    def speed(self) -> Mapping[str, Spread]:
        """Speed to lead; by holder alone from when they had it until they accepted it."""
        speed = self.tally.times.speed()
        return {"total": speed["total"]} if self.by == "holder" else speed

    def funnel(self) -> list[Step]:
        """Return the steps of the funnel."""
        return funnel_of(self.tally)

    def as_row(self) -> dict[str, Any]:
        """Return it flat: a row of a table; durations in seconds."""
        tally, times = self.tally, self.tally.times
        spreads = {"speed": self.speed["total"]}
        spreads |= {part: self.speed.get(part, Spread.of(())) for part in ("network", "human")}
        spreads |= {state: Spread.of(times.in_state.get(state, ())) for state in STATES[1:]}
        return {
            "by": self.by,
            "group": self.text,
            "name": self.name,
            "leads": tally.leads,
            "small": self.is_small,
            "ever_accepted": tally.accepted,
            "share": self.share,
            **{outcome: tally.outcomes[outcome] for outcome in OUTCOMES},
            "refusals": tally.refusals,
            "overdue": self.overdue,
            **{
                f"{what}_{part}": value
                for what, spread in spreads.items()
                for part, value in _numbered(spread).items()
            },
        }

    def funnel_rows(self) -> Iterator[dict[str, Any]]:
        """Yield a row for each step of the funnel."""
        for step in self.funnel():
            yield {"by": self.by, "group": self.text, "name": self.name, **step.as_dict()}


def _numbered(spread: Spread) -> dict[str, Any]:
    told = spread.as_dict()
    return {"n": told.pop("count"), **told}


def share_of(part: int, whole: int) -> float | None:
    """Return a share; None of nothing."""
    return round(part / whole, 6) if whole else None


def funnel_of(tally: Tally) -> list[Step]:
    """Return the steps of the funnel of some leads."""
    sent = len(tally.reached["sent"])
    return [
        Step(step, len(took), share_of(len(took), sent), Spread.of(took))
        for step, took in tally.reached.items()
    ]


def groups_of(tallies: Tallies, people: People, now: int) -> dict[str, list[Group]]:
    """Return the groups of each grouping, in the order in which they are shown."""
    return {
        by: sorted(
            (
                Group(by, key, _name(people, by, key), tally, _overdue(tally, now))
                for key, tally in tallies.of(by).items()
            ),
            key=_order,
        )
        for by in tallies.by
    }


def _name(people: People, by: str, key: Key) -> str | None:
    return people.name(key) if by in _OF_PARTIES else None


def _overdue(tally: Tally, now: int) -> int:
    return sum(one.until is None for one in tally.watch.overdue(now))


def _order(group: Group) -> tuple[Any, ...]:
    """Sort times by time, holders by how slow they are, small ones last, others by size."""
    key = (group.key is None, group.key or "")
    if group.by in _OF_TIMES:
        return key
    if group.by == "holder":
        speed = group.speed["total"]
        return (speed.count < SMALL, -(speed.median or 0), -group.tally.leads, *key)
    return (-group.tally.leads, *key)
