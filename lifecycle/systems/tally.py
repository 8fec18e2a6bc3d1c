"""How many records of a file were read, and what became of each."""

from __future__ import annotations

from collections import Counter

from attrs import define, field


@define
class Tally:
    """Counts of the records of one file.

    Attributes:
        records: How many were read.
        facts: How many field changes they made.
        left_out: How many made none, by reason.
        absent: Columns that were looked for, and that the file has not.
    """

    records: int = 0
    facts: int = 0
    left_out: Counter[str] = field(factory=Counter)
    absent: list[str] = field(factory=list)
