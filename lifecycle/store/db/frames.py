"""Frames: texts compressed together, and drafts of blocks that are made ahead of the store.

A frame is Zstandard's (RFC 8878), made with a dictionary of what lead messages look like. The store
itself holds the raw dictionary (table ``dictionary``), so that any tool can read them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from itertools import accumulate
from struct import Struct
from typing import Final, NamedTuple

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
    """Return the dictionary, for the store to hold."""
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


SALT_BYTES: Final = 16
DIGEST_BYTES: Final = 32
_CONTENT: Final = Struct(">16sBqQQ")


class Contents(NamedTuple):
    """The parts of a content that its entry commits to."""

    digest: bytes
    trigger: int
    time: int
    content: bytes
    body: bytes


def commitment(salt: bytes, said: Contents) -> bytes:
    """Return the salted digest of a content: of all it says, which is what erasing takes away."""
    digest, trigger, time, content, body = said
    sizes = _CONTENT.pack(salt, trigger, time, len(content), len(body))
    return sha256(sizes + digest + content + body).digest()


class Draft:
    """A block in the making: what of it can be done before it is known what will be stored.

    Attributes:
        ends: Where the content and the body of each entry end.
        frames: The contents and the bodies, compressed.
    """

    def __init__(
        self,
        ends: Sequence[tuple[int, int]],
        frames: tuple[bytes, bytes],
        salts: bytes,
        commitments: bytes,
    ) -> None:
        self.ends = ends
        self.frames = frames
        self._salts = salts
        self._commitments = commitments
        self._bodies: bytes | None = None

    @classmethod
    def of(cls, contents: Sequence[Contents]) -> Draft:
        """Make a draft of these contents."""
        salts = os.urandom(SALT_BYTES * len(contents))
        commitments = [
            commitment(salts[start : start + SALT_BYTES], one)
            for start, one in zip(range(0, len(salts), SALT_BYTES), contents, strict=True)
        ]
        texts = [one.content for one in contents], [one.body for one in contents]
        ends = list(zip(*(accumulate(map(len, some)) for some in texts), strict=True))
        return cls(ends, (compress(texts[0]), compress(texts[1])), salts, b"".join(commitments))

    def __len__(self) -> int:
        return len(self.ends)

    def __reduce__(self) -> tuple[type[Draft], tuple[object, ...]]:
        return Draft, (self.ends, self.frames, self._salts, self._commitments)

    def commitment(self, place: int) -> tuple[bytes, bytes]:
        """Return the salt and the commitment of an entry."""
        salt, digest = place * SALT_BYTES, place * DIGEST_BYTES
        return (
            self._salts[salt : salt + SALT_BYTES],
            self._commitments[digest : digest + DIGEST_BYTES],
        )

    def body(self, place: int) -> bytes:
        """Return the message of an entry."""
        if self._bodies is None:
            self._bodies = decompress(self.frames[1], self.ends[-1][1])
        return self._bodies[self.ends[place - 1][1] if place else 0 : self.ends[place][1]]
