"""Records of a topic, and the messages in them as a store takes them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from lifecycle.domain import Rules
from lifecycle.messages import Ignored, is_json, read_message
from lifecycle.messages.cloudevents import structured
from lifecycle.store import IngestItem, to_stored
from lifecycle.systems import facts_of

#: The topic under which records without a value are counted.
_TOMBSTONE: Final = "kafka tombstone"
_ATTRIBUTE: Final = "ce_"
#: What a schema registry puts before the value: a zero byte, and the number of the schema.
_REGISTRY_MARK: Final = b"\0"
_REGISTRY_BYTES: Final = 5


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Record(NamedTuple):
    """A record: where it stands, and what it holds.

    ``created_at`` is the time that Kafka has of it, in microseconds since 1970 in UTC.
    """

    partition: Partition
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]
    created_at: int | None


def items_of(record: Record, source: str, rules: Rules) -> list[IngestItem]:
    """Return the messages of a record: of the network, or field changes of another system.

    One without a value, which marks its key as deleted, is ignored and counted.
    """
    if record.value is None:
        return [Ignored(_TOMBSTONE)]
    body = _without_mark(record.value)
    if source != "network":
        return facts_of(body, source, rules, record.created_at).items
    attributes = {
        name.removeprefix(_ATTRIBUTE): value.decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith(_ATTRIBUTE) and value is not None
    }
    readings = read_message(structured(attributes, body), identity=None)
    return [to_stored(one, rules.identity) for one in readings]


def _without_mark(value: bytes) -> bytes:
    """Return a value without what a schema registry puts before JSON."""
    if value.startswith(_REGISTRY_MARK) and is_json(value[_REGISTRY_BYTES:]):
        return value[_REGISTRY_BYTES:]
    return value
