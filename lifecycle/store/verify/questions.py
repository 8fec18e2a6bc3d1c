"""Checks that are statements: each row of one is a defect."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from lifecycle.store.verify.result import Defect, row_words


class Question(NamedTuple):
    """A statement whose rows are defects; the texts have its columns in braces."""

    select: str
    where: str
    found: str
    expected: str


def defects(
    check: str,
    questions: Iterable[Question],
    connection: sqlite3.Connection,
    values: Mapping[str, Any],
) -> Iterator[Defect]:
    """Yield the rows of all questions as defects of a check."""
    for select, *texts in questions:
        rows = connection.execute(select, values)
        columns = [column[0] for column in rows.description]
        for row in rows:
            shown = row_words(columns, row)
            yield Defect(check, *(text.format_map(shown) for text in texts))


#: What the store's own row and the rules say. ``last``, ``recorded_at``, ``bound``: the end of the
#: ledger as it was read; ``sum``: that of all bound rows.
LEDGER: Final = (
    Question(
        "SELECT id, place FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM rules)"
        " WHERE id <> place",
        *("rules", "number {id}", "expected {place}"),
    ),
    Question(
        "SELECT entry, :last AS last FROM store WHERE entry <> :last",
        *("the store", "{entry} entries", "expected {last}"),
    ),
    Question(
        "SELECT recorded_at, :recorded_at AS last_at FROM store WHERE recorded_at <> :recorded_at",
        *("the store", "last written {recorded_at}", "the last entry was made {last_at}"),
    ),
    Question(
        "SELECT 1 FROM store WHERE bound <> :bound OR bound <> :sum",
        *("cursors of logs, ignored topics, quarantine, suppressions", "other rows"),
        "expected those that the ledger commits to",
    ),
    Question(
        "SELECT lead, erasure FROM sealed WHERE erasure NOT IN (SELECT id FROM erasure)",
        *("a sealed lead", "of erasure {erasure}", "expected no such erasure"),
    ),
)

_CHANGES: Final = """
WITH told (number, made_at) AS (
    SELECT id, recorded_at FROM history
    UNION ALL SELECT superseded_change, superseded_at FROM history
        WHERE superseded_at IS NOT NULL OR superseded_change IS NOT NULL
    UNION ALL SELECT change, NULL FROM sealed WHERE change IS NOT NULL
    UNION ALL SELECT change + 1, NULL FROM store
), change AS (
    SELECT number, made_at, lag(number, 1, 0) OVER (ORDER BY number) AS before,
        max(made_at) OVER (ORDER BY number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS latest_at
    FROM told
) SELECT * FROM change WHERE
"""
_GIVEN: Final = """
WITH given (name, last, used, replayed) AS (
    SELECT 'lead', lead, (SELECT max(id) FROM (SELECT max(id) AS id FROM lead
        UNION ALL SELECT max(lead) FROM former_lead)), :lead FROM store
    UNION ALL SELECT 'cluster', cluster, (SELECT max(id) FROM (SELECT max(cluster) AS id FROM lead
        UNION ALL SELECT max(cluster) FROM event)), :cluster FROM store
) SELECT name, last, max(coalesce(used, 0), coalesce(replayed, 0)) AS expected FROM given
WHERE last < used OR abs(last - replayed) > 2 * :erased
"""
_COUNTED: Final = " UNION ALL ".join(
    f"SELECT '{table}' AS name, count(*) AS count, min(id) AS first, max(id) AS last FROM {table}"
    for table in ("party", "finding", "log", "erasure")
)
#: The numbers that a store gave. ``lead``, ``cluster``: the last ones that the replay gave, where
#: it did all that the store did; ``erased``: the number of contents that gave some, too.
NUMBERS: Final = (
    Question(
        _CHANGES + "number IS NOT before + 1",
        *("changes", "number {number} follows {before}", "expected every number once"),
    ),
    Question(
        _CHANGES + "made_at < latest_at",
        *("changes", "change {number} was made {made_at}", "the one before {latest_at}"),
    ),
    Question(
        _GIVEN,
        *("the store", "the last {name} has number {last}", "the messages give {expected}"),
    ),
    # None is ever removed, but for findings that erasing made the same as another.
    Question(
        f"SELECT * FROM ({_COUNTED}) WHERE count > 0 AND (first, last) <> (1, count)"
        " AND NOT (name = 'finding' AND :erased)",
        *("table {name}", "{count} rows are numbered {first} to {last}", "expected 1 to {count}"),
    ),
    Question(
        "SELECT id, recorded_at FROM (SELECT id, recorded_at, lag(recorded_at) OVER (ORDER BY id)"
        " AS before FROM finding) WHERE recorded_at < before",
        *("finding {id}", "recorded {recorded_at}", "the one before was recorded later"),
    ),
    Question(
        "SELECT name, seq FROM sqlite_sequence WHERE seq NOT BETWEEN 0 AND 1 << 40",
        *("table {name}", "its last number is {seq}", "expected a count"),
    ),
)
