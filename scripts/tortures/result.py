"""How much a row does, and what came of it; the file that keeps what full runs found."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

_FILE: Final = Path(__file__).parent / "result.json"


class Amount(NamedTuple):
    """How much to do: so many runs, on stores of such a size (what both are, the row says)."""

    runs: int
    size: int


@dataclass
class Result:
    """What a row found.

    Attributes:
        runs: How many runs were made.
        failures: What was wrong, each with the seed that makes it happen again.
        notes: What else is to be known: counts, and what could not be run here.
    """

    runs: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def kept() -> dict[str, dict[str, Any]]:
    """Return what full runs found, by the names of the rows."""
    return dict(json.loads(_FILE.read_text("utf-8"))) if _FILE.exists() else {}


def keep(name: str, amount: Amount, seed: int, seconds: float, result: Result) -> None:
    """Keep what the full run of a row found."""
    found = {
        "size": amount.size,
        "seed": seed,
        "minutes": round(seconds / 60, 1),
        "commit": _commit(),
    }
    rows = kept() | {name: asdict(result) | found}
    text = json.dumps(dict(sorted(rows.items())), indent=2, ensure_ascii=False)
    _FILE.write_text(text + "\n", "utf-8")


def _commit() -> str:
    """Return the commit that is checked out, and whether lifecycle differs from it."""
    try:
        head, changed = (_git("rev-parse", "--short", "HEAD"), _git("status", "--porcelain", "."))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{head} with changes" if changed else head


def _git(*command: str) -> str:
    """Return what git says where lifecycle is."""
    package = Path(__file__).parents[2] / "lifecycle"
    return subprocess.check_output(["git", *command], cwd=package, text=True).strip()  # noqa: S607
