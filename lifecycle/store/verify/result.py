"""The result of verifying a store: what was checked, and every defect, in words."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any, Final

from attrs import asdict, frozen

from lifecycle.errors import MessageError
from lifecycle.messages import format_time
from lifecycle.store.ledger.chain import Head

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdError
else:
    from backports.zstd import ZstdError

#: What reading a value that is not as it must be may raise.
UNREADABLE: Final = (
    *(ArithmeticError, AttributeError, LookupError, MessageError, RecursionError),
    *(TypeError, ValueError, ZstdError, struct.error),
)
_LONG: Final = 80
_LABELS: Final = {"source": "state before the step", "target": "state after the step"}


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
        count: How many defects there are.
        defects: What is not as it must be, of each check the first hundred.
    """

    head: Head
    erased: int
    left_out: int
    unchecked: tuple[str, ...]
    rules: str
    checked: Mapping[str, int]
    count: int
    defects: tuple[Defect, ...]

    @property
    def sound(self) -> bool:
        """True if everything that was checked is as it must be."""
        return not self.count

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        lists = {"unchecked": list(self.unchecked), "defects": [*map(asdict, self.defects)]}
        return {"sound": self.sound} | asdict(self) | {"head": str(self.head)} | lists


def words(value: Any) -> str:
    """Return a value in words, as short as it can be told from others."""
    shown = _text(value)
    return shown if len(shown) <= _LONG else f"{shown[:_LONG]}..."


def time_words(value: Any) -> str:
    """Return a time in words; a number that is no time as it is."""
    try:
        return _text(value) if value is None else format_time(value)
    except UNREADABLE:
        return words(value)


def row_words(columns: Iterable[str], row: Iterable[Any]) -> dict[str, str]:
    """Return the values of a row in words, by column: times are in columns that end so."""
    return {
        column: time_words(value) if column.endswith(("at", "since", "time")) else _text(value)
        for column, value in zip(columns, row, strict=True)
    }


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return "nothing" if value is None else str(value)


def difference(
    columns: Sequence[str], said: str, found: Sequence[Any], expected: Sequence[Any]
) -> tuple[str, str]:
    """Return two texts: what stands in the columns that differ, and what is said to be there."""
    ones: list[str] = []
    others: list[str] = []
    for column, value, other in zip(columns, found, expected, strict=True):
        if value != other:
            label = _LABELS.get(column) or column.removesuffix("_at").replace("_", " ")
            one, derived = (
                words(row_words([column], [part])[column]) for part in _near(value, other)
            )
            ones.append(f"{label} is {one}")
            others.append(f"{label} {derived}" if others else derived)
    return " and ".join(ones), f"{said} {' and '.join(others)}"


def _near(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two values; of long texts what stands around their first difference."""
    if isinstance(one, str) and isinstance(other, str) and max(len(one), len(other)) > _LONG:
        pairs = zip(one, other, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if start := max(0, same - _LONG // 4):
            return f"...{one[start:]}", f"...{other[start:]}"
    return one, other
