"""Every Python that is here, and every kind of hash seed: one digest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from result import Amount, Result
from stores import folder, replayed
from stories import messages, write_log

DOES: Final = (
    "Python 3.11 to 3.13 where present, PYTHONHASHSEED 0, 1 and random, a log of {size:,} events"
)
HOLDS: Final = "one digest of messages, leads, histories and findings"
FULL: Final = Amount(9, 20_000)
QUICK: Final = Amount(3, 300)
_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[1]
_SEEDS: Final = ("0", "1", "random")
#: Where other Pythons are that have what lifecycle needs, separated by colons.
_OTHERS: Final = "TORTURE_PYTHONS"
_SCRIPT: Final = (
    "import sys; from pathlib import Path; from stores import replayed;"
    " print(replayed(Path(sys.argv[1]), Path(sys.argv[2]), batch=1000))"
)
_VERSION: Final = "import lifecycle, sys; print('.'.join(map(str, sys.version_info[:3])))"


def run(seed: int, amount: Amount) -> Result:
    """Replay one log with each."""
    result = Result()
    with folder() as place:
        log = write_log(place / "log.jsonl", messages(seed, amount.size))
        wanted = replayed(place / "whole.db", log, batch=1000)
        pythons = _pythons() if amount.runs > len(_SEEDS) else _pythons()[:1]
        for version, python in pythons:
            for hash_seed in _SEEDS:
                path = place / f"{result.runs}.db"
                found = _run([python, "-c", _SCRIPT, str(path), str(log)], hash_seed)
                result.runs += 1
                if found != wanted:
                    name = f"Python {version}, PYTHONHASHSEED={hash_seed}"
                    result.failures.append(f"seed {seed}: {name}: {found}")
        result.notes.append(f"Python {', '.join(version for version, _ in pythons)}")
    return result


def _pythons() -> list[tuple[str, str]]:
    """Return this Python and others that can import lifecycle, with their versions."""
    others = [f"python3.{minor}" for minor in range(11, 14)]
    found = {}
    for python in [sys.executable, *filter(None, os.environ.get(_OTHERS, "").split(":")), *others]:
        try:
            version = _run([python, "-c", _VERSION], "0")
        except OSError:
            continue
        if version.startswith("3."):
            found.setdefault(version, python)
    return list(found.items())


def _run(command: list[str], hash_seed: str) -> str:
    """Return what a command prints last, or says of what went wrong."""
    paths = os.pathsep.join(map(str, (_HERE, _ROOT)))
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    lines = (done.stdout if not done.returncode else done.stderr).splitlines()
    return lines[-1] if lines else ""
