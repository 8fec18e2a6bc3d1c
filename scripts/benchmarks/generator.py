"""Logs of believable lead messages of some 1.5 KB each; the same seed gives the same bytes.

Leads come in over time, five messages each on average, and their stories overlap. Of the messages
2 % ask for a step that the rules do not allow, 1 % are delivered twice, and 3 % come after a later
message of their lead. Memory does not depend on the length of the log.

    generator.py log FILE MESSAGES                 a log of so many messages
    generator.py leads FILE LEADS MORE MESSAGES    the first message of each of so many leads, and
                                                   in MORE the second message of some of them
"""

# ruff: noqa: S311 - a seed that can be repeated is the point

from __future__ import annotations

import heapq
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

import orjson

SEED: Final = 3
EVENTS_PER_LEAD: Final = 5
INVALID: Final = 0.02
DUPLICATE: Final = 0.01
LATE: Final = 0.03

Message: TypeAlias = "dict[str, Any]"

# Long ago: a million leads, one a minute, must all have come before the clock of whoever runs this.
_START: Final = datetime(2020, 1, 6, 8, tzinfo=UTC)
_BETWEEN_LEADS: Final = 60.0  # seconds, on average
_BETWEEN_STEPS: Final = 3 * 3600.0
_DELAY: Final = 24 * 3600.0
_COPIED_WITHIN: Final = 600.0
_LONGEST_STORY: Final = 40
# Not each message that is held back is overtaken by a later one of its lead, and a lead in ``new``
# allows everything: so more are drawn than are to come of it.
_HELD_BACK: Final = LATE * 1.5
_ASKS_IN_VAIN: Final = INVALID * 1.25
_NEXT: Final = {
    "new": {"add": "sent"},
    "sent": {"assign": "assigned", "update": "sent"},
    "assigned": {"accept": "accepted", "reject": "rejected", "update": "assigned"},
    "accepted": {"update": "accepted", "retract": "retracted"},
    "rejected": {"assign": "assigned", "update": "rejected"},
    "retracted": {"assign": "assigned", "update": "retracted"},
}
# What no rule allows in that state.
_INVALID: Final = {
    "sent": "add",
    "assigned": "add",
    "accepted": "accept",
    "rejected": "accept",
    "retracted": "reject",
}
_WORDS: Final = str.split(
    "about accept agent apartment available before bedroom between budget buying call city could"
    " current evening family first floor garden garage house interested kitchen listing location"
    " looking market month morning mortgage moving near neighborhood offer open parking please"
    " price property question ready rent schedule school selling showing soon street school time"
    " view viewing visit weekend would years"
)
_TEAM: Final = 200


def write_log(path: Path, messages: int, seed: int = SEED) -> None:
    """Write a log of so many messages; a shorter log is the beginning of a longer one."""
    _write(path, islice(deliveries(seed), messages))


def write_leads(path: Path, leads: int, more: Path, messages: int, seed: int = SEED) -> None:
    """Write the first message of each lead, and into ``more`` the second one of some of them.

    Those are spread evenly over the leads, and in no order.
    """
    rng = random.Random(seed)
    seconds: list[Message] = []

    def firsts() -> Iterator[Message]:
        opened = 0.0
        for number in range(leads):
            opened += rng.expovariate(1 / _BETWEEN_LEADS)
            lead = _Lead(rng)
            yield lead.message(opened)
            if number * messages // leads < (number + 1) * messages // leads:
                seconds.append(lead.message(opened + _BETWEEN_STEPS))

    _write(path, firsts())
    rng.shuffle(seconds)
    _write(more, seconds)


def deliveries(seed: int = SEED) -> Iterator[Message]:
    """Messages without end, in the order in which they are delivered."""
    rng = random.Random(seed)
    pending: list[tuple[float, int, Message]] = []
    opened, number = 0.0, 0
    while True:
        while not pending or opened <= pending[0][0]:
            for at, message in _story(rng, opened):
                number += 1
                heapq.heappush(pending, (at, number, message))
            opened += rng.expovariate(1 / _BETWEEN_LEADS)
        yield heapq.heappop(pending)[2]


def _write(path: Path, messages: Iterator[Message] | list[Message]) -> None:
    with path.open("wb") as file:
        file.writelines(orjson.dumps(message) + b"\n" for message in messages)


def _story(rng: random.Random, opened: float) -> Iterator[tuple[float, Message]]:
    """Yield the messages of one lead, each with the moment of its delivery."""
    lead = _Lead(rng)
    at = opened
    for _ in range(min(1 + int(rng.expovariate(1 / (EVENTS_PER_LEAD - 0.5))), _LONGEST_STORY)):
        message = lead.message(at)
        held_back = rng.random() < _HELD_BACK
        delivered = at + rng.expovariate(1 / _DELAY) if held_back else at
        yield delivered, message
        if rng.random() < DUPLICATE:
            copy = message | {"@id": _inbox_id(rng)}
            yield delivered + rng.expovariate(1 / _COPIED_WITHIN), copy
        at += rng.expovariate(1 / _BETWEEN_STEPS)


class _Lead:
    """One lead, and what happens to it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._state = "new"
        self._owner = _person(rng)
        self._holder = self._owner
        first, last = rng.choice(_WORDS).title(), rng.choice(_WORDS).title()
        number = rng.randrange(10**9)
        self._object: Message = {
            "type": "Lead",
            "identifier": {"salesforceid": f"00Q{rng.randrange(36**8):012X}"},
            "object": {
                "type": "Contact",
                "identifier": {"salesforceContactID": _uuid(rng), "consumerid": number},
                "name": f"{first} {last}",
                "telephone": f"+1-555-01{number % 100:02}",
                "email": f"{first}.{last}{number}@example.com".lower(),
            },
            "sender": "https://portal.example.com/profile/card#me",
            "owner": self._owner,
            "leadSource": [
                {
                    "type": "AskAction",
                    "object": {"type": "Question", "text": " ".join(rng.choices(_WORDS, k=60))},
                }
            ],
        }

    def message(self, at: float) -> Message:
        """Return the next message of its story."""
        action = self._next_action()
        agent = self._holder if action in ("accept", "reject") else self._owner
        data: Message = {"type": f"{action.title()}Action", "agent": agent}
        if action == "assign":
            data["recipient"] = self._holder = _person(self._rng)
        elif action == "retract":
            data["participant"], self._holder = self._holder, self._owner
        elif action == "reject":
            data["reason"] = " ".join(self._rng.choices(_WORDS, k=5))
        if action == "add":
            self._object["dateSent"] = _time(at)
        data["object"] = {**self._object, "recipient": self._holder}
        return {
            "topic": f"realestate/lead#{action}",
            "time": _time(at),
            "agent": agent,
            "instrument": "https://crm.example.com/profile/card#me",
            "source": "https://brokerage.example.com/profile/card#me",
            "originalRecipient": self._owner,
            "id": f"https://crm.example.com/publish/{_uuid(self._rng)}",
            "@id": _inbox_id(self._rng),
            "data": data,
        }

    def _next_action(self) -> str:
        """One that the rules allow, and moves the lead; or one of the few that they do not."""
        if self._state in _INVALID and self._rng.random() < _ASKS_IN_VAIN:
            return _INVALID[self._state]
        action, self._state = self._rng.choice(list(_NEXT[self._state].items()))
        return action


def _person(rng: random.Random) -> str:
    return f"https://agents.example.com/{rng.randrange(_TEAM)}/profile/card#me"


def _inbox_id(rng: random.Random) -> str:
    return f"https://pod.example.com/inbox/{_uuid(rng)}"


def _uuid(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _time(seconds: float) -> str:
    return (_START + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")[:-6] + "Z"


def main(kind: str, path: str, count: str, *more: str) -> None:
    """Write what the command line asks for."""
    if kind == "log":
        write_log(Path(path), int(count))
    else:
        write_leads(Path(path), int(count), Path(more[0]), int(more[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
