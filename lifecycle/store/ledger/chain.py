"""The ledger: what was stored when, each entry bound to its content and to the entry before it.

Every content that is stored has an entry, whether it is canonical or not, and so have rules that
were put in force, erasures, and the rows of bound tables (``bound.py``). Its ``commitment`` is a
salted digest; its ``link`` one of the link before, the commitment, and what is never erased. So the
last link, noted elsewhere, vouches for all there is. Without its salt a commitment tells nothing of
a content, so that one can be erased while the chain still holds. (design.md section 8)
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from hashlib import sha256
from itertools import islice
from struct import Struct
from typing import Any, Final, Self

from attrs import frozen

from lifecycle.errors import HeadFormatError
from lifecycle.store.db.blocks import (
    BLOCK,
    CONTENT,
    ERASURE,
    NO_DIGEST,
    NO_SALT,
    RULES,
    STATE,
    Block,
    Entry,
    Stored,
    encoded,
)
from lifecycle.store.db.codec import Packed

#: The link before the first entry.
BEGINNING: Final = bytes(32)
#: So many blocks that have room for more entries may stand at the end before they become one.
LOOSE: Final = 64
_CONTENT: Final = Struct(">16sqIIBqQQ")
_LINK: Final = Struct(">32sqBqBq32s")
_HEAD: Final = re.compile(r"(0|[1-9][0-9]{0,18}):([0-9a-f]{64})", re.ASCII)


@frozen
class Head:
    """The end of a ledger, to be noted elsewhere: how many entries it has, and the last link."""

    count: int
    link: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the head that was noted as ``COUNT:HEX``.

        Raises:
            HeadFormatError: It is no head.
        """
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise HeadFormatError(text)
        return cls(int(found[1]), bytes.fromhex(found[2]))

    def __str__(self) -> str:
        return f"{self.count}:{self.link.hex()}"


def commitment_of(stored: Stored) -> bytes:
    """Return the salted digest of a content: of where and when it came, and of all it says."""
    entry, content, body = stored
    sizes = _CONTENT.pack(
        *(entry.salt, entry.recorded_at, entry.log, entry.line, entry.trigger, entry.time),
        *(len(content), len(body)),
    )
    return sha256(sizes + entry.digest + content + body).digest()


def commitment_of_rules(salt: bytes, toml: str) -> bytes:
    """Return the salted digest of rules: SHA-256 of the salt, the word ``rules`` and their TOML."""
    return sha256(salt + b"rules" + toml.encode()).digest()


def link_of(previous: bytes, entry: Entry) -> bytes:
    """Return what binds an entry to all before it: SHA-256 of the link before and of the entry."""
    number, kind, trigger, recorded_at, time = entry[:5]
    return sha256(
        _LINK.pack(previous, number, kind, recorded_at, trigger, time, entry.commitment)
    ).digest()


def head_of(connection: sqlite3.Connection) -> Head:
    """Return the end of the ledger as it stands."""
    found = connection.execute(
        "SELECT first + size - 1, link FROM block ORDER BY first DESC LIMIT 1"
    ).fetchone()
    return Head(*found) if found else Head(0, BEGINNING)


class Ledger:
    """The entries that a transaction adds."""

    def __init__(self, head: Head, recorded_at: int) -> None:
        self._head = head
        self.recorded_at = recorded_at
        self._salts = b""
        self.added: list[Stored] = []

    def enter(self, packed: Packed, log: int | None = None, line: int | None = None) -> int:
        """Add a content; return its number."""
        where = (self.recorded_at, packed.time, log or 0, line or 0)
        entry = Entry(
            self._next(), CONTENT, packed.trigger, *where, packed.digest, self._salt(), b""
        )
        stored = Stored(entry, packed.content.encode(), packed.body)
        entry = entry._replace(commitment=commitment_of(stored))
        self.added.append(stored._replace(entry=entry))
        return entry.number

    def enter_rules(self, toml: str) -> int:
        """Add rules; return the number of their entry."""
        salt = self._salt()
        return self._enter(RULES, salt, commitment_of_rules(salt, toml))

    def enter_state(self, bound: bytes) -> int:
        """Add the sum of the rows of bound tables; return the number of the entry."""
        return self._enter(STATE, NO_SALT, bound)

    def enter_erasure(self, salt: bytes, commitment: bytes) -> int:
        """Add an erasure; return the number of its entry."""
        return self._enter(ERASURE, salt, commitment)

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows of the blocks of what was added."""
        return list(blocks_of(self.added, self._head.link))

    @property
    def last(self) -> int:
        """The number of the last entry."""
        return self._head.count + len(self.added)

    @property
    def head(self) -> Head:
        """The end of the ledger with what was added."""
        link = self._head.link
        for one in self.added:
            link = link_of(link, one.entry)
        return Head(self.last, link)

    def _enter(self, kind: int, salt: bytes, commitment: bytes) -> int:
        entry = Entry(
            *(self._next(), kind, 0, self.recorded_at, 0, 0, 0),
            *(NO_DIGEST, salt, commitment),
        )
        self.added.append(Stored(entry))
        return entry.number

    def _next(self) -> int:
        return self.last + 1

    def _salt(self) -> bytes:
        if not self._salts:
            self._salts = os.urandom(16 * 256)
        salt, self._salts = self._salts[:16], self._salts[16:]
        return salt


def blocks_of(stored: Iterable[Stored], link: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of the blocks of some entries; ``link`` is that before the first of them."""
    rest = iter(stored)
    while some := list(islice(rest, BLOCK)):
        for one in some:
            link = link_of(link, one.entry)
        yield encoded(some, link)


def merged_blocks(loose: list[Block], link: bytes) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of full blocks in the place of some with room; the head stays as it is."""
    yield from blocks_of((one for block in loose for one in block.stored()), link)
