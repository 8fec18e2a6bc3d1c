"""How the time of every command grows with hostile input, each beside itself with a part of it."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from children import Child, Tell
from result import Amount, Result
from shapes import CHARACTERS, MAP, SHAPES, Line, Shape, lines_of

from lifecycle import LeadReader
from lifecycle.cli import cli

DOES: Final = (
    "every command on {runs} shapes of hostile input: texts that tempt patterns, hubs, many keys,"
    f" copies and values, late events, undecodable lines; {{size:,}} messages or {CHARACTERS} times"
    " as many characters, twice and four times that"
)
HOLDS: Final = "processor time grows no worse than n log n"
FULL: Final = Amount(len(SHAPES), 400)
QUICK: Final = Amount(2, 40)

Seconds: TypeAlias = dict[str, float]
_DOUBLED: Final = (1, 2, 4)
#: A measure repeats itself so well: for four times as much, and for twice as much.
_SLACK: Final = {1: 1.6, 2: 1.35}
#: So many seconds may come from elsewhere.
_NOISE: Final = 0.15
_AGAIN: Final = 3
#: All commands together may take so long, in seconds.
_MOST: Final = 600
#: Waiting for the disk is no processor time.
_MEMORY: Final = next((one for one in ("/dev/shm",) if os.access(one, os.W_OK)), None)  # noqa: S108
_KNOWN: Final = "--as-known-at 2100-01-01T00:00:00Z --format csv"
_LOGS: Final = ("validate LOG --format jsonl", "audit LOG --format json", "replay DB LOG")
_OPTIONS: Final = {"csv": " --map MAP", "hubspot": "", "salesforce": "", "genesys": ""}
_BATCHES: Final = ("replay BATCHES LOG --batch 50", "apply ONE LOG")
_STORE: Final = (
    "leads DB --format csv",
    "leads DB --as-of 2025-01-01T00:00:00Z --format csv",
    f"leads DB {_KNOWN}",
    "show DB LEAD --all --format json",
    "history DB LEAD --all --format csv",
    f"history DB LEAD {_KNOWN}",
    "explain DB LEAD --format json",
    "changes DB --format csv",
    "audit DB --format json",
    "export DB leads -o leads.csv",
    "export DB history --all -o history.csv",
    "export DB events -o events.jsonl",
    "quarantine list DB --format csv",
    "quarantine show DB 1 --format json",
    "verify DB --format json",
    "doctor DB --format json",
    "backup DB COPY",
    "replay DB LOG --restart",
    "rebuild DB",
    "quarantine retry DB",
    "quarantine dismiss DB NUMBERS",
    "quarantine list DB --left --format csv",
    "quarantine restore DB NUMBERS",
    "dump DB",
    "load LOADED DUMP",
    "erase DB LEAD --all-of-them --dry-run",
    "erase DB LEAD --all-of-them --yes",
)


def run(seed: int, amount: Amount) -> Result:
    """Measure every command on every shape."""
    result = Result()
    steepest = (0.0, "")
    for name, shape in list(SHAPES.items())[: amount.runs]:
        case = _Case(shape, amount.size)
        case.measure()
        for _ in range(_AGAIN):
            if case.slow():
                case.measure()
        result.failures += [f"seed {seed}: {name}: {line}" for line in case.slow()]
        result.runs += 1
        steepest = max(steepest, *((share, f"{name}: {line}") for share, line in case.shares()))
    result.notes.append(f"nearest to what is allowed ({steepest[0]:.0%}): {steepest[1]}")
    return result


class _Case:
    """A shape, and the least time that each command took for each size of it."""

    def __init__(self, shape: Shape, size: int) -> None:
        self._shape = shape
        self._size = size
        self._seconds: dict[int, Seconds] = {times: {} for times in (0, *_DOUBLED)}
        self._errors: set[str] = set()

    def measure(self) -> None:
        """Run all commands for each size; for none, too, as that is what starting them takes."""
        for times, seconds in self._seconds.items():
            with TemporaryDirectory(prefix="torture-", dir=_MEMORY) as name:
                place = Path(name)
                ended = Child(partial(_run, self._shape, times * self._size, place)).end()
            for _, taken, command in (
                line.split(" ", 2) for line in ended.told if line[:5] == "took "
            ):
                seconds[command] = min(float(taken), seconds.get(command, _MOST))
            if ended.status:
                self._errors.add(f"{times * self._size:,}: {ended}")

    def slow(self) -> list[str]:
        """Return what failed, and what grew more than it may."""
        return sorted(self._errors) + [line for share, line in self.shares() if share > 1]

    def shares(self) -> Iterator[tuple[float, str]]:
        """Yield of each command what it takes as a share of what it may take, and all it took."""
        most = _DOUBLED[-1]
        for command in self._seconds[most]:
            allowed = max(
                slack * self._net(times, command) * _growth(times * self._size, most * self._size)
                for times, slack in _SLACK.items()
            )
            took = ", ".join(f"{one.get(command, 0):.3f}" for one in self._seconds.values())
            yield self._net(most, command) / (allowed + _NOISE), f"{command}: {took} s"

    def _net(self, times: int, command: str) -> float:
        """Return how long a command took, without what it takes for nothing."""
        taken = self._seconds[times].get(command, 0.0)
        return max(0.0, taken - self._seconds[0].get(command, 0.0))


def _growth(little: int, much: int) -> float:
    """Return how many times as long it may take for so much as for so little."""
    return much * log(much) / (little * log(little))


def _run(shape: Shape, size: int, place: Path, tell: Tell) -> None:
    """Run the commands one after the other; tell how long each takes."""
    resource.setrlimit(resource.RLIMIT_CPU, (_MOST, _MOST + 1))
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.chdir(place)
    os.dup2(nowhere, sys.stderr.fileno())
    Path("LOG").write_bytes(_joined(lines_of(shape, size)))
    for name, lines in shape.tables.items():
        Path(f"{name}.table").write_bytes(_joined(lines(size)))
    Path("MAP").write_text(MAP, "utf-8")
    imports = [f"import {name} {name}.db {name}.table{_OPTIONS[name]}" for name in shape.tables]
    for command in (*_LOGS, *(() if shape.is_late else _BATCHES), *imports, *_STORE):
        words = [shape.lead if word == "LEAD" else word for word in command.split()]
        if "NUMBERS" in words:
            words[-1:] = _quarantined(left="restore" in words) or ["1"]
        printed = os.open("DUMP", os.O_CREAT | os.O_WRONLY) if words[0] == "dump" else nowhere
        os.dup2(printed, sys.stdout.fileno())
        tell(f"in {command}")
        started = _processor_time()
        status = _status(words)
        tell(f"took {_processor_time() - started:.4f} {command}")
        if status not in (0, 1):
            raise RuntimeError(f"{command}: exit status {status}")


def _joined(lines: Iterable[Line]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _quarantined(*, left: bool) -> list[str]:
    with LeadReader("DB") as store:
        return [f"{number}" for number in store.quarantine_numbers(left=left)]


def _status(words: list[str]) -> int:
    """Run a command in this process; return its exit status."""
    try:
        cli(words, prog_name="lifecycle")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _processor_time() -> float:
    """Return the processor time of this process and of those that it started, in seconds."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in (own, others))
