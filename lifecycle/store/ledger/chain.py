"""The ledger: what was stored when, each entry bound to its content and to the entry before it.

Every content that is stored has an entry, whether it counts or not, and so have rules that were put
in force. Its ``commitment`` is a salted digest of the content or of the rules; its ``link`` one of
the link before, the commitment, and what is never erased: when it was recorded, and of which event,
trigger and time it is. So the last link, noted elsewhere, vouches for all there is. Without its
salt a commitment tells nothing of a content, so that one can be erased while the chain still holds;
what stays of it gets an entry of its own. (design.md section 8)
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from hashlib import sha256
from struct import Struct
from typing import Any, Final, NamedTuple, Self, TypeAlias

from attrs import frozen

from lifecycle.errors import HeadFormatError
from lifecycle.store.db.codec import Packed

#: The link before the first entry.
BEGINNING: Final = bytes(32)
SALT_BYTES: Final = 16
_CONTENT: Final = Struct(">16sQQqqQQ")
_LINK: Final = Struct(">32sqq16sqq32s")
_HEAD: Final = re.compile(r"(0|[1-9][0-9]{0,18}):([0-9a-f]{64})", re.ASCII)
_ADD: Final = (
    "INSERT INTO ledger (number, recorded_at, id_hash, trigger, time, commitment, salt, link)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


#: What an entry commits to: id, digest, trigger, time, content and body, as they are stored.
Content: TypeAlias = tuple[str, bytes, int, int, str, bytes]


@frozen
class Head:
    """The end of a ledger, to be noted elsewhere: how many entries it has, and the last link."""

    count: int
    link: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """The head that was noted as ``COUNT:HEX``.

        Raises:
            HeadFormatError: It is no head.
        """
        found = _HEAD.fullmatch(text.strip())
        if found is None:
            raise HeadFormatError(text)
        return cls(int(found[1]), bytes.fromhex(found[2]))

    def __str__(self) -> str:
        return f"{self.count}:{self.link.hex()}"


def commitment_of(salt: bytes, content: Content) -> bytes:
    """The salted digest of a content: SHA-256 of the salt, all sizes and numbers, all texts."""
    event_id, digest, trigger, time, decoded, body = content
    name, text = event_id.encode(), decoded.encode()
    sizes = _CONTENT.pack(salt, len(name), len(digest), trigger, time, len(text), len(body))
    return sha256(sizes + name + digest + text + body).digest()


def commitment_of_rules(salt: bytes, toml: str) -> bytes:
    """The salted digest of rules: SHA-256 of the salt, the word ``rules`` and their TOML."""
    return sha256(salt + b"rules" + toml.encode()).digest()


class Entry(NamedTuple):
    """What a link binds; of rules there is no event, no trigger and no time."""

    number: int
    recorded_at: int
    id_hash: bytes | None
    trigger: int | None
    time: int | None
    commitment: bytes

    def link(self, previous: bytes) -> bytes:
        """What binds it to all before it: SHA-256 of the link before and of these."""
        number, recorded_at, id_hash, trigger, time, commitment = self
        about = (b"", -1, 0) if id_hash is None else (id_hash, trigger, time)
        return sha256(_LINK.pack(previous, number, recorded_at, *about, commitment)).digest()


def head_of(connection: sqlite3.Connection) -> Head:
    """The end of the ledger as it stands."""
    found = connection.execute(
        "SELECT number, link FROM ledger ORDER BY number DESC LIMIT 1"
    ).fetchone()
    return Head(*found) if found else Head(0, BEGINNING)


class Ledger:
    """The entries that a transaction adds."""

    def __init__(self, connection: sqlite3.Connection, recorded_at: int) -> None:
        self._connection = connection
        self._recorded_at = recorded_at
        self._head = head_of(connection)
        self._entered: list[Packed | str] = []

    def enter(self, entered: Packed | str) -> int:
        """The number of this content, or of rules as TOML, which are to be stored."""
        self._entered.append(entered)
        return self._head.count + len(self._entered)

    def save(self) -> None:
        """Write what was entered."""
        if self._entered:
            self._connection.executemany(_ADD, self._rows())

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        number, link = self._head.count, self._head.link
        salts = os.urandom(SALT_BYTES * len(self._entered))
        for place, entered in enumerate(self._entered):
            salt = salts[place * SALT_BYTES : (place + 1) * SALT_BYTES]
            number += 1
            entry = _entry(number, self._recorded_at, salt, entered)
            link = entry.link(link)
            yield *entry, salt, link


def _entry(number: int, recorded_at: int, salt: bytes, entered: Packed | str) -> Entry:
    if isinstance(entered, str):
        commitment = commitment_of_rules(salt, entered)
        return Entry(number, recorded_at, None, None, None, commitment)
    commitment = commitment_of(salt, entered.whole)
    return Entry(number, recorded_at, entered.id_hash, entered.trigger, entered.time, commitment)
