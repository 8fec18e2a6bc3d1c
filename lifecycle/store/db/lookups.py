"""The rows that one transaction works on: looked up in bulk, and only once."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from attrs import define

from lifecycle.domain import Identity, Key, LeadEvent, Position, merged
from lifecycle.store.db.blocks import Blocks
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.rows import (
    OUTCOMES,
    SELECT_EVENTS,
    SELECT_LEADS,
    Parties,
    StoredEvent,
    StoredLead,
    key_hash,
    select_in,
    stored_lead,
)


@define(eq=False)
class KeyRow:
    """A key's row: to which cluster it belongs (None: it is new), and to which lead.

    ``leads``: how many leads name it, where it is a contact's.
    """

    key: Key
    hash: int
    cluster: int | None = None
    lead: int | None = None
    leads: int = 0
    stored: tuple[int | None, int | None, int] | None = None

    @property
    def belongs(self) -> tuple[int | None, int | None, int]:
        """The columns that change; ``stored`` is that of the row in the store, if there is one."""
        return (self.cluster, self.lead, self.leads)


@define
class ClusterRow:
    """A cluster's row: how many events name only its contact, and its first deletion.

    ``several``: whether one of its contacts holds several ids.
    """

    id: int
    contact_only: int = 0
    several: bool = False
    deletion: Position | None = None
    deletion_seq: int | None = None

    @property
    def is_no_more_than_leads(self) -> bool:
        """Tell whether nothing is to be said of it beside its leads."""
        return not (self.contact_only or self.several or self.deletion)


_SEVERAL: Final = (
    "SELECT cluster FROM finding"
    " WHERE code = 'several_ids' AND superseded_at IS NULL AND cluster IN"
)


_LAST_POSITIONS: Final = (
    "SELECT last_time, last_trigger, last_id FROM lead WHERE cluster = ?1"
    " AND last_time = (SELECT max(last_time) FROM lead WHERE cluster = ?1) UNION ALL"
    " SELECT time, trigger, id FROM event WHERE cluster = ?1"
)
_LAST_TIME: Final = itemgetter(12)
_LAST_POSITION: Final = itemgetter(12, 13, 14)
COPIES: Final = "SELECT event, entry FROM copy WHERE event IN"


_STORE: Final = (
    "SELECT secret, recorded_at, change, entry, lead, cluster, bound,"
    " (SELECT link FROM block ORDER BY first DESC LIMIT 1), (SELECT max(id) FROM erasure),"
    " (SELECT digest FROM rules ORDER BY id DESC LIMIT 1) FROM store"
)


class Numbers:
    """The store's own row: the last numbers that were given; none is given twice."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.secret: bytes
        self.recorded_at: int
        self.change: int
        self.entry: int
        self.lead: int
        self.cluster: int
        self.bound: bytes
        self.link: bytes | None
        self.erasure: int | None
        self.rules: str | None
        row = connection.execute(_STORE).fetchone()
        self.secret, self.recorded_at, self.change, self.entry, *rest = row
        self.lead, self.cluster, self.bound, self.link, self.erasure, self.rules = rest

    def next_lead(self) -> int:
        """Return the next number for a lead."""
        self.lead += 1
        return self.lead

    def next_cluster(self) -> int:
        """Return the next number for a cluster."""
        self.cluster += 1
        return self.cluster

    def next_change(self) -> int:
        """Return the next number for a change of history."""
        self.change += 1
        return self.change


class WorkingSet:
    """The rows that a transaction works on."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        parties: Parties,
        identity: Identity,
        *,
        numbers: Numbers | None = None,
        blocks: Blocks | None = None,
    ) -> None:
        self.connection = connection
        self.parties = parties
        self.identity = identity
        self.numbers = numbers or Numbers(connection)
        self._key_rows: dict[Key, KeyRow] = {}
        #: New keys by their hashes: no other may have the same number.
        self._holders: dict[int, KeyRow] = {}
        self.blocks = blocks or Blocks(connection)
        self._clusters: dict[int, ClusterRow] = {}
        self._leads: dict[int, StoredLead] = {}

    # --- keys -------------------------------------------------------------------------------

    def load_keys(self, keys: Iterable[Key]) -> None:
        """Look up the rows of these keys; those that are new get one."""
        known, rows = self._key_rows, defaultdict[int, list[KeyRow]](list)
        for key in keys:
            if key not in known:
                row = known[key] = KeyRow(key, key_hash(self.numbers.secret, key))
                rows[row.hash].append(row)
        more: Mapping[int, list[KeyRow]] = rows
        while more:
            more = self._match_keys(more)

    def _match_keys(self, rows: Mapping[int, list[KeyRow]]) -> Mapping[int, list[KeyRow]]:
        """Fill rows of keys by hash; return those whose hash is another key's, under the next."""
        select = "SELECT hash, kind, scheme, value, cluster, lead, leads FROM key WHERE hash IN"
        stored = {row[0]: row[1:] for row in select_in(self.connection, select, sorted(rows))}
        others: dict[int, list[KeyRow]] = defaultdict(list)
        for number, some in rows.items():
            holder = self._holders.get(number)
            for row in some:
                found = stored.get(number)
                if found is not None and found[:3] == row.key:
                    row.cluster, row.lead, row.leads = row.stored = found[3:]
                elif found is None and holder in (None, row):
                    holder = self._holders[number] = row
                else:
                    row.hash = number + 1
                    others[row.hash].append(row)
        return others

    def key_row(self, key: Key) -> KeyRow:
        """Return the row of a key."""
        row = self._key_rows.get(key)
        if row is None:
            self.load_keys([key])
            row = self._key_rows[key]
        return row

    def forget_key(self, key: Key) -> KeyRow:
        """Let a key be unknown from now on; the row that it had."""
        row = self.key_row(key)
        del self._key_rows[key]
        self._holders.pop(row.hash, None)
        return row

    def changed_keys(self) -> list[KeyRow]:
        """Return the rows of keys that are not in the store as they are now."""
        rows = self._key_rows.values()
        return [row for row in rows if row.cluster is not None and row.belongs != row.stored]

    # --- clusters ---------------------------------------------------------------------------

    def load_clusters(self, numbers: Collection[int]) -> None:
        """Look up the rows of these clusters."""
        self._clusters.update((number, ClusterRow(number)) for number in numbers)
        select = (
            "SELECT cluster.id, contact_only, event.time, event.trigger, event.id, event.seq"
            " FROM cluster LEFT JOIN event ON event.seq = cluster.deletion WHERE cluster.id IN"
        )
        for number, contact_only, time, *rest in select_in(self.connection, select, numbers):
            row = self._clusters[number]
            row.contact_only = contact_only
            if time is not None:
                trigger, event_id, row.deletion_seq = rest
                row.deletion = (time, trigger, event_id)
        for (number,) in select_in(self.connection, _SEVERAL, numbers):
            self._clusters[number].several = True

    def cluster(self, number: int) -> ClusterRow:
        """Return a cluster's row, which was looked up."""
        return self._clusters[number]

    def size(self, cluster: int) -> int:
        """Return how many leads a cluster has."""
        found = self.connection.execute("SELECT count(*) FROM lead WHERE cluster = ?", (cluster,))
        return int(found.fetchone()[0])

    def has_few_leads(self, cluster: int) -> bool:
        """Return whether a cluster has no more than one lead."""
        select = "SELECT 1 FROM lead WHERE cluster = ? LIMIT 2"
        return len(self.connection.execute(select, (cluster,)).fetchall()) <= 1

    def last_position(self, cluster: int) -> Position | None:
        """Return that of the last event of a cluster."""
        rows = self.connection.execute(_LAST_POSITIONS, (cluster,))
        return max(rows, default=None)

    # --- leads ------------------------------------------------------------------------------

    def load_leads(self, pks: Iterable[int]) -> None:
        """Look up these leads."""
        for pk, row in self.lead_rows(pks).items():
            self._leads[pk] = stored_lead(row, self.parties)

    def lead(self, pk: int) -> StoredLead:
        """Return a lead, which was looked up, ready to be folded on."""
        return self._leads[pk]

    def leads_of(self, clusters: Iterable[int]) -> dict[int, int]:
        """Return the numbers of all leads of these clusters, each with its cluster."""
        select = "SELECT id, cluster FROM lead WHERE cluster IN"
        return dict(select_in(self.connection, select, clusters))

    def latest_leads(self, cluster: int) -> Iterator[StoredLead]:
        """Yield the leads of a cluster as they were touched, the latest first."""
        select = f"{SELECT_LEADS} WHERE cluster = ? ORDER BY last_time DESC"
        rows = self.connection.execute(select, (cluster,))
        for _, same_time in groupby(rows, _LAST_TIME):
            for row in sorted(same_time, key=_LAST_POSITION, reverse=True):
                yield stored_lead(row, self.parties)

    def lead_rows(self, pks: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        """Return these leads as they stand in the store, in the columns of LEAD_COLUMNS."""
        rows = select_in(self.connection, f"{SELECT_LEADS} WHERE id IN", pks)
        return {row[0]: row for row in rows}

    # --- events -----------------------------------------------------------------------------

    def events_of_leads(self, leads: Iterable[int]) -> list[StoredEvent]:
        """Return all events that are bound to these leads."""
        return self._events(f"{SELECT_EVENTS} WHERE lead IN", leads)

    def deletions_of(self, clusters: Iterable[int]) -> list[StoredEvent]:
        """Return all deletions of these clusters."""
        return self._events(f"{SELECT_EVENTS} WHERE cluster IN", clusters)

    def events_numbered(self, seqs: Iterable[int]) -> list[StoredEvent]:
        """Return the events of these numbers."""
        return self._events(f"{SELECT_EVENTS} WHERE seq IN", seqs)

    def events_of_cluster(self, cluster: int) -> list[StoredEvent]:
        """Return all events of a cluster, its deletions too."""
        return self.events_of_leads(self.leads_of([cluster])) + self.deletions_of([cluster])

    def joined(self, seq: int, event: LeadEvent) -> LeadEvent:
        """Return the event of a change as all its copies make it."""
        return self._joined(event, self._copies([(seq, event.id)])[seq])

    def content(self, entry: int, event_id: str) -> LeadEvent:
        """Return what an entry of the ledger says under an id.

        Raises:
            LookupError: There is no such entry.
        """
        columns = self.blocks.of(entry).columns(entry)
        return unpack(event_id, *columns, identity=self.identity)

    def _events(self, select: str, numbers: Iterable[int]) -> list[StoredEvent]:
        rows = sorted(select_in(self.connection, select, numbers), key=_by_entry)
        stored = [self._stored_event(row) for row in rows]
        changes = [one for one in stored if one.event.trigger == "change"]
        copies = self._copies((one.seq, one.event.id) for one in changes)
        for one in changes:
            if one.seq in copies:
                one.event = self._joined(one.event, copies[one.seq])
        return stored

    def _stored_event(self, row: tuple[Any, ...]) -> StoredEvent:
        seq, entry, event_id, lead, cluster, outcome, recorded_at = row
        event = self.content(entry, event_id)
        return StoredEvent(seq, entry, lead, cluster, OUTCOMES[outcome], recorded_at, event, event)

    def _copies(self, changes: Iterable[tuple[int, str]]) -> dict[int, list[LeadEvent]]:
        """Return the other copies of these changes, by number."""
        ids = dict(changes)
        copies: dict[int, list[LeadEvent]] = defaultdict(list)
        for seq, entry in select_in(self.connection, COPIES, ids):
            if not self.blocks.entry(entry).is_erased:
                copies[seq].append(self.content(entry, ids[seq]))
        return copies

    def _joined(self, event: LeadEvent, copies: Sequence[LeadEvent]) -> LeadEvent:
        return self.identity.named(merged([event, *copies]))


def _by_entry(row: tuple[Any, ...]) -> int:
    return int(row[1])


#: The cluster of events in which the identity policy finds no name; it is none of all clusters.
UNNAMED: Final = 0


def all_clusters(connection: sqlite3.Connection) -> list[int]:
    """Return the numbers of all clusters, but for those that were erased."""
    rows = connection.execute(
        "SELECT id FROM cluster UNION SELECT cluster FROM lead WHERE sealed IS NULL ORDER BY 1"
    )
    return [row[0] for row in rows]
