"""The floor: what somebody's own script would do, and no more.

    floor.py DB LOG

It parses with orjson, looks the state up in a dict, and writes the raw payload under a unique text
id, the transition, and the lead; 5,000 messages a commit. No other names of a lead, no order, no
refusals, no findings, no digests. A message that moves nothing leaves no transition.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Final

import orjson

_BATCH: Final = 5000
_TARGETS: Final = {
    "add": "sent",
    "assign": "assigned",
    "accept": "accepted",
    "reject": "rejected",
    "retract": "retracted",
}
_TABLES: Final = (
    "CREATE TABLE message (id TEXT NOT NULL UNIQUE, body BLOB NOT NULL)",
    "CREATE TABLE transition (lead TEXT, message TEXT, source TEXT, target TEXT, at TEXT)",
    "CREATE TABLE lead (id TEXT PRIMARY KEY, state TEXT NOT NULL, since TEXT NOT NULL)",
)


def main(path: str, log: str) -> None:
    """Read the log into the database."""
    db = sqlite3.connect(path, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *_TABLES):
        db.execute(statement)
    states: dict[str, str] = {}
    with Path(log).open("rb") as file:
        while lines := list(islice(file, _BATCH)):
            take(db, states, lines)
    db.close()


def take(db: sqlite3.Connection, states: dict[str, str], lines: Iterable[bytes]) -> None:
    """Write some messages in one transaction."""
    messages, transitions, leads = [], [], {}
    for line in lines:
        message = orjson.loads(line)
        messages.append((message["id"], line))
        target = _TARGETS.get(message["topic"].partition("#")[2])
        if target is not None:
            lead = message["data"]["object"]["identifier"]["salesforceid"]
            source = states.get(lead, "new")
            states[lead] = target
            transitions.append((lead, message["id"], source, target, message["time"]))
            leads[lead] = (lead, target, message["time"])
    db.execute("BEGIN")
    db.executemany("INSERT OR IGNORE INTO message VALUES (?, ?)", messages)
    db.executemany("INSERT INTO transition VALUES (?, ?, ?, ?, ?)", transitions)
    db.executemany("INSERT OR REPLACE INTO lead VALUES (?, ?, ?)", leads.values())
    db.execute("COMMIT")


if __name__ == "__main__":
    main(*sys.argv[1:])
