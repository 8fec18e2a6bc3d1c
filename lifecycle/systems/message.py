"""Messages of the network, made of what other systems say (design.md section 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import quote

from lifecycle.domain import Trigger
from lifecycle.messages import canonical, format_time

#: A message as JSON can say it.
Message: TypeAlias = dict[str, Any]
#: A person or a system: a URI, or an object with an identifier.
Party: TypeAlias = "str | dict[str, Any]"

_TOPICS: Final[dict[Trigger, tuple[str, str]]] = {
    "send": ("add", "AddAction"),
    "receive": ("receive", "ReceiveAction"),
    "update": ("update", "UpdateAction"),
    "assign": ("assign", "AssignAction"),
    "accept": ("accept", "AcceptAction"),
    "reject": ("reject", "RejectAction"),
    "retract": ("retract", "RetractAction"),
}


def lead_message(
    trigger: Trigger,
    *,
    event_id: str,
    time: int,
    lead: Mapping[str, str],
    contact: Mapping[str, Any],
    **data: Any,
) -> Message:
    """The message that says this of a lead.

    ``time`` is in microseconds since 1970 in UTC, ``lead`` its keys by scheme, ``contact`` the
    properties of its contact; ``data`` is what else there is to say, as far as it is not None.
    """
    topic, action = _TOPICS[trigger]
    thing: dict[str, Any] = {"type": "Lead", "identifier": dict(lead)}
    if contact:
        thing["object"] = {"type": "Contact", **contact}
    return {
        "topic": f"realestate/lead#{topic}",
        "time": format_time(time),
        "id": event_id,
        "data": {
            "type": action,
            "object": thing,
            **{name: part for name, part in data.items() if part is not None},
        },
    }


def event_id(system: str, *names: str) -> str:
    """The id of an event that has a name of its own in its system."""
    return ":".join(("urn:lifecycle", *(quote(name, safe="") for name in (system, *names))))


def derived_id(system: str, content: Any) -> str:
    """The id of an event that has none: a digest of what is said, so that it stays the same."""
    return event_id(system, "sha256", hashlib.sha256(canonical(content)).hexdigest())


def person(scheme: str, value: str, name: str | None = None) -> Party | None:
    """Who is meant by this value: a URI, or an id in a scheme; None where it is empty."""
    if not value:
        return None
    if "://" in value or value.startswith("urn:"):
        return value
    found: dict[str, Any] = {"type": "Person", "identifier": {scheme: value}}
    return found | {"name": name} if name else found
