"""The topics that mock data is made of, and the action type that each goes with (seeds)."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

#: A message as JSON has it.
Message: TypeAlias = dict[str, Any]

PREFIX: Final = "realestate/"

#: What a lead's message does; each is a topic ``lead#...``, and ``delete`` is ``contact#delete``.
#: ``change`` stands last: samples of the others stay as they were before there was one.
ACTIONS: Final = ("add", "update", "assign", "accept", "reject", "retract", "delete", "change")

#: The seven topics of the network, and that of field changes.
TOPICS: Final = tuple(f"contact#{one}" if one == "delete" else f"lead#{one}" for one in ACTIONS)


def topic_of(action: str) -> str:
    """Return the topic of an action, as it travels."""
    return f"{PREFIX}contact#delete" if action == "delete" else f"{PREFIX}lead#{action}"


def action_of(topic: str) -> str:
    """Return the action of a topic, with or without its prefix."""
    return topic.rpartition("#")[2]


def action_type(action: str) -> str:
    """Return ``data.type`` of an action, as schema.org names it."""
    return f"{action.title()}Action"


def is_change(message: Message) -> bool:
    """Return whether a message tells of a change of a field."""
    return action_of(message["topic"]) == "change"
