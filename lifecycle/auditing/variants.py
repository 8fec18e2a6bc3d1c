"""Variants: the distinct sequences of triggers that leads went through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from attrs import define, field

from lifecycle.domain import Trigger, immutable

_Trace: TypeAlias = "tuple[tuple[Trigger, ...], int | None]"


@immutable
class Variant:
    """A sequence of triggers, and how many leads went through it.

    Attributes:
        triggers: Of all messages of a lead, in fold order.
        deviates_at: The number of the first that was refused, from 0; None: it conforms. The same
            triggers may deviate elsewhere in another lead, by a guard or a date: another variant.
        leads: How many leads have it.
        example: The id of one of them, the smallest.
    """

    triggers: tuple[Trigger, ...]
    deviates_at: int | None
    leads: int
    example: str

    @property
    def conforming(self) -> bool:
        """True if all of it was allowed."""
        return self.deviates_at is None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "triggers": list(self.triggers),
            "leads": self.leads,
            "conforming": self.conforming,
            "deviates_at": self.deviates_at,
            "example": self.example,
        }

    def runs(self) -> Iterator[tuple[Trigger, int, bool]]:
        """Yield each trigger, how often it comes in a row, and whether it deviates there first."""
        marked = [(name, place == self.deviates_at) for place, name in enumerate(self.triggers)]
        for (name, deviates), run in groupby(marked):
            yield name, sum(1 for _ in run), deviates


@define
class Variants:
    """The variants of many leads."""

    _found: dict[_Trace, tuple[int, str]] = field(factory=dict)

    def add(self, triggers: Sequence[Trigger], deviates_at: int | None, lead_id: str) -> None:
        """Take up a lead."""
        trace = (tuple(triggers), deviates_at)
        leads, example = self._found.get(trace, (0, lead_id))
        self._found[trace] = (leads + 1, min(example, lead_id))

    def join(self, other: Variants) -> None:
        """Take up the leads of another part."""
        for trace, (more, its_example) in other._found.items():
            leads, example = self._found.get(trace, (0, its_example))
            self._found[trace] = (leads + more, min(example, its_example))

    def listed(self) -> list[Variant]:
        """Return all of them, the most frequent first."""
        variants = [Variant(*trace, *found) for trace, found in self._found.items()]
        return sorted(variants, key=lambda one: (-one.leads, one.example))
