"""A connection that fails at its Nth statement, for every N of a batch."""

from __future__ import annotations

import shutil
import sqlite3
from itertools import count
from typing import Any, Final

from result import Amount, Result
from stores import filled, folder, said
from stories import messages

from lifecycle import LeadStore
from lifecycle.errors import StoreError

DOES: Final = "a connection that fails at its Nth statement, every N of batches of {size:,}: {runs}"
HOLDS: Final = "one clear error, nothing of the batch is left; tried again, all is as undisturbed"
#: So many batches, each with all of its statements.
FULL: Final = Amount(3, 200)
QUICK: Final = Amount(1, 12)


def run(seed: int, amount: Amount) -> Result:
    """Let every statement of some batches fail."""
    result = Result(runs=amount.runs)
    failed = sum(_batch(number, amount.size, result) for number in range(seed, seed + amount.runs))
    result.notes.append(f"{failed:,} statements failed")
    return result


def _batch(seed: int, size: int, result: Result) -> int:
    """Let every statement of one batch fail; how many there are."""
    some = messages(seed, 2 * size)
    with folder() as place:
        start, path = place / "start.db", place / "leads.db"
        before = filled(start, some[:size])
        wanted = filled(place / "whole.db", some)
        for nth in count(1):
            shutil.copy(start, path)
            with LeadStore(path) as store:
                found = _fail(store, nth, some[size:], before, wanted)
            if found is None:
                return nth - 1
            result.failures += [f"seed {seed}: statement {nth}: {one}" for one in found]
    raise AssertionError


def _fail(
    store: LeadStore, nth: int, batch: list[Any], before: str, wanted: str
) -> list[str] | None:
    """Let the nth statement fail: what is wrong then; None where there are not so many."""
    whole = store._connection
    failing: Any = _Failing(whole, nth)
    store._connection = store._parties._connection = failing
    wrong = []
    try:
        store.apply_many(batch)
    except StoreError as error:
        if "disk I/O error" not in str(error):
            wrong.append(f"another error: {error}")
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        wrong.append(f"{type(error).__name__}: {error}")
    else:
        if failing.failed:
            wrong.append("no error")
    finally:
        store._connection = store._parties._connection = whole
    if not failing.failed:
        return None
    return wrong + _try_again(store, batch, before, wanted)


def _try_again(store: LeadStore, batch: list[Any], before: str, wanted: str) -> list[str]:
    """Return what is wrong after a batch failed, and after it was given again."""
    wrong = []
    if store._connection.in_transaction:
        return ["the failed batch left a transaction open"]
    if said(store) != before:
        wrong.append("the failed batch left something")
    store.apply_many(batch)
    if said(store) != wanted:
        wrong.append("tried again, the store says something else")
    return wrong + [f"{one.check}: {one}" for one in store.verify().defects]


class _Failing:
    """A connection whose nth statement fails, once."""

    def __init__(self, connection: sqlite3.Connection, nth: int) -> None:
        self._connection = connection
        self._left = nth
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._count(sql)
        return self._connection.execute(sql, *values)

    def executemany(self, sql: str, values: Any) -> sqlite3.Cursor:
        self._count(sql)
        return self._connection.executemany(sql, values)

    def _count(self, sql: str) -> None:
        self._left -= sql != "ROLLBACK"
        if self._left == 0 and not self.failed:
            self.failed = True
            raise sqlite3.OperationalError("disk I/O error")
