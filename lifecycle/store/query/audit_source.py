"""The evidence that a store gives an audit: messages by cluster, and what became no event."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

from attrs import asdict, field, frozen

from lifecycle.domain import TRIGGERS, Finding, LeadEvent, Position, Trigger
from lifecycle.messages import format_time
from lifecycle.store.db.lookups import WorkingSet, all_clusters
from lifecycle.store.db.rows import id_hash, select_in
from lifecycle.store.ledger.chain import head_of
from lifecycle.store.ledger.digest import contents_of
from lifecycle.store.query.history import lead_names
from lifecycle.store.query.messages import read_conflicts, read_messages
from lifecycle.store.query.results import StoredMessage
from lifecycle.utc import as_datetime

#: So many clusters are looked up at a time.
_TOGETHER: Final = 500


class Origin(NamedTuple):
    """The log of a message, and its line from 1; None where it was applied."""

    source: str | None = None
    line: int | None = None


@frozen
class VerdictChange:
    """A verdict that a later message changed, or other rules did.

    Attributes:
        at: The time of the event.
        became: What it became: ``valid`` was refused before, ``refused`` was valid.
        known_since: Since when the store had said otherwise.
        changed_at: Since when it says so.
    """

    lead_id: str
    event_id: str
    trigger: Trigger
    at: datetime = field(converter=as_datetime)
    became: Literal["refused", "valid"]
    known_since: datetime = field(converter=as_datetime)
    changed_at: datetime = field(converter=as_datetime)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        times = ("at", "known_since", "changed_at")
        return asdict(self) | {name: format_time(getattr(self, name)) for name in times}


class StoreEvidence:
    """The contents of a store for an audit; read it within one ``snapshot``.

    Attributes:
        conflicts: The findings for contents that are not canonical, by event id.
        ignored: Ignored messages by topic, as often as they came.
        quarantined: Messages in the quarantine, each by the code of its first problem.
    """

    def __init__(self, working: WorkingSet) -> None:
        self._working = working
        self._connection = connection = working.connection
        self.conflicts: dict[str, list[Finding]] = defaultdict(list)
        for finding in read_conflicts(working):
            self.conflicts[str(finding.event_id)].append(finding)
        self.ignored: dict[str, int] = dict(
            connection.execute("SELECT topic, messages FROM ignored ORDER BY topic")
        )
        self.quarantined = self._read_quarantined()

    @property
    def path(self) -> str:
        """The file of the store; an empty text for one in memory."""
        return str(self._connection.execute("PRAGMA database_list").fetchone()[2])

    @property
    def version(self) -> str:
        """Return what every transaction changes: its last change, and the head of the ledger."""
        (change,) = self._connection.execute("SELECT change FROM store").fetchone()
        return f"{change} {head_of(self._connection)}"

    def clusters(self) -> list[int]:
        """Return the numbers of all clusters."""
        return all_clusters(self._connection)

    def subjects(self, clusters: list[int] | None = None) -> Iterator[list[LeadEvent]]:
        """Yield the events of each cluster in fold order, some clusters at a time."""
        numbers = self.clusters() if clusters is None else clusters
        for start in range(0, len(numbers), _TOGETHER):
            yield from self._events_of(numbers[start : start + _TOGETHER])

    def contents(self) -> Iterator[tuple[str, bytes, int]]:
        """Yield the id, the digest and the earliest time of each content, in any order."""
        return contents_of(self._connection)

    def origins(self, event_ids: Iterable[str]) -> dict[str, Origin]:
        """Return where the messages of these events stood."""
        ids, secret = set(event_ids), self._working.numbers.secret
        rows = select_in(
            self._connection,
            "SELECT event.id, log.name, event.line FROM event LEFT JOIN log ON log.id = event.log"
            " WHERE event.hash IN",
            [id_hash(secret, event_id) for event_id in ids],
        )
        return {event_id: Origin(*where) for event_id, *where in rows if event_id in ids}

    def subject_of(self, event_id: str) -> list[LeadEvent]:
        """Return the events of the cluster that an event belongs to, in fold order."""
        (events,) = self._events_of([self._cluster_of(event_id)])
        return events

    def came_at(
        self, event_id: str, times: Iterable[datetime]
    ) -> dict[datetime, list[StoredMessage]]:
        """Return the messages of an event's cluster that came, or became canonical, at times."""
        moments = set(times)
        where = "event.cluster = ?1 OR event.lead IN (SELECT id FROM lead WHERE cluster = ?1)"
        messages: dict[datetime, list[StoredMessage]] = defaultdict(list)
        for message in read_messages(self._working, where, self._cluster_of(event_id)):
            if message.recorded_at in moments:
                messages[message.recorded_at].append(message)
        return messages

    def _cluster_of(self, event_id: str) -> int:
        (cluster,) = self._connection.execute(
            "SELECT coalesce(event.cluster, lead.cluster) FROM event"
            # The id of an erased event has no hash.
            " LEFT JOIN lead ON lead.id = event.lead WHERE event.hash IN (?, 0) AND event.id = ?",
            (id_hash(self._working.numbers.secret, event_id), event_id),
        ).fetchone()
        return int(cluster)

    def verdict_changes(self) -> list[VerdictChange]:
        """Return the verdicts that later messages or other rules changed, by lead and in order."""
        rows = self._connection.execute(
            "SELECT coalesce(event.lead, history.lead), event.time, event.trigger, event.id,"
            " history.recorded_at, history.superseded_at, history.refusal IS NOT NULL,"
            " event.recorded_at FROM history JOIN event ON event.seq = history.event"
            " WHERE event.seq IN (SELECT history.event FROM history"
            " JOIN event ON event.seq = history.event WHERE history.superseded_at IS NOT NULL"
            " OR history.recorded_at > event.recorded_at)"
        ).fetchall()
        names = lead_names(self._connection, (row[0] for row in rows))
        named = sorted(((names[lead], *rest) for lead, *rest in rows), key=itemgetter(*range(5)))
        changes: list[VerdictChange] = []
        for (lead_id, at, trigger, event_id), some in groupby(named, itemgetter(*range(4))):
            its_rows = list(some)
            # Where another content is canonical since, the event came when the first one did.
            came = min(min(row[4], row[7]) for row in its_rows)
            refused = [row[4:6] for row in its_rows if row[6]]
            changes += _changes((lead_id, event_id, TRIGGERS[trigger], at), came, refused)
        return changes

    def _events_of(self, clusters: list[int]) -> Iterator[list[LeadEvent]]:
        """Yield the events of each of these clusters in fold order; erased ones say nothing."""
        leads, entry_of = self._working.leads_of(clusters), self._working.blocks.entry
        rows: list[tuple[Any, ...]] = []
        for column, numbers in (("lead", leads), ("cluster", clusters)):
            select = f"SELECT seq, entry FROM event WHERE {column} IN"
            rows += select_in(self._connection, select, numbers)
        kept = [seq for seq, entry in rows if not entry_of(entry).is_erased]
        events: dict[int, list[LeadEvent]] = defaultdict(list)
        for stored in self._working.events_numbered(kept):
            cluster = stored.cluster if stored.lead is None else leads[stored.lead]
            events[cluster or 0].append(stored.event)
        for some in events.values():
            yield sorted(some, key=_position)

    def _read_quarantined(self) -> dict[str, int]:
        rows = self._connection.execute(
            "SELECT problems FROM quarantine WHERE left_at IS NULL ORDER BY id"
        )
        return dict(Counter(json.loads(problems)[0][2] for (problems,) in rows))


def _changes(
    event: tuple[str, str, Trigger, int], came: int, refused: list[tuple[int, int | None]]
) -> Iterator[VerdictChange]:
    """Yield the changes of an event's verdict, given the times when it was known as refused."""
    moments = sorted({came, *(one for times in refused for one in times if one is not None)})
    is_refused = [
        any(start <= moment and (end is None or moment < end) for start, end in refused)
        for moment in moments
    ]
    since = came
    for moment, (before, after) in zip(moments[1:], pairwise(is_refused), strict=True):
        if before != after:
            yield VerdictChange(*event, "refused" if after else "valid", since, moment)
            since = moment


def _position(event: LeadEvent) -> Position:
    return event.position
