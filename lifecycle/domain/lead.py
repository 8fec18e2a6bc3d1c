"""The lead: the aggregate, in one state, moved by the machine alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from attrs import define, field

from lifecycle.domain.event import Contact, Party
from lifecycle.domain.key import Key
from lifecycle.domain.states import State
from lifecycle.utc import optional_datetime


@define
class Lead:
    """A lead, with all that is known of it.

    The fold keeps times in microseconds since 1970-01-01 in UTC; ``since`` and
    ``contact_deleted_at`` show them as datetimes.

    Attributes:
        lead_id: ``scheme:value`` of its first key, ``contact:scheme:value`` for a lead known only
            by its contact.
        state: One of the states of design.md section 4; only the machine sets it.
        since_micros: When its last step was (None while it is ``new``).
        holder: Who has it now (design.md section 3, Parties).
        owner: Its original owner, as the last message that named one said.
        sender: Who provided it.
        recipient: To whom it was offered.
        contact: The person behind it.
        source: Where it came from, as the last message that said so in its ``leadSource``.
        keys: All its names: its own, and those of its contact in its messages.
        reached: When it last came into each state that it has been in, in microseconds.
        reason: What was said as the reason of its last step.
        fields: The last values of its fields in other systems, by system and field in the form in
            which they are compared.
        events: How many events are its own, refused ones included.
        refusals: How many of them were refused.
        contact_deleted_micros: When its contact was deleted; it refuses what comes later.
    """

    lead_id: str
    state: State = "new"
    since_micros: int | None = None
    holder: Party | None = None
    owner: Party | None = None
    sender: Party | None = None
    recipient: Party | None = None
    contact: Contact = field(factory=Contact)
    source: str | None = None
    keys: tuple[Key, ...] = ()
    fields: Mapping[str, Mapping[str, str]] = field(factory=dict)
    reached: Mapping[State, int] = field(factory=dict)
    reason: str | None = None
    events: int = 0
    refusals: int = 0
    contact_deleted_micros: int | None = None

    @property
    def since(self) -> datetime | None:
        """The time when its last step was, in UTC; None while it is ``new``."""
        return optional_datetime(self.since_micros)

    @property
    def systems(self) -> tuple[str, ...]:
        """The other systems whose field changes are known of it, by name."""
        return tuple(sorted(self.fields))

    @property
    def sent_at(self) -> datetime | None:
        """The time when it last came to be ``sent``."""
        return optional_datetime(self.reached.get("sent"))

    @property
    def received_at(self) -> datetime | None:
        """The time when it last came to be ``received``."""
        return optional_datetime(self.reached.get("received"))

    @property
    def assigned_at(self) -> datetime | None:
        """The time when it last came to be ``assigned``."""
        return optional_datetime(self.reached.get("assigned"))

    @property
    def accepted_at(self) -> datetime | None:
        """The time when it last came to be ``accepted``."""
        return optional_datetime(self.reached.get("accepted"))

    @property
    def rejected_at(self) -> datetime | None:
        """The time when it last came to be ``rejected``."""
        return optional_datetime(self.reached.get("rejected"))

    @property
    def retracted_at(self) -> datetime | None:
        """The time when it last came to be ``retracted``."""
        return optional_datetime(self.reached.get("retracted"))

    @property
    def contact_deleted_at(self) -> datetime | None:
        """The time when its contact was deleted, in UTC; None where it was not."""
        return optional_datetime(self.contact_deleted_micros)
