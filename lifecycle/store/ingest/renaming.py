"""Fold a store again under another identity policy: its keys are read again from its messages.

What has no name under the policy goes to the quarantine, and what waited there for a name comes in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import define, field

from lifecycle.domain import HUB_SIZE, Components, Key
from lifecycle.messages import Undecodable, read_message
from lifecycle.store.db.lookups import UNNAMED, KeyRow, WorkingSet
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.intake import Intake
from lifecycle.store.ingest.item import IngestItem, Place, to_stored
from lifecycle.store.ingest.set_aside import problems_from
from lifecycle.store.ingest.standing import SharedFindings
from lifecycle.store.ledger.chain import BOUND, Bound

#: Groups with so many clusters are folded again together.
_TOGETHER: Final = 500
_EVENTS: Final = (
    "SELECT coalesce(event.cluster, lead.cluster), event.seq, event.entry, event.id"
    " FROM event LEFT JOIN lead ON lead.id = event.lead"
    " WHERE lead.sealed IS NULL ORDER BY event.entry"
)
_NAMELESS: Final = (
    f"SELECT raw, problems, {BOUND['quarantine']} FROM quarantine"
    " WHERE left_at IS NULL AND problems LIKE '%no_identity%' ORDER BY id"
)
_HUBS: Final = "SELECT kind, scheme, value FROM key WHERE leads > ? ORDER BY 1, 2, 3"
_KEY: Final = "SELECT cluster, leads FROM key WHERE kind = ? AND scheme = ? AND value = ?"
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
    groups = _groups(working)
    connection.execute("DELETE FROM key")
    for some in _together(groups):
        intake(recorded_at, renames=True).fold_renamed(sorted(some.clusters), some.unnamed)
    _settle_hubs(working, hubs, recorded_at)
    waiting = list(_named_now(working, bound))
    if waiting:
        # Behind what was just recorded, of which it may supersede some.
        intake(recorded_at + 1).take(waiting)


def _groups(working: WorkingSet) -> list[_Group]:
    components: Components[int | Key] = Components()
    unnamed: dict[int, Key] = {}
    for cluster, seq, entry, event_id in working.connection.execute(_EVENTS):
        if working.blocks.entry(entry).is_erased:
            continue
        keys = working.content(entry, event_id).keys
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


def _settle_hubs(working: WorkingSet, hubs: list[Key], recorded_at: int) -> None:
    """Bring the findings of keys that were hubs up to date."""
    writes = Writes()
    findings = SharedFindings(working, writes, recorded_at, lambda _: None)
    for key in hubs:
        row = working.connection.execute(_KEY, key).fetchone()
        cluster, leads = row or (UNNAMED, 0)
        findings.save_hub(KeyRow(key, 0, cluster, leads=leads))
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
