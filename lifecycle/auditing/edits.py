"""Edits of a lead's messages, of which repairs are made."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from attrs import asdict

from lifecycle.domain import State, Trigger, immutable

EditKind: TypeAlias = Literal["insert", "remove"]


@immutable
class EditStep:
    """An edit as it may stand in many leads.

    Attributes:
        kind: ``insert`` a step, or ``remove`` a message.
        trigger: The trigger inserted or removed.
        state: The state of the lead there.
        before: The trigger of the message before which the step is inserted.
    """

    kind: EditKind
    trigger: Trigger
    state: State
    before: Trigger | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        values = asdict(self)
        return {"edit": values.pop("kind"), **values}

    def __str__(self) -> str:
        return f"{self.kind} {self.trigger} in {self.state}" + (
            f", before {self.before}" if self.before else ""
        )


@immutable
class Edit(EditStep):
    """One edit of a lead's messages.

    Attributes:
        event_id: The message removed, or that before which the step is inserted.
        place: The number of that message among the lead's, from 0.
    """

    event_id: str
    place: int

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        values = super().as_dict()
        del values["place"]
        return values


@immutable
class EditGroup(EditStep):
    """The same edit in several leads: how many edits, and in how many leads."""

    edits: int
    leads: int
