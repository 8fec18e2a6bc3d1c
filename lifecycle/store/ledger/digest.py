"""The digest of a data set: the same for the same messages, in whatever order they came."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from lifecycle.domain import DatasetDigest
from lifecycle.store.db.lookups import UNNAMED

_SELECT: Final = (
    "SELECT event.id_hash, event.id, event.digest, event.time, copy.digest, copy.time"
    " FROM event LEFT JOIN copy ON copy.event = event.seq"
    f" WHERE event.subject IS NOT {UNNAMED} ORDER BY event.id_hash"
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
    """Yield the id, the digest and the earliest time of every content that is stored."""
    for _, some in groupby(connection.execute(_SELECT), itemgetter(0)):
        rows: list[tuple[Any, ...]] = list(some)
        _, event_id, digest, time, *_ = rows[0]
        times = {digest: time}
        for *_, other, at in rows:
            if other is not None:
                times[other] = min(at, times.get(other, at))
        for one, at in times.items():
            yield event_id, one, at
