"""The digest of a data set: the same for the same contents in any order, and additive.

It is LtHash: each content gives 1,024 lanes of 16 bits, which are added lane by lane. So parts can
be digested apart, by any engine, and their sums added.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from struct import Struct
from typing import Final

from lifecycle.domain.event import LeadEvent

_LANES: Final = 1024
_BYTES: Final = 2 * _LANES
#: Every second lane, with room for carries beside it.
_EVEN: Final = int.from_bytes(b"\0\0\xff\xff" * (_LANES // 2))
#: So many additions fit in that room.
_ROOM: Final = 0xFFFF
_ROW: Final = Struct(">QQq")


class DatasetDigest:
    """The sum of the contents of a data set: the id of each, its digest and its earliest time."""

    def __init__(self) -> None:
        self._even = self._odd = self._added = 0

    def add(self, event_id: str, digest: bytes, time: int) -> None:
        """Add one content; ``time`` is the earliest one known of it, in microseconds."""
        name = event_id.encode("utf-8", "surrogatepass")
        row = _ROW.pack(len(name), len(digest), time) + name + digest
        lanes = int.from_bytes(hashlib.shake_128(row).digest(_BYTES))
        self._sum(lanes & _EVEN, lanes >> 16 & _EVEN)

    def join(self, other: DatasetDigest) -> None:
        """Add all contents of another part of the data set; no content may be in both."""
        self._sum(other._even & _EVEN, other._odd & _EVEN)

    def to_bytes(self) -> bytes:
        """Return the sum itself, for ``from_bytes`` elsewhere."""
        lanes = (self._even & _EVEN) | (self._odd & _EVEN) << 16
        return lanes.to_bytes(_BYTES)

    @classmethod
    def from_bytes(cls, lanes: bytes) -> DatasetDigest:
        """Return the digest of a part whose sum this is."""
        part, both = cls(), int.from_bytes(lanes)
        part._sum(both & _EVEN, both >> 16 & _EVEN)
        return part

    def hexdigest(self) -> str:
        """Return SHA-256 of the sum, in hexadecimal."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def _sum(self, even: int, odd: int) -> None:
        if self._added == _ROOM - 1:
            self._even &= _EVEN
            self._odd &= _EVEN
            self._added = 0
        self._even += even
        self._odd += odd
        self._added += 1


def dataset_digest(events: Iterable[LeadEvent]) -> str:
    """Return the digest of the contents of some events, copies among them, in any order."""
    times: dict[tuple[str, bytes], int] = {}
    for event in events:
        content = (event.id, event.digest)
        times[content] = min(event.time, times.get(content, event.time))
    sums = DatasetDigest()
    for (event_id, digest), time in times.items():
        sums.add(event_id, digest, time)
    return sums.hexdigest()
