"""Torture stores: kill, starve, damage and confuse them, and see whether the truth survives.

Each row prints what it did and every failure with its seed, which `--only ROW --seed N` runs first.
The full form takes hours and can be done row by row: each row is kept when it is finished.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Final

from result import Result, keep
from rows import NAMES, does, row

_PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"


def main() -> int:
    """Do what the command line asks for; 1 where something failed."""
    options = _options()
    if options.page:
        return subprocess.call([sys.executable, "-m", "cogapp", "-r", _PAGE], cwd=_PAGE.parents[1])
    failed = False
    for name in options.only or NAMES:
        failed |= torture(name, options.seed, quick=options.quick)
    return int(failed)


def torture(name: str, seed: int, *, quick: bool) -> bool:
    """Run one row and print what came of it; whether something failed."""
    one = row(name)
    amount = one.QUICK if quick else one.FULL
    print(f"{name}: {does(one, amount)}", flush=True)
    started = time.monotonic()
    try:
        result = one.run(seed, amount)
    except Exception:  # noqa: BLE001 - a store so broken that the row could not go on
        result = Result(failures=[f"seed {seed}: the row ended early: {traceback.format_exc()}"])
    seconds = time.monotonic() - started
    for line in result.notes:
        print(f"  {line}")
    for line in result.failures:
        print(f"  FAILED {line}")
    print(f"  {result.runs:,} runs, {len(result.failures):,} failures, {seconds:.1f} s", flush=True)
    if not quick:
        keep(name, amount, seed, seconds, result)
    return bool(result.failures)


def _options() -> argparse.Namespace:
    """Read what the command line asks for."""
    parser = argparse.ArgumentParser("scripts/torture", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="a little of each row, in less than a minute")
    add("--only", nargs="+", choices=NAMES, metavar="ROW", help=f"some of {', '.join(NAMES)}")
    add("--seed", type=int, default=0, metavar="N", help="what chance begins with (default: 0)")
    add("--page", action="store_true", help="run nothing: write docs/reliability.md again")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
