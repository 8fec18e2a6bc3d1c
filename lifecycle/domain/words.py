"""Changes of fields in words, which are the reasons of steps and the details of findings."""

from __future__ import annotations

from typing import Final

from lifecycle.domain.event import FieldChange, LeadEvent

#: Values are shown up to this length.
_SHOWN: Final = 200


def change_text(event: LeadEvent) -> str:
    """Return a change in words, which is the reason of its steps: ``Status: New → Working``."""
    change = change_of(event)
    values = [short(one) for one in (change.old, change.new) if one]
    if change.old is not None or len(values) > 1:
        text = f"{short(change.field)}: {short(change.old or '')} → {short(change.new)}"
    else:
        text = ": ".join([short(change.field), *values])
    return f"{text.strip()} ({event.reason})" if event.reason else text.strip()


def change_of(event: LeadEvent) -> FieldChange:
    """Return what an event of a change says."""
    assert event.field_change is not None  # noqa: S101 - the decoder sees to it
    return event.field_change


def short(text: str) -> str:
    """Return a text, cut where it is long."""
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def shown_field(event: LeadEvent) -> str:
    """Return the name of the field that a change is of."""
    return short(change_of(event).field)


def shown(text: str) -> str:
    """Return a value in quotation marks."""
    return repr(short(text))
