"""A store beside another: every table, row by row, by what tells its rows apart in words.

Both are read sorted and merged, so that memory does not grow with the store.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping
from heapq import merge
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any, Final, NamedTuple

from lifecycle.store.verify.result import Defect, difference, row_words

Row = tuple[Any, ...]
#: ``home`` names each cluster by the first of its leads, else of its deletions. ``gone`` is what
#: was sealed: the ledger commits to its rows. ``loose`` are leads that have a name of one that once
#: hung together with the erased, and events with rows that cannot be derived, but for those that
#: are current.
_SETS: Final = {
    "erased": "SELECT value FROM erasure, json_each(entries)",
    "home": (
        "SELECT cluster, min(lead_id) AS name FROM lead WHERE sealed IS NULL GROUP BY cluster"
        " UNION ALL SELECT cluster, CASE WHEN cluster = 0 THEN 'nobody' ELSE min(id) END FROM event"
        " WHERE cluster IS NOT NULL AND cluster NOT IN (SELECT cluster FROM lead) GROUP BY cluster"
    ),
    "gone": "SELECT lead FROM sealed WHERE change IS NOT NULL",
    "gone_event": "SELECT seq FROM event WHERE hash = 0 AND id = 'erased:' || seq",
    "gone_cluster": (
        "SELECT cluster FROM lead WHERE sealed IS NOT NULL UNION"
        " SELECT cluster FROM event WHERE cluster > 0 AND seq IN gone_event"
    ),
    "named": "SELECT id, lead_id FROM lead UNION ALL SELECT lead, lead_id FROM former_lead",
    "loose_name": (
        "SELECT DISTINCT lead_id FROM sealed JOIN named ON id = lead WHERE change IS NULL"
    ),
    "loose": "SELECT lead FROM sealed UNION SELECT id FROM named WHERE lead_id IN loose_name",
    "loose_cluster": "SELECT cluster FROM lead WHERE id IN loose",
    "loose_event": (
        "SELECT seq FROM event WHERE lead IN loose"
        " UNION SELECT event FROM history WHERE superseded_at IS NOT NULL AND lead IN loose"
        " UNION SELECT abs(event) FROM copy WHERE entry IN erased"
    ),
}


def _with(sets: Mapping[str, str]) -> str:
    return "WITH " + ", ".join(f"{name} AS MATERIALIZED ({sets[name]})" for name in sets)


#: The names behind numbers, which differ between a store and its replay.
_NAMES: Final = {
    **dict.fromkeys(
        ("by", "holder", "kept_holder", "owner", "recipient", "sender"),
        "SELECT iif(name = '', uri, uri || ' ' || name) FROM party WHERE id = {0}",
    ),
    **dict.fromkeys(("state", "source", "target"), "SELECT name FROM state_name WHERE id = {0}"),
    **dict.fromkeys(("trigger", "last_trigger"), "SELECT name FROM trigger_name WHERE id = {0}"),
    **dict.fromkeys(
        ("event", "deletion"),
        "SELECT iif({0} < 0, 'without a name, ', '') || id FROM event WHERE seq = abs({0})",
    ),
    "verdict": "SELECT name FROM verdict_name WHERE id = {0}",
    "outcome": "SELECT name FROM outcome_name WHERE id = {0}",
    "cluster": "SELECT home.name",
    "lead": (
        "SELECT coalesce((SELECT lead_id FROM lead WHERE id = {0}), (SELECT lead_id"
        " FROM former_lead AS once WHERE once.lead = {0} ORDER BY known_since DESC LIMIT 1))"
    ),
}
#: What stands beside a superseded row: of what hung together with the erased it cannot be derived.
_STANDS: Final = (
    "(superseded_at IS NULL OR coalesce(lead NOT IN loose, 1)"
    " AND coalesce(event NOT IN loose_event, 1))"
)
_SEQS: Final = (
    *(("event", "seq"), ("history", "event"), ("finding", "event")),
    *(("copy", "event"), ("cluster", "deletion")),
)
#: Events that are called by a content that was erased, though their canonical one is not.
_CALLED: Final = (
    f"{_with(_SETS)} SELECT seq, entry FROM event WHERE seq IN erased AND entry NOT IN erased"
)


class Table(NamedTuple):
    """A table that is compared.

    Attributes:
        title: How a row is called, with columns in braces.
        key: The columns that tell its rows apart.
        others: The other columns that are compared.
        source: The table, or a statement in its place.
        rows: The condition of the rows that can be derived.
        loose: The columns that cannot be derived of loose rows.
        is_loose: The condition of these.
    """

    name: str
    title: str
    key: str
    others: str = ""
    source: str = ""
    rows: str = "1"
    loose: str = ""
    is_loose: str = "lead IN loose"

    @property
    def columns(self) -> list[str]:
        """The names of the columns that are compared."""
        return f"{self.key} {self.others}".split()

    def select(self, sets: Mapping[str, str], *, quick: bool) -> str:
        """Return the statement that reads the rows, each behind its key, and sorted by it."""
        columns = [self._expression(column, quick=quick) for column in self.columns]
        key = ", ".join(columns[: len(self.key.split())])
        source, rows = self.source or self.name, self.rows
        if "cluster" in self.columns:
            source += f" LEFT JOIN home ON home.cluster = {self.name}.cluster"
        if quick and "superseded_at" in self.columns:
            rows += " AND superseded_at IS NULL"
        return (
            f"{_with(sets)} SELECT json_array({key}), {', '.join(columns)} FROM {source}"
            f" WHERE {rows} ORDER BY 1"
        )

    def _expression(self, column: str, *, quick: bool) -> str:
        """Return the expression for a column; a number that names nothing is told."""
        loose = column in self.loose.split()
        if quick and (loose or column == "recorded_at"):
            return "NULL"
        value = f"{self.name}.{column}"
        if column in _NAMES:
            name = _NAMES[column].format(value)
            value = f"iif({value} IS NULL, NULL, coalesce(({name}), 'unknown'))"
        return f"iif({self.is_loose}, NULL, {value})" if loose else value


DERIVED: Final = (
    Table(
        *("lead", "lead {lead_id}", "lead_id"),
        "state since holder owner sender recipient contact source events refusals last_time"
        " last_trigger last_id decisions memory doubts contact_only keys deleted_at kept_holder"
        " known_since sealed cluster",
        rows="id NOT IN gone",
        loose="kept_holder known_since",
        is_loose="id IN loose",
    ),
    Table(
        *("former_lead", "former name {lead_id} of lead {lead}, known since {known_since}"),
        *("lead lead_id known_since", "deleted_at kept_holder superseded_at"),
        rows="lead NOT IN loose",
    ),
    Table(
        *("key", "key {kind}:{scheme}:{value}", "hash", "kind scheme value lead cluster leads"),
    ),
    Table(
        *("cluster", "cluster of {cluster}", "cluster", "contact_only deletion"),
        source="(SELECT id AS cluster, contact_only, deletion FROM cluster) AS cluster",
    ),
    Table(
        *("event", "event {id}", "seq"),
        "id entry hash trigger time lead cluster outcome late recorded_at log line",
        rows="entry NOT IN erased AND coalesce(lead NOT IN gone, 1)",
        loose="late",
        is_loose="iif(lead IS NULL, event.cluster IN loose_cluster, lead IN loose)",
    ),
    Table(
        *("copy", "other content of event {event}, entry {entry}", "event entry"),
        rows="entry NOT IN erased AND abs(event) NOT IN gone_event",
    ),
    Table(
        *("history", "history of lead {lead}, event {event}, step {step}, recorded {recorded_at}"),
        "event step recorded_at",
        "lead trigger source target verdict at by holder reason refusal superseded_at",
        rows=f"lead NOT IN gone AND {_STANDS}",
        loose="recorded_at",
    ),
    Table(
        *("finding", "finding {code} of lead {lead}, event {event}: {detail}"),
        *("lead cluster event code detail recorded_at", "superseded_at"),
        # What is said of a content that was erased: the messages that are left do not give it.
        rows="iif(lead IS NULL, finding.cluster NOT IN gone_cluster, lead NOT IN gone)"
        f" AND {_STANDS} AND coalesce(event NOT IN gone_event, 1)"
        " AND NOT (code = 'conflict' AND detail LIKE 'another content, erased: %')",
        loose="recorded_at",
        is_loose="iif(lead IS NULL, finding.cluster IN loose_cluster OR event IN loose_event,"
        " lead IN loose)",
    ),
    Table("party", "party {uri} {name}", "uri name"),
)


def compare(
    check: str,
    tables: Iterable[Table],
    store: sqlite3.Connection,
    other: sqlite3.Connection,
    *,
    said: str,
    quick: bool = False,
    sets: Mapping[str, str] = _SETS,
) -> Generator[Defect, None, int]:
    """Yield each difference between a store and another; return how many rows were compared.

    ``said``: who gives the rows of the other; ``sets``: what selects rows there.
    """
    count = 0
    for table in tables:
        rows = store.execute(table.select(_SETS, quick=quick))
        derived = other.execute(table.select(sets, quick=quick))
        for some, others in _merged(rows, derived):
            count += len(some)
            if some != others:
                extra, missing = Counter(some) - Counter(others), Counter(others) - Counter(some)
                for found, expected in zip_longest(extra.elements(), missing.elements()):
                    yield Defect(check, *_texts(table, found, expected, said))
    return count


def _merged(rows: Iterable[Row], derived: Iterable[Row]) -> Iterator[tuple[list[Row], list[Row]]]:
    """Yield the rows of each key in both."""
    ours = ((key, 0, row) for key, *row in rows)
    others = ((key, 1, row) for key, *row in derived)
    for _, group in groupby(merge(ours, others, key=itemgetter(0)), itemgetter(0)):
        sides: tuple[list[Row], list[Row]] = ([], [])
        for _, side, row in group:
            sides[side].append(tuple(row))
        yield sides


def _texts(table: Table, found: Row | None, expected: Row | None, said: str) -> tuple[str, ...]:
    """Return what is told of a row that differs, or that only one of both has."""
    where = table.title.format_map(row_words(table.columns, found or expected or ()))
    if found is None or expected is None:
        one, other = ("it stands", "none") if found else ("it is missing", "it")
        return where, one, f"{said} {other}"
    return where, *difference(table.columns, said, found, expected)


def mark_erased(scratch: sqlite3.Connection, store: sqlite3.Connection) -> Mapping[str, str]:
    """Let a replay say as much as a store in which contents were erased; return its sets.

    An event keeps the number of its first content, though that was erased; and leads and events
    that once hung together with the erased are those of the store.
    """
    for seq, entry in store.execute(_CALLED):
        row = scratch.execute("SELECT seq FROM event WHERE entry = ?", (entry,)).fetchone()
        for table, column in _SEQS if row else ():
            update = f"UPDATE {table} SET {column} = ?1 * sign({column}) WHERE abs({column}) = ?2"
            scratch.execute(update, (seq, *row))
    sets = dict(_SETS)
    for name in ("loose_name", "loose_event"):
        scratch.execute(f"CREATE TABLE {name} ({name} PRIMARY KEY)")
        select = f"{_with(_SETS)} SELECT * FROM {name}"
        scratch.executemany(f"INSERT INTO {name} VALUES (?)", store.execute(select))
        sets[name] = f"SELECT * FROM main.{name}"
    return sets
