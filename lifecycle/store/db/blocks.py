"""Blocks: up to 64 entries of the ledger in one row, with their contents and messages compressed.

What an entry is stands in ``about``, in rows of ABOUT of one size; the decoded contents and the
messages stand one behind the other in a Zstandard frame (RFC 8878) each, made with a dictionary of
what lead messages look like. The store itself holds the raw dictionary (table ``dictionary``), so
that any tool can read them. (design.md section 8)
"""

from __future__ import annotations

import sqlite3
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import accumulate
from struct import Struct
from typing import Any, Final, NamedTuple

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LEVEL: Final = 1
# Nothing here may change: what is in stores was compressed with it. A test knows its digest.
_DICTIONARY: Final = (
    b'{"type":"lead#update","object":{"type":"Lead","id":"","identifier":{"id":""}}}'
    b'{"topic":"realestate/contact#delete","id":"https://example.com/publish/","@id":"https://",'
    b'"time":"2025-01-01T00:00:00Z","timestamp":1700000000000,"data":{"type":"DeleteAction",'
    b'"actionStatus":"CompletedActionStatus","agent":"https://example.com/profile/card#me",'
    b'"object":{"type":"Contact","identifier":{"salesforceId":""},"sameAs":{"salesforceId":""},'
    b'"givenName":"","familyName":"","address":[{"streetAddress":"","addressLocality":"",'
    b'"addressCountry":"United States"}],"contactPoint":[]}}}'
    b'{"headers":{"topic":"realestate/lead#retract","time":""},"payload":{"type":"RetractAction",'
    b'"participant":{"type":"RealEstateAgent","id":"https://","name":""},"reason":"","comment":""'
    b',"additionalProperty":{},"location":{"type":"Place","name":""},"instrumentEvent":""}}'
    b'"assign","AssignAction","accept","AcceptAction","reject","RejectAction","update",'
    b'"UpdateAction","add","AddAction","realestate/lead#assign","realestate/lead#accept",'
    b'"realestate/lead#reject","realestate/lead#add","realestate/lead#update","+0000","+00:00",'
    b'"https://www.facebook.com/","bhhsconsumerid":"","ProspectConverterId":"","redContact_Guid":'
    b'"","salesforceid":"00Q","salesforceContactID":"003","dateAccepted":"2026-01-01T00:00:00.000Z'
    b'","dateRejected":"2026-01-01T00:00:00.000Z","email":"@hotmail.com","email":"@gmail.com",'
    b'{"topic":"realestate/lead#add","time":"2026-01-01T00:00:00.000Z","agent":"https://agents.'
    b'example.com/profile/card#me","instrument":"https://crm.example.com/profile/card#me","source"'
    b':"https://example.com/profile/card#me","originalRecipient":"https://agents.example.com/'
    b'profile/card#me","id":"https://crm.example.com/publish/","@id":"https://pod.example.com/'
    b'inbox/","data":{"type":"AddAction","agent":"https://agents.example.com/profile/card#me",'
    b'"recipient":"https://agents.example.com/profile/card#me","object":{"type":"Lead",'
    b'"identifier":{"salesforceid":"00Q"},"object":{"type":"Contact","identifier":'
    b'{"salesforceContactID":""},"name":"","givenName":"","familyName":"","telephone":"+1-555-",'
    b'"email":"@example.com"},"sender":"https://portal.example.com/profile/card#me","owner":'
    b'"https://agents.example.com/profile/card#me","leadSource":[{"type":"AskAction","object":'
    b'{"type":"Question","text":""}}],"dateSent":"2026-01-01T00:00:00.000Z","dateReceived":'
    b'"2026-01-01T00:00:00.000Z","recipient":"https://agents.example.com/profile/card#me"}}}'
)


def dictionary() -> bytes:
    """The dictionary, for the store to hold."""
    return _DICTIONARY


def compress(texts: Sequence[bytes]) -> bytes:
    """Return texts as one frame, one behind the other."""
    compressor = _compressor()
    return compressor.compress(b"".join(texts), compressor.FLUSH_FRAME)


def decompress(frame: bytes, size: int) -> bytes:
    """Return what is in a frame of ``size`` bytes.

    Raises:
        zstd.ZstdError: It is damaged, or of another size: whoever may ask a server for SQL could
            make a small frame of any size.
    """
    decompressor = zstd.ZstdDecompressor(_trained())
    content = decompressor.decompress(frame, max_length=size + 1)
    if len(content) != size or not decompressor.eof:
        raise zstd.ZstdError("an unfinished frame, or one of another size")
    return content


@cache
def _trained() -> zstd.ZstdDict:
    return zstd.ZstdDict(_DICTIONARY, is_raw=True)


@cache
def _compressor() -> zstd.ZstdCompressor:
    return zstd.ZstdCompressor(_LEVEL, zstd_dict=_trained().as_digested_dict)


#: So many entries are in a block, at most.
BLOCK: Final = 64
#: Kinds of entries: a content, rules, the rows of bound tables, an erasure.
CONTENT, RULES, STATE, ERASURE = range(4)
#: The salt and the digest of an entry whose content was erased, or that has none.
NO_SALT: Final = bytes(16)
NO_DIGEST: Final = bytes(32)
#: kind, trigger, recorded_at, time, log, line, ends of content and body, digest, salt, commitment.
ABOUT: Final = Struct("<BBqqIIII32s16s32s")
_KEPT: Final = 512
#: Where in such a row the ends of the content and of the body stand.
_ENDS: Final = Struct("<26xII80x")
_END: Final = 26
_TWO: Final = Struct("<II")
_COLUMNS_OF: Final = Struct("<xB8xq8xII32s48x")
_COLUMNS: Final = "first, size, link, about, contents, bodies"
_SELECT: Final = f"SELECT {_COLUMNS} FROM block WHERE first <= ? ORDER BY first DESC LIMIT 1"
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
        """Whether it is a content that was erased."""
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
    """A row of the table; its frames are opened when something of them is asked for."""

    def __init__(self, row: Sequence[Any]) -> None:
        self.first, self.size, self.link, self.about, *self._frames = row
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
            text = self._opened[which] = opened(self._frames[which], size, entries=entries)
        return text

    def _end(self, which: int, place: int) -> int:
        return int(_ENDS.unpack_from(self.about, place * ABOUT.size)[which])


def opened(frame: bytes, size: int, *, entries: int) -> bytes:
    """Return the texts of a block of so many entries; the text of a single one is as it is.

    Raises:
        zstd.ZstdError: The frame is damaged, or of another size.
    """
    if entries != 1:
        return decompress(frame, size)
    if len(frame) != size:
        raise zstd.ZstdError("a text of another size")
    return frame


class Blocks:
    """The blocks of a store, within one transaction or snapshot; the last ones used are kept."""

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
            block = Block(self._connection.execute(_SELECT, (row[0],)).fetchone())
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

    def all(self) -> Iterator[Block]:
        """Yield all blocks, in their order."""
        for row in self._connection.execute(f"SELECT {_COLUMNS} FROM block ORDER BY first"):
            yield Block(row)

    def loose(self) -> list[Block]:
        """Return the blocks at the end that have room for more entries, in their order."""
        found: list[Block] = []
        rows = self._connection.execute(f"SELECT {_COLUMNS} FROM block ORDER BY first DESC")
        for row in rows:
            if row[1] >= BLOCK:
                break
            found.append(Block(row))
        rows.close()
        return found[::-1]


def merged(blocks: Iterable[Block]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of blocks that hold what some with room hold, as many together as fit."""
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


def encoded(stored: Iterable[Stored], link: bytes) -> tuple[Any, ...]:
    """Return the row of a block of these entries; ``link`` is that of the last one."""
    some = list(stored)
    texts = [[one.content for one in some], [one.body for one in some]]
    ends = [accumulate(map(len, one)) for one in texts]
    about = b"".join(
        ABOUT.pack(*entry[1:7], *places, entry.digest, entry.salt, entry.commitment)
        for (entry, _, _), *places in zip(some, *ends, strict=True)
    )
    frames = [b"".join(one) if len(some) == 1 else compress(one) for one in texts]
    return (some[0].entry.number, len(some), link, about, *frames)
