"""A bare durable commit: a message into a row.

    commit.py DB LOG START COUNT

Prints the microseconds that it takes, at the median, as JSON.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median


def main(path: str, log: str, start: str, count: str) -> None:
    """Write these messages of a log, each in a transaction of its own."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    times: list[float] = []
    with Path(log).open("rb") as lines:
        for line in islice(lines, int(start), int(start) + int(count)):
            started = time.perf_counter()
            db.execute("INSERT INTO message (body) VALUES (?)", (line,))
            times.append(time.perf_counter() - started)
    db.close()
    print(json.dumps({"micros": 1e6 * median(times)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
