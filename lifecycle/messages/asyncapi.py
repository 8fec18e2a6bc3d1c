"""The AsyncAPI 3 document of the messages that are read, made from their schemas.

It names the network's seven messages and the two of our own, ``lead#send`` and ``lead#receive``:
whoever reads it to write messages may want them, and whoever compares finds them marked.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from lifecycle.messages.schemas import Schema, definitions, envelope_schema
from lifecycle.messages.topics import TRIGGER_OF_TOPIC
from lifecycle.messages.words import SUMMARY_OF_TOPIC

VERSION: Final = "3.0.0"
_CHANNELS: Final = {
    "lead": ("lead#", "What happens to leads."),
    "contact": ("contact#", "What happens to contacts, as far as it concerns leads."),
}


def asyncapi() -> dict[str, Any]:
    """Return the document: channels, operations, messages and the schemas of their payloads."""
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Lead messages",
            "version": version("lead-lifecycle"),
            "description": "The lead channel and contact#delete, as lifecycle reads them.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name) for name in _CHANNELS},
        "operations": {f"read-{name}": _operation(name) for name in _CHANNELS},
        "components": {
            "messages": {_identifier(topic): _message(topic) for topic in TRIGGER_OF_TOPIC},
            "schemas": _schemas(),
        },
    }


def _identifier(topic: str) -> str:
    """Return a topic as the name of a component, which has no ``#``."""
    return topic.replace("#", "-")


def _topics(channel: str) -> list[str]:
    return [topic for topic in TRIGGER_OF_TOPIC if topic.startswith(_CHANNELS[channel][0])]


def _channel(name: str) -> dict[str, Any]:
    return {
        "address": name,
        "description": _CHANNELS[name][1],
        "messages": {
            _identifier(topic): {"$ref": f"#/components/messages/{_identifier(topic)}"}
            for topic in _topics(name)
        },
    }


def _operation(name: str) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [
            {"$ref": f"#/channels/{name}/messages/{_identifier(topic)}"} for topic in _topics(name)
        ],
    }


def _message(topic: str) -> dict[str, Any]:
    return {
        "name": topic,
        "title": topic,
        "summary": SUMMARY_OF_TOPIC[topic],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{_identifier(topic)}"},
    }


def _schemas() -> dict[str, Schema]:
    messages = {_identifier(topic): envelope_schema(topic) for topic in TRIGGER_OF_TOPIC}
    return {name: _moved(schema) for name, schema in (messages | definitions()).items()}


def _moved(value: Any) -> Any:
    """Return a schema whose references lead to the document's components."""
    if isinstance(value, dict):
        return {
            name: part.replace("#/$defs/", "#/components/schemas/")
            if name == "$ref" and isinstance(part, str)
            else _moved(part)
            for name, part in value.items()
        }
    return [_moved(one) for one in value] if isinstance(value, list) else value
