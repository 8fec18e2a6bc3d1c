"""A made-up lead: what is true of it, and the messages that say so."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from lifecycle.mocking.people import People
from lifecycle.mocking.systems import SALESFORCE, System
from lifecycle.mocking.topics import Message, action_type, topic_of

_START: Final = datetime(2020, 1, 6, 8)  # noqa: DTZ001 - in UTC, written as such below

_HOMES: Final = ("house", "condo", "townhouse", "duplex", "loft")
_QUESTIONS: Final = (
    "Is the {home} in {city} still available?",
    "Could we see the {home} in {city} this weekend?",
    "We are moving to {city} and are looking for a {home}. When could we talk?",
    "What are the yearly taxes on the {home} in {city}?",
    "I would like to know what my {home} in {city} is worth.",
)
_REASONS: Final = (
    ("duplicate lead", "this lead was already in the system"),
    ("out of area", "too far from our office"),
    ("no capacity", "fully booked until next month"),
    ("not reachable", "nobody answered three calls"),
)


def written(moment: int) -> str:
    """Return a moment, in milliseconds since the first day of all stories, as messages have it."""
    return f"{(_START + timedelta(milliseconds=moment)).isoformat(timespec='milliseconds')}Z"


class Lead:
    """A lead, and what is true of it while its story goes on."""

    def __init__(
        self, rng: Random, people: People, systems: tuple[System, ...], number: int
    ) -> None:
        self._rng = rng
        self._people = people
        self._names = {one.scheme: one.lead_key(rng, number) for one in systems}
        self._guid = f"{rng.getrandbits(128):032x}"
        self.owner = people.office(rng)
        self.holder = self.owner
        self.dates: dict[str, str] = {}
        self._sender = rng.choice(systems).uri
        person = people.person(rng)
        self._person = person
        self._contact = {
            "type": "Contact",
            "identifier": {"redContact_Guid": self._guid},
            "name": person.name,
            "telephone": person.telephone,
            "email": person.email,
        }
        question = rng.choice(_QUESTIONS).format(
            home=rng.choice(_HOMES), city=person.address["addressLocality"]
        )
        self._source = [{"type": "AskAction", "object": {"type": "Question", "text": question}}]

    def message(
        self,
        action: str,
        moment: int,
        system: System,
        *,
        agent: str | None = None,
        assignee: str | None = None,
        links: tuple[System, ...] = (),
        contact_only: bool = False,
    ) -> Message:
        """Return what a system publishes about the lead as it is now, under its own name for it.

        Args:
            action: What was done.
            moment: When, in milliseconds since the first day of all stories.
            system: Which system tells of it.
            agent: Who did it; without one whoever usually does.
            assignee: To whom the lead is assigned, or from whom it is taken.
            links: Other systems whose names for the lead it tells, too.
            contact_only: Whether it names only the contact.
        """
        agent = agent or (self.holder if action in ("accept", "reject") else self.owner)
        data: Message = {"type": action_type(action)}
        if action == "delete":
            data["object"] = self._deleted_contact()
        else:
            data["object"] = self._snapshot((system, *links), bare=contact_only)
        data["agent"] = agent
        data |= self._particulars(action, assignee)
        pod = self._rng.getrandbits(96)
        return {
            "topic": topic_of(action),
            "time": written(moment),
            "agent": agent,
            "instrument": system.uri,
            "source": self.owner,
            "originalRecipient": agent,
            "id": system.event_id(self._rng),
            "@id": f"https://inbox.example.net/{pod:024x}",
            "data": data,
        }

    def change(self, field: str, moment: int, **said: str) -> Message:
        """Return what Salesforce records about a field, with what is ``said`` of the change."""
        return {
            "topic": topic_of("change"),
            "time": written(moment),
            "id": SALESFORCE.event_id(self._rng),
            "data": {
                "type": action_type("change"),
                "source": "salesforce",
                "field": field,
                **said,
                "object": {
                    "type": "Lead",
                    "identifier": {"salesforceId": self._names[SALESFORCE.scheme]},
                    "object": self._contact,
                },
            },
        }

    def _snapshot(self, systems: tuple[System, ...], *, bare: bool) -> dict[str, Any]:
        if bare:
            return {"type": "Lead", "object": self._contact}
        return {
            "type": "Lead",
            "identifier": {one.scheme: self._names[one.scheme] for one in systems},
            "object": self._contact,
            "recipient": self.holder,
            "sender": self._sender,
            "owner": self.owner,
            **self.dates,
            "leadSource": self._source,
        }

    def _deleted_contact(self) -> dict[str, Any]:
        person = self._person
        return {
            "type": "Contact",
            "identifier": {"redContact_Guid": self._guid},
            "sameAs": {"redContact_Guid": self._guid},
            "givenName": person.given_name,
            "familyName": person.family_name,
            "address": [person.address],
            "leadOwner": {"type": "RealEstateAgent", "id": self.holder},
        }

    def _particulars(self, action: str, assignee: str | None) -> dict[str, Any]:
        """Return what only messages of this action have."""
        match action:
            case "assign":
                return {"recipient": assignee}
            case "reject":
                reason, comment = self._rng.choice(_REASONS)
                return {"reason": reason, "comment": comment}
            case "retract":
                return {
                    "participant": {"type": "RealEstateAgent", "id": assignee},
                    "recipient": {"type": "RealEstateOrganization", "id": self.owner},
                }
            case _:
                return {}
