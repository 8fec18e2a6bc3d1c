"""Values of an audit in words, for tables and pages that people read."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from lifecycle.auditing.edits import Edit
from lifecycle.auditing.variants import Variant
from lifecycle.domain import guard_in_words
from lifecycle.messages import format_time

_UNITS: Final = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_DURATIONS: Final = ("median", "p90", "p99", "duration")
_NO: Final = "-"


def duration(micros: int | None) -> str:
    """Return a duration by its two largest units: ``3 d 4 h``, ``12 min``, ``0.25 s``."""
    if micros is None:
        return _NO
    whole = micros // 1_000_000
    if whole < 1:
        return f"{micros / 1e6:.3g} s" if micros else "0 s"
    for (size, unit), (smaller, name) in pairwise(_UNITS):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {name}" if rest else "")
    return f"{whole} s"


def percent(share: float | None) -> str:
    """Return a share as a percentage."""
    return _NO if share is None else f"{share:.2%}"


def sequence(variant: Variant, *, mark: str = "✗") -> str:
    """Return a variant's triggers, repeated ones counted, the first deviation marked."""
    return " ".join(
        f"{mark if deviates else ''}{name}{f' x{count}' if count > 1 else ''}"
        for name, count, deviates in variant.runs()
    )


def reason(refusal: dict[str, Any]) -> str:
    """Say why a step was refused."""
    match refusal["kind"]:
        case "no_edge":
            return f"allowed: {', '.join(refusal['allowed']) or 'nothing'}"
        case "guard":
            return guard_in_words(refusal["guard"], refusal["why"])
        case _:
            return "its contact was deleted before"


def edit_in_words(edit: Edit) -> str:
    """Say what to change in a lead's messages."""
    here = f"the {edit.before or edit.trigger} in message {edit.event_id}"
    if edit.kind == "remove":
        return f"{here} should not be there, since the lead is {edit.state} then"
    article = "an" if edit.trigger[0] in "aeiou" else "a"
    return f"{article} {edit.trigger} is missing before {here}, while the lead is {edit.state}"


def in_words(name: str, value: Any) -> Any:
    """Return a value of a list's row, by the name of its column."""
    if name.rpartition("_")[2] in _DURATIONS and isinstance(value, float):
        return duration(round(value * 1_000_000))
    if name == "reason" and isinstance(value, dict):
        return reason(value)
    if name == "share" and value is not None:
        return percent(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return value


def moment(at: datetime | int) -> str:
    """Return a time in words, to the second."""
    return format_time(at).replace("T", " ").removesuffix("Z").partition(".")[0]
