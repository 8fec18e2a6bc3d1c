"""A store beside its replay: every table, row by row.

Both are read sorted and merged, so that memory does not grow with the store.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from heapq import merge
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any, Final

from lifecycle.store.verify.result import Defect, difference, row_words
from lifecycle.store.verify.tables import ERASED, LOOSE_EVENTS, TABLES, Table

Row = tuple[Any, ...]
_SEQS: Final = (
    *(("event", "seq"), ("history", "event"), ("finding", "event")),
    *(("copy", "event"), ("cluster", "deletion")),
)
#: Events that are called by a content that was erased, though their canonical one is not.
_CALLED: Final = (
    f"WITH erased AS ({ERASED}) SELECT seq, entry FROM event"
    " WHERE seq IN erased AND entry NOT IN erased"
)
_OTHERS: Final = "IN (SELECT lead FROM sealed WHERE change IS NULL)"
_LOOSE_NAMES: Final = (
    f"SELECT lead_id FROM lead WHERE id {_OTHERS}"
    f" UNION SELECT lead_id FROM former_lead WHERE lead {_OTHERS}"
)
_MARK_LOOSE: Final = (
    "INSERT OR IGNORE INTO sealed SELECT id, 0, NULL FROM lead WHERE lead_id IN loose_name UNION"
    " SELECT lead, 0, NULL FROM former_lead WHERE lead_id IN loose_name"
)


def compare(
    store: sqlite3.Connection, scratch: sqlite3.Connection, *, quick: bool, is_erased: bool
) -> Generator[Defect, None, int]:
    """Yield each difference between a store and its replay; return how many rows were compared."""
    count = 0
    _adapt(scratch, store)
    for table in TABLES:
        if table.name == "party" and (quick or is_erased):
            continue  # which parties only the erased named, nothing tells
        rows = store.execute(table.select(LOOSE_EVENTS, quick=quick))
        derived = scratch.execute(table.select("SELECT * FROM loose_seq", quick=quick))
        for some, others in _merged(rows, derived, len(table.key.split())):
            count += len(some)
            if some != others:
                extra, missing = Counter(some) - Counter(others), Counter(others) - Counter(some)
                for pair in zip_longest(extra.elements(), missing.elements()):
                    yield _defect(table, *pair)
    return count


def _merged(
    rows: Iterable[Row], derived: Iterable[Row], key: int
) -> Iterator[tuple[list[Row], list[Row]]]:
    """Yield the rows of each key in both; they are sorted by it."""

    def ranked(side: int, rows: Iterable[Row]) -> Iterator[tuple[list[Any], int, Row]]:
        return (([_rank(value) for value in row[:key]], side, row) for row in rows)

    both = merge(ranked(0, rows), ranked(1, derived), key=itemgetter(0))
    for _, group in groupby(both, itemgetter(0)):
        sides: tuple[list[Row], list[Row]] = ([], [])
        for _, side, row in group:
            sides[side].append(row)
        yield sides


def _rank(value: Any) -> tuple[int, Any]:
    """Return what sorts a value as SQLite does: nothing, numbers, texts, bytes."""
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, (int, float)) else (2 + isinstance(value, bytes), value)


def _defect(table: Table, found: Row | None, expected: Row | None) -> Defect:
    """Return the defect of a row that differs, or that only one of both has."""
    said = "the messages give"
    where = table.title.format_map(row_words(table.columns, found or expected or ()))
    if found is None or expected is None:
        one, other = ("it stands", "none") if found else ("it is missing", "it")
        return Defect("replay", where, one, f"{said} {other}")
    return Defect("replay", where, *difference(table.columns, said, found, expected))


def _adapt(scratch: sqlite3.Connection, store: sqlite3.Connection) -> None:
    """Let a replay say as much as a store in which contents were erased.

    An event keeps the number of its first content, though that was erased; and leads and events
    that once hung together with the erased are marked as they are in the store.
    """
    for seq, entry in store.execute(_CALLED):
        row = scratch.execute("SELECT seq FROM event WHERE entry = ?", (entry,)).fetchone()
        for table, column in _SEQS if row else ():
            update = f"UPDATE {table} SET {column} = ? WHERE {column} = ?"
            scratch.execute(update, (seq, *row))
    loose_seqs = f"WITH erased AS ({ERASED}) {LOOSE_EVENTS}"
    for name, select in (("loose_seq", loose_seqs), ("loose_name", _LOOSE_NAMES)):
        scratch.execute(f"CREATE TABLE {name} (one PRIMARY KEY)")
        scratch.executemany(f"INSERT INTO {name} VALUES (?)", store.execute(select))
    scratch.execute(_MARK_LOOSE)
