"""A story in field changes: one lead's life, told by the history that Salesforce keeps of it.

Every save has one known effect: it leads from one situation to another. Which state a lead is in
then is in the words of design.md section 4a and of the comments in the default meanings.
"""

from __future__ import annotations

from random import Random
from typing import Final, TypeAlias

from lifecycle.mocking.lead import Lead
from lifecycle.mocking.people import People
from lifecycle.mocking.plan import Plan
from lifecycle.mocking.properties import chosen
from lifecycle.mocking.record import Record
from lifecycle.mocking.story import Told, pause
from lifecycle.mocking.systems import SYSTEMS
from lifecycle.mocking.topics import Message
from lifecycle.mocking.truth import Truth, smallest_key

#: What is saved at once, and the situation that it leads to.
_Save: TypeAlias = tuple[tuple[str, ...], str]

#: The state of a lead in each situation.
STATES: Final = {
    "queued": "sent",  # new, and a queue's
    "given": "assigned",  # new, and a user's
    "working": "accepted",  # that user works on it
    "handed over": "assigned",  # worked on, and another user's
    "returned": "retracted",  # new, and taken back into a queue
    "taken back": "retracted",  # worked on, and taken back into a queue
    "rejected": "rejected",  # closed before work began
    "dropped": "retracted",  # closed by who worked on it
    "won": "accepted",
}
#: How a record begins, in the same second as it is created.
_BEGINNINGS: Final[tuple[_Save, ...]] = (
    (("created",), "queued"),
    (("created", "queue"), "queued"),
    (("created", "user"), "given"),
)
# Once it is closed, a lead that is opened again is its owner's. In one save with a queue it is
# taken back first, and sent again. Who owns a closed lead says nothing of its life.
_AFTER_CLOSING: Final[tuple[_Save, ...]] = (
    (("new",), "given"),
    (("user", "new"), "given"),
    (("queue", "new"), "queued"),
    (("work",), "working"),
)
_AT_WORK: Final[tuple[_Save, ...]] = (
    (("work",), "working"),
    (("user",), "handed over"),
    (("queue",), "taken back"),
    (("new",), "given"),
    (("queue", "new"), "queued"),
    (("lost",), "dropped"),
    (("user", "lost"), "dropped"),
    (("won",), "won"),
)
#: What is saved in a situation, and where that leads.
SAVES: Final[dict[str, tuple[_Save, ...]]] = {
    "queued": (
        (("user",), "given"),
        (("user", "work"), "working"),
        (("user", "lost"), "rejected"),
    ),
    "given": (
        (("work",), "working"),
        (("user",), "given"),
        (("queue",), "returned"),
        (("user", "work"), "working"),
        (("lost",), "rejected"),
        (("user", "won"), "won"),
    ),
    "working": _AT_WORK,
    "handed over": _AT_WORK,
    "returned": (
        (("user",), "given"),
        (("user", "work"), "working"),
    ),
    "taken back": (
        (("user",), "handed over"),
        (("user", "work"), "working"),
        (("new",), "queued"),
    ),
    "rejected": (*_AFTER_CLOSING, (("user",), "rejected")),
    "dropped": (*_AFTER_CLOSING, (("user",), "dropped")),
    "won": (
        (("user",), "won"),
        (("new",), "given"),
        (("queue", "new"), "queued"),
        (("lost",), "dropped"),
    ),
}

# Durations are in milliseconds. Salesforce keeps whole seconds: no two saves share one.
_SECOND: Final = 1000


class ChangeStory:
    """One lead's life, as the history of its record has it."""

    def __init__(self, plan: Plan, rng: Random, people: People, number: int, opened: int) -> None:
        self._plan = plan
        self._rng = rng
        self._lead = Lead(rng, people, SYSTEMS[: plan.systems], number)
        self._record = Record(rng)
        self._moment = opened
        self._situation = ""
        self._told: list[tuple[int, Message]] = []

    def tell(self) -> Told:
        """Save the record until there are as many changes as the plan wants."""
        length = self._rng.randint(1, 2 * self._plan.events_per_lead - 1)
        self._save(self._beginnings(length), length)
        while len(self._told) < length:
            self._save(SAVES[self._situation], length - len(self._told))
        name = smallest_key(self._told[0][1]["data"]["object"]["identifier"])
        return Told(self._told, Truth(name, STATES[self._situation], length, []))

    def _beginnings(self, length: int) -> tuple[_Save, ...]:
        """Return how the history may begin; one that was joined midway begins with work."""
        if self._rng.random() < self._plan.joined_midway:
            # What opens the lead again asks for its owner: the first save says who it is.
            return ((("user", "work") if length > 1 else ("work",), "working"),)
        return _BEGINNINGS

    def _save(self, saves: tuple[_Save, ...], most: int) -> None:
        """Let one of these saves happen, of no more than so many changes."""
        rng = self._rng
        changes, self._situation = rng.choice([one for one in saves if len(one[0]) <= most])
        self._pass_time()
        for message in self._record.save(self._lead, self._moment, changes):
            self._told.append((self._moment, chosen(message, self._plan.properties, rng)))

    def _pass_time(self) -> None:
        """Go on to a later second."""
        later = self._moment + pause(self._rng, self._plan.between_steps)
        self._moment = later - later % _SECOND + _SECOND
