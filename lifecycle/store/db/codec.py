"""An event as the store keeps it: what was decoded, as JSON, beside the message itself.

Packing is what can be done away from the store, in another process; the store unpacks what it
folds, as it does with the events that it folds again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from lifecycle.domain import (
    TRIGGERS,
    Contact,
    FieldChange,
    Identity,
    Key,
    LeadEvent,
    Note,
    Party,
    Snapshot,
    WrittenNames,
)
from lifecycle.messages import DEFAULT_IDENTITY, Decoded
from lifecycle.store.db.frames import Contents, Draft

#: Ids and contents up to these lengths are worth remembering.
_USUAL: Final = 200
_USUAL_CONTENT: Final = 2000
_MANY_PARTIES: Final = 10_000
_BOM = b"\xef\xbb\xbf"
#: What a change says, in the order in which it is made again of it.
_CHANGE_PARTS: Final = attrgetter("source", "field", "object", "old", "new", "current")
TRIGGER_NUMBER: Final = {trigger: number for number, trigger in enumerate(TRIGGERS)}
#: Copies of a change make one event; those of any other message are in conflict.
CHANGE_NUMBER: Final = TRIGGER_NUMBER["change"]


#: The keys of a lead, and those of its contact.
Names: TypeAlias = tuple[tuple[Key, ...], tuple[Key, ...]]


class Packed(NamedTuple):
    """An event in columns; only what the store knows besides (its lead, its verdict) is missing.

    Attributes:
        id: The event's id.
        digest: That of its content.
        trigger: The number of its trigger.
        time: Microseconds since 1970 in UTC.
        content: Everything else that was decoded, as JSON.
        keys: Those of the lead and those of its contact, by an identity policy.
        message: The message itself, where it is in no draft.
        draft: The draft of a block that holds it, at ``place``.
    """

    id: str
    digest: bytes
    trigger: int
    time: int
    content: bytes
    keys: Names
    message: bytes | None
    draft: Draft | None = None
    place: int = 0

    @property
    def columns(self) -> tuple[str, bytes, int, int, bytes]:
        """The arguments of ``unpack``."""
        return self[:5]

    @property
    def body(self) -> bytes:
        """The message itself."""
        return self.message if self.draft is None else self.draft.body(self.place)  # type: ignore[return-value]

    @property
    def version(self) -> tuple[bytes, int]:
        """Of several contents under one id the one with the smallest version is canonical."""
        return (self.digest, self.time)


def keyed_hash(secret: bytes, text: str) -> int:
    """Return a signed number of 64 bits for a text: BLAKE2b, keyed by the store's secret."""
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=secret).digest()
    return int.from_bytes(digest, signed=True)


def pack(decoded: Decoded, identity: Identity) -> Packed:
    """Return the event of a decoded message in columns, with the keys that a policy finds in it."""
    event = decoded.event
    trigger, content = TRIGGER_NUMBER[event.trigger], content_of(event)
    keys = _keys(identity, event.names or WrittenNames(), content)
    body = decoded.payload.removeprefix(_BOM)
    return Packed(event.id, event.digest, trigger, event.time, content, keys, body)


def drafted(packed: Sequence[Packed]) -> list[Packed]:
    """Return events of which the messages are in the draft of a block."""
    draft = Draft.of([Contents(*one[1:5], one.body) for one in packed])
    return [Packed(*one[:6], None, draft, place) for place, one in enumerate(packed)]


def content_of(event: LeadEvent) -> bytes:
    """Return what was decoded, as JSON: all but the columns that an event has of its own."""
    snapshot, change = event.snapshot, event.field_change
    return orjson.dumps(
        (
            _names_value(event),
            _party_value(event.agent),
            _party_value(event.recipient),
            _party_value(event.participant),
            _party_value(snapshot.owner),
            _party_value(snapshot.sender),
            _party_value(snapshot.recipient),
            snapshot.date_sent,
            snapshot.date_received,
            snapshot.date_accepted,
            snapshot.date_rejected,
            snapshot.contact and contact_value(snapshot.contact),
            snapshot.lead_source,
            event.reason,
            [(note.code, note.detail) for note in event.notes],
            change and _CHANGE_PARTS(change),
        )
    )


def unpack(
    event_id: str,
    digest: bytes,
    trigger: int,
    time: int,
    content: bytes,
    *,
    identity: Identity = DEFAULT_IDENTITY,
    keys: Names | None = None,
) -> LeadEvent:
    """Return the event of these columns, with these keys or those that a policy finds in it."""
    written, *rest = orjson.loads(content)
    agent, recipient, participant, owner, sender, offered = (
        one and _party(one) for one in rest[:6]
    )
    sent, received, accepted, rejected, contact, lead_source, reason, notes, change = rest[6:]
    names = written_names(written)
    return LeadEvent(
        event_id,
        TRIGGERS[trigger],
        time,
        digest,
        *(keys or _keys(identity, names, content)),
        agent,
        recipient,
        participant,
        Snapshot(
            *(owner, sender, offered),
            *(sent, received, accepted, rejected),
            contact and Contact(*contact),
            lead_source,
        ),
        reason,
        tuple([Note(*note) for note in notes]) if notes else (),
        change and FieldChange(*change),
        names,
    )


def written_names(value: Any) -> WrittenNames:
    """Return the names of an event from what ``content_of`` made of them."""
    lead, lead_own, contact, contact_own = value
    return WrittenNames(
        tuple(map(tuple, lead)), tuple(lead_own), tuple(map(tuple, contact)), tuple(contact_own)
    )


def _keys(identity: Identity, names: WrittenNames, content: bytes) -> Names:
    """Return the keys that a policy finds in names, which stand in this content."""
    keys_of = _usual_keys if len(content) <= _USUAL_CONTENT else Identity.keys
    return keys_of(identity, names)


def _names_value(event: LeadEvent) -> Any:
    """Return the names of an event as JSON can say them; its keys where it was made of keys."""
    names = event.names
    if names is None:
        keys = ([key[1:] for key in some] for some in (event.lead_keys, event.contact_keys))
        lead, contact = keys
        return (lead, (), contact, ())
    return (names.lead, names.lead_own, names.contact, names.contact_own)


def _party_value(party: Party | None) -> str | tuple[str | None, str] | None:
    """Return a party's id; beside its name, where that is known."""
    if party is None:
        return None
    return party.id if party.name is None else (party.id, party.name)


def _party(value: Any) -> Party:
    return _PARTIES[value] if type(value) is str else Party(*value)


class _Parties(dict[str, Party]):
    """Parties by their ids; those that are usual are remembered."""

    def __missing__(self, party_id: str) -> Party:
        party = Party(party_id)
        if len(party_id) <= _USUAL:
            if len(self) >= _MANY_PARTIES:
                self.clear()
            self[party_id] = party
        return party


_PARTIES: Final = _Parties()
#: The messages of a lead repeat its names.
_usual_keys: Final = lru_cache(maxsize=2048)(Identity.keys)


def contact_value(contact: Contact) -> tuple[str | None, str | None, str | None]:
    """Return a contact as JSON can say it."""
    return (contact.name, contact.email, contact.telephone)
