"""The states of a lead and the triggers that move it: design.md sections 4 and 5."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

#: In the order of the life cycle. ``new``: nothing valid has happened yet.
State: TypeAlias = Literal[
    "new", "sent", "received", "assigned", "accepted", "rejected", "retracted"
]
#: In the order of their rank: events of the same time fold in this order (design.md section 5).
Trigger: TypeAlias = Literal[
    "send", "update", "receive", "assign", "accept", "reject", "retract", "change", "delete"
]

STATES: Final[tuple[State, ...]] = get_args(State)
TRIGGERS: Final[tuple[Trigger, ...]] = get_args(Trigger)
RANK: Final[dict[str, int]] = {trigger: rank for rank, trigger in enumerate(TRIGGERS)}

#: The triggers of edges. A change means one of them, and a deletion concerns the contact.
RULED_TRIGGERS: Final[tuple[Trigger, ...]] = TRIGGERS[: TRIGGERS.index("change")]
