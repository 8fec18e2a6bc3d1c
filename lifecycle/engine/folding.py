"""Clusters, folded: rows of leads, history and findings, and counts of verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, TypeAlias

from attrs import define, field

from lifecycle.domain import (
    Finding,
    History,
    Identity,
    LeadEvent,
    LeadMachine,
    conflict,
    subject_history,
)
from lifecycle.engine.tables import HISTORY, LEADS
from lifecycle.exporting import Row, Table
from lifecycle.store import unpack

#: The findings for contents that are not canonical, by event id.
Conflicts: TypeAlias = "dict[str, list[Finding]]"

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
            lead_id = one.lead.lead_id
            self.leads.append(LEADS.row(one.lead))
            steps = enumerate(one.rows, 1)
            self.history += [(lead_id, seq, *_STEPS.row(row)) for seq, row in steps]
            self.findings += [_finding(finding, lead_id) for finding in one.findings]
        self.findings += [_finding(finding, None) for finding in history.findings]


def clusters_of(
    rows: Iterable[Sequence[Any]], identity: Identity
) -> Iterator[tuple[list[LeadEvent], Conflicts]]:
    """Yield the events of each cluster and its conflicts by event id, one cluster at a time.

    Each row has the name of its cluster before the columns of a canonical content; they are given
    sorted by cluster and, within it, in fold order.
    """
    for _, its_rows in groupby(rows, itemgetter(0)):
        events: list[LeadEvent] = []
        conflicts: Conflicts = {}
        for _, *columns, digests in its_rows:
            event = unpack(*columns, identity=identity)
            events.append(event)
            if digests:
                conflicts[event.id] = [conflict(event.id, digest) for digest in digests]
        yield events, conflicts


def fold_clusters(
    machine: LeadMachine, rows: Iterable[Sequence[Any]], identity: Identity, *, size: int
) -> Iterator[ClusterRows]:
    """Yield what clusters say, given as to ``clusters_of``, in parts of so many rows or more."""
    part = ClusterRows()
    for events, conflicts in clusters_of(rows, identity):
        part.add(subject_history(machine, events, conflicts))
        if len(part.history) >= size:
            yield part
            part = ClusterRows()
    yield part


def _finding(finding: Finding, lead_id: str | None) -> Row:
    return (finding.severity, finding.code, lead_id, finding.event_id, finding.detail)
