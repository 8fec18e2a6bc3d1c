"""A store beside its replay: every table, row by row, by what tells its rows apart in words.

Both are read sorted and merged, so that memory does not grow with the store. Numbers of leads,
clusters, parties and rows differ between the two; the names behind them do not.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from itertools import groupby, zip_longest
from typing import Any, Final, NamedTuple

from lifecycle.domain import STATES, TRIGGERS, VERDICTS
from lifecycle.store.db.rows import OUTCOMES
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
#: The cluster of each number, by the first of its leads, else of its deletions.
_HOME: Final = (
    "WITH home (cluster, name) AS MATERIALIZED ("
    "SELECT cluster, min(lead_id) FROM lead WHERE sealed IS NULL GROUP BY cluster UNION ALL"
    " SELECT cluster, CASE WHEN cluster = 0 THEN 'nobody' ELSE min(id) END FROM event"
    " WHERE cluster IS NOT NULL AND cluster NOT IN (SELECT cluster FROM lead) GROUP BY cluster)"
)
#: Leads and clusters that were sealed: the ledger commits to their rows.
_GONE: Final = "(SELECT lead FROM sealed WHERE change IS NOT NULL)"
_GONE_CLUSTERS: Final = (
    "(SELECT cluster FROM lead WHERE sealed IS NOT NULL"
    " UNION SELECT cluster FROM event WHERE cluster > 0 AND id = 'erased:' || seq)"
)
#: Events with rows that cannot be derived any more, but for those that are current.
_LOOSE_EVENTS: Final = (
    "(SELECT seq FROM event WHERE lead IN (SELECT lead FROM sealed) UNION SELECT event FROM history"
    " WHERE superseded_at IS NOT NULL AND lead IN (SELECT lead FROM sealed))"
)
#: What is said of a content that was erased: the messages that are left do not give it.
_ERASED_CONFLICT: Final = "another content, erased: "
_SEQS: Final = (
    *(("event", "seq"), ("history", "event"), ("finding", "event")),
    *(("copy", "event"), ("cluster", "deletion")),
)


class _Table(NamedTuple):
    """What is compared of a table: its first ``key`` columns tell its rows apart.

    ``where`` is how a row is called, with the columns in braces.
    """

    name: str
    where: str
    key: int
    columns: dict[str, str]
    source: str


def _name(column: str, select: str) -> str:
    """Return an expression for the name behind a number; a number that names nothing is told."""
    return f"iif({column} IS NULL, NULL, coalesce({select}, 'unknown'))"


def _party(column: str) -> str:
    select = f"(SELECT iif(name = '', uri, uri || ' ' || name) FROM party WHERE id = {column})"
    return _name(column, select)


def _lead(column: str) -> str:
    select = (
        f"(SELECT lead_id FROM lead WHERE id = {column}), (SELECT lead_id FROM former_lead AS once"
        f" WHERE once.lead = {column} ORDER BY known_since DESC LIMIT 1)"
    )
    return _name(column, select)


def _event(column: str) -> str:
    return _name(column, f"(SELECT id FROM event WHERE seq = {column})")


def _home(column: str) -> str:
    return _name(column, "home.name")


def _tables(loose_events: str, *, quick: bool) -> Iterator[_Table]:
    """Yield what is compared; of what hung together with the erased, only what is current."""
    loose = "1" if quick else "{0} IN (SELECT lead FROM sealed)"
    past = f"{{0}} NOT IN {_GONE} AND (superseded_at IS NULL OR NOT {loose}"

    def known(column: str, lead: str) -> str:
        return f"iif({loose.format(lead)}, NULL, {column})"

    def stands(lead: str) -> str:
        return f"{past.format(lead)} AND coalesce(event NOT IN {loose_events}, 1))"

    yield _Table(
        *("lead", "lead {name}", 1),
        {
            "name": "lead_id",
            "state": "state",
            "since": "since",
            **{name: _party(name) for name in ("holder", "owner", "sender", "recipient")},
            **{name: name for name in ("contact", "events", "refusals", "decisions", "memory")},
            **{name: name for name in ("doubts", "keys")},
            "last time": "last_time",
            "last trigger": "last_trigger",
            "last event": "last_id",
            "events of the contact alone": "contact_only",
            "contact deleted": "deleted_at",
            "holder kept": known(_party("kept_holder"), "id"),
            "known since": known("known_since", "id"),
            "cluster": _home("lead.cluster"),
        },
        f"lead LEFT JOIN home ON home.cluster = lead.cluster WHERE id NOT IN {_GONE}",
    )
    yield _Table(
        *("former_lead", "former name {name} of lead {lead}, known since {known since}", 3),
        {
            "lead": _lead("former_lead.lead"),
            "name": "lead_id",
            "known since": "known_since",
            "contact deleted": "deleted_at",
            "holder kept": _party("kept_holder"),
            "superseded": "superseded_at",
        },
        f"former_lead WHERE {past.format('lead')})",
    )
    yield _Table(
        *("key", "key {kind}:{scheme}:{value}", 1),
        {
            **{name: name for name in ("hash", "kind", "scheme", "value")},
            "lead": _lead("key.lead"),
            "cluster": _home("key.cluster"),
            "leads that share it": "leads",
        },
        "key LEFT JOIN home ON home.cluster = key.cluster",
    )
    yield _Table(
        *("cluster", "cluster of {cluster}", 1),
        {
            "cluster": _home("cluster.id"),
            "events of the contact alone": "contact_only",
            "deletion": _event("deletion"),
        },
        "cluster LEFT JOIN home ON home.cluster = cluster.id",
    )
    # Which events have no name is not found out again where all come in under the rules of now.
    named = "AND event.cluster IS NOT 0" if quick else ""
    yield _Table(
        *("event", "event {id}", 1),
        {
            "number": "seq",
            "id": "id",
            "entry": "entry",
            "hash of the id": "hash",
            "trigger": "trigger",
            "time": "time",
            "lead": _lead("event.lead"),
            "cluster": _home("event.cluster"),
            "outcome": "outcome",
            "late": known("late", "lead"),
            "recorded": "NULL" if quick else "recorded_at",
            "log": "log",
            "line": "line",
        },
        "event LEFT JOIN home ON home.cluster = event.cluster"
        f" WHERE coalesce(lead NOT IN {_GONE}, 1) {named}",
    )
    yield _Table(
        *("copy", "other content of event {id}, entry {entry}", 2),
        {
            "number": "event",
            "entry": "entry",
            "id": _event("copy.event"),
            "canonical entry": "(SELECT entry FROM event WHERE seq = copy.event)",
        },
        "copy",
    )
    yield _Table(
        *("history", "history of lead {lead}, event {event}, step {step}, recorded {recorded}", 3),
        {
            "number": "event",
            "step": "step",
            "recorded": known("recorded_at", "lead"),
            "lead": _lead("history.lead"),
            "event": _event("history.event"),
            "trigger": "trigger",
            "state before the step": "source",
            "state after the step": "target",
            "verdict": "verdict",
            "at": "at",
            "by": _party("by"),
            "holder": _party("holder"),
            "reason": "reason",
            "refusal": "refusal",
            "superseded": "superseded_at",
        },
        f"history WHERE {stands('lead')}",
    )
    yield _Table(
        *("finding", "finding {code} of lead {lead}, event {event}: {detail}", 6),
        {
            "lead": _lead("finding.lead"),
            "cluster": _home("finding.cluster"),
            "number": "event",
            "code": "code",
            "detail": "detail",
            "recorded": known("recorded_at", "lead"),
            "event": _event("finding.event"),
            "superseded": "superseded_at",
        },
        "finding LEFT JOIN home ON home.cluster = finding.cluster"
        f" WHERE iif(lead IS NULL, finding.cluster NOT IN {_GONE_CLUSTERS}"
        f" AND ({'superseded_at IS NULL' if quick else '1'}), {stands('lead')})"
        f" AND NOT (code = 'conflict' AND detail LIKE '{_ERASED_CONFLICT}%')",
    )
    if quick:
        return
    yield _Table(
        *("party", "party {uri} {name}", 2),
        {"uri": "uri", "name": "name"},
        "party",
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
        tables = _tables(_LOOSE_EVENTS, quick=self._quick)
        others = _tables("(SELECT seq FROM loose_event)" if erased else "()", quick=self._quick)
        for table, other in zip(tables, others, strict=True):
            if table.name == "party" and erased:
                continue  # which parties only the erased named, nothing tells
            rows = self._store.execute(_select(table))
            places = [place for place, name in enumerate(table.columns) if name.endswith("entry")]
            kept = (row for row in rows if erased.isdisjoint([row[place] for place in places]))
            yield from self._table(table, kept, self._scratch.execute(_select(other)))

    def _table(
        self, table: _Table, rows: Iterator[Row], derived: Iterator[Row]
    ) -> Iterator[Defect]:
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


def _difference(table: _Table, found: Row | None, expected: Row | None) -> Defect:
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


def _select(table: _Table) -> str:
    columns = ", ".join(f"{sql} AS c{place}" for place, sql in enumerate(table.columns.values()))
    order = ", ".join(f"c{place}" for place in range(table.key))
    return f"{_HOME} SELECT {columns} FROM {table.source} ORDER BY {order}"


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
    loose = store.execute(f"SELECT * FROM {_LOOSE_EVENTS}")
    scratch.executemany("INSERT INTO loose_event VALUES (?)", loose)
    names = "SELECT lead_id FROM lead WHERE id IN (SELECT lead FROM sealed WHERE change IS NULL)"
    scratch.execute("CREATE INDEX lead_name ON lead (lead_id)")
    add = "INSERT INTO sealed SELECT id, 0, NULL FROM lead WHERE lead_id = ?"
    scratch.executemany(add, store.execute(names))
