"""Messages out of the envelopes of their transports: one row of one table each (design.md 3).

A transport is recognised by fields that its own envelope has and no message of the network. What it
carries is a message, or carries others in turn; several in one envelope are several messages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from lifecycle.domain import Problem, immutable
from lifecycle.errors import MessageError
from lifecycle.messages.parse import canonical, parse_message
from lifecycle.messages.topics import plain_topic

#: A part of what arrived: where it stands, and its value; ``Broken`` where it cannot be read.
Part: TypeAlias = tuple[str, Any]

#: Envelopes stand in each other so many times at the most.
MAX_ENVELOPES: Final = 8
#: What an envelope of the network, or a message without one, has.
_OWN_MEMBERS: Final = ("topic", "headers", "object", "data")
#: Actions of the network whose object is a message.
_PUBLICATIONS: Final = ("ReflexPublishAction", "Notification")


@immutable
class Broken:
    """A part that holds no message, as it came, and why."""

    problem: Problem
    raw: bytes


@immutable
class Transport:
    """One transport.

    Attributes:
        name: What people call it.
        fields: By these an envelope of it is recognised: all of them must be there.
        carried: What it carries, each with its path in the envelope.
        types: Where it has a type, one of these.
        text: The member that must be a text, where that tells it from a message.
        absent: What must not be there, as a message of the network has it.
    """

    name: str
    fields: tuple[str, ...]
    carried: Callable[[dict[str, Any]], Iterator[Part]]
    types: tuple[str, ...] = ()
    text: str | None = None
    absent: tuple[str, ...] = ()

    def recognises(self, value: dict[str, Any]) -> bool:
        """Return whether a value is an envelope of this transport."""
        if not all(field in value for field in self.fields):
            return False
        if any(field in value for field in self.absent):
            return False
        if self.text is not None and not isinstance(value[self.text], str):
            return False
        kinds = (value.get(name) for name in ("type", "@type", "Type"))
        return not self.types or any(kind in self.types for kind in kinds if isinstance(kind, str))


def unfold(value: Any) -> Iterator[Part]:
    """Yield the messages in a value, each with its path: itself, or those in pages and envelopes.

    A part that cannot be read is ``Broken`` in the place of the message.
    """
    yield from _unfold(value, "", MAX_ENVELOPES)


def is_envelope(value: Any) -> bool:
    """Return whether a value is an envelope of the network: its own data decides."""
    return isinstance(value, dict) and "topic" in value and isinstance(value.get("data"), dict)


def _unfold(value: Any, path: str, depth: int) -> Iterator[Part]:
    parts = _parts(value)
    if parts is None:
        yield path, value
        return
    if not depth:
        expected = f"more than {MAX_ENVELOPES} envelopes within each other"
        yield path, _broken(expected, "too_deep", value)
        return
    for where, part in parts:
        yield from _unfold(part, _joined(path, where), depth - 1)


def _parts(value: Any) -> Iterator[Part] | None:
    """Return what a page, an array or an envelope holds; None for a message by itself."""
    if isinstance(value, list):
        return _page(value, "")
    if not isinstance(value, dict) or is_envelope(value):
        return None
    if not isinstance(value.get("data"), dict) and isinstance(value.get("contains"), list):
        return _page(value["contains"], "contains")
    found = (transport for transport in TRANSPORTS if transport.recognises(value))
    transport = next(found, None)
    return None if transport is None else transport.carried(value)


def _page(entries: list[Any], name: str) -> Iterator[Part]:
    """Yield the entries of a page; one of links alone is one problem."""
    if entries and all(isinstance(entry, str) for entry in entries):
        found = f"{len(entries)} links" if len(entries) > 1 else "a link"
        expected = f"expected messages, got {found}: fetch what they lead to"
        yield name, _broken(expected, "links", entries)
        return
    for number, entry in enumerate(entries):
        yield f"{name}[{number}]", entry


def _joined(path: str, more: str) -> str:
    return f"{path}.{more}" if path and more and not more.startswith("[") else path + more


def _broken(expected: str, code: str, value: Any) -> Broken:
    return Broken(Problem("", expected, code), canonical(value))


# --- what the transports carry --------------------------------------------------------------


def _text(value: Any, path: str) -> Part:
    """Return what a JSON text holds; a value that is no text is what it is."""
    if not isinstance(value, str):
        return path, value
    return _parsed(value.encode("utf-8", "surrogatepass"), path)


def _packed(value: Any, path: str) -> Part:
    """Return what a JSON text in base64 holds."""
    try:
        return _parsed(base64.b64decode(value, validate=True), path)
    except (binascii.Error, TypeError, ValueError):
        return path, _broken("expected a text in base64", "not_base64", value)


def _parsed(raw: bytes, path: str) -> Part:
    try:
        return path, parse_message(raw)
    except MessageError as error:
        return path, Broken(error.problems[0], raw)


def _member(name: str) -> Callable[[dict[str, Any]], Iterator[Part]]:
    """Return what carries one message: a member that is a message, or its JSON text."""

    def carried(value: dict[str, Any]) -> Iterator[Part]:
        yield _text(value[name], name)

    return carried


def _records(name: str, *members: str) -> Callable[[dict[str, Any]], Iterator[Part]]:
    """Return what carries a message in each of its records, at the first of these paths."""

    def carried(value: dict[str, Any]) -> Iterator[Part]:
        records = value[name]
        for number, record in enumerate(records if isinstance(records, list) else [records]):
            where = f"{name}[{number}]"
            for member in members:
                found = record
                for step in member.split("."):
                    found = found.get(step) if isinstance(found, dict) else None
                if found is not None:
                    yield _text(found, f"{where}.{member}")
                    break
            else:
                expected = f"expected a message in {' or '.join(members)}"
                yield where, _broken(expected, "no_message", record)

    return carried


def _with_text(name: str) -> Callable[[dict[str, Any]], Iterator[Part]]:
    """Return what reads a message whose data is a JSON text."""

    def carried(value: dict[str, Any]) -> Iterator[Part]:
        path, data = _text(value[name], name)
        if isinstance(data, Broken):
            yield path, data
        else:
            yield "", {**value, name: data}

    return carried


def _cloud_event(value: dict[str, Any]) -> Iterator[Part]:
    """Yield the data of a CloudEvent: a message, or that of the topic that its type names."""
    if "data_base64" in value:
        path, data = _packed(value["data_base64"], "data_base64")
    else:
        path, data = _text(value.get("data"), "data")
    yield from _enveloped(path, data, value, value.get("type"))


def _event_bridge(value: dict[str, Any]) -> Iterator[Part]:
    yield from _enveloped("detail", value["detail"], value, value["detail-type"])


def _enveloped(path: str, data: Any, event: dict[str, Any], topic: Any) -> Iterator[Part]:
    """Yield data that is a message by itself; else one with the id, type and time of the event."""
    if isinstance(data, Broken) or _is_message(data):
        yield path, data
    else:
        parts = {name: event[name] for name in ("id", "time") if name in event}
        yield "", {"topic": topic, "data": data, **parts}


def _is_message(data: Any) -> bool:
    if not isinstance(data, dict):
        return isinstance(data, list)
    if "topic" in data or "payload" in data or _parts(data) is not None:
        return True
    kind = data.get("type", data.get("@type"))
    return isinstance(kind, str) and "#" in plain_topic(kind) and "object" in data


def _pub_sub(value: dict[str, Any]) -> Iterator[Part]:
    message = value["message"]
    if isinstance(message, dict) and "data" in message:
        yield _packed(message["data"], "message.data")
    else:
        yield "message", _broken("expected data in base64", "no_message", message)


def _debezium(value: dict[str, Any]) -> Iterator[Part]:
    after = value["after"]
    if isinstance(after, dict) and "payload" in after:
        yield _text(after["payload"], "after.payload")
    else:
        expected = "expected a row of an outbox with a payload"
        yield "after", _broken(expected, "no_message", after)


def _debezium_removal(value: dict[str, Any]) -> Iterator[Part]:
    """Yield what is ignored: a row is removed from an outbox once it was sent."""
    yield "", {"topic": f"debezium, op {value['op']}", "data": {}}


#: Tried from the top; the first whose fields are all there is the one.
TRANSPORTS: Final = (
    Transport("the network, published", ("object",), _member("object"), _PUBLICATIONS),
    Transport("Amazon SNS", ("Message", "TopicArn"), _member("Message"), ("Notification",)),
    Transport("Amazon SQS", ("Records",), _records("Records", "body", "Sns.Message")),
    Transport("Amazon SQS, received", ("Messages",), _records("Messages", "Body")),
    Transport("Amazon SQS, one message", ("MessageId", "ReceiptHandle", "Body"), _member("Body")),
    Transport("Amazon EventBridge", ("detail-type", "detail"), _event_bridge),
    Transport("CloudEvents", ("specversion", "type"), _cloud_event),
    Transport("kcat -J", ("topic", "partition", "offset", "payload"), _member("payload")),
    Transport("Google Pub/Sub, pushed", ("message", "subscription"), _pub_sub),
    Transport("Debezium outbox", ("op", "after"), _debezium),
    # Members that are null are absent.
    Transport("Debezium, a row removed", ("op", "before"), _debezium_removal, absent=("after",)),
    # Its schema may be null, and members that are null are absent.
    Transport("Kafka Connect", ("payload",), _member("payload"), absent=_OWN_MEMBERS),
    Transport("JSON text in data", ("topic", "data"), _with_text("data"), text="data"),
    Transport(
        "JSON text in a payload", ("headers", "payload"), _with_text("payload"), text="payload"
    ),
)
