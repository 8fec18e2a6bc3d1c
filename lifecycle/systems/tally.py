"""The counts of a reading: its records, its facts, and what was left out."""

from __future__ import annotations

from collections import Counter

from attrs import define, field


@define
class Tally:
    """The records that were read, the facts that they say, and by reason how many say none.

    ``absent`` has the columns that the layout names, and no file has; ``unread`` those of tables
    that nothing was read from; ``zoneless`` counts the facts whose time names no zone.
    """

    records: int = 0
    facts: int = 0
    left_out: Counter[str] = field(factory=Counter)
    absent: list[str] = field(factory=list)
    unread: list[str] = field(factory=list)
    zoneless: int = 0
