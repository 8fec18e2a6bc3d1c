"""Seals: commitments of the ledger to rows that erasing took the contents away from.

An erasure's entry commits to the rows of the leads that it sealed, and to what was recorded by then
of those that once hung together with them. A later erasure that changes rows of such leads takes
all leads of the earlier one over: its entry loses its salt, and has nothing to check any more.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import orjson

from lifecycle.store.db.blocks import ERASURE, NO_SALT, Blocks


def _party(column: str) -> str:
    return f"(SELECT json_array(uri, name) FROM party WHERE id = {column})"


def _until(column: str) -> str:
    """Return a column of a superseded row as it was when the erasure was made."""
    return f"CASE WHEN superseded_at <= ?2 THEN {column} END"


_LEADS: Final = "(SELECT lead FROM sealed WHERE erasure = ?1 AND change IS NOT NULL)"
_OTHERS: Final = "(SELECT lead FROM sealed WHERE erasure = ?1 AND change IS NULL)"
_ERASED: Final = "(SELECT value FROM erasure, json_each(erasure.entries) WHERE erasure.id = ?1)"
_HOMES: Final = f"SELECT cluster FROM lead WHERE id IN {_LEADS}"
_DELETIONS: Final = f"cluster > 0 AND (seq IN {_ERASED} OR cluster IN ({_HOMES}))"
_CLUSTERS: Final = f"({_HOMES} UNION SELECT cluster FROM event WHERE {_DELETIONS})"
#: No index finds all rows of history by lead: one finds those superseded, events the others.
_ROWS_OF: Final = (
    "id IN (SELECT id FROM history WHERE superseded_at IS NOT NULL AND lead IN {0} UNION ALL"
    " SELECT history.id FROM event JOIN history ON history.event = event.seq AND superseded_at"
    " IS NULL WHERE event.lead IN {0})"
)
_STEP: Final = (
    f"id, lead, event, step, trigger, source, target, verdict, at, {_party('history.by')},"
    f" {_party('history.holder')}, reason, refusal, recorded_at"
)
_FINDING: Final = "id, code, lead, event, detail, recorded_at"
_FORMER: Final = f"lead, lead_id, deleted_at, {_party('kept_holder')}, known_since, superseded_at"
_LEAD: Final = (
    "id, lead_id, cluster, state, since, contact, source, events, refusals, last_time,"
    " last_trigger, last_id, decisions, memory, doubts, contact_only, keys, deleted_at,"
    " known_since, sealed, "
    + ", ".join(map(_party, ("holder", "owner", "sender", "recipient", "kept_holder")))
)
_EVENT: Final = (
    "seq, entry, hash, id, trigger, time, lead, cluster, outcome, late, recorded_at, log, line"
)
_UNTIL: Final = f"{_until('superseded_at')}, {_until('superseded_change')}"
#: What is committed to, in this order: columns, table, condition, order. ?1 is the erasure, ?2 its
#: time. Of the leads that are not sealed nothing is in it that may change later.
_COMMITTED: Final = tuple(
    f"SELECT {columns} FROM {table} WHERE {condition} ORDER BY {order}"
    for columns, table, condition, order in (
        ("lead, change", "sealed", "erasure = ?1", "lead"),
        (_LEAD, "lead", f"id IN {_LEADS}", "id"),
        (_FORMER, "former_lead", f"lead IN {_LEADS}", "lead, known_since"),
        (f"{_STEP}, superseded_at, superseded_change", "history", _ROWS_OF.format(_LEADS), "id"),
        (
            *(f"{_FINDING}, cluster, superseded_at", "finding"),
            *(f"lead IN {_LEADS} OR cluster IN {_CLUSTERS}", "id"),
        ),
        (_EVENT, "event", f"lead IN {_LEADS} OR {_DELETIONS}", "seq"),
        (_FORMER, "former_lead", f"lead IN {_OTHERS} AND superseded_at <= ?2", "lead, known_since"),
        (
            *(f"{_STEP}, {_UNTIL}", "history"),
            *(f"{_ROWS_OF.format(_OTHERS)} AND recorded_at <= ?2", "id"),
        ),
        (
            *(f"{_FINDING}, {_until('superseded_at')}", "finding"),
            *(f"lead IN {_OTHERS} AND recorded_at <= ?2", "id"),
        ),
    )
)
_ERASURES: Final = (
    "SELECT id, entry, entries, erased_at,"
    " EXISTS (SELECT 1 FROM sealed WHERE erasure = erasure.id) FROM erasure ORDER BY id"
)
#: Rows of sealed leads that stand at events of others: no seal covers them.
_ASTRAY: Final = (
    "SELECT EXISTS (SELECT 1 FROM sealed JOIN history ON history.lead = sealed.lead"
    " JOIN event ON event.seq = history.event WHERE superseded_at IS NULL"
    " AND event.lead IS NOT history.lead)"
)


def commitment_of_erasure(connection: sqlite3.Connection, erasure_id: int, salt: bytes) -> bytes:
    """Return the salted digest of an erasure: of its entries, its time and the rows it sealed."""
    about = connection.execute(
        "SELECT entries, erased_at FROM erasure WHERE id = ?", (erasure_id,)
    ).fetchone()
    digest = sha256(salt + b"erasure" + _text(about))
    for statement in _COMMITTED:
        digest.update(b"\0")
        # Not every statement has both.
        values = (erasure_id, about[1])[: 2 if "?2" in statement else 1]
        for row in connection.execute(statement, values):
            digest.update(_text(row))
    return digest.digest()


def broken_seals(connection: sqlite3.Connection, blocks: Blocks) -> Iterator[tuple[str, str]]:
    """Yield each erasure whose rows are not those that the ledger committed to, and what is wrong.

    An entry that has lost its salt was taken over, and has nothing to check any more.
    """
    for number, entry, entries, erased_at, has_leads in connection.execute(_ERASURES).fetchall():
        where = f"erasure {number}"
        try:
            about = blocks.entry(entry)
        except LookupError:
            yield where, f"its entry {entry} is not in the ledger"
            continue
        if (about.kind, about.recorded_at) != (ERASURE, erased_at):
            yield where, f"entry {entry} of the ledger is not that of an erasure then"
        elif about.salt == NO_SALT and (has_leads or entries != "[]"):
            yield where, f"its entry {entry} has lost its salt"
        elif about.salt != NO_SALT and about.commitment != commitment_of_erasure(
            connection, number, about.salt
        ):
            yield where, "the rows that it sealed were changed, or its list of entries"
    if connection.execute(_ASTRAY).fetchone()[0]:
        yield "history of sealed leads", "a row stands at an event of another lead"


def _text(row: Any) -> bytes:
    return orjson.dumps(row) + b"\n"
