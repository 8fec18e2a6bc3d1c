"""Made-up people: names and addresses from Faker, everything that could reach anybody reserved.

E-mail addresses and URIs are under example.com, .org and .net (RFC 2606), telephone numbers are
those that the North American plan keeps for fiction: 555-0100 to 555-0199 of each area.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final

from attrs import frozen

from lifecycle.errors import MissingExtraError

# Faker takes 40 microseconds for a name: people are put together from words drawn once.
_GIVEN_NAMES: Final = 400
_FAMILY_NAMES: Final = 600
_STREETS: Final = 300
_CITIES: Final = 200
_AREAS: Final = ("206", "212", "303", "312", "404", "415", "512", "602", "615", "702", "713", "818")
_DOMAINS: Final = ("example.com", "example.org", "example.net")
_AGENTS: Final = 300
_OFFICES: Final = 40


@frozen
class Person:
    """Somebody who looks for a house."""

    given_name: str
    family_name: str
    email: str
    telephone: str
    address: dict[str, str]

    @property
    def name(self) -> str:
        """Both names."""
        return f"{self.given_name} {self.family_name}"


class People:
    """A town of made-up people: those who look for houses, and those who sell them."""

    def __init__(self, seed: int) -> None:
        fake = _faker(seed)
        self._given = [fake.first_name() for _ in range(_GIVEN_NAMES)]
        self._family = [fake.last_name() for _ in range(_FAMILY_NAMES)]
        self._streets = [fake.street_address() for _ in range(_STREETS)]
        self.cities = [fake.city() for _ in range(_CITIES)]
        self._agents = [
            f"https://{_plain(fake.last_name())}{number}.example.com/profile/card#me"
            for number in range(_AGENTS)
        ]
        self._offices = [
            f"https://{_plain(city)}{number}.example.org/profile/card#me"
            for number, city in enumerate(self.cities[:_OFFICES])
        ]

    def person(self, rng: Random) -> Person:
        """Return somebody who looks for a house."""
        given, family = rng.choice(self._given), rng.choice(self._family)
        mailbox = f"{_plain(given)}.{_plain(family)}{rng.randrange(1000)}"
        return Person(
            given,
            family,
            f"{mailbox}@{rng.choice(_DOMAINS)}",
            f"+1{rng.choice(_AREAS)}55501{rng.randrange(100):02}",
            {
                "streetAddress": rng.choice(self._streets),
                "addressLocality": rng.choice(self.cities),
                "addressCountry": "United States",
            },
        )

    def agent(self, rng: Random) -> str:
        """Return the URI of an agent."""
        return rng.choice(self._agents)

    def other_agent(self, rng: Random, *known: str | None) -> str:
        """Return the URI of an agent who is none of these."""
        while (agent := rng.choice(self._agents)) in known:
            pass
        return agent

    def office(self, rng: Random) -> str:
        """Return the URI of a broker's office."""
        return rng.choice(self._offices)


def _plain(name: str) -> str:
    """Return a name as it may stand in an address."""
    return "".join(char for char in name.lower() if char.isascii() and char.isalnum())


def _faker(seed: int) -> Any:
    """Return a source of names."""
    try:
        from faker import Faker  # noqa: PLC0415 - it comes with an extra
    except ImportError:
        raise MissingExtraError("made-up people", "Faker", "mock") from None
    fake = Faker("en_US", use_weighting=False)
    fake.seed_instance(seed)
    return fake
