"""Times of other systems' files: as they are written, and as microseconds to sort by."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from lifecycle.errors import ArgumentError
from lifecycle.messages import format_time, parse_time
from lifecycle.utc import EPOCH, MICROSECOND, as_datetime

# Of the years 1973 to 5138: a day such as 20260302 and seconds since 1970 have fewer digits.
_MILLISECONDS: Final = re.compile(r"[1-9]\d{11,13}", re.ASCII)


class Moment(NamedTuple):
    """A time as the message states it, and in microseconds since 1970 in UTC.

    ``has_zone``: the file says itself of which zone it is.
    """

    text: str
    micros: int
    has_zone: bool = True


def read_moment(text: str, time_format: str | None = None, zone: ZoneInfo | None = None) -> Moment:
    """Return the moment that a text names: RFC 3339, a warehouse's form, or epoch milliseconds.

    A text that the decoder reads itself stays as it is written: a missing offset is its finding.

    Args:
        text: The text of the file.
        time_format: A format of ``datetime.strptime`` instead.
        zone: The time zone of times without an offset.

    Raises:
        ArgumentError: It is no such text, or exists twice or not at all in its time zone.
    """
    if time_format is not None:
        return _read_formatted(text, time_format, zone)
    if _MILLISECONDS.fullmatch(text):
        return _in_utc(int(text) * 1000)
    try:
        instant = parse_time(text)
    except ArgumentError as error:
        raise ArgumentError(f"{error}; [time] in a map names another format") from None
    if instant.has_offset or zone is None:
        return Moment(text, instant.micros, instant.has_offset)
    return _localize(as_datetime(instant.micros).replace(tzinfo=None), zone)


def _read_formatted(text: str, time_format: str, zone: ZoneInfo | None) -> Moment:
    try:
        moment = datetime.strptime(text, time_format)  # noqa: DTZ007 - the zone follows
    except (ValueError, OverflowError):
        expected = f"expected a time as {time_format!r}, got {text[:40]!r}"
        raise ArgumentError(expected) from None
    if moment.tzinfo is not None:
        return _in_utc((moment - EPOCH) // MICROSECOND)
    if zone is not None:
        return _localize(moment, zone)
    written = moment.isoformat()
    return Moment(written, parse_time(written).micros, has_zone=False)


def _localize(moment: datetime, zone: ZoneInfo) -> Moment:
    """Return a local time of a zone in UTC, if there is exactly one."""
    try:
        first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        if first != second:
            is_real = first.astimezone(zone).replace(tzinfo=None) == moment
            problem = "exists twice" if is_real else "does not exist"
            raise ArgumentError(
                f"{moment} {problem} in {zone.key} (the clocks change):"
                " give such times with their offset, or in UTC"
            )
    except OverflowError:
        raise ArgumentError(f"no such time in {zone.key}: {moment}") from None
    return _in_utc((first - EPOCH) // MICROSECOND)._replace(has_zone=False)


def _in_utc(micros: int) -> Moment:
    return Moment(format_time(micros), micros)
