"""Findings that no fold of a single subject can make: conflicting copies, and hubs.

They are settled when everything else of a transaction is written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from lifecycle.domain import HUB_SIZE, SEVERITY, Finding, conflict, hub
from lifecycle.store.tombstones import erased_conflicts
from lifecycle.store.working import KeyRow

ADD_FINDING: Final = (
    "INSERT INTO finding (code, severity, lead, subject, event, detail, recorded_at)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
SUPERSEDE_FINDING: Final = "UPDATE finding SET superseded_at = ? WHERE id = ?"
MOVE_FINDING: Final = "UPDATE finding SET subject = ? WHERE id = ?"


def finding_row(
    finding: Finding, lead: int | None, subject: int | None, event: int | None, recorded_at: int
) -> tuple[Any, ...]:
    """The values of ADD_FINDING."""
    severity = SEVERITY[finding.code]
    return (finding.code, severity, lead, subject, event, finding.detail, recorded_at)


class Settling:
    """Brings the findings about copies and hubs up to date."""

    def __init__(self, connection: sqlite3.Connection, recorded_at: int) -> None:
        self._connection = connection
        self._recorded_at = recorded_at

    def conflicts_of(self, seq: int) -> None:
        """One finding for each other content that is known under an event's id."""
        event_id, digest, lead, subject = self._connection.execute(
            "SELECT id, digest, lead, subject FROM event WHERE seq = ?", (seq,)
        ).fetchone()
        copies = self._connection.execute(
            "SELECT DISTINCT digest FROM copy WHERE event = ? AND digest <> ?", (seq, digest)
        )
        wanted = [conflict(event_id, other) for (other,) in copies]
        wanted += [finding for _, finding in erased_conflicts(self._connection, [seq])]
        known = self._connection.execute(
            "SELECT detail, lead, id FROM finding"
            " WHERE code = 'conflict' AND event = ? AND superseded_at IS NULL",
            (seq,),
        )
        self._settle(wanted, known, lead, subject, seq)

    def hub(self, row: KeyRow) -> None:
        """A finding for a contact key that very many leads share."""
        finding = hub(row.key)
        known = self._connection.execute(
            "SELECT detail, lead, id FROM finding"
            " WHERE code = 'hub' AND detail = ? AND superseded_at IS NULL",
            (finding.detail,),
        )
        wanted = [finding] if row.leads > HUB_SIZE else []
        self._settle(wanted, known, None, row.subject, None)

    def _settle(
        self,
        wanted: Iterable[Finding],
        known: Iterable[tuple[str, int | None, int]],
        lead: int | None,
        subject: int | None,
        event: int | None,
    ) -> None:
        standing = {(detail, of_lead): number for detail, of_lead, number in known}
        for finding in wanted:
            number = standing.pop((finding.detail, lead), None)
            if number is None:
                added = finding_row(finding, lead, subject, event, self._recorded_at)
                self._connection.execute(ADD_FINDING, added)
            elif lead is None:
                self._connection.execute(MOVE_FINDING, (subject, number))
        for number in standing.values():
            self._connection.execute(SUPERSEDE_FINDING, (self._recorded_at, number))
