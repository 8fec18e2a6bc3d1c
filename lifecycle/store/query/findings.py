"""Findings as the store keeps them, of now, of before, and of a past moment."""

from __future__ import annotations

from typing import Any, Final

from lifecycle.domain import SEVERITY, Finding
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.query.as_known_at import KnownAt
from lifecycle.store.query.find import find_lead
from lifecycle.store.query.history import lead_names
from lifecycle.store.query.results import FindingEntry

_GRAVITY: Final = {"error": 0, "warning": 1, "info": 2}
_SELECT: Final = (
    "SELECT finding.code, event.id, finding.detail, finding.lead, finding.recorded_at,"
    " finding.superseded_at, event.time, finding.id FROM finding"
    " LEFT JOIN event ON event.seq = finding.event WHERE"
)
_OF_LEAD: Final = (
    "(?1 IS NULL OR finding.lead = ?1 OR (finding.superseded_at IS NOT NULL"
    " AND finding.event IN (SELECT seq FROM event WHERE lead = ?1)))"
)
_OPEN: Final = f"{_OF_LEAD} AND finding.superseded_at IS NULL"
_THEN: Final = (
    "(?1 IS NULL OR finding.lead = ?1) AND finding.recorded_at <= ?2"
    " AND (finding.superseded_at IS NULL OR finding.superseded_at > ?2)"
)


def read_findings(
    working: WorkingSet, alias: str | None, at: int | None, *, superseded: bool
) -> list[FindingEntry]:
    """Return the findings of all leads or of one, the gravest first; ``at``: those known then."""
    connection, known = working.connection, KnownAt(working, at)
    if at is None:
        lead = None if alias is None else find_lead(working, alias)
        rows = connection.execute(f"{_SELECT} {_OF_LEAD if superseded else _OPEN}", (lead,))
    else:
        lead = None if alias is None else known.find(alias).lead
        rows = connection.execute(f"{_SELECT} {_THEN}", (lead, at))
    found = rows.fetchall()
    leads = {row[3] for row in found if row[3] is not None}
    names: dict[Any, str] = lead_names(connection, leads)
    if at is not None:
        names.update((version.lead, version.lead_id) for version in known.versions(leads))

    def order(row: tuple[Any, ...]) -> tuple[Any, ...]:
        code, event_id, detail, lead, *_, time, number = row
        severity = _GRAVITY[SEVERITY[code]]
        return (severity, code, names.get(lead, ""), time or 0, event_id or "", detail, number)

    return [
        FindingEntry(Finding(*row[:3]), names.get(row[3]), *row[4:6])
        for row in sorted(found, key=order)
    ]
