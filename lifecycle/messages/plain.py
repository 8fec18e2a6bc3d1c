"""The fast path of decoding: messages in the network's own envelope, in which nothing is odd.

The shapes stay the definition: this reads the same parts with the same readers, without making the
shapes, and leaves whatever else there may be to them. A property holds that both say the same.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from lifecycle.domain import TRIGGERS, Contact, Identity, LeadEvent, Snapshot, WrittenNames
from lifecycle.messages.parse import canonical
from lifecycle.messages.times import usual_micros
from lifecycle.messages.topics import TRIGGER_OF_TOPIC, contradicts, usual_topic
from lifecycle.messages.values import detail_of, identifiers_of, origin_of, party_of, text_of

#: The types that go with each topic, but for those whose messages say more than their parts.
_ACTIONS: Final = frozenset(
    (action, topic)
    for topic in TRIGGER_OF_TOPIC.keys() - {"lead#change", "contact#delete"}
    for action in map("{}Action".format, ("Add", *map(str.title, TRIGGERS)))
    if not contradicts(action, topic)
)


class _Odd(ValueError):  # noqa: N818 - caught here, never seen outside
    """Something is not as it mostly is."""


def plain_event(message: dict[str, Any], identity: Identity | None) -> LeadEvent | None:
    """Return the event of a message in an envelope; None where the shapes must tell."""
    topic = _plain_topic(message)
    if topic is None:
        return None
    try:
        return _event(message, topic, identity)
    except ValueError:
        return None


def _plain_topic(message: dict[str, Any]) -> str | None:
    """Return the topic of a message that says by its type, too, what is done to a lead."""
    topic, data = usual_topic(message["topic"]), message["data"]
    action, thing = data.get("type"), data.get("object")
    if type(action) is not str or (action, topic) not in _ACTIONS:
        return None
    is_lead = type(thing) is dict and thing.get("type") == "Lead" and "@type" not in thing
    return topic if is_lead else None


def _event(message: dict[str, Any], topic: str, identity: Identity | None) -> LeadEvent:
    event_id, data = message.get("id"), message["data"]
    thing, time = data["object"], _micros(message.get("time"))
    _micros(data.get("dateSent"))
    contact, contact_names, contact_own = _contact(thing.get("object"))
    names = WrittenNames(_identifiers(thing), _own_ids(thing), contact_names, contact_own)
    lead_keys, contact_keys = identity.keys(names) if identity else ((), ())
    is_named = not identity or lead_keys or contact_keys
    if time is None or not is_named or not event_id or type(event_id) is not str:
        raise _Odd
    return LeadEvent(
        event_id,
        TRIGGER_OF_TOPIC[topic],
        time,
        sha256(canonical((topic, time, data))).digest(),
        lead_keys,
        contact_keys,
        _party(data.get("agent")),
        _party(data.get("recipient")),
        _party(data.get("participant")),
        _snapshot(thing, contact),
        _reason(data),
        names=names,
    )


def _snapshot(thing: dict[str, Any], contact: Contact | None) -> Snapshot:
    return Snapshot(
        _party(thing.get("owner")),
        _party(thing.get("sender")),
        _party(thing.get("recipient")),
        _micros(thing.get("dateSent")),
        _micros(thing.get("dateReceived")),
        _micros(thing.get("dateAccepted")),
        _micros(thing.get("dateRejected")),
        contact,
        None if (origin := thing.get("leadSource")) is None else origin_of(origin),
    )


def _micros(value: Any) -> int | None:
    """Return a time as most messages write it, in UTC."""
    if value is None:
        return None
    micros = usual_micros(value) if type(value) is str else None
    if not micros:
        raise _Odd
    return micros


def _party(value: Any) -> Any:
    return None if value is None else party_of(value)


def _detail(value: Any) -> str | None:
    return value if value is None or type(value) is str else detail_of(value)


def _identifiers(thing: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    value = thing.get("identifier")
    return () if value is None else identifiers_of(value)


def _own_ids(thing: dict[str, Any]) -> tuple[str, ...]:
    if "@id" not in thing and "id" not in thing:
        return ()
    texts = [text_of(thing[name]) for name in ("@id", "id") if thing.get(name) is not None]
    return tuple([text for text in texts if text])


def _contact(thing: Any) -> tuple[Contact | None, tuple[tuple[str, str], ...], tuple[str, ...]]:
    """Return what is known of the person, and the names that are written."""
    if thing is None:
        return None, (), ()
    if type(thing) is not dict or "sameAs" in thing:
        raise _Odd
    name, email, telephone = map(_detail, map(thing.get, ("name", "email", "telephone")))
    if not name:
        parts = map(_detail, map(thing.get, ("givenName", "familyName")))
        name = " ".join(part for part in parts if part)
    contact = None
    if name or email or telephone:
        contact = Contact(name or None, email or None, telephone or None)
    return contact, _identifiers(thing), _own_ids(thing)


def _reason(data: dict[str, Any]) -> str | None:
    """Return the reason with the comment on it."""
    reason, comment = _detail(data.get("reason")), _detail(data.get("comment"))
    if reason and comment:
        return f"{reason}: {comment}"
    return reason or comment or None
