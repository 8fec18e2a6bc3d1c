"""A story: one lead's life, told by messages that its systems send."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Final

from attrs import define

from lifecycle.mocking.lead import Lead, written
from lifecycle.mocking.people import People
from lifecycle.mocking.plan import Plan
from lifecycle.mocking.properties import chosen
from lifecycle.mocking.systems import SYSTEMS, System
from lifecycle.mocking.topics import Message
from lifecycle.mocking.truth import MOVES, Truth, Witness

#: What usually happens next, and how often: the likely paths of MOVES.
_NEXT: Final[dict[str, dict[str, int]]] = {
    "new": {"add": 1},
    "sent": {"assign": 6, "update": 2, "accept": 2, "reject": 1},
    "received": {"assign": 6, "update": 2, "accept": 2, "reject": 1},
    "assigned": {"accept": 6, "reject": 2, "update": 2, "assign": 1, "retract": 1},
    "accepted": {"update": 6, "retract": 2, "assign": 1},
    "rejected": {"assign": 5, "add": 1, "update": 1},
    "retracted": {"assign": 5, "add": 1, "update": 1},
}
#: What is refused in a state; an accepted lead is assigned by a stranger.
_REFUSED: Final[dict[str, tuple[str, ...]]] = {
    "sent": ("add",),
    "received": ("add",),
    "assigned": ("add",),
    "accepted": ("accept", "reject", "add", "assign"),
    "rejected": ("accept", "reject", "retract"),
    "retracted": ("accept", "reject", "retract"),
}
_AFTER_DELETION: Final = ("update", "assign", "accept")

# Moments and durations are in milliseconds.
_SHORTEST_STEP: Final = 100
_LONGEST_STEP: Final = 12  # times the average
_ARRIVES: Final = (5_000, 300_000)

# How often the lead arrives at once; a system other than the lead's own tells of a step; a retract
# names only the contact; a contact is deleted at the end; so many steps at most were missed.
_RECEIVED_AT_ONCE: Final = 0.3
_OTHER_SYSTEM: Final = 0.3
_CONTACT_ONLY: Final = 0.3
_DELETED: Final = 0.03
_MOST_MISSED: Final = 4


@define
class Told:
    """A story that was told: its messages in the order of their times, and their truth."""

    messages: list[tuple[int, Message]]
    truth: Truth


class Story:
    """One lead's life.

    ``world`` is the state that the lead is in; the witness knows the one that the messages tell.
    The two differ where the first messages were never delivered.
    """

    def __init__(self, plan: Plan, rng: Random, people: People, number: int, opened: int) -> None:
        self._plan = plan
        self._rng = rng
        self._people = people
        self._systems = SYSTEMS[: plan.systems]
        self._home = rng.choice(self._systems)
        self._lead = Lead(rng, people, self._systems, number)
        self._between_steps = plan.between_steps
        self._moment = opened
        self._sent = opened
        self._world = "new"
        self._witness = Witness()
        self._known: list[System] = []
        self._told: list[tuple[int, Message]] = []

    def tell(self) -> Told:
        """Let the lead live its life."""
        plan, rng = self._plan, self._rng
        length = rng.randint(1, 2 * plan.events_per_lead - 1)
        # Nothing is refused before something was told: the others make up for it.
        vain = plan.invalid * length / (length - 1) if length > 1 else 0.0
        if rng.random() < plan.joined_midway:
            for _ in range(rng.randint(1, _MOST_MISSED)):
                self._live(self._usual(), told=False)
        for number in range(length):
            if number and rng.random() < vain:
                self._ask_in_vain()
            elif self._witness.deleted:
                break
            elif number and number >= length - 2 and rng.random() < _DELETED:
                self._pass_time()
                self._tell("delete")
            else:
                self._live(self._usual(), told=True)
        return Told(self._told, self._witness.truth)

    def _live(self, action: str, *, told: bool) -> None:
        """Let something happen; it is told, or nobody hears of it."""
        self._pass_time()
        lead, rng, now = self._lead, self._rng, written(self._moment)
        agent = assignee = None
        self._arrive(action)
        match action:
            case "add":
                lead.holder, lead.dates = lead.owner, {"dateSent": now}
                self._sent = self._moment
                if rng.random() < _RECEIVED_AT_ONCE:
                    lead.dates["dateReceived"] = now
            case "assign":
                # Who may assign the lead, as far as the messages tell.
                agent = self._witness.owner or self._witness.holder or lead.owner
                assignee = self._people.other_agent(rng, lead.holder)
                lead.holder = assignee
                lead.dates.pop("dateAccepted", None)
                lead.dates.pop("dateRejected", None)
            case "accept":
                lead.dates["dateAccepted"] = now
            case "reject":
                lead.dates["dateRejected"] = now
            case "retract":
                assignee = lead.holder
        if told:
            self._tell(action, agent=agent, assignee=assignee)
        if action in ("reject", "retract"):
            lead.holder = lead.owner
        self._world = MOVES[action][self._world]

    def _arrive(self, action: str) -> None:
        """Let what was sent arrive before anything else happens."""
        if self._world == "sent" and action != "add":
            arrived = min(self._sent + self._rng.randint(*_ARRIVES), self._moment)
            self._lead.dates.setdefault("dateReceived", written(arrived))
            self._world = "received"

    def _ask_in_vain(self) -> None:
        """Send a message that asks for what is not allowed: what is told stays as it is."""
        self._pass_time()
        rng, witness = self._rng, self._witness
        refused = _AFTER_DELETION if witness.deleted else _REFUSED[witness.state]
        if self._plan.properties != "all" and not witness.deleted:
            refused = tuple(one for one in refused if one != "assign")  # its agent may be left out
        action = rng.choice(refused)
        agent = assignee = None
        if action == "assign":
            agent = self._people.other_agent(rng, witness.holder, witness.owner)
            assignee = self._people.other_agent(rng, self._lead.holder)
        elif action == "retract":
            assignee = self._lead.holder
        self._tell(action, agent=agent, assignee=assignee)

    def _tell(self, action: str, *, agent: str | None = None, assignee: str | None = None) -> None:
        """Publish a message from one of the systems."""
        rng, known = self._rng, self._known
        other = rng.random() < _OTHER_SYSTEM
        system = rng.choice(self._systems) if other else self._home
        bare = action == "retract" and bool(known) and rng.random() < _CONTACT_ONLY
        links: tuple[System, ...] = ()
        if not bare and action != "delete" and system not in known:
            # Its name for the lead is new: it comes with one that is known.
            links = (rng.choice(known),) if known else ()
            known.append(system)
        message = self._lead.message(
            action,
            self._moment,
            system,
            agent=agent,
            assignee=assignee,
            links=links,
            contact_only=bare,
        )
        message = chosen(message, self._plan.properties, rng)
        self._witness.hear(message)
        self._told.append((self._moment, message))

    def _usual(self) -> str:
        """Choose what happens next: something likely that the messages so far allow, too."""
        actions, weights = _choices(self._world, self._witness.state)
        return self._rng.choices(actions, weights)[0]

    def _pass_time(self) -> None:
        self._moment += pause(self._rng, self._between_steps)


def pause(rng: Random, average: int) -> int:
    """Return how long it takes until the next step, in milliseconds."""
    return _SHORTEST_STEP + int(min(rng.expovariate(1.0), _LONGEST_STEP) * average)


@lru_cache
def _choices(world: str, told: str) -> tuple[list[str], list[int]]:
    """Return what usually happens in one state and is allowed in another, and how often.

    What is told of a lead that was joined midway does not begin as if it were new.
    """
    some = {
        action: often
        for action, often in _NEXT[world].items()
        if told in MOVES[action] and not (action == "add" and told == "new" != world)
    }
    return list(some), list(some.values())
