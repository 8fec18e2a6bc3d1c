"""Checks of rows against each other: references, times, counts, and the numbers that were given."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from lifecycle.domain import STATES, TRIGGERS, VERDICTS
from lifecycle.messages import LAST
from lifecycle.store.db.rows import OUTCOMES
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import words

#: Table, what tells its rows, a column that names a row of another table, and where that may be.
_REFERENCES: Final = (
    ("event", "seq", "log", ("log.id",)),
    ("event", "seq", "run", ("run.id",)),
    ("event", "seq", "lead", ("lead.id",)),
    ("history", "id", "event", ("event.seq",)),
    ("history", "id", "lead", ("lead.id", "former_lead.id")),
    ("history", "id", "by", ("party.id",)),
    ("history", "id", "holder", ("party.id",)),
    ("finding", "id", "event", ("event.seq",)),
    ("finding", "id", "lead", ("lead.id", "former_lead.id")),
    ("quarantine", "id", "log", ("log.id",)),
    ("subject", "id", "deletion", ("event.seq",)),
    ("erased", "rowid", "event", ("event.seq",)),
    ("erased_copy", "ledger", "event", ("event.seq",)),
    ("erased_copy", "ledger", "ledger", ("ledger.number",)),
    ("erased_link", "event", "event", ("event.seq",)),
)
#: Of an event that was erased nobody knows any more when its first copy came.
_BEFORE_IT_CAME: Final = (
    "event NOT IN (SELECT event FROM erased WHERE event IS NOT NULL UNION"
    " SELECT event FROM erased_copy)"
    " AND recorded_at < (SELECT min(recorded_at) FROM (SELECT recorded_at FROM event"
    " WHERE seq = history.event UNION ALL SELECT recorded_at FROM copy"
    " WHERE copy.event = history.event))"
)
_OF_NOTHING: Final = (
    "NOT EXISTS (SELECT 1 FROM lead WHERE lead.subject = subject.id)"
    " AND NOT EXISTS (SELECT 1 FROM event WHERE event.subject = subject.id)"
)
_NOT_IN_ORDER: Final = (
    "id IN (SELECT id FROM (SELECT id, {1}, lag({1}) OVER (ORDER BY {0}) AS before FROM history"
    " WHERE {0} IS NOT NULL) WHERE {1} < before)"
)
_FAR: Final = 2**62
#: Table, what tells its rows, what must not be true of any, and what is expected instead.
_NEVER: Final = (
    ("history", "id", "superseded_at <= recorded_at", "superseded_at behind recorded_at"),
    (
        "history",
        "id",
        "(superseded_at IS NULL) <> (superseded_change IS NULL)",
        "superseded_change beside superseded_at",
    ),
    ("history", "id", "superseded_change <= id", "superseded_change behind its own number"),
    (
        "history",
        "id",
        _BEFORE_IT_CAME,
        "recorded_at not before that of its event",
    ),
    ("finding", "id", "superseded_at <= recorded_at", "superseded_at behind recorded_at"),
    (
        "event",
        "seq",
        "(seq IN (SELECT event FROM erased WHERE event IS NOT NULL)) <> (length(body) = 0)",
        "a row in erased where its message was, and nowhere else",
    ),
    ("former_lead", "id", "id IN (SELECT id FROM lead)", "no lead of this number"),
    ("subject", "id", _OF_NOTHING, "a lead or a deletion of this subject"),
    ("history", "id", "id <= 0", "a number from 1 on"),
    ("history", "id", _NOT_IN_ORDER.format("id", "recorded_at"), "recorded_at in their order"),
    (
        "history",
        "id",
        _NOT_IN_ORDER.format("superseded_change", "superseded_at"),
        "superseded_at in the order of superseded_change",
    ),
    *(
        (table, key, f"{column} NOT BETWEEN 0 AND {len(names) - 1}", f"a known {column}")
        for table, key, column, names in (
            ("event", "seq", "outcome", OUTCOMES),
            ("event", "seq", "trigger", TRIGGERS),
            ("copy", "id", "trigger", TRIGGERS),
            ("lead", "id", "state", STATES),
            ("history", "id", "trigger", TRIGGERS),
            ("history", "id", "source", STATES),
            ("history", "id", "target", STATES),
            ("history", "id", "verdict", VERDICTS),
        )
    ),
    # Numbers are given one by one: so far nobody comes, and behind the last there is no room.
    (
        "store",
        "id",
        f"max(event, lead, subject, change) > {_FAR} OR recorded_at > {LAST}",
        "last numbers with room behind them",
    ),
    ("sqlite_sequence", "name", f"seq > {_FAR}", "a last number with room behind it"),
)
#: A column of the table ``store``, and what must not be beyond it.
_LAST: Final = (
    ("change", "SELECT max(id) FROM history"),
    ("change", "SELECT max(superseded_change) FROM history"),
    ("event", "SELECT max(seq) FROM event"),
    ("lead", "SELECT max(id) FROM lead"),
    ("lead", "SELECT max(id) FROM former_lead"),
    ("subject", "SELECT max(subject) FROM lead"),
    ("subject", "SELECT max(subject) FROM event"),
    ("recorded_at", "SELECT recorded_at FROM ledger ORDER BY number DESC LIMIT 1"),
    ("recorded_at", "SELECT max(recorded_at) FROM history"),
    ("recorded_at", "SELECT max(superseded_at) FROM history"),
    ("recorded_at", "SELECT max(recorded_at) FROM finding"),
    ("recorded_at", "SELECT max(superseded_at) FROM finding"),
)


class Records:
    """The rows of all tables, in what they say of each other.

    Attributes:
        checked: How many statements about them were checked.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.checked = 0

    def check(self) -> Iterator[Defect]:
        """What does not go together."""
        yield from self._references()
        for table, key, wrong, expected in _NEVER:
            self.checked += 1
            for (number,) in self._connection.execute(f"SELECT {key} FROM {table} WHERE {wrong}"):
                yield _defect(f"{table} {words(number)}", expected, "otherwise")
        yield from self._numbers()
        yield from self._runs()

    def _references(self) -> Iterator[Defect]:
        for table, key, column, targets in _REFERENCES:
            self.checked += 1
            absent = " AND ".join(
                f"NOT EXISTS (SELECT 1 FROM {target.partition('.')[0]}"
                f" WHERE {target} = {table}.{column})"
                for target in targets
            )
            rows = self._connection.execute(
                f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL AND {absent}"
            )
            for number, found in rows:
                expected = f"its {column} to be there"
                yield _defect(f"{table} {words(number)}", expected, f"{column} {words(found)}")

    def _numbers(self) -> Iterator[Defect]:
        """The last number that each table gave is not behind those that are there."""
        for column, select in _LAST:
            self.checked += 1
            (last,) = self._connection.execute(f"SELECT {column} FROM store").fetchone()
            found = self._connection.execute(select).fetchone()
            if found and found[0] is not None and found[0] > last:
                yield _defect(f"store, {column}", f"at least {words(found[0])}", words(last))

    def _runs(self) -> Iterator[Defect]:
        """A run counts what the events that it stored are by now."""
        found: dict[tuple[int, int], int] = {
            (run, outcome): count
            for run, outcome, count in self._connection.execute(
                "SELECT run, outcome, count(*) FROM event WHERE run IS NOT NULL GROUP BY 1, 2"
            )
        }
        rows = self._connection.execute(f"SELECT id, {', '.join(OUTCOMES)} FROM run ORDER BY id")
        for run, *told in rows:
            self.checked += 1
            counted = [found.get((run, outcome), 0) for outcome in range(len(OUTCOMES))]
            if told != counted:
                yield _defect(f"run {words(run)}", words(counted), words(told))


def _defect(where: str, expected: str, found: str) -> Defect:
    return Defect("records", where, expected, found)
