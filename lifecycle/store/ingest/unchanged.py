"""Clusters that folding again leaves as they are: their leads are told as their course tells them.

Folding everything again finds most leads on their plain course, and every row of them as it must
be. Those are only read and compared here; where anything differs, the general way folds and writes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias

import orjson

from lifecycle.domain import TRIGGERS, Course, Key, LeadMachine, Position, WrittenNames, are_several
from lifecycle.store.db.codec import written_names
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import (
    HISTORY_CONTENT,
    OUTCOMES,
    SELECT_LEADS,
    select_in,
)
from lifecycle.store.ingest.told import (
    CLUSTER,
    KEYS,
    KNOWN_SINCE,
    LEAD_ID,
    Row,
    findings_of,
    history_of,
    keys_text,
    lead_of,
)

#: So many clusters are folded again together, at most.
_TOGETHER: Final = 500
_EVENTS: Final = "SELECT entry, lead, seq, id, outcome FROM event WHERE lead IN"
_CONTESTED: Final = (
    "SELECT DISTINCT event.lead FROM copy JOIN event ON event.seq = copy.event WHERE event.lead IN"
)
_CONTENT: Final = ", ".join(f"history.{name}" for name in HISTORY_CONTENT.split(", "))
_HISTORY: Final = (
    f"SELECT history.lead, event, step, {_CONTENT}"
    " FROM event JOIN history ON history.event = event.seq"
    " WHERE history.superseded_at IS NULL AND event.lead IN"
)
_FINDINGS: Final = (
    "SELECT {column}, code, event, detail FROM finding"
    " WHERE superseded_at IS NULL AND code NOT IN ('conflict', 'hub') AND {column} IN"
)


#: The place of an event in its lead, its number, its outcome, and what was decoded.
_Told: TypeAlias = tuple[Position, int, int, bytes]


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
        keys = {lead[0]: [Key(*key) for key in orjson.loads(lead[KEYS])] for lead in leads}
        working.load_keys([key for some in keys.values() for key in some])
        events, history = self._events(keys), self._by_lead(_HISTORY, keys)
        findings = self._by_lead(_FINDINGS.format(column="lead"), keys)
        differ = {lead for (lead,) in select_in(connection, _CONTESTED, keys)}
        of_cluster: dict[int, list[Row]] = defaultdict(list)
        for lead in leads:
            pk = lead[0]
            of_cluster[lead[CLUSTER]].append(lead)
            if pk not in differ and not self._is_told(lead, events[pk], history[pk], findings[pk]):
                differ.add(pk)
        of_clusters = _FINDINGS.format(column="cluster")
        said = {row[0] for row in select_in(connection, of_clusters, clusters)}
        return [
            number
            for number in clusters
            if number in said
            or not working.cluster(number).is_no_more_than_leads
            or any(lead[0] in differ for lead in of_cluster[number])
            or not self._keys_belong(number, of_cluster[number], keys)
        ]

    def _by_lead(self, select: str, leads: Iterable[int]) -> dict[int, list[Row]]:
        rows: dict[int, list[Row]] = defaultdict(list)
        for lead, *row in select_in(self._working.connection, select, leads):
            rows[lead].append(tuple(row))
        return rows

    def _keys_belong(self, cluster: int, leads: list[Row], keys: dict[int, list[Key]]) -> bool:
        """Return whether the keys of a cluster's leads are known to be theirs."""
        counts = Counter(key for lead in leads for key in keys[lead[0]] if key.kind == "contact")
        return bool(leads) and all(
            self._working.key_row(key).stored
            == (cluster, *((lead[0], 0) if key.kind == "lead" else (None, counts[key])))
            for lead in leads
            for key in keys[lead[0]]
        )

    def _is_told(
        self, lead: Row, told: list[_Told], history: list[Row], findings: list[Row]
    ) -> bool:
        """Return whether a lead's rows say what its course tells."""
        told.sort()
        course, names = Course(self._machine), None
        for (time, trigger, event_id), _, outcome, content in told:
            said = orjson.loads(content)
            names = names or said[0]
            verdict = course.take(event_id, TRIGGERS[trigger], time, said)
            if said[0] != names or verdict is None or verdict != OUTCOMES[outcome]:
                return False
        if not names or not self._is_named(lead, written_names(names)):
            return False
        seqs = {event_id: seq for (_, _, event_id), seq, _, _ in told}
        parties = self._working.parties
        expected = lead_of(course, (*lead[:3], lead[KEYS], lead[KNOWN_SINCE]), parties)
        return (
            lead == expected
            and set(history) == set(history_of(course, seqs, parties))
            and sorted(findings) == sorted(findings_of(course, seqs))
        )

    def _events(self, leads: Iterable[int]) -> dict[int, list[_Told]]:
        """Return the events of leads by lead; they are read in the order of their blocks."""
        events: dict[int, list[_Told]] = defaultdict(list)
        for entry, lead, seq, event_id, outcome in sorted(
            select_in(self._working.connection, _EVENTS, leads)
        ):
            _, trigger, time, content = self._working.blocks.of(entry).columns(entry)
            events[lead].append(((time, trigger, event_id), seq, outcome, content))
        return events

    def _is_named(self, lead: Row, names: WrittenNames) -> bool:
        """Return whether the keys of a lead, and its name, are these by the identity policy."""
        own, contact = self._working.identity.keys(names)
        if not own or are_several(contact):
            return False
        named = (keys_text(own + contact), min(own).lead_id)
        return (lead[KEYS], lead[LEAD_ID]) == named
