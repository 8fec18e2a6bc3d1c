"""Many threads on one object, reading and writing, and a fork while it is open."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Final

from result import Amount, Result
from stores import defects, filled, folder, said
from stories import Message, batches, messages

from lifecycle import LeadStore
from lifecycle.errors import StoreError

DOES: Final = (
    "8 threads on one object that read and write, {size:,} events, each given to two of them, and a"
    " fork while it is open: {runs} stores"
)
HOLDS: Final = "nothing lost or doubled, every read whole; the forked process is told, verify sound"
FULL: Final = Amount(2, 20_000)
QUICK: Final = Amount(1, 400)
_THREADS: Final = 8
#: Their batches have up to so many messages.
_MOST: Final = 100


def run(seed: int, amount: Amount) -> Result:
    """Let many threads use one object."""
    result = Result()
    some = messages(seed, amount.size)
    with folder() as place:
        wanted = filled(place / "whole.db", some)
        for number in range(amount.runs):
            path = place / f"{number}.db"
            result.runs += 1
            try:
                wrong = _use(path, some, seed + number)
            except Exception as error:  # noqa: BLE001 - whatever it is, it should not be
                result.failures.append(f"seed {seed}: {type(error).__name__}: {error}")
                continue
            with LeadStore(path) as store:
                if (found := said(store)) != wanted:
                    wrong.append(f"it says {found}, not {wanted}")
            wrong += defects(path)
            result.failures += [f"seed {seed}: {one}" for one in wrong]
    return result


def _use(path: Path, some: list[Message], seed: int) -> list[str]:
    """Use one object in many threads; what they met."""
    rng = Random(f"threads/{seed}")
    given: list[list[Message]] = [[] for _ in range(_THREADS)]
    for message in some:
        for thread in rng.sample(range(_THREADS), 2):
            given[thread].append(message)
    wrong: list[str] = []
    with LeadStore(path) as store:

        def work(own: list[Message]) -> int:
            count = 0
            for batch in batches(Random(f"{seed}/{len(own)}"), own, _MOST):
                count += len(store.apply_many(batch))
                with store.snapshot():
                    if sum(store.states().values()) != store.lead_count():
                        wrong.append("a snapshot that is not one")
                for change in store.changes(after=store.last_change() - 10):
                    if store.lead_count() and not change.number:
                        wrong.append("a change without a number")
            return count

        with ThreadPoolExecutor(_THREADS) as pool:
            handed = list(pool.map(work, given))
        wrong += _forked(store)
        if sum(handed) != 2 * len(some):
            wrong.append(f"{2 * len(some)} messages, and {sum(handed)} outcomes")
    return wrong


def _forked(store: LeadStore) -> list[str]:
    """Use the object in a forked process, which must be told."""
    pid = os.fork()
    if pid == 0:
        try:
            store.lead_count()
        except StoreError:
            store.close()
            os._exit(0)
        os._exit(1)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return [] if status == 0 else ["a forked process was not told"]
