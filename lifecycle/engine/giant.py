"""Giant clusters: folded in pieces from a file on the local disk, never held as a list of events.

What stays in memory is what the fold itself needs: the leads of the cluster, and its keys. A first
pass finds which lead each lead key belongs to, a second one folds, and gives each piece's rows
away. Changes of fields look ahead to later ones of their lead: a cluster with any is held whole.
"""

from __future__ import annotations

import pickle
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import IO, Any

from lifecycle.domain import (
    Components,
    Finding,
    Group,
    Identity,
    Key,
    LeadEvent,
    LeadMachine,
    SubjectFold,
    Track,
    conflict,
    contact_findings,
    hubs,
)
from lifecycle.engine.rows import ClusterRows, unpacked
from lifecycle.store import CHANGE_NUMBER

#: The place of the trigger's number in a row.
_TRIGGER = 3


class SpooledCluster:
    """The rows of one cluster, in fold order, in a file that is gone when it is closed."""

    def __init__(self, rows: Iterable[Sequence[Any]], identity: Identity) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - ``close`` closes it
        self._identity = identity
        self._size = 0
        self.has_changes = False
        for row in rows:
            pickle.dump(tuple(row), self._file, pickle.HIGHEST_PROTOCOL)
            self.has_changes |= row[_TRIGGER] == CHANGE_NUMBER
            self._size += 1

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __iter__(self) -> Iterator[LeadEvent]:
        """Yield the events, from the first one on."""
        return (event for event, _ in self.events())

    def events(self) -> Iterator[tuple[LeadEvent, Sequence[bytes]]]:
        """Yield the events, each with the digests of its id's other contents."""
        self._file.seek(0)
        for _ in range(self._size):
            row = pickle.load(self._file)  # noqa: S301 - our own file, which has no name
            yield unpacked(row, self._identity)


class _Groups(dict[str, Group]):
    """The leads of a piece's events, by event id; ``values`` are those of the whole cluster."""

    def __init__(self, groups: Iterable[tuple[str, Group]], whole: Sequence[Group]) -> None:
        super().__init__(groups)
        self._whole = whole

    def values(self) -> Any:
        """Return the leads of the whole cluster."""
        return self._whole


class GiantFold:
    """The fold of one giant cluster."""

    def __init__(self, machine: LeadMachine, cluster: SpooledCluster, size: int) -> None:
        self._cluster = cluster
        self._size = size
        self._fold = SubjectFold(machine)
        self._leads: Components[Key] = Components()
        #: How many rows of each lead's history were given away.
        self._given: Counter[Group] = Counter()

    def parts(self) -> Iterator[ClusterRows]:
        """Yield what the cluster says, piece by piece."""
        for event in self._cluster:
            if event.lead_keys:
                self._leads.link(event.lead_keys)
        whole = list({self._leads.find(key) for key in self._leads})
        events = self._cluster.events()
        while piece := list(islice(events, self._size)):
            yield self._piece(piece, whole)
        yield from self._rest()

    def _piece(
        self, piece: Sequence[tuple[LeadEvent, Sequence[bytes]]], whole: Sequence[Group]
    ) -> ClusterRows:
        """Fold a piece, and give away the rows that it added."""
        fold = self._fold
        named = (event for event, _ in piece if event.lead_keys)
        groups = ((event.id, self._leads.find(event.lead_keys[0])) for event in named)
        fold.run([event for event, _ in piece], _Groups(groups, whole))
        for event, digests in piece:
            group = fold.fates[event.id][2]
            findings = fold.findings if group is None else fold.tracks[group].findings
            findings += [conflict(event.id, digest) for digest in digests]
        part = ClusterRows()
        part.verdicts.update(verdict for _, verdict, _ in fold.fates.values())
        for group in {group for _, _, group in fold.fates.values() if group is not None}:
            # One that no lead key names yet may still get another name.
            if fold.tracks[group].pieces:
                self._give(part, group, fold.tracks[group])
        fold.fates.clear()
        return part

    def _give(self, part: ClusterRows, group: Group, track: Track) -> None:
        part.add_history(track.lead.lead_id, track.rows, self._given[group])
        part.add_findings(track.findings, track.lead.lead_id)
        self._given[group] += len(track.rows)
        moves = [row for row in track.rows if not row.refused]
        if moves:
            lead = track.lead
            lead.reached = {**lead.reached, **{row.target: row.at_micros for row in moves}}
            lead.reason = moves[-1].reason
        track.rows.clear()
        track.findings.clear()

    def _rest(self) -> Iterator[ClusterRows]:
        """Yield the leads, and what is known of them in the end."""
        fold = self._fold
        findings: list[Finding] = fold.findings + hubs(fold.tracks.values())
        findings += contact_findings(self._cluster, fold.tracks.values())
        part = ClusterRows()
        part.add_findings(findings, None)
        for group, track in fold.tracks.items():
            self._give(part, group, track)
            part.add_findings(track.open_findings(), track.lead.lead_id)
            track.lead.keys = tuple(sorted(track.keys, key=Key.order))
            if fold.deletion is not None:
                track.lead.contact_deleted_micros = fold.deletion[0]
            part.add_lead(track.lead)
            if len(part.leads) >= self._size:
                yield part
                part = ClusterRows()
        yield part
