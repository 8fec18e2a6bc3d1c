"""The numbers that a store gave, checked by statements: each row of one is a defect."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from lifecycle.store.verify.result import Defect, row_words


class Question(NamedTuple):
    """A statement whose rows are defects; the texts have its columns in braces."""

    select: str
    where: str
    found: str
    expected: str


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
    for table in ("party", "finding", "log", "rules", "erasure")
)
_QUESTIONS: Final = (
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
        "SELECT name, seq FROM sqlite_sequence WHERE seq NOT BETWEEN 0 AND 1 << 40",
        *("table {name}", "its last number is {seq}", "expected a count"),
    ),
    Question(
        "SELECT lead, erasure FROM sealed WHERE erasure NOT IN (SELECT id FROM erasure)",
        *("sealed lead {lead}", "of erasure {erasure}", "expected no such erasure"),
    ),
)


def check_numbers(
    connection: sqlite3.Connection, values: Mapping[str, int | None]
) -> Iterator[Defect]:
    """Yield the rows of all questions as defects.

    ``values``: the last ``lead`` and ``cluster`` that the replay gave, where it did all that the
    store did, and how many contents were ``erased``, which gave some, too.
    """
    for select, *texts in _QUESTIONS:
        rows = connection.execute(select, values)
        columns = [column[0] for column in rows.description]
        for row in rows:
            shown = row_words(columns, row)
            yield Defect("replay", *(text.format_map(shown) for text in texts))
