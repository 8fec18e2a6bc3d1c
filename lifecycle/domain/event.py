"""One decoded message: who did what to which lead, when, and what the message said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import attrs
from attrs import field

from lifecycle.domain.names import normal_party, normal_scheme, trimmed
from lifecycle.domain.states import RANK
from lifecycle.immutable import immutable

if TYPE_CHECKING:
    from lifecycle.domain.key import Key
    from lifecycle.domain.states import Trigger

#: What orders events in the fold: time, rank of the trigger, id (design.md section 5).
Position: TypeAlias = tuple[int, int, str]


@immutable(cache_hash=True)
class Party:
    """A person, organisation or system that sends, holds or owns leads.

    ``id`` is its URI, else one of its identifiers as ``scheme:value``; at least one of ``id`` and
    ``name`` is known.
    """

    id: str | None = None
    name: str | None = None

    def __str__(self) -> str:
        return self.id or self.name or ""

    def matches(self, other: Party) -> bool:
        """Return True when the two are the same; False when there is nothing to compare."""
        return self._same(other) is True

    def contradicts(self, other: Party) -> bool:
        """Return True when the two cannot be the same; False when there is nothing to compare."""
        return self._same(other) is False

    def _same(self, other: Party) -> bool | None:
        """Compare ids of one sort in normal form, else names; None where nothing compares."""
        if self.id is not None and other.id is not None:
            if self.id == other.id:
                return True
            own, others = normal_party(self.id), normal_party(other.id)
            if _sort(own) == _sort(others):
                return own == others
        if self.name is not None and other.name is not None:
            return _spoken(self.name) == _spoken(other.name)
        return None


def _sort(party_id: str) -> str:
    """Return the sort of an id in normal form: a URI's scheme, an e-mail address, or a bare one."""
    scheme, colon, _ = party_id.partition(":")
    return scheme if colon else "@" if "@" in party_id else ""


def _spoken(name: str) -> str:
    """Return a person's name as it is compared: composed, trimmed, without case."""
    return trimmed(name).casefold()


@immutable
class WrittenNames:
    """The names of a lead and its contact as a message writes them: pairs of scheme and value.

    ``lead_own`` and ``contact_own`` are the ids of the objects themselves, the preferred first:
    they count where no identifier is a name.
    """

    lead: tuple[tuple[str, str], ...] = ()
    lead_own: tuple[str, ...] = ()
    contact: tuple[tuple[str, str], ...] = ()
    contact_own: tuple[str, ...] = ()


@immutable
class Contact:
    """The person behind a lead, as far as it is known; every part may be missing."""

    name: str | None = None
    email: str | None = None
    telephone: str | None = None

    def updated(self, newer: Contact) -> Contact:
        """Return this contact with what the newer one names; what it does not name stays."""
        if newer.name and newer.email and newer.telephone:
            return newer
        return Contact(
            newer.name or self.name,
            newer.email or self.email,
            newer.telephone or self.telephone,
        )


@immutable
class Snapshot:
    """The lead as a message saw it. Dates are microseconds since 1970 in UTC.

    ``lead_source`` is where the lead came from, in a few words: the message's ``leadSource``.
    """

    owner: Party | None = None
    sender: Party | None = None
    recipient: Party | None = None
    date_sent: int | None = None
    date_received: int | None = None
    date_accepted: int | None = None
    date_rejected: int | None = None
    contact: Contact | None = None
    lead_source: str | None = None


@immutable
class FieldChange:
    """A change of one field of an object in another system (design.md section 4a).

    Attributes:
        source: The system.
        field: The field, by its API name.
        object: The system's id of the changed object, in normal form.
        old: The value before; None where it is not stated.
        new: The value after; an empty text for none.
        current: What the field is, where the record states that and no change; else None.
        place: The source, the object and the field, in the form in which they are compared.
    """

    source: str
    field: str
    object: str = ""
    old: str | None = None
    new: str = ""
    current: str | None = None
    place: tuple[str, str, str] = attrs.field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        place = (normal_scheme(self.source), self.object, normal_scheme(self.field))
        object.__setattr__(self, "place", place)


@immutable
class Note:
    """Something the decoder noticed that the fold makes a finding of (design.md section 7)."""

    code: str
    detail: str


@immutable(eq=False, unsafe_hash=False)
class LeadEvent:
    """One decoded message.

    Times are microseconds since 1970-01-01 in UTC. ``digest`` is that of the content (topic, time
    and data in canonical form): copies of one message share it. Two events are the same when id
    and digest are.
    """

    id: str
    trigger: Trigger
    time: int
    digest: bytes
    lead_keys: tuple[Key, ...] = ()
    contact_keys: tuple[Key, ...] = ()
    agent: Party | None = None
    recipient: Party | None = None
    participant: Party | None = None
    snapshot: Snapshot = Snapshot()
    reason: str | None = None
    notes: tuple[Note, ...] = ()
    field_change: FieldChange | None = None
    #: What the keys were made of, by some identity policy.
    names: WrittenNames | None = None
    position: Position = field(init=False, repr=False)
    #: All the keys, those of the lead first.
    keys: tuple[Key, ...] = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "position", (self.time, RANK[self.trigger], self.id))
        object.__setattr__(self, "keys", self.lead_keys + self.contact_keys)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LeadEvent):
            return NotImplemented
        return self.version == other.version and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def version(self) -> tuple[bytes, int]:
        """Of several copies under one id the one with the smallest version counts."""
        return (self.digest, self.time)
