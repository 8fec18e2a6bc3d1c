"""JSON text to values, within limits that hold on every Python (design.md section 3, Limits).

orjson passes over duplicate keys, and numbers that it cannot hold, in silence. But what it writes
back as it was read, but for white space, has neither. Any other text is read by the standard
library's scanner, whose hooks see everything, and which takes several times as long.
"""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from typing import Any, Final

import orjson

from lifecycle.domain import Problem
from lifecycle.errors import MessageError

#: The size of a message, in bytes.
MAX_BYTES: Final = 1024 * 1024
#: How deep objects and arrays nest; the outermost counts as 1.
MAX_DEPTH: Final = 64
#: Integers are signed and 64 bits wide.
MIN_INTEGER: Final = -(2**63)
MAX_INTEGER: Final = 2**63 - 1

_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"
# A text that does not end goes on to the end: no byte is looked at twice.
_BRACKETS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
# An integral number that was written as a fraction, as orjson would write it back.
_INTEGRAL: Final = re.compile(rb"\.0(?![^],}])")
#: Up to here every integer is a double, and each double a number of its own.
_EXACT: Final = 2**53
_LONGEST_INTEGER: Final = len(str(MIN_INTEGER))


def parse(raw: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return the value of this JSON text.

    Only files of other systems, which are many messages at once, may be larger than MAX_BYTES.

    Raises:
        MessageError: It is not JSON, or beyond a limit.
    """
    if len(raw) > max_bytes:
        raise MessageError([too_large(len(raw))])
    raw = raw.removeprefix(_BOM)
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _check_depth(raw)
    if not _INTEGRAL.search(raw):
        with suppress(ValueError, TypeError):
            value = orjson.loads(raw)
            written = orjson.dumps(value, option=orjson.OPT_STRICT_INTEGER)
            # White space that both lose stands between tokens, or in strings: neither adds a token.
            if written == raw or written.translate(None, _SPACE) == raw.translate(None, _SPACE):
                return value
    return _parse_warily(raw)


def parse_message(raw: bytes) -> Any:
    """Return the value of a message's JSON text, in which no member of an object is null.

    Equal numbers are equal values: an integral one within 2**53 is an integer. So what is decoded
    is what the content says (design.md section 3).
    """
    value = parse(raw)
    return _without_nulls(value) if b"null" in raw else value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(part) for name, part in value.items() if part is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value


def _parse_warily(raw: bytes) -> Any:
    """Parse by a scanner that misses nothing and can say where something is wrong."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _error(f"not valid UTF-8 at byte {error.start}", "not_utf8") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        what = error.msg.removesuffix(" at")
        raise _error(f"not valid JSON: {what} at {where}", "not_json") from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def is_json(raw: bytes) -> bool:
    """Return whether these bytes are one JSON text within the limits."""
    try:
        parse(raw)
    except MessageError:
        return False
    return True


def canonical(value: Any) -> bytes:
    """Return the value as canonical JSON: UTF-8, keys sorted, no spaces, shortest numbers."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def too_large(size: int) -> Problem:
    """Return the problem of a message of so many bytes."""
    return Problem("", f"larger than {MAX_BYTES:,} bytes: {size:,}", "too_large")


def _error(message: str, code: str) -> MessageError:
    return MessageError([Problem("", message, code)])


def _check_depth(raw: bytes) -> None:
    depth = 0
    for match in _BRACKETS.finditer(raw):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
            if depth > MAX_DEPTH:
                raise _error(f"nested deeper than {MAX_DEPTH} at byte {match.start()}", "too_deep")
        elif token in (b"}", b"]"):
            depth -= 1


def _check_surrogates(value: Any) -> None:
    try:
        orjson.dumps(value)
    except TypeError:
        raise _error("a lone surrogate escape is no character", "not_utf8") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        double = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _error(f"the key {double!r} stands twice in one object", "duplicate_key")
    return value


def _integer(text: str) -> int:
    if len(text) <= _LONGEST_INTEGER and MIN_INTEGER <= (value := int(text)) <= MAX_INTEGER:
        return value
    raise _error(f"the integer {text[:40]} does not fit in 64 bits", "number")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _error(f"the number {text[:40]} is not finite", "number")
    return int(value) if value.is_integer() and abs(value) <= _EXACT else value


def _constant(text: str) -> float:
    raise _error(f"{text} is not JSON", "number")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float,
    parse_constant=_constant,
)
