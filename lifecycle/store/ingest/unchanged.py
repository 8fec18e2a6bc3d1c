"""Clusters that folding again leaves as they are: their leads are told as their course tells them.

Folding everything again finds most leads on their plain course, and every row of them as it must
be. Those are only read and compared here; where anything differs, the general way folds and writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import orjson

from lifecycle.domain import Key, LeadMachine, are_several
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import SELECT_LEADS, select_in
from lifecycle.store.ingest.refold import WholeLead, refolded, whole_leads
from lifecycle.store.ingest.told import (
    CLUSTER,
    IS_SAID,
    KEYS,
    KNOWN_SINCE,
    LEAD_ID,
    Row,
    findings_of,
    history_of,
    lead_of,
)

#: So many clusters are folded again together, at most.
_TOGETHER: Final = 500
_OF_CLUSTERS: Final = (
    "SELECT DISTINCT cluster FROM finding"
    " WHERE superseded_at IS NULL AND code NOT IN ('conflict', 'hub') AND cluster IN"
)
_CONTESTED: Final = (
    "SELECT DISTINCT event.lead FROM copy JOIN event ON event.seq = copy.event WHERE event.lead IN"
)


class Unchanged:
    """The clusters that a fold leaves as they are."""

    def __init__(self, working: WorkingSet, machine: LeadMachine) -> None:
        self._working = working
        self._machine = machine

    def others(self, clusters: list[int]) -> Iterator[list[int]]:
        """Yield those of these clusters that must be folded again, not too many at once."""
        others = self._changed(clusters)
        for start in range(0, len(others), _TOGETHER):
            yield others[start : start + _TOGETHER]

    def _changed(self, clusters: list[int]) -> list[int]:
        working, connection = self._working, self._working.connection
        working.load_clusters(clusters)
        leads = select_in(connection, f"{SELECT_LEADS} WHERE cluster IN", clusters)
        changed = {one for (one,) in select_in(connection, _OF_CLUSTERS, clusters)}
        changed.update(lead[CLUSTER] for lead in leads if any(IS_SAID(lead)))
        changed.update(
            number for number in clusters if not working.cluster(number).is_no_more_than_leads
        )
        of_cluster: dict[int, list[Row]] = {one: [] for one in clusters if one not in changed}
        for lead in leads:
            if lead[CLUSTER] in of_cluster:
                of_cluster[lead[CLUSTER]].append(lead)
        changed.update(self._differ(of_cluster))
        return [number for number in clusters if number in changed]

    def _differ(self, of_cluster: dict[int, list[Row]]) -> Iterator[int]:
        """Yield the clusters of which a lead is told otherwise, or a key belongs elsewhere."""
        leads = [lead for some in of_cluster.values() for lead in some]
        keys = {lead[0]: [Key(*key) for key in orjson.loads(lead[KEYS])] for lead in leads}
        self._working.load_keys([key for some in keys.values() for key in some])
        whole = whole_leads(self._working, leads)
        contested = {one for (one,) in select_in(self._working.connection, _CONTESTED, keys)}
        for number, some in of_cluster.items():
            are_told = all(
                lead[0] not in contested and self._is_told(whole[lead[0]]) for lead in some
            )
            if not (are_told and self._keys_belong(number, some, keys)):
                yield number

    def _keys_belong(self, cluster: int, leads: list[Row], keys: dict[int, list[Key]]) -> bool:
        """Return whether the keys of a cluster's leads are known to be theirs."""
        counts = Counter(key for lead in leads for key in keys[lead[0]] if key.kind == "contact")
        return (
            bool(leads)
            and not are_several(counts)
            and all(
                self._working.key_row(key).stored
                == (cluster, *((lead[0], 0) if key.kind == "lead" else (None, counts[key])))
                for lead in leads
                for key in keys[lead[0]]
            )
        )

    def _is_told(self, whole: WholeLead) -> bool:
        """Return whether a lead's rows say what its course tells."""
        lead = whole.row
        name = (lead[LEAD_ID], lead[KEYS])
        told = refolded(self._machine, self._working.identity, name, whole.events)
        if told is None:
            return False
        course, verdicts = told
        seqs = {event_id: seq for (_, _, event_id), seq, _, _ in whole.events}
        parties = self._working.parties
        expected = lead_of(course, (*lead[:3], lead[KEYS], lead[KNOWN_SINCE]), parties)
        return (
            lead == expected
            and all(verdicts[seq] == outcome for _, seq, outcome, _ in whole.events)
            and {row[1:] for row in whole.history} == set(history_of(course, seqs, parties))
            and sorted(row[1:] for row in whole.findings) == sorted(findings_of(course, seqs))
        )
