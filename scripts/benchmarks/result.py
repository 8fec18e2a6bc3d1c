"""What a run of the bench finds: rows, each with ours and theirs and a target; and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final, Self

#: How a figure of each unit is written.
_WRITTEN: Final[dict[str, Callable[[float], str]]] = {
    "messages/s": lambda figure: f"{figure:,.0f} messages/s",
    "triggers/s": lambda figure: f"{figure:,.0f} triggers/s",
    "µs": lambda figure: f"{figure:,.0f} µs",
    "ms": lambda figure: f"{figure:,.1f} ms",
    "MB": lambda figure: f"{figure:,.1f} MB",
}


@dataclass(frozen=True)
class Target:
    """What the ratio of ours to theirs should be; ``aim`` is what would be better still."""

    least: float | None = None
    most: float | None = None
    aim: float | None = None

    def met_by(self, ratio: float) -> bool:
        """Whether this ratio is good enough."""
        enough = self.least is None or self.least <= ratio
        return enough and (self.most is None or ratio <= self.most)

    @property
    def is_any(self) -> bool:
        """Tell whether any ratio will do: the figure is only told."""
        return self.least is None and self.most is None

    def __str__(self) -> str:
        if self.is_any:
            return ""
        if self.least is None:
            return f"at most {self.most:g} x"
        if self.most is None:
            return f"at least {self.least:g} x" + (f", better {self.aim:g} x" if self.aim else "")
        return f"{self.least:g} to {self.most:g} x"


@dataclass(frozen=True)
class Row:
    """A measure: one figure of each side a round, ``theirs`` None where the peer is not installed.

    Attributes:
        key: What the words on why it falls short are found by (``words.toml``).
        measure: What of ours is measured.
        against: What it is compared with.
        unit: That of the figures: of those a second the more the better, of others the less.
        aside: What else was measured on the way.
    """

    key: str
    measure: str
    against: str
    unit: str
    ours: list[float]
    theirs: list[float] | None
    target: Target
    aside: str = ""

    @property
    def ratios(self) -> list[float]:
        """Ours to theirs, round by round."""
        if self.theirs is None:
            return []
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def missed(self) -> bool:
        """Whether the median ratio is not good enough."""
        return bool(self.ratios) and not self.target.met_by(median(self.ratios))

    def cells(self) -> list[str]:
        """Return the row as texts, in the order of ``HEADINGS``."""
        if self.theirs is None:
            compared = ["not installed", "", ""]
        else:
            ratio = f"{median(self.ratios):.2f} x"
            spread = f"{min(self.ratios):.2f} to {max(self.ratios):.2f}"
            compared = [self._written(self.theirs), ratio, spread]
        is_told = self.theirs is None or self.target.is_any
        verdict = "" if is_told else "**missed**" if self.missed else "met"
        ours = self._written(self.ours)
        return [self.measure, self.against, ours, *compared, str(self.target), verdict]

    def _written(self, figures: list[float]) -> str:
        return _WRITTEN[self.unit](median(figures))


HEADINGS: Final = ["measure", "against", "ours", "theirs", "ratio", "spread", "target", ""]


@dataclass(frozen=True)
class Result:
    """All that a run found.

    Attributes:
        facts: What the figures depend on (``facts.py``).
        sizes: How much was measured (``bench.py``).
        rounds: How often.
        rows: The table.
        profile: Microseconds by stage, and where they were taken (``stages.py``).
    """

    facts: dict[str, str]
    sizes: dict[str, int]
    rounds: int
    rows: list[Row] = field(default_factory=list)
    profile: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote."""
        value = json.loads(text)
        rows = [Row(**row | {"target": Target(**row["target"])}) for row in value.pop("rows")]
        return cls(rows=rows, **value)

    def to_json(self) -> str:
        """As JSON, to write the page again without measuring."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"
