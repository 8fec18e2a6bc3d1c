"""The first step of a transaction: which messages are new events, and which are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, field

from lifecycle.domain import TRIGGERS, Key, LeadEvent, Position, merged
from lifecycle.messages import Ignored as OtherTopic
from lifecycle.store.db import statements as sql
from lifecycle.store.db.codec import CHANGE_NUMBER, Packed, content_of, unpack
from lifecycle.store.db.lookups import UNNAMED
from lifecycle.store.db.rows import StoredEvent, id_hash, key_hash, select_in
from lifecycle.store.db.statements import Writes
from lifecycle.store.ingest.item import (
    Conflict,
    Duplicate,
    Ignored,
    IngestItem,
    Outcome,
    Place,
    Quarantined,
)
from lifecycle.store.ingest.set_aside import AHEAD, SetAside, nameless, postponed
from lifecycle.store.ledger.chain import Ledger

if TYPE_CHECKING:
    from lifecycle.store.db.lookups import KeyRow, WorkingSet

#: What erasing keeps out, as it is counted among the ignored messages.
SUPPRESSED: Final = "suppressed"
Version: TypeAlias = tuple[bytes, int]
_NAMELESS: Final = ((), ())
_Columns: TypeAlias = tuple[str, bytes, int, int, bytes]


@define(eq=False)
class Arrival:
    """An event to be folded: a new one, or one whose canonical content is another from now on.

    ``hash`` is that of its id, ``entry`` the number of its content; ``stands`` is what stands in
    the store under its id, and ``rows`` are those of its keys, in their order. What is decoded of
    it is unpacked when it is asked for.
    """

    hash: int
    seq: int
    entry: int
    packed: Packed
    place: Place
    stands: StoredEvent | None = None
    rows: list[KeyRow] = field(factory=list)
    _event: LeadEvent | None = None
    #: The keys of its lead, and those of its contact.
    keys: tuple[Key, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        lead, contact = self.packed.keys
        self.keys = lead + contact if self._event is None else self._event.keys

    @property
    def event(self) -> LeadEvent:
        """Return what was decoded; of a change what all its copies make."""
        if self._event is None:
            self._event = unpack(*self.packed.columns, keys=self.packed.keys)
        return self._event

    def become(self, packed: Packed, entry: int, place: Place) -> None:
        """Let it be this content."""
        self.packed, self.entry, self.place, self._event = packed, entry, place, None
        self.keys = packed.keys[0] + packed.keys[1]

    def says(self, event: LeadEvent) -> None:
        """Let it be this event, which its copies make."""
        self._event, self.keys = event, event.keys

    @property
    def position(self) -> Position:
        """Its place in the order of the fold."""
        packed = self.packed
        return (packed.time, packed.trigger, packed.id)


@define
class _Standing:
    """The canonical content of an id so far, and the others that are known under it.

    ``is_nameless``: the identity policy finds no name in any of them.
    """

    seq: int
    version: Version
    entry: int
    arrival: Arrival | None = None
    others: dict[Version, _Columns] | None = None
    is_nameless: bool = False


class Arrivals:
    """Sorts what arrives: new events, duplicates, conflicts; and what is none of these.

    Attributes:
        to_fold: What is to be folded.
        contested: The events that another content came of, by number.
    """

    def __init__(
        self,
        working: WorkingSet,
        ledger: Ledger,
        writes: Writes,
        aside: SetAside,
        now: int,
    ) -> None:
        self._working = working
        self._ledger = ledger
        self._writes = writes
        self._aside = aside
        self._latest = now + AHEAD
        self._standing: dict[str, _Standing] = {}
        self._new: dict[str, Arrival] = {}
        self._hashes: dict[str, int] = {}
        select = "SELECT EXISTS (SELECT 1 FROM suppressed)"
        (self._any_suppressed,) = working.connection.execute(select).fetchone()
        self._suppressed: dict[int, int | None] = {}
        self.to_fold: list[Arrival] = []
        self.contested: dict[int, _Standing] = {}

    def take(self, messages: Sequence[tuple[IngestItem, Place]]) -> list[Outcome | str]:
        """Return what became of each message; an event id where the fold will tell it."""
        self._look_up([one for one, _ in messages if isinstance(one, Packed)])
        return [self._take(message, place) for message, place in messages]

    def digests(self, seq: int) -> tuple[bytes, list[bytes]] | None:
        """Return the canonical digest of an event and those of its others, if one came now."""
        standing = self.contested.get(seq)
        if standing is None:
            return None
        return standing.version[0], [digest for digest, _ in self._others(standing)]

    def _look_up(self, messages: list[Packed]) -> None:
        secret = self._working.numbers.secret
        ids = {id_hash(secret, one.id): one.id for one in messages}
        self._hashes.update((event_id, number) for number, event_id in ids.items())
        if self._any_suppressed:
            self._look_up_suppressed(messages, ids)
        select = "SELECT hash, id, seq, entry, cluster FROM event WHERE hash IN"
        for _, event_id, seq, entry, cluster in sorted(
            select_in(self._working.connection, select, sorted(ids)), key=_entry_of
        ):
            if event_id not in self._standing:
                about = self._working.blocks.entry(entry)
                self._standing[event_id] = _Standing(
                    seq, (about.digest, about.time), entry, is_nameless=cluster == UNNAMED
                )

    def _look_up_suppressed(self, messages: list[Packed], ids: dict[int, str]) -> None:
        secret = self._working.numbers.secret
        hashes = set(ids)
        for one in messages:
            hashes.update(key_hash(secret, key) for keys in one.keys for key in keys)
        select = "SELECT hash, until FROM suppressed WHERE hash IN"
        self._suppressed.update(select_in(self._working.connection, select, sorted(hashes)))

    def _is_suppressed(self, packed: Packed) -> bool:
        """Return whether a message is about somebody who was erased, and not new business."""
        secret = self._working.numbers.secret
        for number in [key_hash(secret, key) for keys in packed.keys for key in keys]:
            if number in self._suppressed:
                until = self._suppressed[number]
                if until is None or packed.time <= until:
                    return True
        return False

    def _take(self, message: IngestItem, place: Place) -> Outcome | str:
        if isinstance(message, Packed):
            if self._suppressed and self._is_id_suppressed(message.id):
                return Duplicate(message.id, TRIGGERS[message.trigger])
            if message.time > self._latest:
                return self._postpone(message, place)
            return self._arrive(message, place)
        if isinstance(message, OtherTopic):
            self._aside.ignore(message.topic)
            return Ignored(message.topic)
        self._aside.quarantine(message, place)
        return Quarantined(message.problems)

    def _is_id_suppressed(self, event_id: str) -> bool:
        return self._hashes[event_id] in self._suppressed

    def _arrive(self, packed: Packed, place: Place) -> Outcome | str:
        event_id = packed.id
        standing = self._standing.get(event_id) or self._newly_standing(event_id)
        if standing is not None and packed.version == standing.version:
            return Duplicate(event_id, TRIGGERS[packed.trigger])
        if packed.keys == _NAMELESS:
            message = nameless(packed.body, packed.time, self._working.identity)
            self._aside.quarantine(message, place)
            return Quarantined(message.problems)
        if self._suppressed and self._is_suppressed(packed):
            self._aside.ignore(SUPPRESSED)
            return Ignored(SUPPRESSED)
        if standing is None:
            seq = self._enter(packed, place)
            self._new[event_id] = arrival = Arrival(self._hashes[event_id], seq, seq, packed, place)
            self.to_fold.append(arrival)
            return event_id
        return self._take_beside(standing, packed, place)

    def _take_beside(self, standing: _Standing, packed: Packed, place: Place) -> Outcome | str:
        """Take another content in under an id."""
        if standing.is_nameless:
            return self._give_name(standing, packed, place)
        if packed.trigger == CHANGE_NUMBER:
            return self._complete(standing, packed, place)
        return self._contest(standing, packed, place)

    def _newly_standing(self, event_id: str) -> _Standing | None:
        """Return what stands under an id since this transaction, as something comes beside it."""
        arrival = self._new.pop(event_id, None)
        if arrival is None:
            return None
        version, seq = arrival.packed.version, arrival.seq
        self._standing[event_id] = standing = _Standing(seq, version, seq, arrival, {})
        return standing

    def _give_name(self, standing: _Standing, packed: Packed, place: Place) -> str:
        """Let this content be canonical in the place of those without a name, which do not count.

        They are kept as copies of minus the number of the event.
        """
        (stands,) = self._working.events_numbered([standing.seq])
        self._writes.add(sql.ADD_COPY, -standing.seq, standing.entry)
        standing.version, standing.entry = packed.version, self._enter(packed, place)
        where = (self._hashes[packed.id], standing.seq, standing.entry)
        standing.arrival, standing.is_nameless = Arrival(*where, packed, place, stands), False
        self.to_fold.append(standing.arrival)
        return packed.id

    def _contest(self, standing: _Standing, packed: Packed, place: Place) -> Outcome:
        """Let another content under a known id be canonical, or keep it as another."""
        digests = {standing.version[0], *(digest for digest, _ in self._others(standing))}
        is_known = packed.digest in digests
        if packed.version < standing.version:
            self._replace(standing, packed, place)
        elif packed.digest != standing.version[0]:
            self._keep_other(standing, packed, place)
        if not is_known:
            self.contested[standing.seq] = standing
        known = Duplicate if is_known else Conflict
        return known(packed.id, TRIGGERS[packed.trigger])

    def _complete(self, standing: _Standing, packed: Packed, place: Place) -> Outcome:
        """Let another copy of a change complete it: the event is what all copies make."""
        if packed.version < standing.version:
            self._replace(standing, packed, place)
        elif self._keep_other(standing, packed, place) and standing.arrival is None:
            self._complete_stored(standing)
        if (arrival := standing.arrival) is not None:
            arrival.says(self._joined(standing, arrival.packed.columns))
        return Duplicate(packed.id, "change")

    def _complete_stored(self, standing: _Standing) -> None:
        """Fold what stands in the store again, if another copy says more of it."""
        (stands,) = self._working.events_numbered([standing.seq])
        packed = self._stored_packed(standing, stands)
        event = self._joined(standing, packed.columns)
        if content_of(event) != content_of(stands.event):
            place = self._stored_place(standing)
            where = (self._hashes[packed.id], standing.seq, standing.entry)
            standing.arrival = Arrival(*where, packed, place, stands, event=event)
            self.to_fold.append(standing.arrival)

    def _joined(self, standing: _Standing, columns: _Columns) -> LeadEvent:
        identity = self._working.identity
        some = [columns, *self._others(standing).values()]
        return identity.named(merged([unpack(*one, identity=identity) for one in some]))

    def _stored_packed(self, standing: _Standing, stands: StoredEvent) -> Packed:
        block = self._working.blocks.of(standing.entry)
        about, content = block.entry(standing.entry), block.content(standing.entry)
        body = block.body(standing.entry)
        columns = (about.digest, about.trigger, about.time, content)
        keys = (stands.own.lead_keys, stands.own.contact_keys)
        return Packed(stands.event.id, *columns, keys, body)

    def _stored_place(self, standing: _Standing) -> Place:
        about = self._working.blocks.entry(standing.entry)
        return Place(about.log or None, about.line or None)

    def _replace(self, standing: _Standing, packed: Packed, place: Place) -> None:
        """Let this content be canonical, and keep the one that was."""
        others, entry = self._others(standing), self._enter(packed, place)
        arrival = standing.arrival
        if arrival is not None:
            others[standing.version] = arrival.packed.columns
            arrival.become(packed, entry, place)
        else:
            (stands,) = self._working.events_numbered([standing.seq])
            others[standing.version] = self._stored_packed(standing, stands).columns
            where = (self._hashes[packed.id], standing.seq, entry)
            standing.arrival = Arrival(*where, packed, place, stands)
            self.to_fold.append(standing.arrival)
        others.pop(packed.version, None)
        self._writes.add(sql.ADD_COPY, standing.seq, standing.entry)
        standing.version, standing.entry = packed.version, entry

    def _keep_other(self, standing: _Standing, packed: Packed, place: Place) -> bool:
        """Keep a content that is not canonical; return whether it was new."""
        others = self._others(standing)
        if packed.version in others or packed.version == standing.version:
            return False
        others[packed.version] = packed.columns
        self._writes.add(sql.ADD_COPY, standing.seq, self._enter(packed, place))
        return True

    def _others(self, standing: _Standing) -> dict[Version, _Columns]:
        """Return the other contents that are known under an id, by version."""
        if standing.others is None:
            standing.others = {}
            select = "SELECT entry FROM copy WHERE event = ? ORDER BY entry"
            for (entry,) in self._working.connection.execute(select, (standing.seq,)):
                block = self._working.blocks.of(entry)
                one = block.entry(entry)
                columns = ("", one.digest, one.trigger, one.time, block.content(entry))
                if not one.is_erased:
                    standing.others[one.digest, one.time] = columns
        return standing.others

    def _enter(self, packed: Packed, place: Place) -> int:
        if place.entry is not None:
            return place.entry
        return self._ledger.enter(packed, place.log, place.line)

    def _postpone(self, packed: Packed, place: Place) -> Outcome:
        message = postponed(packed.body, packed.time)
        self._aside.quarantine(message, place, packed.time - AHEAD)
        return Quarantined(message.problems)


def _entry_of(row: tuple[Any, ...]) -> int:
    return int(row[3])
