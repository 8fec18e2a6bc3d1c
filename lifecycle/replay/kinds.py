"""Kinds of files that are no text, by their first bytes, and how to make text of them."""

from __future__ import annotations

import re
from typing import Final

from lifecycle.errors import InputError

#: By so many first bytes a file of another kind is recognised.
KIND_SIZE: Final = 512
_DATABASE: Final = b"SQLite format 3\0"
_PACKED: Final = "unpack it first"
_ENCODED: Final = "is {} text (iconv -f {} -t UTF-8)"
_ASCII: Final = rb"[\t\n\r -~]"
#: JSON begins with ASCII: without a byte order mark it is told by where the NUL bytes stand.
_ENCODINGS: Final = {
    "UTF-32": rb"\xff\xfe\0\0|\0\0\xfe\xff",
    "UTF-16": rb"\xff\xfe|\xfe\xff",
    "UTF-32LE": rb"(?:%b\0\0\0){2}" % _ASCII,
    "UTF-32BE": rb"(?:\0\0\0%b){2}" % _ASCII,
    "UTF-16LE": rb"(?:%b\0){2}" % _ASCII,
    "UTF-16BE": rb"(?:\0%b){2}" % _ASCII,
}
_KINDS: Final = {
    rb"PK(?:\x03\x04|\x05\x06|\x07\x08)": f"is a ZIP archive ({_PACKED}) or a spread-sheet",
    rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)": f"is a bzip2 file ({_PACKED})",
    rb"\xfd7zXZ\0": f"is an xz file ({_PACKED})",
    rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18": f"is a Zstandard file ({_PACKED})",
    rb"\x04\x22\x4d\x18": f"is an LZ4 file ({_PACKED})",
    rb"7z\xbc\xaf\x27\x1c": f"is a 7z archive ({_PACKED})",
    rb"[^\0].{256}ustar": f"is a tar archive ({_PACKED})",
    rb"%PDF-": "is a PDF",
    rb"PAR1": "is a Parquet file",
} | {
    marks: _ENCODED.format(name.removesuffix("LE").removesuffix("BE"), name)
    for name, marks in _ENCODINGS.items()
}


def check_text(name: str, head: bytes) -> None:
    """Check that a file does not begin as a store does."""
    if head.startswith(_DATABASE):
        raise InputError(f"{name}: is a SQLite database, expected a file of text")


def check_kind(name: str, head: bytes, expected: str) -> None:
    """Check that a file does not begin as one of another kind does."""
    check_text(name, head)
    for marks, kind in _KINDS.items():
        if re.match(marks, head, re.DOTALL):
            raise InputError(f"{name}: {kind}, expected {expected}")
