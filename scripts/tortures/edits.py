"""Edits inside the database with plain SQL, and stores that were put back or written anew."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from random import Random
from typing import Final

from result import Amount, Result
from stores import folder
from stories import messages, moment

from lifecycle import Head, LeadReader, LeadStore
from lifecycle.store.db.blocks import CONTENT, SAVE_BLOCK, Block, Stored, encoded

DOES: Final = (
    "edits inside the database: change, delete, swap, insert, empty a content, pretend to erase,"
    " truncate, rewrite everything: {runs:,} edits of stores of {size:,} events"
)
HOLDS: Final = "verify finds each; the last two, which are sound in themselves, by a noted head"
FULL: Final = Amount(700, 120)
QUICK: Final = Amount(28, 40)
_BATCH: Final = 7

#: {event}, {lead}, {step}, {former step}, ...: the number of any such row.
_CHANGES: Final = (
    "UPDATE event SET id = id || ' ' WHERE seq = {event}",
    "UPDATE event SET entry = entry + 1 WHERE seq = {event}",
    "UPDATE event SET time = time + 1 WHERE seq = {event}",
    "UPDATE event SET trigger = (trigger + 1) % 8 WHERE seq = {event}",
    "UPDATE event SET recorded_at = recorded_at + 1 WHERE seq = {event}",
    "UPDATE event SET outcome = (outcome + 1) % 3 WHERE seq = {event}",
    "UPDATE event SET late = 1 - late WHERE seq = {event}",
    "UPDATE event SET line = 7 WHERE seq = {event}",
    "UPDATE block SET link = zeroblob(32) WHERE first = {block}",
    "UPDATE block SET first = first + 1 WHERE first = {block}",
    "UPDATE lead SET state = (state + 1) % 7 WHERE id = {lead}",
    "UPDATE lead SET events = events + 1 WHERE id = {lead}",
    "UPDATE lead SET holder = NULL, owner = 1 WHERE id = {lead}",
    "UPDATE lead SET known_since = known_since + 1 WHERE id = {lead}",
    "UPDATE history SET target = (target + 1) % 7 WHERE id = {step}",
    "UPDATE history SET at = at + 1 WHERE id = {step}",
    "UPDATE history SET recorded_at = recorded_at - 1 WHERE id = {step}",
    "UPDATE history SET target = (target + 1) % 7 WHERE id = {former step}",
    "UPDATE history SET superseded_at = superseded_at + 1 WHERE id = {former step}",
    "UPDATE history SET recorded_at = recorded_at - 1 WHERE id = {former step}",
    "UPDATE history SET superseded_change = superseded_change + 1000 WHERE id = {former step}",
    "UPDATE history SET superseded_at = NULL, superseded_change = NULL WHERE id = {former step}",
    "UPDATE finding SET detail = detail || '.' WHERE id = {finding}",
    "UPDATE finding SET recorded_at = recorded_at - 1 WHERE id = {finding}",
    "UPDATE finding SET superseded_at = superseded_at + 1 WHERE id = {former finding}",
    "UPDATE finding SET superseded_at = recorded_at + 1 WHERE id = {finding}",
    "UPDATE key SET cluster = cluster + 1 WHERE hash = {key}",
    "UPDATE key SET leads = leads + 1 WHERE hash = {key}",
    "UPDATE party SET name = name || 'x' WHERE id = {party}",
    "UPDATE log SET byte_offset = byte_offset + 100 WHERE id = {log}",
    "UPDATE quarantine SET left_at = 1, left_as = 'dismissed' WHERE id = {quarantined}",
    "UPDATE ignored SET messages = messages + 1",
    "INSERT INTO suppressed SELECT hash, 'key', NULL FROM key WHERE hash = {key}",
    "INSERT INTO suppressed SELECT hash, 'id', NULL FROM event WHERE seq = {event}",
    "UPDATE store SET recorded_at = 32472144000000000",
    "UPDATE store SET change = change + 1000",
    "UPDATE store SET entry = entry + 1",
    "UPDATE store SET lead = lead + 1000",
    "UPDATE store SET cluster = cluster + 1000",
    "INSERT INTO sealed VALUES ({lead}, 1, NULL)",
    "UPDATE rules SET recorded_at = recorded_at + 1",
)
_DELETIONS: Final = (
    ("DELETE FROM event WHERE seq = {event}",),
    ("DELETE FROM block WHERE first = {block}",),
    ("DELETE FROM history WHERE id = {step}",),
    ("DELETE FROM history WHERE id = {former step}",),
    ("DELETE FROM finding WHERE id = {finding}",),
    ("DELETE FROM finding WHERE id = {former finding}",),
    ("DELETE FROM lead WHERE id = {lead}",),
    ("DELETE FROM key WHERE hash = {key}",),
    ("DELETE FROM copy WHERE entry = {copy}",),
    ("DELETE FROM log WHERE id = {log}",),
    ("DELETE FROM quarantine WHERE id = {quarantined}",),
    ("DELETE FROM history WHERE event = {event}", "DELETE FROM event WHERE seq = {event}"),
)
_ROWS: Final = {
    "event": "SELECT seq FROM event",
    "block": "SELECT first FROM block",
    "lead": "SELECT id FROM lead",
    "step": "SELECT id FROM history WHERE superseded_at IS NULL",
    "former step": "SELECT id FROM history WHERE superseded_at IS NOT NULL",
    "finding": "SELECT id FROM finding WHERE superseded_at IS NULL",
    "former finding": "SELECT id FROM finding WHERE superseded_at IS NOT NULL",
    "key": "SELECT hash FROM key",
    "party": "SELECT id FROM party",
    "copy": "SELECT entry FROM copy",
    "log": "SELECT id FROM log",
    "quarantined": "SELECT id FROM quarantine",
}


def _change(rng: Random, plain: sqlite3.Connection) -> str:
    return _execute(plain, [rng.choice(_CHANGES)], rng)


def _delete(rng: Random, plain: sqlite3.Connection) -> str:
    return _execute(plain, rng.choice(_DELETIONS), rng)


def _swap(rng: Random, plain: sqlite3.Connection) -> str:
    """Two events, or two contents, change places."""
    if rng.random() < 0.5:  # noqa: PLR2004
        one, other = rng.sample(_contents(plain), 2)
        first, second = _stored(plain, one), _stored(plain, other)
        _put(plain, one, second._replace(entry=second.entry._replace(number=one)))
        _put(plain, other, first._replace(entry=first.entry._replace(number=other)))
        return f"contents {one} and {other}"
    one, other = rng.sample(_all(plain, _ROWS["event"]), 2)
    columns = rng.choice((("entry",), ("id", "hash"), ("lead", "cluster"), ("log", "line", "time")))
    names = ", ".join(columns)
    held = [
        plain.execute(f"SELECT {names} FROM event WHERE seq = ?", (seq,)).fetchone()
        for seq in (one, other)
    ]
    if held[0] == held[1]:
        return _swap(rng, plain)
    for seq, values in ((one, held[1]), (other, held[0])):
        sets = ", ".join(f"{name} = ?" for name in columns)
        plain.execute(f"UPDATE event SET {sets} WHERE seq = ?", (*values, seq))
    return f"{names} of events {one} and {other}"


def _insert(rng: Random, plain: sqlite3.Connection) -> str:
    """Add a row that no message gave."""
    table, number = rng.choice(
        (("event", "seq"), ("history", "id"), ("finding", "id"), ("lead", "id"), ("party", "id"))
    )
    row = rng.choice(_all(plain, f"SELECT {number} FROM {table}"))
    plain.execute(f"CREATE TEMP TABLE more AS SELECT * FROM {table} WHERE {number} = ?", (row,))
    plain.execute(f"UPDATE more SET {number} = (SELECT max({number}) + 1 FROM {table})")
    if table == "history":
        # The database itself refuses a step, or the number of a change, that there is already.
        plain.execute(
            "UPDATE more SET step = step + 100, superseded_change = superseded_change + 1000000"
        )
    if table == "party":
        plain.execute("UPDATE more SET name = 'somebody'")
    plain.execute(f"INSERT INTO {table} SELECT * FROM more")
    return f"another {table} like {row}"


def _empty(rng: Random, plain: sqlite3.Connection) -> str:
    """Replace a content by another one, or by none, or say that it came from elsewhere."""
    number = rng.choice(_contents(plain))
    one = _stored(plain, number)
    kind = rng.choice(("body", "content", "line", "digest", "erased"))
    if kind == "body":
        one = one._replace(body=one.body.replace(b"urn", b"uri"))
    elif kind == "content":
        one = one._replace(content=one.content + b" ")
    elif kind == "line":
        one = one._replace(entry=one.entry._replace(line=one.entry.line + 1))
    elif kind == "digest":
        one = one._replace(entry=one.entry._replace(digest=bytes(31) + b"1"))
    else:
        one = Stored(one.entry.erased())
    _put(plain, number, one)
    return f"{kind} of content {number}"


def _pretend(rng: Random, plain: sqlite3.Connection) -> str:
    """Take a content out, as if it had been erased, with a row that says so."""
    number = rng.choice(_contents(plain))
    _put(plain, number, Stored(_stored(plain, number).entry.erased()))
    plain.execute("DELETE FROM copy WHERE entry = ?", (number,))
    plain.execute("DELETE FROM event WHERE entry = ?", (number,))
    entry = rng.choice((number, 1, 10**6))
    plain.execute("INSERT INTO erasure VALUES (NULL, ?, ?, 1, 0, 1)", (entry, f"[{number}]"))
    if rng.random() < 0.5:  # noqa: PLR2004
        plain.execute("INSERT INTO sealed SELECT id, 1, NULL FROM lead")
    return f"content {number} taken out, by entry {entry}"


_EDITS: Final[tuple[tuple[str, Callable[[Random, sqlite3.Connection], str]], ...]] = (
    ("change", _change),
    ("delete", _delete),
    ("swap", _swap),
    ("insert", _insert),
    ("empty", _empty),
    ("pretend to erase", _pretend),
    ("change", _change),
    ("change", _change),
)
_FORGERIES: Final = ("truncate", "rewrite everything")


def run(seed: int, amount: Amount) -> Result:
    """Edit stores, and verify them."""
    result = Result()
    kinds = len(_EDITS) + len(_FORGERIES)
    with folder() as place:
        some = messages(seed, amount.size)
        whole, path = place / "whole.db", place / "leads.db"
        _fill(whole, some)
        with LeadReader(whole) as store:
            head = store.head()
        if not _sound(whole, head):
            result.failures.append(f"seed {seed}: a store that nobody edited is not sound")
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
                _fill(path, _forged(rng, some, name))
                found = _sound(path) and not _sound(path, head)
            result.runs += 1
            if not found:
                result.failures.append(f"seed {number}: {name}: not found: {done}")
            path.unlink()
    return result


def _fill(path: Path, some: list[dict[str, object]]) -> None:
    """Make a store of messages in small batches, with rows in the bound tables, too."""
    with LeadStore(path) as store:
        for start in range(0, len(some), _BATCH):
            store.apply_many(some[start : start + _BATCH])
        # In conflict and late, so that there are superseded findings and other contents.
        for number, at in enumerate((3, 2, 1)):
            late = some[0] | {"id": "urn:torture:contested", "time": moment(at)}
            store.apply(late | {"topic": ("lead#update", "lead#accept", "lead#reject")[number]})
        store.apply_many(["{", {"topic": "contact#add", "data": {}}])
        with store._writer.transaction() as unit:
            row = (1, "a.jsonl", 100, 3, 0, None, 0, None)
            store._connection.execute("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            unit.bound.change("log", None, row)
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _forged(rng: Random, some: list[dict[str, object]], kind: str) -> list[dict[str, object]]:
    """Put a store back, or fill it anew with one message less."""
    place = rng.randrange(1, len(some))
    return some[:place] if kind == "truncate" else some[:place] + some[place + 1 :]


def _sound(path: Path, *heads: Head) -> bool:
    with LeadReader(path) as store:
        return store.verify(*heads).sound


def _contents(plain: sqlite3.Connection) -> list[int]:
    """Return the numbers of all entries that are contents."""
    return [
        entry.number
        for row in plain.execute("SELECT * FROM block ORDER BY first")
        for entry in Block(row).entries()
        if entry.kind == CONTENT
    ]


def _block(plain: sqlite3.Connection, number: int) -> Block:
    select = "SELECT * FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1"
    return Block(plain.execute(select, (number,)).fetchone())


def _stored(plain: sqlite3.Connection, number: int) -> Stored:
    block = _block(plain, number)
    return block.stored()[number - block.first]


def _put(plain: sqlite3.Connection, number: int, stored: Stored) -> None:
    """Put another content in the place of one, with the link as it was."""
    block = _block(plain, number)
    some = block.stored()
    some[number - block.first] = stored
    plain.execute(SAVE_BLOCK, encoded(some, block.link))


def _execute(
    plain: sqlite3.Connection, statements: tuple[str, ...] | list[str], rng: Random
) -> str:
    """Execute statements on some rows; others where the first changes nothing."""
    rows = {name: rng.choice(_all(plain, select) or [0]) for name, select in _ROWS.items()}
    done = [statement.format_map(rows) for statement in statements]
    before = plain.total_changes
    for statement in done:
        with suppress(sqlite3.IntegrityError):  # the table itself refuses it
            plain.execute(statement)
    if plain.total_changes == before:
        return _change(rng, plain)
    return "; ".join(done)


def _all(plain: sqlite3.Connection, sql: str) -> list[int]:
    return [row[0] for row in plain.execute(sql)]
