"""Microseconds since 1970 in UTC, as times are stored, to aware datetimes and to text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["EPOCH", "MICROSECOND", "as_datetime", "format_time", "optional_datetime"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


def as_datetime(moment: datetime | int) -> datetime:
    """Return a moment, an aware datetime or microseconds since 1970, as a datetime in UTC."""
    if isinstance(moment, datetime):
        return moment.astimezone(UTC)
    return EPOCH + timedelta(microseconds=moment)


def optional_datetime(moment: datetime | int | None) -> datetime | None:
    """Return what ``as_datetime`` does; of nothing, None."""
    return None if moment is None else as_datetime(moment)


def format_time(moment: datetime | int) -> str:
    """Return a moment as text: ``2026-03-01T10:00:00Z``, with 3 or 6 fraction digits where needed.

    It is an aware datetime, or microseconds since 1970.
    """
    moment = as_datetime(moment)
    spec = "seconds"
    if moment.microsecond:
        spec = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.replace(tzinfo=None).isoformat(timespec=spec) + "Z"
