"""Findings as the store keeps them, of now, of before, and of a past moment."""

from __future__ import annotations

from typing import Any, Final

from lifecycle.domain import SEVERITY
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.query.as_known_at import KnownAt
from lifecycle.store.query.history import NOW, lead_names
from lifecycle.store.query.results import FindingEntry

_GRAVITY: Final = {"error": 0, "warning": 1, "info": 2}
_SELECT: Final = (
    "SELECT finding.code, event.id, finding.detail, finding.lead, finding.recorded_at,"
    " finding.superseded_at, event.time, finding.id FROM finding"
    " LEFT JOIN event ON event.seq = finding.event WHERE"
)
_THEN: Final = (
    "(?1 IS NULL OR finding.lead = ?1) AND finding.recorded_at <= ?2"
    " AND (finding.superseded_at IS NULL OR finding.superseded_at > ?2)"
)
#: All of a lead, and what was found of events that are its own by now.
_EVER: Final = (
    "finding.recorded_at <= ?2 AND (?1 IS NULL OR finding.lead = ?1"
    " OR (finding.superseded_at IS NOT NULL"
    " AND finding.event IN (SELECT seq FROM event WHERE lead = ?1)))"
)


def read_findings(
    working: WorkingSet, alias: str | None, at: int | None, *, superseded: bool
) -> list[FindingEntry]:
    """Return the findings of all leads or of one, the gravest first; ``at``: those known then."""
    connection, known = working.connection, KnownAt(working, at)
    lead = None if alias is None else known.find(alias).lead
    which = _EVER if superseded and at is None else _THEN
    rows = connection.execute(f"{_SELECT} {which}", (lead, NOW if at is None else at))
    found = rows.fetchall()
    leads = {row[3] for row in found if row[3] is not None}
    names: dict[Any, str] = lead_names(connection, leads)
    names.update((version.lead, version.lead_id) for version in known.versions(leads))

    def order(row: tuple[Any, ...]) -> tuple[Any, ...]:
        code, event_id, detail, lead, *_, time, number = row
        severity = _GRAVITY[SEVERITY[code]]
        return (severity, code, names.get(lead, ""), time or 0, event_id or "", detail, number)

    return [
        FindingEntry(*row[:3], lead_id=names.get(row[3]), recorded_at=row[4], superseded_at=row[5])
        for row in sorted(found, key=order)
    ]
