"""Times and time spans as people write them, and the zone of times that name none."""

from __future__ import annotations

import os
import re
import time as clock
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import click

from lifecycle.errors import ArgumentError
from lifecycle.messages import parse_time
from lifecycle.text import clean, excerpt
from lifecycle.utc import EPOCH, MICROSECOND

#: The variable that names the zone of times without one.
ZONE_VARIABLE: Final = "LIFECYCLE_ZONE"
_ZONE: Final = "lifecycle.zone"
_SAID: Final = "lifecycle.zone_said"
_SPAN: Final = re.compile(
    r"(\d{1,6}) ?(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)(?: ago)?", re.IGNORECASE
)
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
#: Days by their names, and how many days ago they began.
_DAYS: Final = {"today": 0, "yesterday": 1}


def now() -> int:
    """Return the time, in microseconds since 1970 in UTC."""
    return clock.time_ns() // 1000


def zone() -> tzinfo | None:
    """Return the zone that was chosen; None for the local one."""
    context = click.get_current_context(silent=True)
    name = (context.meta.get(_ZONE) if context else None) or os.environ.get(ZONE_VARIABLE)
    if not name:
        return None
    try:
        return UTC if name.upper() in ("UTC", "Z") else ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ArgumentError(
            f"no time zone {excerpt(name)!r}; expected a name such as Europe/Berlin or UTC"
        ) from None


def local(micros: int) -> datetime:
    """Return a moment in the zone of the person, without its offset."""
    return (EPOCH + timedelta(microseconds=micros)).astimezone(zone()).replace(tzinfo=None)


def zone_name() -> str:
    """Return the zone of times that name none, in words."""
    chosen = zone()
    if chosen is not None:
        return str(chosen)
    name = datetime.now(UTC).astimezone().tzname() or "?"
    return f"{name}, the local time zone"


def span_seconds(text: str) -> int | None:
    """Return a time span such as ``3d``, ``90 min`` or ``2 hours``, in seconds; None for others."""
    match = _SPAN.fullmatch(text.strip())
    return int(match[1]) * _UNITS[match[2][0].lower()] if match else None


def moment_of(text: str) -> int:
    """Return a time in microseconds: RFC 3339, a day, `yesterday`, or `3d` for three days ago.

    Raises:
        ArgumentError: It is no such time.
    """
    word = text.strip().lower()
    if word == "now":
        return now()
    if (seconds := span_seconds(word)) is not None:
        return now() - seconds * 1_000_000
    if word in _DAYS:
        day = local(now()).replace(hour=0, minute=0, second=0, microsecond=0)
        return _in_zone(day - timedelta(days=_DAYS[word]), text)
    instant = parse_time(text.strip())
    if instant.has_offset:
        return instant.micros
    return _in_zone(EPOCH.replace(tzinfo=None) + timedelta(microseconds=instant.micros), text)


def _in_zone(naive: datetime, text: str) -> int:
    """Return a time without an offset in the zone, which is said once."""
    context = click.get_current_context(silent=True)
    if context is not None and not context.meta.get(_SAID):
        context.meta[_SAID] = True
        taken = f"{excerpt(clean(text))!r} is taken as {zone_name()}"
        note = f"{taken}; --zone or {ZONE_VARIABLE} names another"
        click.echo(note, err=True)
    chosen = zone()
    try:
        aware = naive.astimezone() if chosen is None else naive.replace(tzinfo=chosen)
        since = aware - EPOCH
        EPOCH + since  # in UTC it may be of another year
        return since // MICROSECOND
    except (OverflowError, ValueError, OSError):
        raise ArgumentError(
            f"expected a time within the years 1 to 9999, got {excerpt(text)!r}"
        ) from None


class MomentType(click.ParamType):  # type: ignore[type-arg] # generic since click 8.3
    """A time, as microseconds since 1970 in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the text."""
        if isinstance(value, int):
            return value
        try:
            return moment_of(value)
        except ArgumentError as error:
            self.fail(str(error), param, ctx)


class AgeType(click.ParamType):  # type: ignore[type-arg] # generic since click 8.3
    """A time span before now, as the moment when it began."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the text."""
        if isinstance(value, int):
            return value
        seconds = span_seconds(value)
        if seconds is None:
            self.fail(
                f"expected a time span such as 3d, 2h or 90m, got {excerpt(value)!r}", param, ctx
            )
        return now() - seconds * 1_000_000


def remember_zone(ctx: click.Context, _: click.Parameter, value: str | None) -> None:
    """Let times without a zone be in this one."""
    if value:
        ctx.meta[_ZONE] = value
        try:
            zone()
        except ArgumentError as error:
            raise click.BadParameter(str(error)) from None
