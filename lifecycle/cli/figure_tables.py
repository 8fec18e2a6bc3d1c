"""Figures of groups of leads on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lifecycle.auditing import Audit
from lifecycle.auditing.figures import SMALL, Group
from lifecycle.auditing.stays import Spread
from lifecycle.auditing.tallies import FUNNEL, OUTCOMES
from lifecycle.auditing.words import duration, percent
from lifecycle.cli.audit_tables import Cell, heading, more, table
from lifecycle.domain import STATES
from lifecycle.text import short

_NOTES: Final = {
    "holder": "everybody who had a lead; speed from when they had it until they accepted it",
    "week": "in which a lead was sent first; speed from then until it was accepted",
    "month": "in which a lead was sent first; speed from then until it was accepted",
}
_LEAD: Final = "speed from sent to accepted"
#: Columns that go first where a table is too wide.
_GOING: Final = ("n", "90 %", "refused")


def print_figures(audit: Audit, by: Sequence[str], top: int) -> None:
    """Print the figures of each grouping; of weeks and months the last ones."""
    for name in by:
        groups = audit.figures[name]
        is_time = name in ("week", "month")
        shown = groups[-top:] if is_time else groups[:top]
        _print_groups(name, shown, is_watched=bool(audit.limits))
        more(len(groups) - len(shown), "group", "figures")


def _print_groups(by: str, groups: Sequence[Group], *, is_watched: bool) -> None:
    small = sum(one.is_small for one in groups)
    note = f"; * fewer than {SMALL} leads" if small else ""
    heading(f"By {by}", _NOTES.get(by, _LEAD) + note)
    columns = (by, "leads", "accepted", "share", "speed", "90 %", "n", "refused")
    rows = [(*_speed(one), *((one.overdue,) if is_watched else ())) for one in groups]
    table((*columns, *(("overdue",) if is_watched else ())), rows, going=_GOING)
    _outcomes(by, groups)
    _in_state(by, groups)
    if by != "holder":
        _funnel(by, groups)


def _named(group: Group) -> str:
    """Return what a group is called: a person by name, and small groups with a mark."""
    text = group.name or short(group.text or "(none)")
    return f"{text}*" if group.is_small else text


def _speed(group: Group) -> tuple[Cell, ...]:
    tally, speed = group.tally, group.speed["total"]
    return (
        *(_named(group), tally.leads, tally.accepted, percent(group.share)),
        *(duration(speed.median), duration(speed.p90), speed.count, tally.refusals),
    )


def _outcomes(by: str, groups: Sequence[Group]) -> None:
    """Print how many leads are in each state, of states that any of them is in."""
    shown = [one for one in OUTCOMES if any(group.tally.outcomes[one] for group in groups)]
    heading("Where they are", "by holder what became of them in those hands" * (by == "holder"))
    table(
        (by, *(one.replace("_", " ") for one in shown)),
        [(_named(group), *(group.tally.outcomes[one] for one in shown)) for group in groups],
    )


def _in_state(by: str, groups: Sequence[Group]) -> None:
    """Print the median of stays that ended, and how many those are."""
    spreads = [
        {state: Spread.of(group.tally.times.in_state.get(state, ())) for state in STATES[1:]}
        for group in groups
    ]
    shown = [state for state in STATES[1:] if any(its[state].count for its in spreads)]
    if not shown:
        return
    heading("Time in state", "median of the stays that ended, and how many")
    table(
        (by, *shown),
        [
            (_named(group), *(_counted(its[state]) for state in shown))
            for group, its in zip(groups, spreads, strict=True)
        ],
    )


def _funnel(by: str, groups: Sequence[Group]) -> None:
    """Print how many of those that were sent came how far, and the median of how long it took."""
    funnels = [(group, group.funnel()) for group in groups]
    if not any(steps[0].leads for _, steps in funnels):
        return
    heading("Funnel", "of the leads that were sent, and the median of how long after that")
    rows: list[tuple[Cell, ...]] = [
        (
            _named(group),
            steps[0].leads,
            *(f"{one.leads:,} ({duration(one.took.median)})" for one in steps[1:]),
        )
        for group, steps in funnels
    ]
    table((by, *FUNNEL), rows)


def _counted(spread: Spread) -> str:
    return f"{duration(spread.median)} ({spread.count:,})" if spread.count else ""
