"""What is to be erased of a person: the contents of their events, and those under other ids."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection
from typing import Any, Final

import orjson
from attrs import define, evolve, field, frozen

from lifecycle.domain import Identity, Key, LeadEvent, merged
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.compression import payload_text
from lifecycle.store.db.rows import key_hash, select_in

_EVENTS: Final = (
    "SELECT EXISTS (SELECT 1 FROM erased WHERE erased.event = seq), seq, ledger, id_hash, body, id,"
    " digest, trigger, time, content FROM event"
    " WHERE subject = ?1 OR lead IN (SELECT id FROM lead WHERE subject = ?1)"
)
_COPIES: Final = (
    "SELECT copy.event, copy.id, copy.ledger, event.id_hash, copy.body,"
    " event.id, copy.digest, copy.trigger, copy.time, copy.content"
    " FROM copy JOIN event ON event.seq = copy.event"
)
_EVENTS_OF: Final = "SELECT seq FROM event WHERE subject IN"
_EVENTS_OF_LEADS: Final = (
    "SELECT event.seq FROM lead JOIN event ON event.lead = lead.id WHERE lead.subject IN"
)


@frozen
class Stored:
    """A content that is to be erased.

    Attributes:
        number: That of its event; of a copy its own.
        ledger: That of its entry.
        id_hash: The hash of the id that it came under.
        event: What was decoded.
        body: The message itself, compressed.
    """

    number: int
    ledger: int
    id_hash: bytes
    event: LeadEvent
    body: bytes

    @property
    def message(self) -> Any:
        """The message itself, parsed."""
        return orjson.loads(payload_text(self.body) or "null")


@define
class Erasable:
    """The contents of a person.

    Attributes:
        events: Their events.
        copies: Other contents under the ids of these, and theirs under the ids of others.
        theirs: Those of the copies that are about them.
        tombstones: What stays of the copies: the number of the entry, and that of the event.
        linked: The numbers of other events that the copies may have concerned while they counted.
        contested: The numbers of the events that lose copies.
        others: Those among these that are of other people.
        kept: The keys that stayed of what was erased before.
    """

    events: list[Stored] = field(factory=list)
    copies: list[Stored] = field(factory=list)
    theirs: list[Stored] = field(factory=list)
    tombstones: list[tuple[int, int]] = field(factory=list)
    linked: set[int] = field(factory=set)
    contested: set[int] = field(factory=set)
    others: set[int] = field(factory=set)
    kept: set[Key] = field(factory=set)

    @property
    def about(self) -> list[Stored]:
        """The contents that tell who the person is."""
        return self.events + self.theirs

    @property
    def entries(self) -> list[int]:
        """The numbers of all entries whose contents are to be erased."""
        return [one.ledger for one in self.events + self.copies]


def erasable(
    connection: sqlite3.Connection,
    subject: int | None,
    keys: Collection[Key],
    identity: Identity,
) -> Erasable:
    """Find what is to be erased of a subject, and what has one of these keys."""
    found = Erasable()
    for erased, *columns in connection.execute(_EVENTS, (subject,)):
        stored = _stored(columns, identity)
        if erased:
            found.kept.update(stored.event.keys)
        else:
            found.events.append(stored)
    own = {one.number for one in found.events}
    names = set(keys).union(*(one.event.keys for one in found.events))
    completing: dict[int, list[LeadEvent]] = defaultdict(list)
    rest: list[tuple[int, set[Key]]] = []
    for seq, *columns in connection.execute(_COPIES):
        copy = _stored(columns, identity)
        theirs = not names.isdisjoint(copy.event.keys)
        if not theirs and seq not in own:
            rest.append((seq, set(copy.event.keys)))
            continue
        found.copies.append(copy)
        if copy.event.trigger == "change":
            completing[seq].append(copy.event)
        found.tombstones.append((copy.ledger, seq))
        found.contested.add(seq)
        if seq not in own:
            found.others.add(seq)
        if theirs and _owners(connection, copy.event.keys) <= {subject}:
            found.theirs.append(copy)
    found.linked = _linked(connection, found.copies, rest)
    found.events = [_completed(one, completing.get(one.number, [])) for one in found.events]
    return found


def _completed(stored: Stored, copies: list[LeadEvent]) -> Stored:
    """Return an event as all copies of its change make it: what stays of it must say the same."""
    return evolve(stored, event=merged([stored.event, *copies])) if copies else stored


def _linked(
    connection: sqlite3.Connection, copies: Collection[Stored], rest: list[tuple[int, set[Key]]]
) -> set[int]:
    """The events that hung together by these copies: by their keys, and by those of others."""
    keys = {key for copy in copies for key in copy.event.keys}
    events: set[int] = set()
    while more := [(seq, named) for seq, named in rest if named & keys and not named <= keys]:
        keys.update(*(named for _, named in more))
    events.update(seq for seq, named in rest if named & keys)
    subjects = _owners(connection, keys) - {None}
    for select in (_EVENTS_OF, _EVENTS_OF_LEADS):
        events.update(seq for (seq,) in select_in(connection, select, subjects))
    return events


def _stored(columns: list[Any], identity: Identity) -> Stored:
    number, ledger, id_hash, body, *packed = columns
    return Stored(number, ledger, id_hash, unpack(*packed, identity=identity), body)


def _owners(connection: sqlite3.Connection, keys: Collection[Key]) -> set[int | None]:
    """The subjects whose names these are now."""
    hashes = map(key_hash, keys)
    rows = select_in(connection, "SELECT subject FROM key WHERE hash IN", hashes)
    return {subject for (subject,) in rows}
