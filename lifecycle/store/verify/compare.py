"""A store beside its replay: every table, row by row, by what tells its rows apart in words.

Both are read sorted and merged, so that memory does not grow with the store. Numbers of leads,
clusters, parties and rows differ between the two; the names behind them do not.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from itertools import groupby, zip_longest
from typing import Any, Final

from lifecycle.domain import STATES, TRIGGERS, VERDICTS
from lifecycle.store.db.rows import OUTCOMES
from lifecycle.store.verify.derived import LOOSE_EVENTS, Table, tables
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import both, time_words

Row = tuple[Any, ...]
_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "state": STATES,
    "state before the step": STATES,
    "state after the step": STATES,
    "trigger": TRIGGERS,
    "last trigger": TRIGGERS,
    "verdict": VERDICTS,
    "outcome": OUTCOMES,
}
_TIMES: Final = frozenset(
    ("since", "time", "at", "recorded", "superseded", "last time", "contact deleted", "known since")
)
_SEQS: Final = (
    *(("event", "seq"), ("history", "event"), ("finding", "event")),
    *(("copy", "event"), ("cluster", "deletion")),
)


class Comparison:
    """The check of a store beside its replay.

    Attributes:
        checked: How many rows of the store were compared.
    """

    def __init__(
        self, store: sqlite3.Connection, scratch: sqlite3.Connection, *, quick: bool
    ) -> None:
        self._store = store
        self._scratch = scratch
        self._quick = quick
        self.checked = 0

    def check(self, erased: set[int]) -> Iterator[Defect]:
        """Yield each difference; the numbers of erased contents are left out."""
        if erased:
            _adapt(self._scratch, self._store, erased)
        ours = tables(LOOSE_EVENTS, quick=self._quick)
        others = tables("(SELECT seq FROM loose_event)" if erased else "()", quick=self._quick)
        for table, other in zip(ours, others, strict=True):
            if table.name == "party" and erased:
                continue  # which parties only the erased named, nothing tells
            rows = self._store.execute(table.select)
            places = [place for place, name in enumerate(table.columns) if name.endswith("entry")]
            kept = (row for row in rows if erased.isdisjoint([row[place] for place in places]))
            yield from self._table(table, kept, self._scratch.execute(other.select))

    def _table(self, table: Table, rows: Iterator[Row], derived: Iterator[Row]) -> Iterator[Defect]:
        for some, others in _merged(rows, derived, table.key):
            self.checked += len(some)
            if some != others:
                extra, missing = Counter(some) - Counter(others), Counter(others) - Counter(some)
                for pair in zip_longest(extra.elements(), missing.elements()):
                    yield _difference(table, *pair)


def _merged(
    some: Iterator[Row], others: Iterator[Row], key: int
) -> Iterator[tuple[list[Row], list[Row]]]:
    """Yield the rows of each key in both; they are sorted by it."""

    def groups(rows: Iterator[Row]) -> Iterator[tuple[Any, list[Row]]]:
        for name, group in groupby(rows, lambda row: row[:key]):
            yield [_rank(value) for value in name], list(group)

    one, other = groups(some), groups(others)
    left, right = next(one, None), next(other, None)
    while left or right:
        least = min(group[0] for group in (left, right) if group)
        some_rows: list[Row] = []
        other_rows: list[Row] = []
        if left and left[0] == least:
            some_rows, left = left[1], next(one, None)
        if right and right[0] == least:
            other_rows, right = right[1], next(other, None)
        yield some_rows, other_rows


def _rank(value: Any) -> tuple[int, Any]:
    """Return what sorts a value as SQLite does: nothing, numbers, texts, bytes."""
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, (int, float)) else (2 + isinstance(value, bytes), value)


def _difference(table: Table, found: Row | None, expected: Row | None) -> Defect:
    """Return the defect of a row that differs, or that only one of both has."""
    labels = list(table.columns)
    row = found or expected or ()
    texts = {label: _words(label, value) for label, value in zip(labels, row, strict=True)}
    where = table.where.format_map(texts)
    if found is None or expected is None:
        one, other = ("it stands", "none") if found else ("it is missing", "it")
        return Defect("replay", where, one, f"the messages give {other}")
    pairs = [
        (label, *both(_words(label, value), _words(label, derived)))
        for label, value, derived in zip(labels, found, expected, strict=True)
        if value != derived
    ]
    ones = " and ".join(f"{label} is {one}" for label, one, _ in pairs)
    others = " and ".join(f"{label} {other}" for label, _, other in pairs)
    return Defect(
        "replay", where, ones, f"the messages give {others if pairs[1:] else pairs[0][2]}"
    )


def _words(label: str, value: Any) -> str:
    """Return a value in words."""
    names = _NAMES.get(label)
    if names and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return time_words(value) if label in _TIMES else "nothing" if value is None else str(value)


def _adapt(scratch: sqlite3.Connection, store: sqlite3.Connection, erased: set[int]) -> None:
    """Let a replay say as much as a store in which contents were erased.

    An event keeps the number of its first content, though that was erased; and leads and events
    that once hung together with the erased are marked as they are in the store.
    """
    for seq, entry in store.execute("SELECT seq, entry FROM event WHERE seq <> entry"):
        if seq in erased and entry not in erased:
            row = scratch.execute("SELECT seq FROM event WHERE entry = ?", (entry,)).fetchone()
            for table, column in _SEQS if row else ():
                update = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"
                scratch.execute(update, (seq, *row))
    scratch.execute("CREATE TABLE loose_event (seq INTEGER PRIMARY KEY)")
    loose = store.execute(f"SELECT * FROM {LOOSE_EVENTS}")
    scratch.executemany("INSERT INTO loose_event VALUES (?)", loose)
    loose_leads = "(SELECT lead FROM sealed WHERE change IS NULL)"
    names = (
        f"SELECT lead_id FROM lead WHERE id IN {loose_leads} UNION"
        f" SELECT lead_id FROM former_lead WHERE lead IN {loose_leads}"
    )
    scratch.execute("CREATE INDEX lead_name ON lead (lead_id)")
    scratch.execute("CREATE INDEX former_name ON former_lead (lead_id)")
    add = (
        "INSERT OR IGNORE INTO sealed SELECT id, 0, NULL FROM lead WHERE lead_id = ?1"
        " UNION SELECT lead, 0, NULL FROM former_lead WHERE lead_id = ?1"
    )
    scratch.executemany(add, store.execute(names))
