"""The contents of each event id: which one is canonical, and what its copies make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from lifecycle.domain import Identity, merged
from lifecycle.store import CHANGE_NUMBER, content_of, unpack

_id = attrgetter("id")
_digest = attrgetter("digest")


class ContentEvent(NamedTuple):
    """A decoded content with its message, in the columns that MESSAGES and CONTENTS share."""

    id: str
    digest: bytes
    trigger: int
    time: int
    content: bytes
    body: bytes
    keys: list[str]


class Content(NamedTuple):
    """A row of the table CONTENTS, in its columns but the last; ``keys`` are those of the event."""

    id: str
    digest: bytes
    trigger: int
    time: int
    content: bytes
    body: bytes
    keys: list[str]
    is_canonical: bool
    merged: bytes | None = None
    conflicts: Sequence[bytes] = ()


def contents_by_id(rows: Iterable[ContentEvent], identity: Identity) -> Iterator[Content]:
    """Yield each content of each id once, given sorted by id, digest, time and body."""
    for _, its_rows in groupby(rows, _id):
        copies = [next(same) for _, same in groupby(its_rows, _digest)]
        canonical = _canonical(copies, identity)
        yield canonical
        for row in copies[1:]:
            yield Content(*row[:6], canonical.keys, is_canonical=False)


def _canonical(copies: Sequence[ContentEvent], identity: Identity) -> Content:
    """Return the canonical content of an id; copies of a change are no conflict but complete it."""
    first = copies[0]
    changes = [row for row in copies if row.trigger == CHANGE_NUMBER]
    others = [row for row in copies if row.trigger != CHANGE_NUMBER] + changes[:1]
    conflicts = sorted(row.digest for row in others if row is not first)
    if first.trigger != CHANGE_NUMBER or len(changes) == 1:
        return Content(*first, is_canonical=True, conflicts=conflicts)
    event = identity.named(merged([unpack(*row[:5], identity=identity) for row in changes]))
    first = first._replace(keys=[str(key) for key in event.keys])
    return Content(*first, is_canonical=True, merged=content_of(event), conflicts=conflicts)
