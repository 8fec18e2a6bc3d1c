"""The page that the bench writes."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import FULL
from ours import GROUP
from result import HEADINGS, Result, Row

_HERE: Final = Path(__file__).parent
_NEWEST: Final = "service"
_UNEXPLAINED: Final = "**not explained yet**"
_QUICK: Final = "\n**A quick run**: sizes are tiny, and its figures mean nothing.\n"

_PAGE: Final = """\
# Reference: benchmarks

How fast lifecycle is beside what its users could pick instead. `scripts/bench` measured this and
wrote it; no figure is written by hand.

{facts}
{warning}
## What they mean for a sync job

On this machine:

{meaning}

## The measures

{rows}

Ours and theirs are medians of {rounds}. In a round the sides take turns, each in a process of its
own. A ratio is ours to theirs in one round; the table has the median of the ratios, the smallest
and the largest. Of rates a high ratio is good, of times and sizes a low one.

Measured on the way:

{asides}

## How they are made

The log has {messages} messages of some 1.5 KB (`generator.py`, with a fixed seed): a lead has five
on average, 2 % ask for a step that the rules do not allow, 1 % are copies, and 3 % come after a
later message of their lead. The scripts named here are in `scripts/benchmarks`.

{how}

## Where the time goes

Microseconds a message of a replay of {profiled} messages, by the stage whose code is at work
(`stages.py`, which looks every millisecond). It runs on one core, so that all of it is done in one
process. {profile_facts}

{profile}

## What falls short, and why

{why}
"""


def render(result: Result) -> str:
    """Render the page: what was measured, on which machine, and how."""
    words = tomllib.loads((_HERE / "words.toml").read_text("utf-8"))
    before = json.loads((_HERE / "before.json").read_text("utf-8"))
    sizes = {name: f"{size:,}" for name, size in result.sizes.items()}
    return _PAGE.format(
        facts=table(["", ""], [[name, what] for name, what in result.facts.items()]),
        warning="" if result.sizes == asdict(FULL) else _QUICK,
        meaning="\n".join(_meaning({row.key: row for row in result.rows}, result.sizes)),
        rows=table(HEADINGS, [row.cells() for row in result.rows]),
        rounds="1 round" if result.rounds == 1 else f"{result.rounds} rounds",
        asides="\n".join(f"- {row.aside}" for row in result.rows if row.aside),
        messages=sizes["messages"],
        how="\n\n".join(_how(words["how"], sizes, result.rows)),
        profiled=sizes["profiled"],
        profile_facts=_profile_facts(before, result.profile),
        profile=_profile(words["stages"], before, result.profile),
        why=_why(result, words["why"]),
    )


def _meaning(rows: dict[str, Row], sizes: dict[str, int]) -> Iterator[str]:
    """Yield what somebody wants to know who plans a job."""
    many = sizes["many"]

    def minutes(key: str, count: int) -> str:
        return f"{count / median(rows[key].ours) / 60:.1f} minutes"

    if "growth.rate" in rows:
        yield f"- A new store of {many:,} messages of a log takes {minutes('growth.rate', many)}."
    if "growth.far" in rows:
        yield f"- One of {sizes['most']:,} takes {minutes('growth.far', sizes['most'])}."
    if "memory.large" in rows:
        memory = median(rows["memory.large"].ours)
        yield f"- It takes {memory:.0f} MB of memory, however long the log is."
    if "size" in rows:
        yield f"- The store has {median(rows['size'].ratios):.0%} of the bytes of the log."
    if "rebuild" in rows:
        again = minutes("rebuild", many)
        yield f"- Folding {many:,} messages again, for other rules, takes {again}."
    if "stored.verify" in rows:
        yield f"- Verifying a store of {many:,} messages takes {minutes('stored.verify', many)}."
    if "apply.commit" in rows:
        one = median(rows["apply.commit"].ours) / 1000
        yield f"- One message, applied by itself and on the disk, takes {one:.1f} milliseconds."
    if "apply.group" in rows:
        together = median(rows["apply.group"].ours) / 1000
        yield f"- In a transaction that {GROUP} share, it takes {together:.2f} milliseconds."


def _how(words: dict[str, str], sizes: dict[str, str], rows: list[Row]) -> Iterator[str]:
    """How each measure is made; of the newest, only where it was measured already."""
    measured = any(row.key.startswith(_NEWEST) for row in rows)
    for name, how in words.items():
        if name != _NEWEST or measured:
            yield how.strip().format(**sizes)


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    return "\n".join(map(line, [headings, ["---"] * len(headings), *rows]))


def line(cells: list[str]) -> str:
    """Return a row of a table in Markdown."""
    return f"| {' | '.join(cells)} |"


def _profile(stages: dict[str, str], before: dict[str, Any], after: dict[str, Any]) -> str:
    """Both profiles, stage by stage."""
    rows = [
        [stage, what, f"{before['micros'][stage]:.1f}", f"{after['micros'][stage]:.1f}"]
        for stage, what in stages.items()
    ]
    sums = [f"{sum(one['micros'].values()):.1f}" for one in (before, after)]
    return table(["stage", "what it does", "before", "after"], [*rows, ["all", "", *sums]])


def _profile_facts(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Where the first of the two profiles comes from."""
    then = f"Before: commit {before['commit']}, {before['messages']:,} messages, {before['python']}"
    if before["processor"] == after["processor"]:
        return f"{then}, the same model of processor."
    return f"{then}, another processor ({before['processor']}): compare shares, not times."


def _why(result: Result, reasons: dict[str, str]) -> str:
    """Say what limits each measure that misses its target, with the figure of that part."""
    explained = [
        f"- **{row.measure}**, against {row.against}: "
        + " ".join(reasons.get(row.key, _UNEXPLAINED).format(**_figures(row, result)).split())
        for row in result.rows
        if row.missed
    ]
    return "\n".join(explained) or "Nothing does: all targets are met."


def _each(row: Row, figures: list[float]) -> float:
    """Return the median of a row's figures; of rates the microseconds of one message."""
    return 1e6 / median(figures) if row.unit == "messages/s" else median(figures)


def _figures(row: Row, result: Result) -> dict[str, str]:
    """Return what a reason may cite: microseconds of stages, and of one message of this row."""
    stages = result.profile["micros"]
    rates = {one.key: median(one.ours) for one in result.rows}
    figures = {
        "decoder": stages["read"] + stages["decode"],
        "writer": stages["identify"] + stages["fold"] + stages["write"],
        "each": _each(row, row.ours),
        "theirs": _each(row, row.theirs or row.ours),
        "more": _each(row, row.ours) - _each(row, row.theirs or row.ours),
        "beyond": median(row.ours) - median(row.theirs or [0]),
        **{f"with_{count}": 1e6 / rates.get(f"service.{count}", 1e6) for count in (1, 16, 64)},
    }
    return {name: f"{figure:,.0f}" for name, figure in {**stages, **figures}.items()}
