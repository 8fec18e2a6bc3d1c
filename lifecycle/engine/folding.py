"""Clusters, folded: rows of leads, history and findings, and counts of verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, Final, TypeAlias

from lifecycle.domain import (
    Finding,
    Identity,
    LeadEvent,
    LeadMachine,
    conflict,
    subject_history,
)
from lifecycle.engine.giant import GiantFold, SpooledCluster
from lifecycle.engine.rows import ClusterRows, unpacked

#: The findings for contents that are not canonical, by event id.
Conflicts: TypeAlias = "dict[str, list[Finding]]"
#: A cluster of more events is not held in memory.
GIANT: Final = 50_000


def clusters_of(
    rows: Iterable[Sequence[Any]], identity: Identity
) -> Iterator[tuple[list[LeadEvent], Conflicts]]:
    """Yield the events of each cluster and its conflicts by event id, one cluster at a time.

    Each row has the name of its cluster before the columns of a canonical content; they are given
    sorted by cluster and, within it, in fold order.
    """
    for _, its_rows in groupby(rows, itemgetter(0)):
        yield _cluster(its_rows, identity)


def fold_clusters(
    machine: LeadMachine,
    rows: Iterable[Sequence[Any]],
    identity: Identity,
    *,
    size: int,
    giant: int = GIANT,
) -> Iterator[ClusterRows]:
    """Yield what clusters say, given as to ``clusters_of``, in parts of so many rows or more.

    A cluster of more than ``giant`` events is folded in pieces of so many, from a file.
    """
    part = ClusterRows()
    for _, its_rows in groupby(rows, itemgetter(0)):
        rest = iter(its_rows)
        first = list(islice(rest, giant + 1))
        if len(first) > giant:
            yield from _folded_in_pieces(machine, chain(first, rest), identity, giant)
            continue
        part.add(subject_history(machine, *_cluster(first, identity)))
        if len(part.history) >= size:
            yield part
            part = ClusterRows()
    yield part


def _folded_in_pieces(
    machine: LeadMachine, rows: Iterable[Sequence[Any]], identity: Identity, giant: int
) -> Iterator[ClusterRows]:
    cluster = SpooledCluster(rows, identity)
    try:
        if not cluster.has_changes:
            yield from GiantFold(machine, cluster, giant).parts()
            return
        part = ClusterRows()
        part.add(subject_history(machine, *_with_conflicts(cluster.events())))
        yield part
    finally:
        cluster.close()


def _cluster(
    rows: Iterable[Sequence[Any]], identity: Identity
) -> tuple[list[LeadEvent], Conflicts]:
    return _with_conflicts(unpacked(row, identity) for row in rows)


def _with_conflicts(
    rows: Iterable[tuple[LeadEvent, Sequence[bytes]]],
) -> tuple[list[LeadEvent], Conflicts]:
    events: list[LeadEvent] = []
    conflicts: Conflicts = {}
    for event, digests in rows:
        events.append(event)
        if digests:
            conflicts[event.id] = [conflict(event.id, digest) for digest in digests]
    return events, conflicts
