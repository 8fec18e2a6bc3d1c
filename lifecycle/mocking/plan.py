"""The plan of a story: the number of leads, and the ways in which their messages misbehave."""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

from attrs import Attribute, field, frozen
from attrs.validators import ge, in_, le

from lifecycle.mocking.systems import SYSTEMS

#: Which properties a message has: all that there are, only those that it needs to be decoded, or
#: each optional one by chance.
Properties: TypeAlias = Literal["all", "required", "random"]

#: Stories wait in memory until they are delivered: none may be without end.
LONGEST_AVERAGE: Final = 1000


# Durations are in milliseconds. Stories of the usual length take some four hours, and begin every
# twenty seconds. Longer ones take no longer, and begin less often: so that as many messages wait to
# be delivered. All leads have come before the year 2026, however many.
_USUAL_LENGTH: Final = 6
_BETWEEN_LEADS: Final = 20_000
_BETWEEN_STEPS: Final = 40 * 60_000
_ALL_LEADS: Final = 5 * 365 * 24 * 3_600_000


def _rate(_: object, attribute: Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{attribute.name} is a rate from 0 to 1, got {value}")


def _share(default: float) -> Any:
    return field(default=default, validator=_rate)


@frozen(kw_only=True)
class Plan:
    """A log to be made up; the same plan gives the same messages.

    Attributes:
        leads: How many leads.
        seed: What chance begins with.
        events_per_lead: How many distinct messages of a lead are delivered, on average; a story has
            from one to nearly twice as many.
        invalid: The share of messages that ask for what is not allowed then.
        duplicates: The share of messages that are delivered twice.
        late: The share of messages that are delivered after a later one of their lead.
        joined_midway: The share of leads whose first messages were never delivered.
        changes: The share of leads that are told by the history of a Salesforce CRM, instead of by
            messages of the network.
        systems: How many systems send messages, each with its own name for a lead.
        properties: Which properties the messages have.

    Raises:
        ValueError: A number is out of its range.
    """

    leads: int = field(validator=ge(0))
    seed: int = 0
    events_per_lead: int = field(default=6, validator=[ge(1), le(LONGEST_AVERAGE)])
    invalid: float = _share(0.02)
    duplicates: float = _share(0.05)
    late: float = _share(0.05)
    joined_midway: float = _share(0.1)
    changes: float = _share(0)
    systems: int = field(default=2, validator=[ge(1), le(len(SYSTEMS))])
    properties: Properties = field(default="all", validator=in_(("all", "required", "random")))

    @property
    def between_leads(self) -> int:
        """The average time between the beginnings of two stories, in milliseconds."""
        return min(self._leisurely, _ALL_LEADS // max(1, self.leads))

    @property
    def between_steps(self) -> int:
        """The average time between two messages of a lead, in milliseconds."""
        longer = max(_USUAL_LENGTH, self.events_per_lead) / _USUAL_LENGTH
        return int(_BETWEEN_STEPS / longer * self.between_leads / self._leisurely)

    @property
    def _leisurely(self) -> int:
        """The time between two stories where nothing urges them on."""
        return _BETWEEN_LEADS * max(_USUAL_LENGTH, self.events_per_lead) // _USUAL_LENGTH
