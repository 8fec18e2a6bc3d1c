"""Corrections of quarantined messages: each must be of the message that it corrects."""

from __future__ import annotations

from lifecycle.errors import OtherMessageError
from lifecycle.messages import Message, stated_id


def check_correction(number: int, raw: bytes, message: Message) -> None:
    """Check that a correction has the event id of the message that it corrects.

    Where one of them states no id there is nothing to compare.

    Raises:
        OtherMessageError: It has another.
    """
    event_id, other = stated_id(raw), stated_id(message)
    if event_id is not None and other is not None and event_id != other:
        raise OtherMessageError(number, event_id, other)
