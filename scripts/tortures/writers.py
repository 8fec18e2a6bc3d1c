"""Many writers on one file, each event given to two of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from children import Child, Ended, Tell
from result import Amount, Result
from stores import defects, filled, folder, said
from stories import Message, batches, messages

from lifecycle import LeadStore

DOES: Final = (
    "4 and 8 writers on one file, {size:,} events, each given to two of them, few events a lead:"
    " {runs} stores"
)
HOLDS: Final = "nothing lost, doubled or wrong, every message accounted for, no error"
FULL: Final = Amount(2, 50_000)
QUICK: Final = Amount(2, 400)
_WRITERS: Final = (4, 8)
#: Their batches have up to so many messages.
_MOST: Final = 200


def run(seed: int, amount: Amount) -> Result:
    """Let many write at once."""
    result = Result()
    some = messages(seed, amount.size)
    with folder() as place:
        wanted = filled(place / "whole.db", some)
        for number in range(amount.runs):
            writers = _WRITERS[number % len(_WRITERS)]
            path = place / f"{number}.db"
            wrong = _write(path, some, writers, seed + number)
            with LeadStore(path) as store:
                if (found := said(store)) != wanted:
                    wrong.append(f"it says {found}, not {wanted}")
            wrong += defects(path)
            result.runs += 1
            result.failures += [f"seed {seed}: {writers} writers: {one}" for one in wrong]
    return result


def _write(path: Path, some: list[Message], writers: int, seed: int) -> list[str]:
    """Let so many write at once; what they met, and what is not accounted for."""
    rng = Random(f"writers/{seed}")
    given: list[list[Message]] = [[] for _ in range(writers)]
    for message in some:
        for writer in rng.sample(range(writers), 2):
            given[writer].append(message)
    for own in given:
        rng.shuffle(own)

    def work(own: list[Message], tell: Tell) -> None:
        kinds: Counter[str] = Counter()
        with LeadStore(path) as store:
            for batch in batches(Random(f"{seed}/{len(own)}"), own, _MOST):
                kinds.update(one.kind for one in store.apply_many(batch))
        for kind, count in kinds.items():
            tell(f"{kind} {count}")

    children = [Child(lambda tell, own=own: work(own, tell)) for own in given]
    ended = [child.end() for child in children]
    wrong = [str(one) for one in ended if one.status]
    return wrong or _accounts(path, ended, 2 * len(some))


def _accounts(path: Path, ended: list[Ended], given: int) -> list[str]:
    """Return what the writers said of so many messages, beside what is in the store."""
    wrong = []
    kinds: Counter[str] = Counter()
    for line in (line for one in ended for line in one.told):
        kind, count = line.split()
        kinds[kind] += int(count)
    with LeadStore(path) as store:
        (events,) = store._connection.execute("SELECT count(*) FROM event").fetchone()
    if kinds["applied"] + kinds["refused"] + kinds["noted"] != events:
        wrong.append(f"{events} events, and {dict(kinds)}")
    if kinds.total() != given:
        wrong.append(f"{given} messages, and {dict(kinds)}")
    return wrong
