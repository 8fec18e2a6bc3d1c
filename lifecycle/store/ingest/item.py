"""Messages as the store takes them in, and where each came from."""

from __future__ import annotations

from typing import TypeAlias

from lifecycle.domain import immutable
from lifecycle.messages import Decoded, Ignored, Reading, Undecodable
from lifecycle.store.db.codec import Packed, pack

#: A message as the store takes it in.
IngestItem: TypeAlias = Packed | Ignored | Undecodable


@immutable
class Place:
    """Where a message came from: the number of a log and a line in it.

    A line is ``unfinished`` when it has no end yet: it may be written to, and is read again.
    ``entry`` is the number that it has in the ledger already, where a store is verified.
    """

    log: int | None = None
    line: int | None = None
    unfinished: bool = False
    entry: int | None = None


def to_stored(reading: Reading) -> IngestItem:
    """Return a reading as the store takes it in."""
    return pack(reading) if isinstance(reading, Decoded) else reading
