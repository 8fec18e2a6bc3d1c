"""Zstandard frames (RFC 8878), with a dictionary of what lead messages look like.

The store itself holds the raw dictionary (table ``dictionary``), so that any tool can read them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Final

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
