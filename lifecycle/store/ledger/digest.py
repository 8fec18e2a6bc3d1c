"""The digest of a data set: the same for the same messages, in whatever order they came."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Final

from lifecycle.domain import DatasetDigest
from lifecycle.store.db.blocks import Blocks
from lifecycle.store.db.lookups import UNNAMED

_SELECT: Final = (
    "SELECT id, event.entry, (SELECT group_concat(entry) FROM copy WHERE copy.event = seq)"
    f" FROM event WHERE cluster IS NOT {UNNAMED} ORDER BY event.entry"
)


def digest_of(connection: sqlite3.Connection) -> str:
    """Return the digest of the data set (``DatasetDigest``), in hexadecimal.

    What else is stored depends on the order of arrival: when it came, from where, which of two
    equal copies was kept with its own envelope, and how often one of them came.
    """
    sums = DatasetDigest()
    for content in contents_of(connection):
        sums.add(*content)
    return sums.hexdigest()


def contents_of(connection: sqlite3.Connection) -> Iterator[tuple[str, bytes, int]]:
    """Yield the id, the digest and the earliest time of every content that is stored.

    Of one that was erased, its commitment stands for the digest.
    """
    blocks = Blocks(connection)
    for event_id, canonical, others in connection.execute(_SELECT):
        times: dict[bytes, int] = {}
        for number in (canonical, *map(int, (others or "").split(",") if others else ())):
            entry = blocks.entry(number)
            digest = entry.commitment if entry.is_erased else entry.digest
            times[digest] = min(entry.time, times.get(digest, entry.time))
        for digest, time in times.items():
            yield event_id, digest, time
