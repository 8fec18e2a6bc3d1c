"""Single messages of any topic, each about a lead of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random
from typing import Final

from lifecycle.mocking.lead import Lead, written
from lifecycle.mocking.people import People
from lifecycle.mocking.plan import Properties
from lifecycle.mocking.properties import chosen
from lifecycle.mocking.record import Record, user
from lifecycle.mocking.systems import SYSTEMS
from lifecycle.mocking.topics import ACTIONS, TOPICS, Message, action_of

# Moments are in milliseconds.
_APART: Final = 60_000
_SENT_BEFORE: Final = 3_600_000
_ARRIVES: Final = (5_000, 300_000)
_CONTACT_ONLY: Final = 0.5


def samples(
    topics: Iterable[str] = TOPICS,
    *,
    count: int = 1,
    seed: int = 0,
    properties: Properties = "all",
) -> Iterator[Message]:
    """Yield so many messages of each topic, with or without the topic's prefix.

    Raises:
        ValueError: A topic is none of TOPICS.
        MissingExtraError: Faker is not installed.
    """
    actions = [action_of(topic) for topic in topics]
    for action in actions:
        if action not in ACTIONS:
            raise ValueError(f"expected one of {', '.join(TOPICS)}; got {action!r}")
    people = People(seed)
    return _samples(actions, count, Random(seed), people, properties)


def _samples(
    actions: list[str], count: int, rng: Random, people: People, properties: Properties
) -> Iterator[Message]:
    number = 0
    for action in actions:
        for _ in range(count):
            message = _sample(action, rng, people, number)
            yield chosen(message, properties, rng, linked=False)
            number += 1


def _sample(action: str, rng: Random, people: People, number: int) -> Message:
    """Return one message, about a lead to which everything before it has happened."""
    lead = Lead(rng, people, SYSTEMS, number)
    sent = number * _APART
    moment = sent if action == "add" else sent + _SENT_BEFORE
    if action == "change":
        return _change(rng, lead, moment)
    lead.dates["dateSent"] = written(sent)
    if action != "add":
        lead.dates["dateReceived"] = written(sent + rng.randint(*_ARRIVES))
        lead.holder = people.agent(rng)
    if action in ("accept", "reject"):
        lead.dates[f"date{action.title()}ed"] = written(moment)
    return lead.message(
        action,
        moment,
        rng.choice(SYSTEMS),
        assignee=lead.holder,
        contact_only=action == "retract" and rng.random() < _CONTACT_ONLY,
    )


def _change(rng: Random, lead: Lead, moment: int) -> Message:
    """Return a change of a lead's owner, or of its status by its owner."""
    record = Record(rng)
    record.owner = user(rng)
    field = rng.choice(("Owner", "Status"))
    return record.save(lead, moment, ("user" if field == "Owner" else "work",))[0]
