"""The rows, in their order."""

from __future__ import annotations

from importlib import import_module
from typing import Final, Protocol, cast

from result import Amount, Result

#: The names of the rows, which are those of their modules.
NAMES: Final = (
    "kills",
    "writers",
    "power",
    "readers",
    "complexity",
    "threads",
    "clocks",
    "killed",
    "disk",
    "statements",
    "damage",
    "edits",
    "fuzz",
    "order",
    "growth",
    "golden",
    "versions",
    "service",
    "kafka",
    "spark",
)


class Row(Protocol):
    """A row: what it does, what must hold, how much in full and to be quick."""

    DOES: str
    HOLDS: str
    FULL: Amount
    QUICK: Amount

    def run(self, seed: int, amount: Amount) -> Result:
        """Do so much of it; every run has the seed, or the seed and its own number."""


def row(name: str) -> Row:
    """Return the row of this name."""
    return cast("Row", import_module(name))


def does(one: Row, amount: Amount) -> str:
    """Say what a row does, with the amount in words."""
    return one.DOES.format(runs=amount.runs, size=amount.size)
