"""Messages to torture stores with: the same seed gives the same."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Final, TypeAlias

Message: TypeAlias = dict[str, Any]

TYPES: Final = {
    "add": "AddAction",
    "update": "UpdateAction",
    "assign": "AssignAction",
    "accept": "AcceptAction",
    "reject": "RejectAction",
    "retract": "RetractAction",
}
_PARTIES: Final = tuple(f"https://{name}.example.com/#me" for name in ("org", "ada", "bob", "eve"))
# What goes wrong, as shares of all messages.
_LINKS: Final = 0.02
_DELETIONS: Final = 0.003
_CONFLICTS: Final = 0.01
_COPIES: Final = 0.03
_LATE: Final = 0.05
_LATE_BY: Final = 40


def messages(seed: int, count: int, *, per_lead: int = 5) -> list[Message]:
    """So many messages: few of each lead, some late, copied, in conflict, or linking two leads."""
    rng = Random(f"messages/{seed}")
    leads = max(1, count // per_lead)
    made: list[Message] = []
    for number in range(count):
        if made and rng.random() < _COPIES:
            made.append(rng.choice(made[-_LATE_BY:]) | {"@id": f"urn:inbox:{number}"})
        else:
            made.append(_message(rng, number, leads))
    for place in range(count):
        if rng.random() < _LATE:
            other = min(count - 1, place + rng.randrange(_LATE_BY))
            made[place], made[other] = made[other], made[place]
    return made


def _message(rng: Random, number: int, leads: int) -> Message:
    # Leads come and go: what is told now is about some of a window.
    lead = min(leads - 1, int(rng.gauss(0.5, 0.3) * leads) % leads)
    contact = rng.randrange(leads) if rng.random() < _LINKS else lead
    event = number - rng.randrange(1, 9) if rng.random() < _CONFLICTS else number
    if rng.random() < _DELETIONS:
        return deletion(number, event, {"c": str(contact)})
    return letter(
        rng.choice(list(TYPES)),
        number,
        event,
        keys={"crmLeadId": str(lead)},
        contact={"c": str(contact)},
        agent=rng.choice(_PARTIES),
        recipient=rng.choice(_PARTIES),
    )


def letter(
    action: str,
    second: int,
    event: int,
    *,
    keys: dict[str, str],
    contact: dict[str, str],
    **data: Any,
) -> Message:
    """One message about a lead."""
    subject = {"type": "Contact", "identifier": contact}
    return {
        "topic": f"realestate/lead#{action}",
        "time": moment(second),
        "id": f"urn:torture:{event}",
        "data": {
            "type": TYPES[action],
            "object": {"type": "Lead", "identifier": keys, "object": subject},
            **data,
        },
    }


def deletion(second: int, event: int, contact: dict[str, str]) -> Message:
    """Delete a contact."""
    return {
        "topic": "realestate/contact#delete",
        "time": moment(second),
        "id": f"urn:torture:{event}",
        "data": {"type": "DeleteAction", "object": {"type": "Contact", "identifier": contact}},
    }


def moment(second: int) -> str:
    """So many seconds after the beginning, which is long ago."""
    minutes, seconds = divmod(second, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"2024-03-{days + 1:02}T{hours:02}:{minutes:02}:{seconds:02}Z"


def write_log(path: Path, some: Iterable[Message]) -> Path:
    """Write a log of these messages, one a line."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(message) + "\n" for message in some)
    return path


def batches(rng: Random, some: list[Message], most: int) -> Iterator[list[Message]]:
    """Yield the messages in batches of any size."""
    rest = some
    while rest:
        size = rng.randint(1, most)
        yield rest[:size]
        rest = rest[size:]
