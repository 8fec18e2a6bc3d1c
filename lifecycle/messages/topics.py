"""The topics of the network and the action types that go with them (seeds 000 to 002, 004)."""

from __future__ import annotations

from typing import Final

from lifecycle.domain import Trigger, lowered, trimmed
from lifecycle.errors import ArgumentError
from lifecycle.text import excerpt

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
    "lead#change": "change",
    "contact#delete": "delete",
}

#: The date of a lead that says when a step happened.
OWN_DATE: Final[dict[Trigger, str]] = {
    "send": "dateSent",
    "receive": "dateReceived",
    "accept": "dateAccepted",
    "reject": "dateRejected",
}

#: Spellings met in the wild (seed 002 prints one in a heading).
MISSPELT: Final = {"lead#asssign": "lead#assign"}
#: What people put behind a topic of ours.
_ENDINGS: Final = ("s", "d", "ed", "ing")

#: ``data.type`` as schema.org names actions; the topic's own name is accepted too.
_TOPIC_OF_ACTION: Final = {
    f"{topic.partition('#')[2].title()}Action": topic for topic in TRIGGER_OF_TOPIC
}

#: What generated examples say where nothing was filled in (seed 002, lead#assign).
_PLACEHOLDER: Final = "string"


def usual_topic(topic: object) -> str | None:
    """Return the topic of ours that a text is to the letter, with or without the prefix."""
    return _USUAL.get(topic) if isinstance(topic, str) else None


def plain_topic(topic: str) -> str:
    """Return the topic without its prefix, without case, in its right spelling."""
    topic = lowered(trimmed(topic)).removeprefix(PREFIX)
    return MISSPELT.get(topic, topic)


def known_topic(topic: str) -> str:
    """Return the topic in plain form.

    Raises:
        ArgumentError: Messages of it are not decoded.
    """
    plain = plain_topic(topic)
    if plain not in TRIGGER_OF_TOPIC:
        raise ArgumentError(f"{excerpt(topic)!r} is none of {', '.join(TRIGGER_OF_TOPIC)}")
    return plain


def nearest_topic(topic: str) -> str | None:
    """Return the topic of ours that one in plain form nearly is; None where there is none.

    It is when it is one edit away (two letters that changed places are one), or has one of the
    endings that people add.
    """
    if len(topic) > _LONGEST_TOPIC:
        return None
    for ours in TRIGGER_OF_TOPIC:
        if topic in (f"{ours}{ending}" for ending in _ENDINGS):
            return ours
    for ours in TRIGGER_OF_TOPIC:
        if _is_one_edit(topic, ours) or _is_one_edit(topic, PREFIX + ours):
            return ours
    return None


def _is_one_edit(one: str, other: str) -> bool:
    """Return whether one text becomes the other by one edit of a letter."""
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), None)
    if start is None:
        return len(long) > len(short)
    if len(short) < len(long):
        return short[start:] == long[start + 1 :]
    swapped = short[start + 1 : start + 2] + short[start]
    return short[start + 1 :] == long[start + 1 :] or (
        swapped == long[start : start + 2] and short[start + 2 :] == long[start + 2 :]
    )


_USUAL: Final = {f"{prefix}{topic}": topic for topic in TRIGGER_OF_TOPIC for prefix in (PREFIX, "")}
_LONGEST_TOPIC: Final = max(map(len, TRIGGER_OF_TOPIC)) + len(PREFIX) + len("ing")


def topic_of_type(action_type: str) -> str | None:
    """Return the topic that an action type stands for, None for one that is not known."""
    topic = _TOPIC_OF_ACTION.get(action_type.strip()) or plain_topic(action_type)
    return topic if topic in TRIGGER_OF_TOPIC else None


def topic_about(kind: str, action_type: str) -> str | None:
    """Return the topic of an action on a ``lead`` or a ``contact``; None where it names none.

    An action of schema.org on a contact that is not its deletion has a topic that is ignored.
    """
    name = action_type.strip()
    if "#" in name:
        return plain_topic(name)
    verb, found, _ = name.partition("Action")
    return f"{kind}#{verb.lower()}" if verb and found else None


def contradicts(action_type: str | None, topic: str) -> bool:
    """Return whether ``data.type`` says something other than the topic, which decides."""
    if action_type is None or action_type == _PLACEHOLDER:
        return False
    stated = topic_of_type(action_type)
    return stated is None or TRIGGER_OF_TOPIC[stated] != TRIGGER_OF_TOPIC[topic]
