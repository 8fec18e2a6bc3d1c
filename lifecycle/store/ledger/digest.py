"""The digest of a data set: the same for the same messages, in whatever order they came."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from struct import Struct
from typing import Any, Final

from lifecycle.store.db.lookups import UNNAMED

_SELECT: Final = (
    "SELECT event.id_hash, event.id, event.digest, event.time, copy.digest, copy.time"
    " FROM event LEFT JOIN copy ON copy.event = event.seq"
    f" WHERE event.subject IS NOT {UNNAMED} ORDER BY event.id_hash"
)
_ROW: Final = Struct(">QQq")


def digest_of(connection: sqlite3.Connection) -> str:
    """SHA-256 over every content: the id, the digest and the earliest time of each, in hexadecimal.

    What else is stored depends on the order of arrival: when it came, from where, which of two
    equal copies was kept with its own envelope, and how often one of them came.
    """
    found = sha256()
    for event_id, digest, time in _contents(connection):
        name = event_id.encode()
        found.update(_ROW.pack(len(name), len(digest), time))
        found.update(name + digest)
    return found.hexdigest()


def _contents(connection: sqlite3.Connection) -> Iterator[tuple[str, bytes, int]]:
    """In the order of the ids' hashes, of which there is an index; then in that of the digests."""
    for _, some in groupby(connection.execute(_SELECT), itemgetter(0)):
        rows: list[tuple[Any, ...]] = list(some)
        _, event_id, digest, time, *_ = rows[0]
        times = {digest: time}
        for *_, other, at in rows:
            if other is not None:
                times[other] = min(at, times.get(other, at))
        for one in sorted(times):
            yield event_id, one, times[one]
