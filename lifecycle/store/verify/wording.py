"""Reading what may be damaged: what it may raise, and values in words."""

from __future__ import annotations

import struct
import sys
from itertools import takewhile
from typing import Any, Final

from lifecycle.errors import MessageError

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
    """A value, as short as it can be told from others."""
    if isinstance(value, bytes):
        shown = value.hex() if len(value) * 2 <= _LONG else f"{len(value)} bytes"
    else:
        shown = "nothing" if value is None else str(value)
    return shown if len(shown) <= _LONG else f"{shown[:_LONG]}..."


def both(wanted: Any, found: Any) -> tuple[str, str]:
    """Two values, each from a little before where they differ."""
    if isinstance(wanted, str) and isinstance(found, str):
        pairs = zip(wanted, found, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        start = max(0, same - _LONG // 4)
        if start and max(len(wanted), len(found)) > _LONG:
            return words(f"...{wanted[start:]}"), words(f"...{found[start:]}")
    return words(wanted), words(found)
