"""SQL functions that read messages and decoded contents out of blocks.

``SELECT event.id, lifecycle_payload(block.about, block.bodies, event.entry - block.first) FROM
event JOIN block ON block.first = (SELECT max(first) FROM block WHERE first <= event.entry)``
"""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from itertools import pairwise
from typing import Final

from lifecycle.store.db.blocks import ABOUT, BLOCK, CONTENT, NO_SALT
from lifecycle.store.db.frames import opened

#: More than the texts of a block can have: whoever asks a server for SQL may make a frame of any.
_MOST: Final = BLOCK * 2 * 2**20
_CONTENT, _BODY = 6, 7


def payload(about: bytes | None, bodies: bytes | None, place: int | None) -> str | None:
    """Return the message of an entry, by its place in its block; None where it was erased.

    Raises:
        ValueError: The block is damaged, or has no such place.
        zstd.ZstdError: The frame is damaged.
    """
    return _text(_BODY, about, bodies, place)


def content(about: bytes | None, contents: bytes | None, place: int | None) -> str | None:
    """Return what was decoded of an entry, as JSON; see ``payload``."""
    return _text(_CONTENT, about, contents, place)


def register(connection: sqlite3.Connection) -> None:
    """Add ``lifecycle_payload(about, bodies, place)`` and ``lifecycle_content``."""
    connection.create_function("lifecycle_payload", 3, payload, deterministic=True)
    connection.create_function("lifecycle_content", 3, content, deterministic=True)


def _text(which: int, about: bytes | None, frame: bytes | None, place: int | None) -> str | None:
    if about is None or frame is None or place is None:
        return None
    texts = _opened(which, about, frame)
    if not 0 <= place < len(texts):
        raise ValueError(f"a block of {len(texts)} entries has none at place {place}")
    return texts[place]


@lru_cache(maxsize=2)
def _opened(which: int, about: bytes, frame: bytes) -> tuple[str | None, ...]:
    """Return the texts in a frame; the last ones are kept for the next rows of a scan."""
    if len(about) % ABOUT.size:
        raise ValueError(f"damaged block: {len(about)} bytes about its entries")
    rows = list(ABOUT.iter_unpack(about))
    places = [0, *(row[which] for row in rows)]
    if places[-1] > _MOST:
        raise ValueError(f"damaged block: texts of {places[-1]:,} bytes, more than {_MOST:,}")
    whole = opened(frame, places[-1], entries=len(rows))
    return tuple(
        whole[start:end].decode() if row[0] == CONTENT and row[9] != NO_SALT else None
        for row, (start, end) in zip(rows, pairwise(places), strict=True)
    )
