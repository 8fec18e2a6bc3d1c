"""Clocks that stand, jump and lie: 1970, 2099, before 1970 and beyond the year 9999."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from random import Random
from typing import Final

from result import Amount, Result
from stores import defects, filled, folder, said
from stories import Message, batches, messages

from lifecycle import LeadStore
from lifecycle.errors import LifecycleError, StoreError

DOES: Final = (
    "a clock that stands, jumps and lies between batches of {size:,} events, accepted or not:"
    " {runs:,} stores"
)
HOLDS: Final = (
    "each batch is refused or right, what is recorded later has a later time, verify sound; given"
    " again under a right clock the messages say what they say undisturbed"
)
FULL: Final = Amount(1000, 200)
QUICK: Final = Amount(12, 60)
_SECOND: Final = 1_000_000
_RIGHT: Final = 1_800_000_000 * _SECOND
_LATE: Final = 4_102_444_800 * _SECOND
#: None of these is a time that can be recorded.
_LIES: Final = (-1, -(2**63), 253_402_300_799_999_999, 10**18, 2**63 - 1, 2**63, 10**30)
_MOST: Final = 20


def run(seed: int, amount: Amount) -> Result:
    """Fill stores under clocks that nobody should have."""
    result = Result()
    some = messages(seed, amount.size)
    refused = 0
    with folder() as place:
        wanted = filled(place / "whole.db", some)
        for number in range(amount.runs):
            path = place / f"{number}.db"
            result.runs += 1
            try:
                refused += _filled(path, some, Random(f"clocks/{seed}/{number}"))
                found = _given_again(path, some)
                wrong = [] if found == wanted else [f"it says {found}, not {wanted}"]
                wrong += _times(path) + defects(path)
            except (LifecycleError, sqlite3.Error, OverflowError) as error:
                wrong = [f"{type(error).__name__}: {error}"]
            result.failures += [f"seed {seed}, store {number}: {one}" for one in wrong]
            path.unlink(missing_ok=True)
    result.notes.append(f"{refused:,} batches refused")
    return result


def _filled(path: Path, some: list[Message], rng: Random) -> int:
    """Give the messages under a clock that lies; how many batches were refused."""
    now = [_RIGHT]
    refused = 0
    LeadStore(path, clock=lambda: now[0]).close()
    with LeadStore(path, clock=lambda: now[0], accept_clock=rng.random() < 0.5) as store:  # noqa: PLR2004
        for batch in batches(rng, some, _MOST):
            now[0] = _next(rng, now[0])
            try:
                store.apply_many(batch)
            except StoreError:
                refused += 1
    return refused


def _next(rng: Random, now: int) -> int:
    """Return what the clock says next."""
    return rng.choice(
        (
            now,
            _RIGHT,
            _RIGHT + rng.randrange(-90_000, 40_000_000) * _SECOND,
            rng.randrange(40_000_000) * _SECOND,
            _LATE + rng.randrange(10**9) * _SECOND,
            rng.choice(_LIES),
        )
    )


def _given_again(path: Path, some: list[Message]) -> str:
    """Give all of it again, later than any time that was accepted; what the store says."""
    with LeadStore(path, clock=lambda: 2 * _LATE, accept_clock=True) as store:
        store.apply_many(some)
        return said(store)


def _times(path: Path) -> list[str]:
    """Look whether the times of recording grow."""
    with LeadStore(path) as store:
        times = [
            one.entry.superseded_at if one.kind == "superseded" else one.entry.recorded_at
            for one in store.changes()
        ]
    return [] if times == sorted(times) else ["a later change has an earlier time"]
