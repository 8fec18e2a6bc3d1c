"""The table of docs/reliability.md: what was run, and what was found."""

from __future__ import annotations

from typing import Any

from result import kept
from rows import NAMES, does, row


def table() -> str:
    """Return the table and the notes, in Markdown."""
    found = kept()
    lines = ["| row | what | what must hold | found |", "|---|---|---|---|"]
    for name in NAMES:
        one = row(name)
        amount = one.FULL if name in found else one.QUICK
        said = _found(found[name]) if name in found else "**quick form only**, by the tests"
        lines.append(f"| {name} | {does(one, amount)} | {one.HOLDS} | {said} |")
    noted = ((name, found[name]["notes"]) for name in NAMES if name in found)
    notes = [f"- **{name}**: {'; '.join(some)}" for name, some in noted if some]
    return "\n".join([*lines, "", *notes])


def _found(result: dict[str, Any]) -> str:
    """Say what a full run found, in words."""
    failures = len(result["failures"])
    verdict = f"**{failures:,} failures**" if failures else "no failure"
    return (
        f"{result['runs']:,} runs, {verdict}; {result['minutes']} minutes, seed {result['seed']},"
        f" commit {result['commit']}"
    )
