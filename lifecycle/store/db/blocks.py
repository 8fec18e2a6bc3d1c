"""Blocks: up to 64 entries of the ledger in one row, with their contents and messages compressed.

What an entry is stands in ``about``, in rows of ABOUT of one size; the decoded contents and the
messages stand one behind the other in a frame each. (design.md section 8)
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import accumulate
from struct import Struct
from typing import Any, Final, NamedTuple

from lifecycle.store.db.frames import Contents, commitment, compress, opened

#: So many entries are in a block, at most.
BLOCK: Final = 64
#: From so many on a block is left as it is.
HALF: Final = BLOCK // 2
#: Kinds of entries: a content, rules, the rows of bound tables, an erasure.
CONTENT, RULES, STATE, ERASURE = range(4)
#: The salt and the digest of an entry whose content was erased, or that has none.
NO_SALT: Final = bytes(16)
NO_DIGEST: Final = bytes(32)
#: kind, trigger, recorded_at, time, log, line, ends of content and body, digest, salt, commitment.
ABOUT: Final = Struct("<BBqqIIII32s16s32s")
_KEPT: Final = 64
_LINK: Final = Struct(">32sqBBqqII32s")
#: Where in such a row the ends of the content and of the body stand.
_ENDS: Final = Struct("<26xII80x")
_END: Final = 26
_TWO: Final = Struct("<II")
_COLUMNS_OF: Final = Struct("<xB8xq8xII32s48x")
_COLUMNS: Final = "first, size, link, about, contents, bodies"
_SELECT: Final = "SELECT first, size, link, about, contents, NULL FROM block WHERE first = ?"
_SELECT_BODIES: Final = "SELECT bodies FROM block WHERE first = ?"
ADD_BLOCK: Final = f"INSERT INTO block ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"
REMOVE_BLOCK: Final = "DELETE FROM block WHERE first = ?"
SAVE_BLOCK: Final = "UPDATE block SET about = ?4, contents = ?5, bodies = ?6 WHERE first = ?1"


class Entry(NamedTuple):
    """One entry of the ledger, without its content.

    Attributes:
        number: Its number, from 1 without a gap.
        kind: CONTENT, RULES, STATE or ERASURE.
        trigger: The number of the event's trigger; 0 for other kinds.
        recorded_at: When it was stored, microseconds since 1970 in UTC.
        time: The time of the event; 0 for other kinds.
        log: The number of the log it stood in; 0 where it was applied directly.
        line: The line in the log, from 1; 0 where there is none.
        digest: That of the content; NO_DIGEST once it is erased.
        salt: What the commitment is salted with; NO_SALT once the content is erased.
        commitment: What the link binds.
    """

    number: int
    kind: int
    trigger: int
    recorded_at: int
    time: int
    log: int
    line: int
    digest: bytes
    salt: bytes
    commitment: bytes

    @property
    def is_erased(self) -> bool:
        """Tell whether it is a content that was erased."""
        return self.kind == CONTENT and self.salt == NO_SALT

    def erased(self) -> Entry:
        """Return what stays of it when its content is erased."""
        return self._replace(digest=NO_DIGEST, salt=NO_SALT)


class Stored(NamedTuple):
    """An entry with its content as JSON and its message; both are empty where there is none."""

    entry: Entry
    content: bytes = b""
    body: bytes = b""


class Block:
    """A row of the table; its frames are opened when something of them is asked for.

    ``connection``: where the bodies are read when they are asked for, if the row has NULL for them.
    """

    def __init__(self, row: Sequence[Any], connection: sqlite3.Connection | None = None) -> None:
        self.first, self.size, self.link, self.about, *self._frames = row
        self._connection = connection
        self._opened: list[bytes | None] = [None, None]

    def __len__(self) -> int:
        return int(self.size)

    def entries(self) -> list[Entry]:
        """Return its entries."""
        rows = ABOUT.iter_unpack(self.about)
        return [
            Entry(number, *fields[:6], *fields[8:])
            for number, fields in enumerate(rows, self.first)
        ]

    def entry(self, number: int) -> Entry:
        """Return the entry of this number."""
        fields = ABOUT.unpack_from(self.about, (number - self.first) * ABOUT.size)
        return Entry(number, *fields[:6], *fields[8:])

    def columns(self, number: int) -> tuple[bytes, int, int, bytes]:
        """Return digest, trigger, time and content of an entry: what an event is made of."""
        place = (number - self.first) * ABOUT.size
        trigger, time, end, _, digest = _COLUMNS_OF.unpack_from(self.about, place)
        text = self.whole(0)
        start = _ENDS.unpack_from(self.about, place - ABOUT.size)[0] if place else 0
        return (digest, trigger, time, text[start:end])

    def content(self, number: int) -> bytes:
        """Return what was decoded, as JSON; nothing where it was erased."""
        return self._text(0, number)

    def body(self, number: int) -> bytes:
        """Return the message; nothing where it was erased."""
        return self._text(1, number)

    def stored(self) -> list[Stored]:
        """Return its entries, with everything."""
        return [
            Stored(entry, self.content(entry.number), self.body(entry.number))
            for entry in self.entries()
        ]

    def _text(self, which: int, number: int) -> bytes:
        text = self.whole(which)
        place = number - self.first
        start = self._end(which, place - 1) if place else 0
        return text[start : self._end(which, place)]

    def whole(self, which: int) -> bytes:
        """Return all contents (0) or all messages (1), one behind the other."""
        text = self._opened[which]
        if text is None:
            entries = len(self.about) // ABOUT.size
            size = self._end(which, entries - 1)
            text = self._opened[which] = opened(self._frame(which), size, entries=entries)
        return text

    def _frame(self, which: int) -> bytes:
        frame: bytes | None = self._frames[which]
        if frame is None and self._connection is not None:
            (frame,) = self._connection.execute(_SELECT_BODIES, (self.first,)).fetchone()
        return frame or b""

    def _end(self, which: int, place: int) -> int:
        return int(_ENDS.unpack_from(self.about, place * ABOUT.size)[which])


class Blocks:
    """The blocks of a store, within one transaction or snapshot; the last ones used are kept.

    Folding again needs contents alone: the bodies, which take most of the bytes, are read by need.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._kept: OrderedDict[int, Block] = OrderedDict()
        self._last: Block | None = None

    def of(self, number: int) -> Block:
        """Return the block that holds an entry.

        Raises:
            LookupError: There is none.
        """
        last = self._last
        if last is not None and last.first <= number < last.first + last.size:
            return last
        row = self._connection.execute(
            "SELECT first, size FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1", (number,)
        ).fetchone()
        if row is None or number >= row[0] + row[1]:
            raise LookupError(f"no entry {number} in the ledger")
        block = self._kept.pop(row[0], None)
        if block is None:
            found = self._connection.execute(_SELECT, (row[0],)).fetchone()
            block = Block(found, self._connection)
        self._kept[block.first] = self._last = block
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return block

    def entry(self, number: int) -> Entry:
        """Return the entry of this number."""
        return self.of(number).entry(number)

    def content(self, number: int) -> bytes:
        """Return the content of an entry, as JSON."""
        return self.of(number).content(number)

    def body(self, number: int) -> bytes:
        """Return the message of an entry."""
        return self.of(number).body(number)

    def all(self, *, bodies: bool = True) -> Iterator[Block]:
        """Yield all blocks, in their order; without messages where nobody asks for ``bodies``."""
        columns = _COLUMNS if bodies else _COLUMNS.replace("bodies", "x''")
        for row in self._connection.execute(f"SELECT {columns} FROM block ORDER BY first"):
            yield Block(row)

    def loose(self) -> list[Block]:
        """Return the blocks at the end that are less than half full, in their order."""
        found: list[Block] = []
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM block ORDER BY first DESC")
        for row in rows:
            if row[1] >= HALF:
                break
            found.append(Block(row))
        rows.close()
        return found[::-1]


def merged(blocks: Iterable[Block]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of blocks that hold what some small ones hold, as many together as fit."""
    some: list[Block] = []
    for block in blocks:
        if some and sum(map(len, some)) + len(block) > BLOCK:
            yield _joined(some)
            some = []
        some.append(block)
    if some:
        yield _joined(some)


def _joined(blocks: Sequence[Block]) -> tuple[Any, ...]:
    """Return the row of one block in the place of some; its last link is that of the last one."""
    about = bytearray()
    contents: list[bytes] = []
    bodies: list[bytes] = []
    for block in blocks:
        ends = (sum(map(len, contents)), sum(map(len, bodies)))
        start = len(about)
        about += block.about
        for place in range(start + _END, len(about), ABOUT.size):
            content, body = _TWO.unpack_from(about, place)
            _TWO.pack_into(about, place, content + ends[0], body + ends[1])
        contents.append(block.whole(0))
        bodies.append(block.whole(1))
    size = sum(map(len, blocks))
    frames = [b"".join(some) if size == 1 else compress(some) for some in (contents, bodies)]
    return (blocks[0].first, size, blocks[-1].link, bytes(about), *frames)


def encoded(stored: Sequence[Stored], link: bytes) -> tuple[Any, ...]:
    """Return the row of a block of these entries; ``link`` is that of the last one."""
    texts = [[one.content for one in stored], [one.body for one in stored]]
    ends = zip(*(accumulate(map(len, some)) for some in texts), strict=True)
    frames = [b"".join(some) if len(stored) == 1 else compress(some) for some in texts]
    return block_row([one.entry for one in stored], link, ends, frames)


def block_row(
    entries: Sequence[Entry],
    link: bytes,
    ends: Iterable[tuple[int, ...]],
    frames: Sequence[bytes],
) -> tuple[Any, ...]:
    """Return the row of a block: its entries, the last link, and the texts in their frames."""
    about = b"".join(
        [
            ABOUT.pack(*entry[1:7], *places, *entry[7:])
            for entry, places in zip(entries, ends, strict=True)
        ]
    )
    return (entries[0].number, len(entries), link, about, *frames)


def commitment_of(stored: Stored) -> bytes:
    """Return the salted digest of a content: of all it says."""
    entry, content, body = stored
    said = Contents(entry.digest, entry.trigger, entry.time, content, body)
    return commitment(entry.salt, said)


def commitment_of_rules(salt: bytes, toml: str) -> bytes:
    """Return the salted digest of rules: SHA-256 of the salt, the word ``rules`` and their TOML."""
    return sha256(salt + b"rules" + toml.encode()).digest()


def link_of(previous: bytes, entry: Entry) -> bytes:
    """Return what binds an entry to all before it: SHA-256 of the link before and of the entry.

    It binds where and when a content came, too, which is not known when its commitment is made.
    """
    return sha256(_LINK.pack(previous, *entry[:7], entry.commitment)).digest()
