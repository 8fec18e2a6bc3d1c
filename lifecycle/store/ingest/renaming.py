"""Fold a store again under another identity policy: its keys are read again from its messages.

What has no name under the policy goes to the quarantine, and what waited there for a name comes in.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import define, field

from lifecycle.domain import HUB_SIZE, Components, Identity, Key
from lifecycle.messages import Undecodable, read_message
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.lookups import UNNAMED, KeyRow
from lifecycle.store.ingest.identify import Place, Taken, problems_from, taken
from lifecycle.store.ingest.intake import Intake
from lifecycle.store.ingest.shared_findings import Settling

#: Groups with so many subjects are folded again together.
_TOGETHER: Final = 500
_EVENTS: Final = (
    "SELECT coalesce(event.subject, lead.subject), event.seq, event.id, event.digest,"
    " event.trigger, event.time, event.content FROM event LEFT JOIN lead ON lead.id = event.lead"
)
_NAMELESS: Final = (
    "SELECT id, raw, problems, log, line FROM quarantine"
    " WHERE left_at IS NULL AND problems LIKE '%no_identity%' ORDER BY id"
)


@define
class _Group:
    """Subjects and unnamed events that keys link under the new policy."""

    subjects: set[int] = field(factory=set)
    unnamed: list[int] = field(factory=list)


def rename(
    connection: sqlite3.Connection,
    identity: Identity,
    recorded_at: int,
    intake: Callable[..., Intake],
) -> None:
    """Fold everything again with the keys that a policy finds; ``intake`` makes what folds it."""
    hubs = [
        Key(*key)
        for key in connection.execute(
            "SELECT kind, scheme, value FROM key WHERE leads > ?", (HUB_SIZE,)
        )
    ]
    groups = _groups(connection, identity)
    connection.execute("DELETE FROM key")
    for some in _together(groups):
        intake(recorded_at, renames=True).fold_renamed(sorted(some.subjects), some.unnamed)
    _settle_hubs(connection, hubs, recorded_at)
    waiting = list(_named_now(connection, identity))
    if waiting:
        # Behind what was just recorded, of which it may supersede some.
        intake(recorded_at + 1).take(waiting)


def _groups(connection: sqlite3.Connection, identity: Identity) -> list[_Group]:
    components: Components[int | Key] = Components()
    unnamed: dict[int, Key] = {}
    for subject, seq, *packed in connection.execute(_EVENTS):
        keys = unpack(*packed, identity=identity).keys
        if subject != UNNAMED:
            components.link((subject, *keys))
        elif keys:
            unnamed[seq] = keys[0]
            components.link(keys)
    groups: dict[int | Key, _Group] = defaultdict(_Group)
    for node in components:
        if isinstance(node, int):
            groups[components.find(node)].subjects.add(node)
    for seq, key in unnamed.items():
        groups[components.find(key)].unnamed.append(seq)
    return list(groups.values())


def _together(groups: list[_Group]) -> Iterator[_Group]:
    """Yield the groups, small ones joined: a fold tells them apart by their keys."""
    joined = _Group()
    for group in groups:
        joined.subjects |= group.subjects
        joined.unnamed += group.unnamed
        if len(joined.subjects) + len(joined.unnamed) >= _TOGETHER:
            yield joined
            joined = _Group()
    yield joined


def _settle_hubs(connection: sqlite3.Connection, hubs: list[Key], recorded_at: int) -> None:
    """Bring the findings of keys that were hubs up to date."""
    settling = Settling(connection, recorded_at)
    for key in hubs:
        found = connection.execute(
            "SELECT subject, leads FROM key WHERE kind = ? AND scheme = ? AND value = ?", key
        ).fetchone()
        subject, leads = found or (UNNAMED, 0)
        settling.hub(KeyRow(key, b"", subject, leads=leads))


def _named_now(connection: sqlite3.Connection, identity: Identity) -> Iterator[tuple[Taken, Place]]:
    """Take the messages that waited for a name, and have one, out of the quarantine."""
    for number, raw, problems, log, line in connection.execute(_NAMELESS).fetchall():
        if all(one.code != "no_identity" for one in problems_from(problems)):
            continue
        readings: list[Any] = list(read_message(raw, identity=identity))
        if any(isinstance(one, Undecodable) for one in readings):
            continue
        connection.execute("DELETE FROM quarantine WHERE id = ?", (number,))
        for reading in readings:
            yield taken(reading), Place(log, line)
