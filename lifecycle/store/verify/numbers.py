"""The numbers that a store gave: changes one by one, leads and clusters as its replay does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from lifecycle.store.db.lookups import Numbers
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import time_words, words

_CHANGES: Final = (
    "SELECT id, recorded_at FROM history UNION ALL"
    " SELECT superseded_change, superseded_at FROM history"
    " WHERE superseded_at IS NOT NULL OR superseded_change IS NOT NULL UNION ALL"
    " SELECT change, NULL FROM sealed WHERE change IS NOT NULL ORDER BY 1"
)
_COUNTERS: Final = "SELECT change, lead, cluster FROM store"
_IN_USE: Final = {
    "lead": "SELECT max(lead) FROM (SELECT max(id) AS lead FROM lead"
    " UNION ALL SELECT max(lead) FROM former_lead)",
    "cluster": "SELECT max(cluster) FROM (SELECT max(cluster) AS cluster FROM lead"
    " UNION ALL SELECT max(cluster) FROM event)",
}
#: Tables whose rows are numbered one by one, and never removed.
_ONE_BY_ONE: Final = ("party", "finding", "log", "erasure")
_COUNT: Final = "SELECT count(*), coalesce(min(id), 1), coalesce(max(id), 0) FROM {0}"
_FAR: Final = 2**40
_ORDERED: Final = (
    "SELECT id, recorded_at FROM (SELECT id, recorded_at, lag(recorded_at) OVER (ORDER BY id)"
    " AS before FROM finding) WHERE recorded_at < before"
)


class Numbering:
    """The check of numbers; ``erased`` contents gave some that the replay does not.

    ``replayed``: the last numbers that the replay gave, if it did all that the store did.
    """

    def __init__(
        self, connection: sqlite3.Connection, replayed: Numbers | None, *, erased: int
    ) -> None:
        self._connection = connection
        self._replayed = replayed
        self._erased = erased

    def check(self) -> Iterator[Defect]:
        """Yield numbers that are missing, doubled, in another order, or not given yet."""
        change, lead, cluster = self._connection.execute(_COUNTERS).fetchone()
        yield from self._changes(change)
        for name, found in (("lead", lead), ("cluster", cluster)):
            (used,) = self._connection.execute(_IN_USE[name]).fetchone()
            given = getattr(self._replayed, name) if self._replayed else found
            if found < (used or 0) or abs(found - given) > 2 * self._erased:
                expected = f"the messages give {max(used or 0, given)}"
                yield _defect("the store", f"the last {name} has number {words(found)}", expected)
        for table in _ONE_BY_ONE:
            count, first, last = self._connection.execute(_COUNT.format(table)).fetchone()
            # Erasing lets a finding go where it became the same as another.
            if (first, last) != (1, count) and not (self._erased and table == "finding"):
                found = f"{count} rows are numbered {first} to {last}"
                yield _defect(f"table {table}", found, f"expected 1 to {count}")
        for number, at in self._connection.execute(_ORDERED):
            found = f"recorded {time_words(at)}"
            yield _defect(f"finding {number}", found, "the one before was recorded later")
        for table, last in self._connection.execute("SELECT name, seq FROM sqlite_sequence"):
            if not 0 <= last <= _FAR:
                yield _defect(f"table {table}", f"its last number is {last}", "expected a count")

    def _changes(self, last: int) -> Iterator[Defect]:
        number, before = 0, 0
        for change, at in self._connection.execute(_CHANGES):
            if change != number + 1:
                expected = f"expected change {number + 1}"
                yield _defect("changes", f"change {words(change)} after {number}", expected)
            if at is not None and at < before:
                found = f"change {words(change)} was made {time_words(at)}"
                yield _defect("changes", found, f"the one before {time_words(before)}")
            number, before = change or number, max(before, at or 0)
        if number != last:
            yield _defect("the store", f"the last change has number {last}", f"expected {number}")


def _defect(where: str, found: str, expected: str) -> Defect:
    return Defect("replay", where, found, expected)
