"""How time grows: with the events of a lead, the leads of a hub, the merges of a subject."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import log
from typing import Final

from result import Amount, Result
from stories import TYPES, Message, letter

from lifecycle import LeadStore

DOES: Final = (
    "a lead with {size:,} events, a hub key with a tenth as many leads, a subject that merges a"
    " fiftieth as many times, each beside itself with a quarter of it"
)
HOLDS: Final = "time grows no worse than n log n for arrivals in order"
FULL: Final = Amount(3, 50_000)
QUICK: Final = Amount(3, 4000)
#: A measure repeats itself so well; growth with the square would be 2.5 times as much.
_SLACK: Final = 1.7
_SHARE: Final = 4
_BATCH: Final = 100
_REPEATS: Final = 2
_AGAIN: Final = 2


def _one_lead(size: int) -> Iterator[Message]:
    actions = list(TYPES)
    for number in range(size):
        action = actions[number * 7 % len(actions)]
        yield letter(action, number, number, keys={"a": "1"}, contact={"c": "1"})


def _hub(size: int) -> Iterator[Message]:
    """Every lead has the same contact."""
    for number in range(size // 10):
        yield letter("add", number, number, keys={"a": str(number)}, contact={"c": "hub"})


def _merges(size: int) -> Iterator[Message]:
    """Leads with contacts of their own; then each is linked to the first."""
    leads = size // 50
    for number in range(leads):
        yield letter("add", number, number, keys={"a": str(number)}, contact={"c": str(number)})
    for number in range(1, leads):
        later = leads + number
        yield letter("update", later, later, keys={"a": str(number)}, contact={"c": "0"})


_STORIES: Final[dict[str, Callable[[int], Iterator[Message]]]] = {
    "events of a lead": _one_lead,
    "leads of a hub": _hub,
    "merges of a subject": _merges,
}


def run(seed: int, amount: Amount) -> Result:
    """Measure each story twice: a quarter of it, and all of it."""
    result = Result()
    for name, story in _STORIES.items():
        little, much = (list(story(size)) for size in (amount.size // _SHARE, amount.size))
        wanted = len(much) * log(len(much)) / (len(little) * log(len(little)))
        found = _growth(little, much)
        for _ in range(_AGAIN):
            if found > wanted * _SLACK:  # others may have been in the way; growth itself stays
                found = min(found, _growth(little, much))
        result.runs += 1
        result.notes.append(
            f"{name}: {len(much):,} messages take {found:.1f} times as long as {len(little):,};"
            f" by n log n {wanted:.1f}"
        )
        if found > wanted * _SLACK:
            result.failures.append(f"seed {seed}: {result.notes[-1]}")
    return result


def _growth(little: list[Message], much: list[Message]) -> float:
    """How many times as long the longer one takes, of processor time."""
    return min(map(_seconds, [much] * _REPEATS)) / min(map(_seconds, [little] * _REPEATS))


def _seconds(some: list[Message]) -> float:
    with LeadStore(":memory:") as store:
        started = time.process_time()
        store.apply_many(some, batch=_BATCH)
        return time.process_time() - started
