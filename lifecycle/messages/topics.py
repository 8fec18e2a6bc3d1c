"""The topics of the network and the action types that go with them (seeds 000 to 002, 004)."""

from __future__ import annotations

from typing import Final

from lifecycle.domain import Trigger

#: What travels before a topic, or does not.
PREFIX: Final = "realestate/"

#: The topics that are decoded; all others are ignored, and counted.
TRIGGER_OF_TOPIC: Final[dict[str, Trigger]] = {
    "lead#add": "send",
    "lead#send": "send",
    "lead#receive": "receive",
    "lead#update": "update",
    "lead#assign": "assign",
    "lead#accept": "accept",
    "lead#reject": "reject",
    "lead#retract": "retract",
    "contact#delete": "delete",
}

#: Spellings met in the wild (seed 002 prints one in a heading).
_MISSPELT: Final = {"lead#asssign": "lead#assign"}

#: ``data.type`` as schema.org names actions; the topic's own name is accepted too.
_TOPIC_OF_ACTION: Final = {
    "AddAction": "lead#add",
    "SendAction": "lead#send",
    "ReceiveAction": "lead#receive",
    "UpdateAction": "lead#update",
    "AssignAction": "lead#assign",
    "AcceptAction": "lead#accept",
    "RejectAction": "lead#reject",
    "RetractAction": "lead#retract",
    "DeleteAction": "contact#delete",
}

#: What generated examples say where nothing was filled in (seed 002, lead#assign).
_PLACEHOLDER: Final = "string"


def plain_topic(topic: str) -> str:
    """The topic without its prefix, in its right spelling."""
    topic = topic.removeprefix(PREFIX)
    return _MISSPELT.get(topic, topic)


def spellings(topic: str) -> tuple[str, ...]:
    """Every way in which a topic is written."""
    same = [topic, *(wrong for wrong, right in _MISSPELT.items() if right == topic)]
    return tuple(f"{prefix}{one}" for prefix in (PREFIX, "") for one in same)


def topic_of_type(action_type: str) -> str | None:
    """The topic that an action type stands for, None for one that is not known."""
    topic = _TOPIC_OF_ACTION.get(action_type) or plain_topic(action_type)
    return topic if topic in TRIGGER_OF_TOPIC else None


def contradicts(action_type: str | None, topic: str) -> bool:
    """Whether ``data.type`` says something other than the topic, which decides."""
    if action_type is None or action_type == _PLACEHOLDER:
        return False
    stated = topic_of_type(action_type)
    return stated is None or TRIGGER_OF_TOPIC[stated] != TRIGGER_OF_TOPIC[topic]
