"""Times as text (RFC 3339) and as microseconds since 1970-01-01 in UTC."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from lifecycle.errors import ArgumentError
from lifecycle.utc import EPOCH, MICROSECOND

_TIME: Final = re.compile(
    r"(\d{4})(-\d\d-\d\d)"
    r"(?:[Tt ]((?:[01]\d|2[0-3]):\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?: ?([Zz]|[Uu][Tt][Cc]|[+-]\d\d(?::?[0-5]\d)?))?)?",
    re.ASCII,
)
_USUAL_LENGTHS: Final = (len("2026-03-01T10:00:00Z"), len("2026-03-01T10:00:00.000Z"))
_LEAP_SECOND: Final = "60"
_LAST_HOUR: Final = 23
#: No lead is older: what says so was never filled in, or is wrong.
FIRST_YEAR: Final = 1990


class Instant(NamedTuple):
    """A moment, and what its text said besides.

    Attributes:
        micros: Microseconds since 1970 in UTC.
        has_offset: Whether the text named its offset to UTC.
        is_null: Whether it is one of those that programs write for no date at all.
        is_odd: Whether it is before FIRST_YEAR, and none of those.
    """

    micros: int
    has_offset: bool
    is_null: bool = False
    is_odd: bool = False


@lru_cache(maxsize=4096)
def parse_time(text: str) -> Instant:
    """Return the moment that a text names, in RFC 3339 or as warehouses write it.

    Accepted are 0 to 9 fraction digits (cut to microseconds), ``Z``, ``UTC``, ``+00:00``, ``+0000``
    and ``+00``, and minutes without seconds; no offset means UTC, a date alone its first moment. A
    leap second is the second that follows.

    Raises:
        ArgumentError: It is not such a text, or no such day, hour or offset exists.
    """
    if micros := usual_micros(text):
        return Instant(micros, has_offset=True)
    match = _TIME.fullmatch(text)
    if match is None:
        raise ArgumentError(f"expected a time such as 2026-03-01T10:00:00Z, got {text[:40]!r}")
    year, day, clock, second, fraction, offset = match.groups()
    is_null = _is_null(year, day, clock, second)
    leap = second == _LEAP_SECOND and not is_null
    zone = _zone(offset, text)
    try:
        moment = datetime.fromisoformat(
            f"{year}{day}T{clock or '00:00'}:{'59' if second == _LEAP_SECOND else second or '00'}"
            # A null date is none in any offset; in some it would be in no year at all.
            f"{'+00:00' if is_null else zone}"
        )
        micros = (moment - EPOCH) // MICROSECOND
    except ValueError as error:
        raise ArgumentError(f"no such time: {text[:40]!r} ({error})") from None
    micros += int((fraction or "0")[:6].ljust(6, "0")) + (1_000_000 if leap else 0)
    return Instant(micros, offset is not None, is_null, not is_null and int(year) < FIRST_YEAR)


def usual_micros(text: str) -> int | None:
    """Return the moment of a text as most messages write it; None for any other."""
    if len(text) not in _USUAL_LENGTHS or text[-1] != "Z" or not "1990" <= text[:4] < "9999":
        return None
    marks = text[4] + text[7] + text[10] + text[13] + text[16]
    if marks != "--T::" or text[19] not in ".Z" or not text.isascii() or text[11:13] > "23":
        return None
    try:
        return (datetime.fromisoformat(text) - EPOCH) // MICROSECOND
    except ValueError:
        return None


def _is_null(year: str, day: str, clock: str | None, second: str | None) -> bool:
    """Return whether a date, as it is written, is how programs write null."""
    if year == "1970":
        return day == "-01-01" and clock in (None, "00:00") and second in (None, "00")
    return year == "0001" or year + day in ("1900-01-01", "9999-12-31")


def _zone(offset: str | None, text: str) -> str:
    """Return the offset as ISO 8601 has it."""
    if offset is None or offset[0] not in "+-":
        return "+00:00"
    if int(offset[1:3]) > _LAST_HOUR:
        raise ArgumentError(f"expected an offset of less than a day, got {text[:40]!r}")
    return offset if len(offset) > len("+00") else f"{offset}:00"


class Epoch(NamedTuple):
    """A number since 1970, and the unit that its size tells."""

    instant: Instant
    unit: str


def parse_epoch(value: float | str) -> Epoch | None:
    """Return the moment of a ``timestamp``; None for what is none (design.md section 3).

    The unit goes by the size: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds,
    else nanoseconds. The first second of 1970 is how programs write null.
    """
    if isinstance(value, str):
        if not STAMP.fullmatch(value):
            return None
        value = int(value)
    unit, _, per_second = next(one for one in UNITS if value < one[1])
    if not FIRST * per_second <= value * 1_000_000 <= LAST * per_second:
        return None
    if isinstance(value, int):
        micros = value * 1_000_000 // per_second
    else:
        micros = round(value * (1_000_000 / per_second))
    is_null = 0 <= value < per_second and unit == "s"
    is_odd = not is_null and value < EARLIEST_SECOND * per_second
    return Epoch(Instant(micros, True, is_null, is_odd), unit)  # noqa: FBT003 - it is in UTC


#: The first and the last moment that a time can name.
FIRST: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
LAST: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH) // MICROSECOND
#: A number since 1970 as text.
STAMP: Final = re.compile(r"0|[1-9][0-9]{0,18}")
#: The units of such numbers, each with the number that is too large for it, and its parts a second.
UNITS: Final[tuple[tuple[str, float, int], ...]] = (
    ("s", 10**11, 1),
    ("ms", 10**14, 1000),
    ("us", 10**17, 1_000_000),
    ("ns", math.inf, 1_000_000_000),
)
EARLIEST_SECOND: Final = (datetime(FIRST_YEAR, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(seconds=1)
