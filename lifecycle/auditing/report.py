"""An audit as data: one object, or one of its lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, TypeAlias

from attrs import fields

from lifecycle.auditing.audit import Audit
from lifecycle.auditing.overdue import Overdue
from lifecycle.auditing.people import party_key
from lifecycle.auditing.stays import seconds
from lifecycle.auditing.tallies import BY, OUTCOMES
from lifecycle.domain import STATES
from lifecycle.messages import format_time
from lifecycle.store import VerdictChange

Row: TypeAlias = "dict[str, Any]"
Columns: TypeAlias = "tuple[str, ...]"


_COUNTS: Final = (
    *("on_invalid", "leads", "conforming", "events"),
    *("applied", "refused", "noted", "unjudged"),
)


def report(audit: Audit, top: int) -> Row:
    """Return the audit for JSON; of variants the ``top`` most frequent."""
    variants = audit.variants
    found: Row = {
        "rules": {"name": audit.rules.name, "digest": audit.rules.digest},
        **{name: getattr(audit, name) for name in _COUNTS},
        "ignored": dict(audit.ignored),
        "quarantined": dict(audit.quarantined),
        "trace_fitness": audit.trace_fitness,
        "event_fitness": audit.event_fitness,
        "states": {state: audit.states[state] for state in sorted(audit.states)},
        "refused_by": list(_dicts(audit.refused_by)),
        "repair": {
            "proposal": True,
            "cost": audit.repair_cost,
            "leads": len(audit.repairs),
            "not_proved_smallest": audit.not_proved_smallest,
            "groups": list(_dicts(audit.groups)),
        },
        "variants": list(_dicts(variants[:top])),
        "other_variants": {
            "variants": len(variants[top:]),
            "leads": sum(one.leads for one in variants[top:]),
        },
        "times": audit.times.as_dict(),
        "funnel": list(_funnel(audit)),
        "figures": {by: [one.as_row() for one in groups] for by, groups in audit.figures.items()},
        "period": {name: _time(getattr(audit, name)) for name in ("began", "ended")},
        "now": format_time(audit.now),
        "overdue": list(_overdue(audit)),
        "were_overdue": len(audit.were_overdue),
        "findings": list(_dicts(audit.findings)),
        "digest": audit.digest,
    }
    if audit.comparison is not None:
        found["against"] = audit.comparison.as_dict()
    return found


def _dicts(listed: Iterable[Any]) -> Iterator[Row]:
    return (one.as_dict() for one in listed)


def _deviations(audit: Audit) -> Iterator[Row]:
    return (one.located(audit.origins[one.event_id]) for one in audit.deviations)


def _repairs(audit: Audit) -> Iterator[Row]:
    for one in audit.repairs:
        for edit in one.edits:
            yield {
                "lead_id": one.lead_id,
                "proposal": str(edit),
                **edit.as_dict(),
                "proved_smallest": one.proved_smallest,
            }


def _time(at: datetime | None) -> str | None:
    return None if at is None else format_time(at)


def _figures(audit: Audit) -> Iterator[Row]:
    return (group.as_row() for by in BY for group in audit.figures.get(by, ()))


def _funnel(audit: Audit) -> Iterator[Row]:
    """Yield the steps of the funnel: of all leads, then of each group that leads count in once."""
    for step in audit.funnel:
        yield {"by": "all", "group": None, "name": None, **step.as_dict()}
    for by, groups in audit.figures.items():
        if by != "holder":
            for group in groups:
                yield from group.funnel_rows()


def _overdue(audit: Audit) -> Iterator[Row]:
    return _breaches(audit, audit.overdue)


def _were_overdue(audit: Audit) -> Iterator[Row]:
    return _breaches(audit, audit.were_overdue)


def _breaches(audit: Audit, breaches: Iterable[Overdue]) -> Iterator[Row]:
    for one in breaches:
        stay = one.stay
        yield {
            "limit": one.limit.text,
            "lead_id": stay.lead_id,
            "state": stay.state,
            "since": format_time(one.since),
            "until": _time(one.until),
            "duration": seconds(one.micros),
            "holder": None if one.holder is None else str(one.holder),
            "name": audit.people.name(party_key(one.holder)),
            "event_id": stay.row.event_id,
        }


def _differences(audit: Audit) -> Iterator[Row]:
    """Return what differs under the other rules: leads, then refusals."""
    if audit.comparison is None:
        return
    for one in audit.comparison.leads:
        yield {"difference": "state", **one.as_dict(), "event_id": None}
    only = (("here", audit.comparison.only_here), ("there", audit.comparison.only_there))
    for side, refused in only:
        for deviation in refused:
            row = deviation.as_dict()
            step = f"{row['trigger']} from {row['state']}"
            yield {
                "difference": f"refused only {side}",
                "lead_id": row["lead_id"],
                "here": step if side == "here" else None,
                "there": step if side == "there" else None,
                "event_id": row["event_id"],
            }


_STEP: Final = ("state", "trigger")
_EDIT: Final = ("edit", "trigger", "state", "before", "event_id")
_SPREAD: Final = ("count", "median", "p90", "p99")
_STEPS: Final = (*_STEP, "events", "leads", "first")
_TIMES: Final = ("state", *_SPREAD, "open")
_GROUP: Final = ("by", "group", "name")
_PARTS: Final = ("speed", "network", "human", *STATES[1:])
_FIGURES: Final = (
    *(*_GROUP, "leads", "small", "ever_accepted", "share"),
    *(*OUTCOMES, "refusals", "overdue"),
    *(f"{part}_{number}" for part in _PARTS for number in ("n", "median", "p90", "p99")),
)
_FUNNEL: Final = (*_GROUP, "step", "leads", "share", "median", "p90", "p99")
_OVERDUE: Final = (
    *("limit", "lead_id", "state", "since", "until", "duration", "holder", "name", "event_id"),
)
_FINDING: Final = ("severity", "code", "lead_id", "event_id", "detail")
_DIFFERENCE: Final = ("difference", "lead_id", "here", "there", "event_id")
#: Each list of an audit: its rows, the columns that a table of them shows, and all there are.
LISTS: Final[dict[str, tuple[Callable[[Audit], Iterator[Row]], Columns, Columns]]] = {
    "deviations": (
        _deviations,
        ("lead_id", "at", *_STEP, "by", "reason"),
        ("lead_id", "event_id", "source", "line", "at", *_STEP, "by", "first", "reason"),
    ),
    "refused_by": (lambda audit: _dicts(audit.refused_by), _STEPS, _STEPS),
    "variants": (
        lambda audit: _dicts(audit.variants),
        ("leads", "conforming", "deviates_at", "triggers", "example"),
        ("triggers", "leads", "conforming", "deviates_at", "example"),
    ),
    "repairs": (
        _repairs,
        ("lead_id", "proposal", "event_id"),
        ("lead_id", "proposal", *_EDIT, "proved_smallest"),
    ),
    "times": (lambda audit: iter(audit.times.as_dict()["in_state"]), _TIMES, _TIMES),
    "figures": (_figures, _FIGURES[:13], _FIGURES),
    "funnel": (_funnel, _FUNNEL, _FUNNEL),
    "overdue": (_overdue, ("limit", "lead_id", "since", "duration", "holder", "name"), _OVERDUE),
    "were_overdue": (
        _were_overdue,
        ("limit", "lead_id", "since", "until", "duration", "holder", "name"),
        _OVERDUE,
    ),
    "findings": (lambda audit: _dicts(audit.findings), _FINDING, _FINDING),
    "differences": (_differences, _DIFFERENCE, _DIFFERENCE),
}
#: Those whose rows say by what they are grouped.
GROUPED: Final = ("figures", "funnel")
#: The columns of the history of verdicts, which only a store has.
VERDICTS: Final = tuple(field.name for field in fields(VerdictChange))
