"""The network: it delivers what happened late, twice, and mixed with the stories of other leads."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

from lifecycle.mocking.changes import ChangeStory
from lifecycle.mocking.people import People
from lifecycle.mocking.plan import Plan
from lifecycle.mocking.story import Story, Told
from lifecycle.mocking.systems import SALESFORCE
from lifecycle.mocking.topics import Message, is_change
from lifecycle.mocking.truth import Truth

# Durations are in milliseconds.
_LATE_BY: Final = (1_000, 3_600_000)
_COPIED_AFTER: Final = (1_000, 1_800_000)


class Delivery(NamedTuple):
    """One message as it arrives; the last of its lead brings the lead's truth."""

    message: Message
    truth: Truth | None = None


def stories(plan: Plan) -> Iterator[Delivery]:
    """Yield the messages of whole stories, in the order in which they are delivered.

    Leads come in one after another, and their stories overlap. In memory are only those that have
    begun and are not yet told to the end, however many leads there are.

    Raises:
        MissingExtraError: Faker is not installed.
    """
    people = People(plan.seed)
    return _delivered(plan, people)


def _delivered(plan: Plan, people: People) -> Iterator[Delivery]:
    rng = Random(plan.seed)
    apart = plan.between_leads
    pending: list[tuple[int, int, Delivery]] = []
    opened = count = 0
    for number in range(plan.leads):
        while pending and pending[0][0] < opened:
            yield heapq.heappop(pending)[2]
        by_changes = plan.changes and rng.random() < plan.changes
        story = ChangeStory if by_changes else Story
        told = story(plan, rng, people, number, opened).tell()
        for moment, delivery in _deliveries(plan, rng, told):
            count += 1
            heapq.heappush(pending, (moment, count, delivery))
        opened += rng.randint(0, 2 * apart)
    while pending:
        yield heapq.heappop(pending)[2]


def _deliveries(plan: Plan, rng: Random, told: Told) -> list[tuple[int, Delivery]]:
    """Return what is delivered of one story, and when; sorted."""
    arrivals = sorted(_arrivals(plan, rng, told.messages), key=lambda one: one[0])
    last = len(arrivals) - 1
    return [
        (moment, Delivery(message, told.truth if place == last else None))
        for place, (moment, message) in enumerate(arrivals)
    ]


def _arrivals(
    plan: Plan, rng: Random, messages: list[tuple[int, Message]]
) -> Iterator[tuple[int, Message]]:
    """Yield each message, and the copies of some, with the moment of its delivery."""
    # The last message comes after all others: the others make up for it.
    others = len(messages) - 1
    late = plan.late * len(messages) / others if others else 0.0
    follower = None
    for moment, message in reversed(messages):
        if follower is not None and rng.random() < late:
            delivered = follower + rng.randint(*_LATE_BY)
        else:
            delivered = moment
        follower = delivered
        yield delivered, message
        if rng.random() < plan.duplicates:
            yield delivered + rng.randint(*_COPIED_AFTER), _copy(message, rng)


def _copy(message: Message, rng: Random) -> Message:
    """Return the message once more: only the name of the copy differs, where it has one."""
    if is_change(message):
        return _other_copy(message, rng)
    if "@id" not in message:
        return dict(message)
    return message | {"@id": f"https://inbox.example.net/{rng.getrandbits(96):024x}"}


def _other_copy(message: Message, rng: Random) -> Message:
    """Return the same fact once more, as another export tells it: perhaps with less about it."""
    missing = rng.choice((None, "old", "agent"))
    data = {name: part for name, part in message["data"].items() if name != missing}
    return message | {"id": SALESFORCE.event_id(rng), "data": data}
