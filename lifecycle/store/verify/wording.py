"""Damaged values: the errors that reading them raises, and how they are shown."""

from __future__ import annotations

import struct
import sys
from itertools import takewhile
from typing import Any, Final

from lifecycle.errors import MessageError
from lifecycle.messages import format_time

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError
else:
    from backports.zstd import ZstdError

#: What reading a value that is not as it must be may raise.
UNREADABLE: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MessageError,
    RecursionError,
    TypeError,
    ValueError,
    ZstdError,
    struct.error,
)
_LONG: Final = 80


def words(value: Any) -> str:
    """Return a value in words, as short as it can be told from others."""
    if isinstance(value, bytes):
        shown = value.hex() if len(value) * 2 <= _LONG else f"{len(value)} bytes"
    else:
        shown = "nothing" if value is None else str(value)
    return shown if len(shown) <= _LONG else f"{shown[:_LONG]}..."


def both(one: Any, other: Any) -> tuple[str, str]:
    """Return two values in words, each from a little before where they differ."""
    if isinstance(one, str) and isinstance(other, str):
        pairs = zip(one, other, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        start = max(0, same - _LONG // 4)
        if start and max(len(one), len(other)) > _LONG:
            return words(f"...{one[start:]}"), words(f"...{other[start:]}")
    return words(one), words(other)


def time_words(value: Any) -> str:
    """Return a time in words; a number that is no time as it is."""
    try:
        return words(value) if value is None else format_time(value)
    except UNREADABLE:
        return words(value)
