"""Measure lifecycle against what its users could pick instead, and write docs/benchmarks.md.

The whole takes some thirty minutes on two cores, and 12 GB for files (TMPDIR says where). --quick
shows in seconds that all of it runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench import FULL, HERE, QUICK, ROOT, Bench, say
from facts import facts
from measures import MEASURES, profile
from page import line, render, table
from result import HEADINGS, Result

_PAGE: Final = ROOT / "docs" / "benchmarks.md"
#: What the page was written from; it is kept, so that words can change without measuring again.
_RESULT: Final = HERE / "result.json"
_PROFILE: Final = "profile"


def main() -> None:
    """Do what the command line asks for."""
    options = _options()
    if options.page:
        result = Result.from_json(_RESULT.read_text("utf-8"))
    else:
        sizes = QUICK if options.quick else FULL
        with tempfile.TemporaryDirectory() as folder:
            result = measure(Bench(Path(folder), sizes, options.repeats), options.only)
    if options.out == _PAGE:
        _RESULT.write_text(result.to_json(), "utf-8")
    if options.out:
        options.out.write_text(render(result), "utf-8")


def measure(bench: Bench, names: list[str]) -> Result:
    """Measure what is named; rows are printed as they come."""
    result = Result(facts(ROOT, bench.folder), asdict(bench.sizes), bench.repeats)
    print(table(HEADINGS, []))
    for name in (name for name in MEASURES if name in names):
        say(name)
        for row in MEASURES[name](bench):
            print(line(row.cells()), flush=True)
            result.rows.append(row)
    if _PROFILE in names:
        say(_PROFILE)
        result.profile.update(profile(bench))
        micros = result.profile["micros"].items()
        print(f"\nmicroseconds: {', '.join(f'{stage} {time:.1f}' for stage, time in micros)}")
    return result


def _options() -> argparse.Namespace:
    """Read what the command line asks for."""
    names = [*MEASURES, _PROFILE]
    parser = argparse.ArgumentParser("scripts/bench", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="tiny sizes; writes a page only where --out says")
    add("--repeats", type=int, metavar="N", help="rounds (default: 3, and 1 with --quick)")
    add("--out", type=Path, metavar="FILE", help="the page (default: docs/benchmarks.md)")
    add("--only", nargs="+", choices=names, metavar="NAME", help=f"some of {', '.join(names)}")
    add("--page", action="store_true", help="measure nothing: write the last page again")
    options = parser.parse_args()
    if options.only and options.out:
        parser.error("a page has all measures: --only writes none")
    if not (options.quick or options.only or options.out):
        options.out = _PAGE
    if options.out:
        options.out = options.out.resolve()
    options.repeats = options.repeats or (1 if options.quick else 3)
    options.only = options.only or names
    return options


if __name__ == "__main__":
    main()
