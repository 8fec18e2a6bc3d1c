"""Rows of leads, history and findings, as engines give them; and events out of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import define, field

from lifecycle.domain import Finding, History, HistoryRow, Identity, Lead, LeadEvent
from lifecycle.engine.tables import HISTORY, LEADS
from lifecycle.exporting import Row, Table
from lifecycle.store import unpack

#: The columns of a step behind the lead and the row's place in its history.
_STEPS: Final = Table("steps", HISTORY.columns[2:])


@define
class ClusterRows:
    """The rows of some clusters, in the columns of LEADS, HISTORY and FINDINGS.

    Attributes:
        verdicts: How many events were applied, refused and noted.
    """

    leads: list[Row] = field(factory=list)
    history: list[Row] = field(factory=list)
    findings: list[Row] = field(factory=list)
    verdicts: Counter[str] = field(factory=Counter)

    def add(self, history: History) -> None:
        """Add what a cluster's events say."""
        self.verdicts.update(fate.verdict for fate in history.fates.values())
        for one in history.leads:
            self.add_lead(one.lead)
            self.add_history(one.lead.lead_id, one.rows)
            self.add_findings(one.findings, one.lead.lead_id)
        self.add_findings(history.findings, None)

    def add_lead(self, lead: Lead) -> None:
        """Add a lead."""
        self.leads.append(LEADS.row(lead))

    def add_history(self, lead_id: str, rows: Iterable[HistoryRow], before: int = 0) -> None:
        """Add rows of a lead's history, which come behind so many others."""
        steps = enumerate(rows, before + 1)
        self.history += [(lead_id, seq, *_STEPS.row(row)) for seq, row in steps]

    def add_findings(self, findings: Iterable[Finding], lead_id: str | None) -> None:
        """Add findings of a lead, or of none in particular."""
        self.findings += [
            (one.severity, one.code, lead_id, one.event_id, one.detail) for one in findings
        ]


def unpacked(row: Sequence[Any], identity: Identity) -> tuple[LeadEvent, Sequence[bytes]]:
    """Return the event in a row, and the digests of its id's other contents."""
    _, *columns, digests = row
    return unpack(*columns, identity=identity), digests or ()
