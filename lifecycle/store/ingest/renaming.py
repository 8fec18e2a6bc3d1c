"""Fold a store again under another identity policy: its keys are read again from its messages.

What has no name under the policy goes to the quarantine, and what waited there for a name comes in.
So does each of several contents under one id: one without a name counts no more, and is kept as a
copy of minus the number of its event, until another policy finds a name in it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from attrs import define, field

from lifecycle.domain import HUB_SIZE, Components, Key
from lifecycle.messages import Undecodable, read_message
from lifecycle.store.db.lookups import UNNAMED, KeyRow, WorkingSet
from lifecycle.store.db.statements import ADD_COPY, Writes
from lifecycle.store.ingest.intake import Intake
from lifecycle.store.ingest.item import IngestItem, Place, to_stored
from lifecycle.store.ingest.set_aside import SetAside, problems_from
from lifecycle.store.ingest.standing import SharedFindings
from lifecycle.store.ledger.chain import BOUND, Bound

#: Groups with so many clusters are folded again together.
_TOGETHER: Final = 500
_EVENTS: Final = (
    "SELECT coalesce(event.cluster, lead.cluster), event.seq, event.entry, event.id"
    " FROM event LEFT JOIN lead ON lead.id = event.lead"
    " WHERE lead.sealed IS NULL ORDER BY event.entry"
)
_COPIES: Final = (
    "SELECT event.seq, event.entry, event.id, copy.entry, copy.event"
    " FROM copy JOIN event ON event.seq = abs(copy.event) LEFT JOIN lead ON lead.id = event.lead"
    " WHERE lead.sealed IS NULL ORDER BY event.seq, copy.entry"
)
_CANONICAL: Final = (
    "UPDATE event SET entry = ?, trigger = ?, time = ?, log = ?, line = ? WHERE seq = ?"
)
_NAMELESS: Final = (
    f"SELECT raw, problems, {BOUND['quarantine']} FROM quarantine"
    " WHERE left_at IS NULL AND problems LIKE '%no_identity%' ORDER BY id"
)
_HUBS: Final = "SELECT kind, scheme, value FROM key WHERE leads > ? ORDER BY 1, 2, 3"
_KEY: Final = "SELECT cluster, leads FROM key WHERE kind = ? AND scheme = ? AND value = ?"
_REMOVE_COPY: Final = "DELETE FROM copy WHERE event IN (?1, -?1) AND entry = ?2"
_REMOVE: Final = "DELETE FROM quarantine WHERE digest = ?"


@define
class _Group:
    """Clusters and unnamed events that keys link under the new policy."""

    clusters: set[int] = field(factory=set)
    unnamed: list[int] = field(factory=list)


def rename(
    working: WorkingSet, bound: Bound, recorded_at: int, intake: Callable[..., Intake]
) -> None:
    """Fold everything again with the keys that a policy finds.

    ``working`` has the new policy; ``intake`` makes what folds at a moment.
    """
    connection = working.connection
    hubs = [Key(*key) for key in connection.execute(_HUBS, (HUB_SIZE,))]
    contested = _settle_copies(working, bound, recorded_at)
    groups = _groups(working, set(contested))
    connection.execute("DELETE FROM key")
    for some in _together(groups):
        intake(recorded_at, renames=True).fold_renamed(sorted(some.clusters), some.unnamed)
    _settle_shared(working, hubs, contested, recorded_at)
    waiting = list(_named_now(working, bound))
    if waiting:
        # Behind what was just recorded, of which it may supersede some.
        intake(recorded_at + 1).take(waiting)


def _settle_copies(working: WorkingSet, bound: Bound, recorded_at: int) -> list[int]:
    """Let those contents count that have a name; return the events that have several contents."""
    writes = Writes()
    aside = SetAside(working.connection, writes, bound, recorded_at)
    rows = working.connection.execute(_COPIES).fetchall()
    contested = []
    for (seq, canonical, event_id), its in groupby(rows, key=itemgetter(0, 1, 2)):
        if working.blocks.entry(canonical).is_erased:
            continue
        marks = {canonical: seq} | {entry: mark for *_, entry, mark in its}
        contents = [one for one in marks if not working.blocks.entry(one).is_erased]
        named = [one for one in contents if working.content(one, event_id).keys]
        first = min(named or [canonical], key=lambda one: _version(working, one))
        if first != canonical:
            _let_be_canonical(working, seq, first)
        for entry in contents:
            working.connection.execute(_REMOVE_COPY, (seq, entry))
            if entry == first:
                continue
            mark = seq if entry in named else -seq
            working.connection.execute(ADD_COPY, (mark, entry))
            if mark < 0 < marks[entry]:
                aside.quarantine_again(working, entry)
        contested.append(seq)
    writes.execute(working.connection)
    return contested


def _version(working: WorkingSet, entry: int) -> tuple[bytes, int]:
    about = working.blocks.entry(entry)
    return about.digest, about.time


def _let_be_canonical(working: WorkingSet, seq: int, entry: int) -> None:
    about = working.blocks.entry(entry)
    row = (entry, about.trigger, about.time, about.log or None, about.line or None, seq)
    working.connection.execute(_CANONICAL, row)


def _groups(working: WorkingSet, contested: Collection[int]) -> list[_Group]:
    components: Components[int | Key] = Components()
    unnamed: dict[int, Key] = {}
    for cluster, seq, entry, event_id in working.connection.execute(_EVENTS):
        if working.blocks.entry(entry).is_erased:
            continue
        event = working.content(entry, event_id)
        if event.trigger == "change" and seq in contested:
            event = working.joined(seq, event)
        keys = event.keys
        if cluster != UNNAMED:
            components.link((cluster, *keys))
        elif keys:
            unnamed[seq] = keys[0]
            components.link(keys)
    groups: dict[int | Key, _Group] = defaultdict(_Group)
    for node in components:
        if isinstance(node, int):
            groups[components.find(node)].clusters.add(node)
    for seq, key in unnamed.items():
        groups[components.find(key)].unnamed.append(seq)
    return list(groups.values())


def _together(groups: list[_Group]) -> Iterator[_Group]:
    """Yield the groups, small ones joined: a fold tells them apart by their keys."""
    joined = _Group()
    for group in groups:
        joined.clusters |= group.clusters
        joined.unnamed += group.unnamed
        if len(joined.clusters) + len(joined.unnamed) >= _TOGETHER:
            yield joined
            joined = _Group()
    yield joined


def _settle_shared(
    working: WorkingSet, hubs: list[Key], contested: list[int], recorded_at: int
) -> None:
    """Bring the findings of keys that were hubs, and of several contents, up to date."""
    writes = Writes()
    findings = SharedFindings(working, writes, recorded_at, lambda _: None)
    for key in hubs:
        row = working.connection.execute(_KEY, key).fetchone()
        cluster, leads = row or (UNNAMED, 0)
        findings.save_hub(KeyRow(key, 0, cluster, leads=leads))
    for seq in contested:
        findings.save_conflicts(seq)
    writes.execute(working.connection)


def _named_now(working: WorkingSet, bound: Bound) -> Iterator[tuple[IngestItem, Place]]:
    """Take the messages that waited for a name, and have one, out of the quarantine."""
    for raw, problems, *row in working.connection.execute(_NAMELESS).fetchall():
        if all(one.code != "no_identity" for one in problems_from(problems)):
            continue
        readings: list[Any] = list(read_message(raw, identity=working.identity))
        if any(isinstance(one, Undecodable) for one in readings):
            continue
        working.connection.execute(_REMOVE, (row[0],))
        bound.change("quarantine", row, None)
        for reading in readings:
            yield to_stored(reading, working.identity), Place(row[2], row[3])
