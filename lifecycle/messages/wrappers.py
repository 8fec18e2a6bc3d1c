"""What a message travels in: envelopes, headers beside a payload, pages, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from lifecycle.domain import Problem
from lifecycle.messages.topics import plain_topic, topic_of_type

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


@frozen
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
    if "data" in payload:
        return _unwrap_object({**headers, **payload})
    delivery: dict[str, Any] = {name: headers[name] for name in _HEADERS if name in headers}
    return _unwrap_object({**delivery, **payload})


def _unwrap_object(value: dict[str, Any]) -> Envelope | Problem:
    enveloped = "data" in value
    data = value["data"] if enveloped else _without_headers(value)
    if not isinstance(data, dict):
        return Problem("data", f"expected an object, got {kind_of(data)}")
    topic = _topic(value.get("topic"), data, "data.type" if enveloped else "type")
    if isinstance(topic, Problem):
        return topic
    return Envelope(
        topic=topic,
        id=value.get("id"),
        time=value.get("time"),
        timestamp=value.get("timestamp"),
        data=data,
        path="data" if enveloped else "",
    )


def _without_headers(value: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in value.items() if name not in _HEADERS}


def _topic(topic: Any, data: dict[str, Any], type_path: str) -> str | Problem:
    if isinstance(topic, str) and topic:
        return plain_topic(topic)
    if topic is not None:
        return Problem("topic", f"expected a text, got {kind_of(topic)}")
    action = next((data[name] for name in _TYPE if name in data), None)
    found = topic_of_type(action) if isinstance(action, str) else None
    if found is None:
        expected = "expected a topic such as realestate/lead#add, or an action type in"
        return Problem("topic", f"{expected} {type_path}; got neither", "no_topic")
    return found


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
