"""Moments as callers write them."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from lifecycle.errors import ArgumentError
from lifecycle.messages.times import FIRST, LAST, parse_time
from lifecycle.utc import EPOCH, MICROSECOND

#: An RFC 3339 text, an aware datetime, or microseconds since 1970-01-01 in UTC.
Moment: TypeAlias = str | datetime | int


def as_micros(moment: Moment) -> int:
    """Return a moment in microseconds since 1970-01-01 in UTC.

    Raises:
        ArgumentError: It is a text that is no time, a datetime without an offset, or outside the
            years 1 to 9999.
        TypeError: It is none of these.
    """
    if isinstance(moment, str):
        return parse_time(moment).micros
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise ArgumentError(f"expected a datetime with an offset to UTC, got {moment}")
        moment = (moment - EPOCH) // MICROSECOND
    if not isinstance(moment, int) or isinstance(moment, bool):
        raise TypeError(f"expected a time: text, aware datetime or microseconds; got {moment!r}")
    if not FIRST <= moment <= LAST:
        raise ArgumentError(f"expected a moment in the years 1 to 9999, got {moment}")
    return moment


def optional_micros(moment: Moment | None) -> int | None:
    """Return what ``as_micros`` does; of nothing, None."""
    return None if moment is None else as_micros(moment)
