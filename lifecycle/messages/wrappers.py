"""One message out of its delivery: an envelope, headers beside a payload, or nothing at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from lifecycle.domain import Problem, immutable, trimmed
from lifecycle.messages.topics import (
    TRIGGER_OF_TOPIC,
    nearest_topic,
    plain_topic,
    topic_about,
    topic_of_type,
    usual_topic,
)

TYPE_NAMES: Final = ("type", "@type", "Type")
#: What a subscription is set up with has such a word in its type.
_HANDSHAKE: Final = re.compile("subscri|handshake", re.IGNORECASE)
#: Its messages name the system that recorded a change as their source.
_CHANGE: Final = "lead#change"
_PEOPLE: Final = ("Contact", "Person")
# What belongs to the delivery where a message has no envelope of its own (seed 001). The agent
# of such a message is the one who acts.
_HEADERS: Final = (
    "topic",
    "time",
    "timestamp",
    "id",
    "@id",
    "instrument",
    "source",
    "originalRecipient",
)


@immutable
class Envelope:
    """One message, out of whatever it travelled in.

    ``path`` is where its data stands in the message, for problems: ``data``, or empty. ``origin``
    is the message as it came.
    """

    topic: str
    id: Any
    time: Any
    timestamp: Any
    data: Any
    path: str
    origin: dict[str, Any]

    def place(self, name: str) -> str:
        """Return where a part of the delivery, such as its time, stands in the message."""
        return _place(self.origin, name)

    def delivery(self) -> Iterator[tuple[str, str, Any]]:
        """Yield the parts of the delivery: what each is called, where it stands, and what it is."""
        sources = [("", self.origin)]
        if _has_payload(self.origin):
            payload, headers = self.origin["payload"], self.origin["headers"]
            sources = [("payload.", _stated(payload)), ("headers.", headers)]
        for name in (*_HEADERS, "agent"):
            for where, parts in sources:
                is_own = name == "agent" or (name == "source" and self.topic == _CHANGE)
                acts = is_own and not self.path.endswith("data") and where != "headers."
                if name in parts and not acts:
                    yield name, f"{where}{name}", parts[name]
                    break


def unwrap(value: Any) -> Envelope | Problem:
    """Return the message inside; a problem when there is none."""
    if not isinstance(value, dict):
        return Problem("", f"expected an object, got {kind_of(value)}")
    if not _has_payload(value):
        return _unwrap_object(value, value)
    # What the payload states goes before what the headers do.
    headers = {name: value["headers"][name] for name in _HEADERS if name in value["headers"]}
    return _unwrap_object(headers | _stated(value["payload"]), value, "payload")


def _has_payload(value: dict[str, Any]) -> bool:
    """Return whether a message is headers beside a payload."""
    if not isinstance(value.get("headers"), dict) or not isinstance(value.get("payload"), dict):
        return False
    return not isinstance(value.get("data"), dict)


def _stated(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in payload.items() if part is not None}


def _place(origin: dict[str, Any], name: str) -> str:
    if not _has_payload(origin):
        return name
    return f"{'headers' if origin['payload'].get(name) is None else 'payload'}.{name}"


def _unwrap_object(
    value: dict[str, Any], origin: dict[str, Any], where: str = ""
) -> Envelope | Problem:
    enveloped = "data" in value
    path = ".".join(part for part in (where, "data" if enveloped else "") if part)
    data = value["data"] if enveloped else _without_headers(value)
    topic = _topic(value.get("topic"), data, f"{path}.type" if path else "type")
    if isinstance(topic, Problem):
        return Problem(_place(origin, topic.path), topic.message, topic.code)
    if topic == _CHANGE and not enveloped and "source" in value:
        data["source"] = value["source"]
    return Envelope(
        topic=topic,
        id=value.get("id"),
        time=value.get("time"),
        timestamp=value.get("timestamp"),
        data=data,
        path=path,
        origin=origin,
    )


def _without_headers(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in _HEADERS}


def _topic(topic: Any, data: Any, type_path: str) -> str | Problem:
    """Return the topic; where there is none, what the action's type stands for, or says itself."""
    if usual := usual_topic(topic):
        return usual
    stated = _one_text(topic)
    if stated is None:
        return Problem("topic", f"expected a text, got {kind_of(topic)}")
    plain = plain_topic(stated)
    if plain in ("lead", "contact"):
        about = (topic_about(plain, one) for one in _types_of(data))
        plain = next(filter(None, about), "")
    elif not plain:
        plain = next(filter(None, map(partial(_bare_topic, data), _types_of(data))), "")
    if not plain:
        expected = "expected a topic such as realestate/lead#add, or an action type in"
        return Problem("topic", f"{expected} {type_path}; got neither", "no_topic")
    if plain not in TRIGGER_OF_TOPIC and (nearest := nearest_topic(plain)):
        where = "topic" if trimmed(stated) else type_path
        expected = f"expected a topic, got {plain[:80]!r}: is it {nearest}?"
        return Problem(where, expected, "unknown_topic")
    return plain


def _bare_topic(data: dict[str, Any], action: str) -> str | None:
    """Return what the type of an action says of a message without a topic."""
    about = next(iter(_types_of(data.get("object"))), None)
    if about == "Contact" or (about == "Lead" and action == "DeleteAction"):
        return topic_about(about.lower(), action)
    if found := topic_of_type(action):
        return found
    return plain_topic(action) if "#" in action or _HANDSHAKE.search(action[:80]) else None


def names_person(data: Any) -> bool:
    """Return whether an action on a lead has the contact in the place of the lead."""
    thing = data.get("object") if isinstance(data, dict) else None
    if not isinstance(thing, dict) or thing.keys().isdisjoint(TYPE_NAMES):
        return False
    if thing.get("type") == "Lead" and "@type" not in thing:
        return False
    return any(kind in _PEOPLE for kind in _types_of(thing))


def _types_of(thing: Any) -> Iterator[str]:
    """Yield the types of an object that are texts."""
    if isinstance(thing, dict):
        for name in TYPE_NAMES:
            if found := trimmed(_one_text(thing.get(name)) or ""):
                yield found


def _one_text(value: Any) -> str | None:
    """Return a text, that of a list of one, or an empty one for nothing; None for anything else."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None:
        return ""
    return value if isinstance(value, str) else None


def kind_of(value: Any) -> str:
    """Name the kind of a JSON value in words."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "an array"
        case _:
            return "an object"
