"""Clusters that folding again leaves as they are: their leads are told as their course tells them.

Folding everything again finds most leads on their plain course, and every row of them as it must
be. Those are only read and compared here; where anything differs, the general way folds and writes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final, TypeAlias

import orjson

from lifecycle.domain import TRIGGERS, Course, Identity, Key, LeadMachine, Position, are_several
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
    CONTACT_ONLY,
    DELETED_AT,
    DOUBTS,
    KEYS,
    KNOWN_SINCE,
    LEAD_ID,
    MEMORY,
    REFUSALS,
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


#: What a plain lead has none of.
_SAID: Final = (REFUSALS, MEMORY, DOUBTS, CONTACT_ONLY, DELETED_AT)


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
        of_clusters = _FINDINGS.format(column="cluster")
        changed = {row[0] for row in select_in(connection, of_clusters, clusters)}
        changed.update(lead[CLUSTER] for lead in leads if any(map(lead.__getitem__, _SAID)))
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
        events, history = self._events(keys), self._by_lead(_HISTORY, keys)
        findings = self._by_lead(_FINDINGS.format(column="lead"), keys)
        contested = {one for (one,) in select_in(self._working.connection, _CONTESTED, keys)}
        for number, some in of_cluster.items():
            are_told = all(
                lead[0] not in contested
                and self._is_told(lead, events[lead[0]], history[lead[0]], findings[lead[0]])
                for lead in some
            )
            if not (are_told and self._keys_belong(number, some, keys)):
                yield number

    def _by_lead(self, select: str, leads: Iterable[int]) -> dict[int, list[Row]]:
        rows: dict[int, list[Row]] = defaultdict(list)
        for lead, *row in select_in(self._working.connection, select, leads):
            rows[lead].append(tuple(row))
        return rows

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

    def _is_told(
        self, lead: Row, told: list[_Told], history: list[Row], findings: list[Row]
    ) -> bool:
        """Return whether a lead's rows say what its course tells."""
        told.sort()
        course, names = Course(self._machine), _Names(self._working.identity)
        for (time, trigger, event_id), _, outcome, content in told:
            said = orjson.loads(content)
            verdict = course.take(event_id, TRIGGERS[trigger], time, said)
            if verdict is None or verdict != OUTCOMES[outcome] or not names.take(said[0]):
                return False
        if not told or (lead[LEAD_ID], lead[KEYS]) != (names.lead_id, keys_text(names.keys)):
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


class _Names:
    """The names of a lead as its messages bring them, each linked to those before.

    Attributes:
        lead_id: That of the first message.
        keys: All keys so far.
    """

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._last: Any = None
        self._own: dict[str, Key] = {}
        self.lead_id = ""
        self.keys: set[Key] = set()

    def take(self, written: Any) -> bool:
        """Take the names of a message; False where they are not plainly more of the same lead."""
        if written == self._last:
            return True
        own, contact = self._identity.keys(written_names(written))
        known = self._own.values()
        if not own or (known and not any(key in known for key in own)):
            return False
        for key in own:
            if self._own.setdefault(key.scheme, key) != key:
                return False
        self._last, self.lead_id = written, self.lead_id or min(own).lead_id
        self.keys.update(own, contact)
        return True
