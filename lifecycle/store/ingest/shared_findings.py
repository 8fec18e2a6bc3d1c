"""Findings that no fold of some leads can make: conflicting copies, hubs, contacts of several ids.

They are settled when everything else of a transaction is written.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from operator import attrgetter
from typing import Final

from lifecycle.domain import (
    HUB_SIZE,
    TRIGGERS,
    Finding,
    are_several,
    conflict,
    contact_ids,
    hub,
)
from lifecycle.store.db.lookups import UNNAMED, KeyRow, WorkingSet
from lifecycle.store.db.rows import row_keys
from lifecycle.store.db.statements import ADD_FINDING, MOVE_FINDING, SUPERSEDE_FINDING, finding_row
from lifecycle.store.ledger.tombstones import erased_conflicts

_SEVERAL: Final = (
    "SELECT event, detail, lead, id FROM finding"
    " WHERE code = 'several_ids' AND subject = ? AND superseded_at IS NULL"
)


class Settling:
    """Brings the findings about copies and hubs up to date."""

    def __init__(self, connection: sqlite3.Connection, recorded_at: int) -> None:
        self._connection = connection
        self._recorded_at = recorded_at

    def conflicts_of(self, seq: int) -> None:
        """One finding for each other content that is known under an event's id."""
        event_id, digest, trigger, lead, subject = self._connection.execute(
            "SELECT id, digest, trigger, lead, subject FROM event WHERE seq = ?", (seq,)
        ).fetchone()
        if TRIGGERS[trigger] == "change":
            return  # its copies make one event
        copies = self._connection.execute(
            "SELECT DISTINCT digest FROM copy WHERE event = ? AND digest <> ?", (seq, digest)
        )
        wanted = [conflict(event_id, other) for (other,) in copies]
        wanted += [finding for _, finding in erased_conflicts(self._connection, [seq])]
        if subject == UNNAMED:
            wanted = []
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

    def contacts_of(self, working: WorkingSet, subject: int) -> None:
        """A finding for each contact of a subject that holds several ids."""
        rows = working.lead_rows(working.leads_of([subject])).values()
        keys = {key for row in rows for key in row_keys(row)}
        keys.update(key for one in working.deletions_of([subject]) for key in one.event.keys)
        wanted: dict[int, list[Finding]] = defaultdict(list)
        if are_several(keys):
            working.load_keys(keys)
            stored = sorted(working.events_of_subject(subject), key=attrgetter("event.position"))
            hubs = [key for key in keys if working.key_row(key).leads > HUB_SIZE]
            seqs = {one.event.id: one.seq for one in stored}
            for finding in contact_ids([one.event for one in stored], hubs):
                wanted[seqs[str(finding.event_id)]].append(finding)
        known: dict[int, list[tuple[str, int | None, int]]] = defaultdict(list)
        for event, *row in self._connection.execute(_SEVERAL, (subject,)):
            known[event].append((*row,))
        for event in sorted(wanted.keys() | known.keys()):
            self._settle(wanted[event], known[event], None, subject, event)

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
