"""The result of verifying a store: what was checked, and every defect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, frozen

from lifecycle.store.ledger.chain import Head


@frozen
class Defect:
    """Something in a store that is not as it must be; its text is one sentence.

    Attributes:
        check: The check that found it.
        where: What it concerns: a lead, an event, an entry of the ledger, a table.
        found: What stands in the store.
        expected: What should stand there, and what says so.
    """

    check: str
    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}, {self.expected}"

    def as_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return asdict(self)


@frozen
class Verification:
    """The result of verifying a store.

    Attributes:
        head: The end of the ledger, to be noted elsewhere.
        erased: How many contents were erased; their entries are still in the chain.
        left_out: Of how many leads only what is current was compared, since what they once hung
            together with was erased.
        unchecked: The checks that could not be made, as a guard of the rules is not registered.
        rules: The digest of the rules in force.
        checked: How many things each check looked at, by its name.
        defects: What is not as it must be, of each check the first hundred.
        count: How many defects there are.
    """

    head: Head
    erased: int
    left_out: int
    unchecked: tuple[str, ...]
    rules: str
    checked: Mapping[str, int]
    defects: tuple[Defect, ...]
    count: int

    @property
    def sound(self) -> bool:
        """Whether everything that was checked is as it must be."""
        return not self.count

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "sound": self.sound,
            "head": str(self.head),
            "erased": self.erased,
            "left_out": self.left_out,
            "unchecked": list(self.unchecked),
            "rules": self.rules,
            "checked": dict(self.checked),
            "count": self.count,
            "defects": [one.as_dict() for one in self.defects],
        }
