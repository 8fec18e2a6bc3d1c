"""A lead's record in Salesforce, and the changes of its fields that each save makes."""

from __future__ import annotations

from random import Random
from typing import Final

from lifecycle.mocking.lead import Lead
from lifecycle.mocking.topics import Message

# Ids of 18 characters: those without capitals in the middle end in AAA.
_USERS: Final = tuple(f"0050000000{number:05}AAA" for number in range(200))
_QUEUES: Final = tuple(f"00G0000000{number:05}AAA" for number in range(10))
#: Who creates leads.
_INTEGRATION: Final = "005000000099999AAA"

#: What a status means, and how it reads.
_STATUSES: Final[dict[str, tuple[str, ...]]] = {
    "new": ("New",),
    "work": ("Working - Contacted", "Nurturing"),
    "lost": ("Closed - Not Converted",),
    "won": ("Closed - Converted",),
}


def user(rng: Random, *known: str) -> str:
    """Return the id of a user who is none of these."""
    while (one := rng.choice(_USERS)) in known:
        pass
    return one


class Record:
    """The fields of one lead, as they are while its story goes on."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.owner = _INTEGRATION
        self.status = "New"

    def save(self, lead: Lead, moment: int, changes: tuple[str, ...]) -> list[Message]:
        """Change some fields at once, and return a message of each.

        ``changes`` are ``created``, ``user`` and ``queue`` (who owns it), ``new``, ``work``,
        ``lost`` and ``won`` (its status).
        """
        agent = _INTEGRATION if "created" in changes else self._agent()
        return [self._change(lead, moment, one, agent) for one in changes]

    def _agent(self) -> str:
        """Return who saves: the user who owns the lead, else any."""
        return self.owner if self.owner in _USERS else user(self._rng)

    def _change(self, lead: Lead, moment: int, change: str, agent: str) -> Message:
        said = {"agent": _party(agent)}
        match change:
            case "created":
                return lead.change("created", moment, **said)
            case "user":
                old, self.owner = self.owner, user(self._rng, self.owner)
                said["recipient"] = _party(self.owner)
                return lead.change("Owner", moment, old=old, new=self.owner, **said)
            case "queue":
                old, self.owner = self.owner, self._rng.choice(_QUEUES)
                return lead.change("Owner", moment, old=old, new=self.owner, **said)
            case _:
                old, self.status = self.status, self._other_status(change)
                return lead.change("Status", moment, old=old, new=self.status, **said)

    def _other_status(self, change: str) -> str:
        """Return a status of this meaning that is not the present one."""
        return self._rng.choice([one for one in _STATUSES[change] if one != self.status])


def _party(user_id: str) -> str:
    return f"salesforceuserid:{user_id}"
