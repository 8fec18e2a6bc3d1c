"""The leads of a person, those that once hung together with them, and the rows that change."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from typing import Any, Final

from attrs import define

from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import select_in
from lifecycle.store.erasure.select import Contents

_STEPS: Final = "SELECT id, lead, event, by, holder FROM history WHERE superseded_at IS"
_FINDINGS: Final = "SELECT id, lead FROM finding WHERE"
_FORMER: Final = "SELECT lead, known_since, kept_holder FROM former_lead WHERE"


@define
class Leads:
    """What an erasure seals, and what it changes.

    Attributes:
        live: The leads of the person.
        former: Leads of the person that turned out to be others.
        others: Leads whose rows so far cannot be derived any more, though they are not sealed.
        former_rows: Names that they had once: the lead, since when, and who held it.
        steps: Rows of history that lose their words: their number, who acted, who held.
        findings: The numbers of findings that lose their details.
    """

    live: set[int]
    former: set[int]
    others: set[int]
    former_rows: list[tuple[Any, ...]]
    steps: list[tuple[Any, ...]]
    findings: list[int]

    @property
    def sealed(self) -> set[int]:
        """All leads that are sealed."""
        return self.live | self.former


def leads_of(working: WorkingSet, clusters: Collection[int], contents: Contents) -> Leads:
    """Return the leads of these clusters, and what their contents changed elsewhere."""
    connection = working.connection
    own, contested = {one.seq for one in contents.events}, contents.contested
    live = set(working.leads_of(clusters))
    steps = select_in(connection, f"{_STEPS} NULL AND event IN", own)
    steps += select_in(connection, f"{_STEPS} NOT NULL AND event IN", own | contested)
    findings = select_in(connection, f"{_FINDINGS} event IN", own)
    # Which of what was superseded the other content had said, nothing tells.
    findings += select_in(
        connection, f"{_FINDINGS} superseded_at IS NOT NULL AND event IN", contested
    )
    names = {key.lead_id for key in contents.keys}
    former_rows = select_in(connection, f"{_FORMER} lead_id IN", names)
    touched = {row[1] for row in steps + findings if row[1] is not None}
    touched.update(row[0] for row in former_rows)
    former = _former(connection, touched, own)
    sealed = live | former
    steps += select_in(connection, f"{_STEPS} NOT NULL AND lead IN", sealed)
    findings += select_in(connection, f"{_FINDINGS} lead IN", sealed)
    findings += select_in(connection, f"{_FINDINGS} cluster IN", clusters)
    former_rows += select_in(connection, f"{_FORMER} lead IN", sealed)
    if contents.copies:
        # What else once hung together with these contents is no longer known: it is among the
        # leads that hang together now with any that are not canonical.
        touched.update(working.leads_of(contents.linked))
        select_leads = "SELECT lead FROM event WHERE lead IS NOT NULL AND seq IN"
        touched.update(lead for (lead,) in select_in(connection, select_leads, contested))
    return Leads(
        live,
        former,
        touched - sealed,
        sorted(set(former_rows)),
        [(number, by, holder) for number, _, _, by, holder in sorted(set(steps))],
        sorted({number for number, _ in findings}),
    )


def _former(connection: sqlite3.Connection, leads: Iterable[int], own: set[int]) -> set[int]:
    """Return those of some leads that are none any more, and have rows of these events alone."""
    former = set(leads)
    for table in ("lead", "sealed"):
        column = "id" if table == "lead" else "lead"
        select = f"SELECT {column} FROM {table} WHERE {column} IN"
        former.difference_update(lead for (lead,) in select_in(connection, select, former))
    rows = select_in(connection, f"{_STEPS} NOT NULL AND lead IN", former)
    return former - {lead for _, lead, event, _, _ in rows if event not in own}
