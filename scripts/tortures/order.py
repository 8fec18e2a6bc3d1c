"""Order, duplication, batching and processes: one digest."""

from __future__ import annotations

import traceback
from random import Random
from typing import Any, Final

from children import Child
from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from result import Amount, Result
from stores import folder, said, said_by
from stories import TYPES, Message, batches, deletion, letter

from lifecycle import LeadStore

DOES: Final = (
    "order, duplication, batching, processes: {runs:,} hypothesis examples of up to {size}"
    " messages, about every fiftieth by two processes"
)
HOLDS: Final = (
    "one digest of messages, leads, histories and findings; about every tenth store is verified,"
    " with what it knew at every moment before"
)
FULL: Final = Amount(100_000, 14)
QUICK: Final = Amount(60, 14)
_PROCESSES: Final = 1 / 50
_VERIFIED: Final = 1 / 10
_NAMES: Final = st.sampled_from("123")
_PARTIES: Final = st.sampled_from(["https://ada.example/#me", "https://bob.example/#me", None])


@st.composite
def _messages(draw: Any) -> Message:
    """One message: few names, moments and ids, so that much hangs together."""
    second, event = draw(st.integers(0, 9)), draw(st.integers(0, 40))
    contact = {"c": draw(_NAMES)} if draw(st.booleans()) else {}
    if contact and not draw(st.integers(0, 9)):
        return deletion(second, event, contact)
    keys = {"a": draw(_NAMES)} | ({"b": draw(_NAMES)} if draw(st.booleans()) else {})
    data = {name: draw(_PARTIES) for name in ("agent", "recipient", "participant")}
    action = draw(st.sampled_from(list(TYPES)))
    return letter(action, second, event, keys=keys, contact=contact, **data)


def run(seed: int, amount: Amount) -> Result:
    """Deliver the same messages in two ways; hypothesis makes a failure small."""
    result = Result()

    @seeded(seed)
    @settings(
        max_examples=amount.runs,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.lists(_messages(), min_size=1, max_size=amount.size), st.integers(0, 2**32))
    def converges(world: list[Message], chance: int) -> None:
        result.runs += 1
        rng = Random(chance)
        by_two = rng.random() < _PROCESSES
        first = _said(world, rng)
        second = _said_by_two(world, rng) if by_two else _said(world, rng)
        if first != second:
            raise AssertionError(f"{world} in two orders (chance {chance})")

    try:
        converges()
    except Exception:  # noqa: BLE001 - whatever it is, it is a failure
        result.failures.append(f"seed {seed}: {traceback.format_exc()}")
    return result


def _delivered(world: list[Message], rng: Random) -> list[list[Message]]:
    """Return the messages and copies of some, in some order, in some batches."""
    copies = [one | {"@id": "urn:copy"} for one in world if rng.random() < 0.3]  # noqa: PLR2004
    some = [*world, *copies]
    rng.shuffle(some)
    return list(batches(rng, some, 5))


def _said(world: list[Message], rng: Random) -> str:
    with LeadStore(":memory:") as store:
        for batch in _delivered(world, rng):
            store.apply_many(batch)
        if rng.random() < _VERIFIED and (defects := store.verify().defects):
            raise AssertionError(f"{world}: {defects[0]}")
        return said(store)


def _said_by_two(world: list[Message], rng: Random) -> str:
    """Do the same by two processes, each with all messages."""
    with folder() as place:
        path = place / "leads.db"

        def work(deliveries: list[list[Message]]) -> None:
            with LeadStore(path) as store:
                for batch in deliveries:
                    store.apply_many(batch)

        both = [_delivered(world, rng) for _ in range(2)]
        children = [Child(lambda _, own=own: work(own)) for own in both]
        for ended in [child.end() for child in children]:
            if ended.status:
                raise AssertionError(str(ended))
        return said_by(path)
