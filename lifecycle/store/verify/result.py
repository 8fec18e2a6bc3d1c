"""What verifying a store gives: what was checked, and everything that is not as it must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from lifecycle.store.ledger.chain import Head


@frozen
class Defect:
    """Something in a store that is not as it must be.

    Attributes:
        check: Which check found it.
        where: The row, or what else it concerns.
        expected: What should be there, in words.
        found: What is there, in words.
    """

    check: str
    where: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, found {self.found}"

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {
            "check": self.check,
            "where": self.where,
            "expected": self.expected,
            "found": self.found,
        }


@frozen
class Verification:
    """What verifying a store gave.

    Attributes:
        head: The end of the ledger, to be noted elsewhere.
        erased: How many contents were erased; their entries are still in the chain.
        left_out: Of how many subjects the past was not checked, as something about them was erased.
        rules: The digest of the rules that the store was folded with.
        checked: How many things each check looked at, by its name.
        defects: What is not as it must be, of each check the first hundred.
        count: How many defects there are.
    """

    head: Head
    erased: int
    left_out: int
    rules: str
    checked: Mapping[str, int]
    defects: tuple[Defect, ...]
    count: int

    @property
    def sound(self) -> bool:
        """Whether everything is as it must be."""
        return not self.count

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "sound": self.sound,
            "head": str(self.head),
            "erased": self.erased,
            "left_out": self.left_out,
            "rules": self.rules,
            "checked": dict(self.checked),
            "count": self.count,
            "defects": [one.as_dict() for one in self.defects],
        }
