"""Messages: JSON to lead events, in every shape that travels the network."""

from typing import TYPE_CHECKING

from lifecycle.lazy import lazily
from lifecycle.messages.decode import (
    Decoded,
    Ignored,
    Message,
    Reading,
    Undecodable,
    decode,
    read_message,
    stated_id,
)
from lifecycle.messages.event import DEFAULT_IDENTITY
from lifecycle.messages.moment import Moment, as_micros, optional_micros
from lifecycle.messages.parse import MAX_BYTES, MAX_DEPTH, canonical, is_json, too_large
from lifecycle.messages.times import FIRST, LAST, Instant, parse_time
from lifecycle.messages.topics import TRIGGER_OF_TOPIC
from lifecycle.utc import format_time

if TYPE_CHECKING:
    from lifecycle.messages.schemas import message_schema
    from lifecycle.messages.validation import Checked, Violation, checked, unreadable, validate

__all__ = [
    "DEFAULT_IDENTITY",
    "FIRST",
    "LAST",
    "MAX_BYTES",
    "MAX_DEPTH",
    "TRIGGER_OF_TOPIC",
    "Checked",
    "Decoded",
    "Ignored",
    "Instant",
    "Message",
    "Moment",
    "Reading",
    "Undecodable",
    "Violation",
    "as_micros",
    "canonical",
    "checked",
    "decode",
    "format_time",
    "is_json",
    "message_schema",
    "optional_micros",
    "parse_time",
    "read_message",
    "stated_id",
    "too_large",
    "unreadable",
    "validate",
]

__getattr__ = lazily(
    __name__,
    {
        "schemas": ("message_schema",),
        "validation": ("Checked", "Violation", "checked", "unreadable", "validate"),
    },
)
