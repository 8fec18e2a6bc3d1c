"""What a message travels in: envelopes, headers beside a payload, pages, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lifecycle.domain import Problem, immutable
from lifecycle.messages.topics import TRIGGER_OF_TOPIC, plain_topic, topic_of_type

_TYPE: Final = ("type", "@type")
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

    ``path`` is where its data stands in the message, for problems: ``data``, or empty.
    """

    topic: str
    id: Any
    time: Any
    timestamp: Any
    data: dict[str, Any]
    path: str


def contained(value: Any) -> Iterator[tuple[str, Any]] | None:
    """The messages of an inbox page or an array, each with its path; None for a single message."""
    if isinstance(value, list):
        return ((f"[{number}]", one) for number, one in enumerate(value))
    if isinstance(value, dict) and isinstance(value.get("contains"), list):
        return ((f"contains[{number}]", one) for number, one in enumerate(value["contains"]))
    return None


def unwrap(value: Any) -> Envelope | Problem:
    """The message inside; a problem when there is none."""
    if not isinstance(value, dict):
        return Problem("", f"expected an object, got {kind_of(value)}")
    if isinstance(value.get("headers"), dict) and isinstance(value.get("payload"), dict):
        return _unwrap_headers(value["headers"], value["payload"])
    return _unwrap_object(value)


def _unwrap_headers(headers: dict[str, Any], payload: dict[str, Any]) -> Envelope | Problem:
    """What the payload states goes before what the headers do."""
    stated = {name: part for name, part in payload.items() if part is not None}
    delivery = {name: headers[name] for name in _HEADERS if name in headers}
    return _unwrap_object(delivery | stated, "payload")


def _unwrap_object(value: dict[str, Any], where: str = "") -> Envelope | Problem:
    enveloped = "data" in value
    path = ".".join(part for part in (where, "data" if enveloped else "") if part)
    data = value["data"] if enveloped else _without_headers(value)
    topic = _topic(value.get("topic"), data, f"{path}.type" if path else "type")
    if isinstance(topic, Problem):
        return topic
    if topic not in TRIGGER_OF_TOPIC:
        data = {}
    elif not isinstance(data, dict):
        return Problem(path, f"expected an object, got {kind_of(data)}")
    return Envelope(
        topic=topic,
        id=value.get("id"),
        time=value.get("time"),
        timestamp=value.get("timestamp"),
        data=data,
        path=path,
    )


def _without_headers(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in _HEADERS}


def _topic(topic: Any, data: Any, type_path: str) -> str | Problem:
    """The topic; where there is none, what the action's type stands for, or says itself."""
    if isinstance(topic, str) and topic:
        return plain_topic(topic)
    if topic is not None and topic != "":
        return Problem("topic", f"expected a text, got {kind_of(topic)}")
    types = [data[name] for name in _TYPE if name in data] if isinstance(data, dict) else []
    for action in types:
        if isinstance(action, str) and (found := topic_of_type(action) or _as_topic(action)):
            return found
    expected = "expected a topic such as realestate/lead#add, or an action type in"
    return Problem("topic", f"{expected} {type_path}; got neither", "no_topic")


def _as_topic(action: str) -> str | None:
    return plain_topic(action) if "#" in action else None


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
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
