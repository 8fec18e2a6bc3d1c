"""What is measured of lifecycle within a process; prints its figures as JSON.

    ours.py rebuild DB                    seconds to fold everything again
    ours.py apply DB LOG START COUNT      microseconds to apply a message of these, at the median
    ours.py group DB LOG START COUNT      microseconds a message, applied together with others
    ours.py conform LOG                   seconds to decode and fold a log in memory
    ours.py read LOG                      read and decode a log twice, and do nothing with it

Importing, and opening the store, are not counted.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

from lifecycle import LeadStore, Rules, decode, fold
from lifecycle.replay import Log

#: So many messages share a commit.
GROUP: Final = 32


def rebuild(path: str) -> dict[str, Any]:
    """Fold everything again, with the same rules."""
    with LeadStore(path, create=False) as store:
        started = time.perf_counter()
        store.rebuild()
        return {"seconds": time.perf_counter() - started}


def apply(path: str, log: str, start: str, count: str) -> dict[str, Any]:
    """Apply messages one by one, each in a durable transaction of its own."""
    times: list[float] = []
    outcomes: Counter[str] = Counter()
    with Path(log).open("rb") as lines, LeadStore(path, create=False) as store:
        for line in islice(lines, int(start), int(start) + int(count)):
            started = time.perf_counter()
            outcome = store.apply(line)
            times.append(time.perf_counter() - started)
            outcomes[outcome.kind] += 1
    return {"micros": 1e6 * median(times), "outcomes": outcomes}


def group(path: str, log: str, start: str, count: str) -> dict[str, Any]:
    """Apply messages of several callers together, each of whom has one."""
    times: list[float] = []
    with Path(log).open("rb") as lines, LeadStore(path, create=False) as store:
        some = islice(lines, int(start), int(start) + int(count))
        while together := [[line] for line in islice(some, GROUP)]:
            started = time.perf_counter()
            store.apply_group(together)
            times.append((time.perf_counter() - started) / len(together))
    return {"micros": 1e6 * median(times)}


def conform(log: str) -> dict[str, Any]:
    """Say what a log says, without a store."""
    started = time.perf_counter()
    with Path(log).open("rb") as lines:
        history = fold(Rules.default(), map(decode, lines))
    seconds = time.perf_counter() - started
    unfit = sum(any(row.refusal for row in lead.rows) for lead in history.leads)
    return {"seconds": seconds, "leads": len(history.leads), "unfit": unfit}


def read(log: str) -> dict[str, Any]:
    """Read and decode a log twice."""
    count = 0
    for _ in range(2):
        with Log.open(Path(log)) as lines:
            count += sum(1 for text in lines.texts() for _ in text.readings())
    return {"messages": count}


if __name__ == "__main__":
    commands = {one.__name__: one for one in (rebuild, apply, group, conform, read)}
    print(json.dumps(commands[sys.argv[1]](*sys.argv[2:])))
