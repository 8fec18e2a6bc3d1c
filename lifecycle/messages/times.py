"""Times as text (RFC 3339) and as microseconds since 1970-01-01 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from lifecycle.errors import TimeFormatError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_RFC3339: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[Tt ]((?:[01]\d|2[0-3]):\d\d):(\d\d)(?:\.(\d{1,9}))?"
    r"(?: ?([Zz]|[+-]\d\d:?[0-5]\d))?)?",
    re.ASCII,
)
_LEAP_SECOND: Final = "60"


class Instant(NamedTuple):
    """A moment, and whether its text said in which offset to UTC."""

    micros: int
    has_offset: bool


@lru_cache(maxsize=4096)
def parse_time(text: str) -> Instant:
    """The moment that a text in RFC 3339 names.

    Accepted are 0 to 9 fraction digits (cut to microseconds), ``Z``, ``+00:00`` and ``+0000``; no
    offset means UTC, a date alone its first moment. A leap second is the second that follows.

    Raises:
        TimeFormatError: It is not such a text, or no such day or hour exists.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise TimeFormatError(f"expected a time such as 2026-03-01T10:00:00Z, got {text[:40]!r}")
    date, clock, second, fraction, offset = match.groups()
    leap = second == _LEAP_SECOND
    zone = "+00:00" if offset is None or offset in "Zz" else offset
    try:
        moment = datetime.fromisoformat(
            f"{date}T{clock or '00:00'}:{'59' if leap else second or '00'}{zone}"
        )
        micros = (moment - _EPOCH) // _MICROSECOND
    except ValueError as error:
        raise TimeFormatError(f"no such time: {text[:40]!r} ({error})") from None
    micros += int((fraction or "0")[:6].ljust(6, "0")) + (1_000_000 if leap else 0)
    if not FIRST <= micros <= LAST:
        raise TimeFormatError(f"no such time: {text[:40]!r} (outside the years 1 to 9999)")
    return Instant(micros, offset is not None)


def format_time(micros: int) -> str:
    """The moment as text: ``2026-03-01T10:00:00Z``, with 3 or 6 fraction digits where needed."""
    moment = _EPOCH + timedelta(microseconds=micros)
    spec = "seconds"
    if moment.microsecond:
        spec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


#: The first and the last moment that a time can name, and both in whole milliseconds.
FIRST: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
LAST: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
FIRST_MILLISECOND: Final = FIRST // 1000
LAST_MILLISECOND: Final = LAST // 1000
#: Milliseconds since 1970 as text.
STAMP: Final = re.compile(r"[0-9]{1,14}")
