"""Edits inside the database with plain SQL, and stores that were put back or written anew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

from result import Amount, Result
from stores import filled, folder
from stories import messages

from lifecycle import Head, LeadReader

DOES: Final = (
    "edits inside the database: change, delete, swap, insert, pretend to erase, truncate, rewrite"
    " everything: {runs:,} edits of stores of {size:,} events"
)
HOLDS: Final = "verify finds each; the last two, which are sound in themselves, by a noted head"
FULL: Final = Amount(700, 120)
QUICK: Final = Amount(28, 40)

_CHANGES: Final = (
    "UPDATE event SET content = content || ' ' WHERE seq = {0}",
    "UPDATE event SET body = (SELECT body FROM event WHERE seq <> {0} LIMIT 1) WHERE seq = {0}",
    "UPDATE event SET time = time + 1 WHERE seq = {0}",
    "UPDATE event SET trigger = (trigger + 1) % 8 WHERE seq = {0}",
    "UPDATE event SET recorded_at = recorded_at + 1 WHERE seq = {0}",
    "UPDATE ledger SET recorded_at = recorded_at + 1 WHERE number = {0}",
    "UPDATE ledger SET link = commitment WHERE number = {0}",
    "UPDATE lead SET state = (state + 1) % 7 WHERE id = {1}",
    "UPDATE lead SET events = events + 1 WHERE id = {1}",
    "UPDATE lead SET holder = NULL, owner = 1 WHERE id = {1}",
    "UPDATE history SET target = (target + 1) % 7 WHERE id = {2}",
    "UPDATE history SET at = at + 1 WHERE id = {2}",
)
_DELETIONS: Final = (
    ("DELETE FROM event WHERE seq = {0}",),
    ("DELETE FROM ledger WHERE number = {0}",),
    ("DELETE FROM history WHERE id = {2}",),
    ("DELETE FROM lead WHERE id = {1}",),
    ("DELETE FROM history WHERE event = {0}", "DELETE FROM event WHERE seq = {0}"),
)


def _change(rng: Random, plain: sqlite3.Connection) -> str:
    return _execute(plain, rng.choice(_CHANGES), rng)


def _delete(rng: Random, plain: sqlite3.Connection) -> str:
    rows = _rows(plain, rng)
    return "; ".join(_execute(plain, one, rng, rows) for one in rng.choice(_DELETIONS))


def _swap(rng: Random, plain: sqlite3.Connection) -> str:
    """Two events change places in the ledger, or their messages."""
    one, other = rng.sample(_all(plain, "SELECT seq FROM event"), 2)
    columns = rng.choice((("ledger",), ("content", "body"), ("id", "id_hash", "digest")))
    held = [
        plain.execute(f"SELECT {', '.join(columns)} FROM event WHERE seq = ?", (seq,)).fetchone()
        for seq in (one, other)
    ]
    sets = ", ".join(f"{name} = ?" for name in columns)
    if "id_hash" in columns:  # no two may be the same meanwhile
        plain.execute("UPDATE event SET id_hash = x'00' WHERE seq = ?", (other,))
    plain.execute(f"UPDATE event SET {sets} WHERE seq = ?", (*held[1], one))
    plain.execute(f"UPDATE event SET {sets} WHERE seq = ?", (*held[0], other))
    return f"{columns} of events {one} and {other}"


def _insert(rng: Random, plain: sqlite3.Connection) -> str:
    """An event that no message was, with an entry in the ledger or without."""
    seq = rng.choice(_all(plain, "SELECT seq FROM event"))
    plain.execute("CREATE TEMP TABLE more AS SELECT * FROM event WHERE seq = ?", (seq,))
    (last,) = plain.execute("SELECT max(seq) FROM event").fetchone()
    (entry,) = plain.execute("SELECT max(number) FROM ledger").fetchone()
    plain.execute(
        "UPDATE more SET seq = ?, ledger = ?, id = 'urn:new', id_hash = x'00'",
        (last + 1, entry + 1),
    )
    plain.execute("INSERT INTO event SELECT * FROM more")
    if rng.random() < 0.5:  # noqa: PLR2004
        plain.execute(
            "INSERT INTO ledger SELECT number + 1, recorded_at, id_hash, trigger, time, commitment,"
            " salt, link FROM ledger WHERE number = ?",
            (entry,),
        )
    return f"a copy of event {seq}"


def _pretend(rng: Random, plain: sqlite3.Connection) -> str:
    """A content is taken out, or changed, as if it had been erased."""
    copies = _all(plain, "SELECT id FROM copy")
    if copies and rng.random() < 0.3:  # noqa: PLR2004
        return _pretend_of_a_copy(rng.choice(copies), rng, plain)
    seq = rng.choice(_all(plain, "SELECT seq FROM event"))
    entry, id_hash = plain.execute(
        "SELECT ledger, id_hash FROM event WHERE seq = ?", (seq,)
    ).fetchone()
    plain.execute("UPDATE ledger SET salt = NULL WHERE number = ?", (entry,))
    if rng.random() < 0.5:  # noqa: PLR2004
        plain.execute("DELETE FROM event WHERE seq = ?", (seq,))
        plain.execute("DELETE FROM history WHERE event = ?", (seq,))
        plain.execute("INSERT INTO erased VALUES (?, NULL, NULL, 1)", (id_hash,))
        return f"event {seq} taken out"
    plain.execute(
        "UPDATE event SET body = x'', digest = zeroblob(32), time = time + 1 WHERE seq = ?", (seq,)
    )
    plain.execute("INSERT INTO erased VALUES (?, ?, ?, 1)", (id_hash, seq, entry))
    return f"event {seq} moved"


def _pretend_of_a_copy(copy: int, rng: Random, plain: sqlite3.Connection) -> str:
    """What did not count any more is gone, with the finding that it was there."""
    seq, entry = plain.execute("SELECT event, ledger FROM copy WHERE id = ?", (copy,)).fetchone()
    plain.execute("UPDATE ledger SET salt = NULL WHERE number = ?", (entry,))
    plain.execute("DELETE FROM copy WHERE id = ?", (copy,))
    plain.execute("DELETE FROM finding WHERE code = 'conflict' AND event = ?", (seq,))
    plain.execute(
        "INSERT INTO erased SELECT id_hash, NULL, NULL, 1 FROM event WHERE seq = ?", (seq,)
    )
    if rng.random() < 0.5:  # noqa: PLR2004
        plain.execute("INSERT INTO erased_copy VALUES (?, ?)", (entry, seq))
    return f"copy {copy} taken out"


_EDITS: Final[tuple[tuple[str, Callable[[Random, sqlite3.Connection], str]], ...]] = (
    ("change", _change),
    ("delete", _delete),
    ("swap", _swap),
    ("insert", _insert),
    ("pretend to erase", _pretend),
)
_FORGERIES: Final = ("truncate", "rewrite everything")


def run(seed: int, amount: Amount) -> Result:
    """Edit stores, and verify them."""
    result = Result()
    kinds = len(_EDITS) + len(_FORGERIES)
    with folder() as place:
        some = messages(seed, amount.size)
        whole, path = place / "whole.db", place / "leads.db"
        filled(whole, some)
        with LeadReader(whole) as store:
            head = store.head()
        for number in range(seed, seed + amount.runs):
            rng = Random(f"edits/{number}")
            kind = number % kinds
            if kind < len(_EDITS):
                name, edit = _EDITS[kind]
                shutil.copy(whole, path)
                with closing(sqlite3.connect(path, isolation_level=None)) as plain:
                    done = edit(rng, plain)
                found = not _sound(path)
            else:
                name = done = _FORGERIES[kind - len(_EDITS)]
                filled(path, _forged(rng, some, name))
                found = _sound(path) and not _sound(path, head)
            result.runs += 1
            if not found:
                result.failures.append(f"seed {number}: {name}: not found: {done}")
            path.unlink()
    return result


def _forged(rng: Random, some: list[dict[str, object]], kind: str) -> list[dict[str, object]]:
    """The messages of a store that was put back, or filled anew with one message less."""
    place = rng.randrange(len(some))
    return some[:place] if kind == "truncate" else some[:place] + some[place + 1 :]


def _sound(path: Path, *heads: Head) -> bool:
    with LeadReader(path) as store:
        return store.verify(*heads).sound


def _rows(plain: sqlite3.Connection, rng: Random) -> tuple[int, int, int]:
    """An event, a lead and a current row of history."""
    return (
        rng.choice(
            _all(plain, "SELECT seq FROM event WHERE seq <= (SELECT max(number) FROM ledger)")
        ),
        rng.choice(_all(plain, "SELECT id FROM lead")),
        rng.choice(_all(plain, "SELECT id FROM history WHERE superseded_at IS NULL")),
    )


def _execute(
    plain: sqlite3.Connection, sql: str, rng: Random, rows: tuple[int, int, int] | None = None
) -> str:
    statement = sql.format(*(rows or _rows(plain, rng)))
    plain.execute(statement)
    return statement


def _all(plain: sqlite3.Connection, sql: str) -> list[int]:
    return [row[0] for row in plain.execute(sql)]
