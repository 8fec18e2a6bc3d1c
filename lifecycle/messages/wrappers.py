"""What a message travels in: envelopes, headers beside a payload, pages, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lifecycle.domain import Problem, immutable
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
        """Where a part of the delivery, such as its time, stands in the message."""
        return _place(self.origin, name)

    def delivery(self) -> Iterator[tuple[str, str, Any]]:
        """The parts of the delivery: what each is called, where it stands, and what it is."""
        sources = [("", self.origin)]
        if _has_payload(self.origin):
            payload, headers = self.origin["payload"], self.origin["headers"]
            sources = [("payload.", _stated(payload)), ("headers.", headers)]
        for name in (*_HEADERS, "agent"):
            for where, parts in sources:
                acts = name == "agent" and not self.path.endswith("data") and where != "headers."
                if name in parts and not acts:
                    yield name, f"{where}{name}", parts[name]
                    break


def contained(value: Any) -> Iterator[tuple[str, Any]] | None:
    """The messages of an inbox page or an array, each with its path; None for a single message.

    What has data of its own is an envelope, whatever else stands in it.
    """
    if isinstance(value, list):
        return ((f"[{number}]", one) for number, one in enumerate(value))
    if not isinstance(value, dict) or isinstance(value.get("data"), dict):
        return None
    if isinstance(value.get("contains"), list):
        return ((f"contains[{number}]", one) for number, one in enumerate(value["contains"]))
    return None


def unwrap(value: Any) -> Envelope | Problem:
    """The message inside; a problem when there is none."""
    if not isinstance(value, dict):
        return Problem("", f"expected an object, got {kind_of(value)}")
    if not _has_payload(value):
        return _unwrap_object(value, value)
    # What the payload states goes before what the headers do.
    headers = {name: value["headers"][name] for name in _HEADERS if name in value["headers"]}
    return _unwrap_object(headers | _stated(value["payload"]), value, "payload")


def _has_payload(value: dict[str, Any]) -> bool:
    """Whether a message is headers beside a payload."""
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
