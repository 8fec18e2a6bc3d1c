"""The systems that send messages: each has an address, and its own name for every lead."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from attrs import frozen

_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@frozen
class System:
    """A CRM, a portal, or another program that sends messages.

    ``scheme`` is that of its identifiers; those of a ``numeric`` one are numbers.
    """

    name: str
    scheme: str
    numeric: bool = False

    @property
    def uri(self) -> str:
        """The party on the network."""
        return f"https://{self.name}.example.com/profile/card#me"

    def event_id(self, rng: Random) -> str:
        """Return the id of an event that it publishes."""
        return f"https://{self.name}.example.com/publish/{rng.getrandbits(96):024x}"

    def lead_key(self, rng: Random, number: int) -> Any:
        """Return its name for the lead of this number; no two leads have the same."""
        if self.numeric:
            return 100_000_000 + 89 * number + rng.randrange(89)
        return f"00Q{rng.getrandbits(40):010X}{_in_letters(number)}"


#: The one that also records changes of fields.
SALESFORCE: Final = System("crm", "salesforceid")
#: In the order in which they take part. The schemes are those met on the network.
SYSTEMS: Final = (
    SALESFORCE,
    System("portal", "hubspotid", numeric=True),
    System("consumer", "bhhsconsumerid", numeric=True),
    System("broker", "salesforceContactID"),
    System("converter", "ProspectConverterId", numeric=True),
    System("desk", "crmleadid", numeric=True),
    System("website", "websiteLeadId"),
    System("callcenter", "callCenterCaseId"),
)


def _in_letters(number: int) -> str:
    """Return the number in base 36, at least five digits long."""
    digits = ""
    while number or len(digits) < 5:  # noqa: PLR2004 - as long as the names of such systems are
        number, digit = divmod(number, len(_LETTERS))
        digits = _LETTERS[digit] + digits
    return digits
