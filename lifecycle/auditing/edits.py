"""Edits of a lead's messages, of which repairs are made."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from lifecycle.domain import State, Trigger, immutable

EditKind: TypeAlias = Literal["insert", "remove"]


@immutable
class Edit:
    """One edit of a lead's messages.

    Attributes:
        kind: ``insert`` a step, or ``remove`` a message.
        trigger: The trigger inserted or removed.
        state: The state of the lead there.
        event_id: The message removed, or that before which the step is inserted.
        before: The trigger of the message before which the step is inserted.
        place: The number of that message among the lead's, from 0.
    """

    kind: EditKind
    trigger: Trigger
    state: State
    event_id: str
    before: Trigger | None
    place: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "edit": self.kind,
            "trigger": self.trigger,
            "state": self.state,
            "before": self.before,
            "event_id": self.event_id,
        }

    def __str__(self) -> str:
        return edit_text(self.kind, self.trigger, self.state, self.before)


def edit_text(kind: EditKind, trigger: str, state: str, before: str | None) -> str:
    """Put an edit into words."""
    return f"{kind} {trigger} in {state}" + (f", before {before}" if before else "")
