"""Where measures run: their files, the logs they need, and rounds in which sides take turns."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from process import Run, run

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
_NEEDS_PANDAS: Final = "peer_pm4py"


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Attributes:
        messages: Messages in the log.
        many: Messages in the long log.
        most: Messages in a log that is replayed once.
        slow: Messages for the peer that saves each of them.
        leads: Leads in a small store.
        many_leads: Leads in a large one.
        applied: Messages applied one by one to each, a round, if there are as many leads.
        turns: Rounds of that for each of the others, since the disk is fast and slow by turns.
        conformed: Messages in the log whose conformance is checked.
        audited: Messages in the log that is audited.
        starts: Processes started, a round.
        triggers: Triggers of the machine, a round.
        profiled: Messages in the log that is profiled.
    """

    messages: int
    many: int
    most: int
    slow: int
    leads: int
    many_leads: int
    applied: int
    turns: int
    conformed: int
    audited: int
    starts: int
    triggers: int
    profiled: int


FULL: Final = Sizes(
    messages=200_000,
    many=1_000_000,
    most=4_000_000,
    slow=20_000,
    leads=10_000,
    many_leads=1_000_000,
    applied=300,
    turns=5,
    conformed=20_000,
    audited=250_000,
    starts=20,
    triggers=200_000,
    profiled=50_000,
)
QUICK: Final = Sizes(
    messages=2_000,
    many=5_000,
    most=8_000,
    slow=300,
    leads=500,
    many_leads=5_000,
    applied=50,
    turns=1,
    conformed=300,
    audited=2_000,
    starts=1,
    triggers=4_000,
    profiled=2_000,
)


class Bench:
    """The place where measures run.

    Args:
        folder: Where files go.
        sizes: How much is measured.
        repeats: How many rounds.
    """

    def __init__(self, folder: Path, sizes: Sizes, repeats: int) -> None:
        self.folder = folder
        self.sizes = sizes
        self.repeats = repeats
        self._environment = {**os.environ, "PYTHONPATH": _python_path(folder / "absent")}

    # --- what runs --------------------------------------------------------------------------

    def script(self, name: str, *arguments: object) -> Any:
        """Run one of the scripts beside this; the JSON in its last line."""
        words = [sys.executable, HERE / f"{name}.py", *map(str, arguments)]
        environment = {**os.environ} if name == _NEEDS_PANDAS else self._environment
        output = run(words, folder=self.folder, environment=environment).output
        return json.loads(output.splitlines()[-1]) if output else None

    def python(self, *arguments: str | Path) -> Run:
        """Run Python."""
        words = [sys.executable, *arguments]
        return run(words, folder=self.folder, environment=self._environment)

    def command(self, name: str, *arguments: str | Path, watch: bool = False) -> Run:
        """Run a command that a package brought."""
        words = [Path(sysconfig.get_path("scripts")) / name, *arguments]
        return run(words, folder=self.folder, environment=self._environment, watch=watch)

    def replay(self, log: Path, messages: int, *, watch: bool = False) -> tuple[Path, Run]:
        """Replay a log into a new store."""
        store = self.new("leads.db")
        done = self.command("lifecycle", "replay", store, log, "--format", "json", watch=watch)
        read = json.loads(done.output)["read"]
        if read != messages:
            raise RuntimeError(f"{read:,} messages were read of {messages:,}")
        return store, done

    # --- what it works on -------------------------------------------------------------------

    def new(self, name: str) -> Path:
        """Return a path for a database, after removing whatever was there."""
        path = self.folder / name
        for end in ("", "-wal", "-shm"):
            path.with_name(name + end).unlink(missing_ok=True)
        return path

    def log(self, messages: int) -> Path:
        """Return a log of so many messages."""
        path = self.folder / f"log-{messages}.jsonl"
        if not path.exists():
            say(f"making a log of {messages:,} messages")
            self.script("generator", "log", path, messages)
        return path

    def leads(self, leads: int, messages: int) -> tuple[Path, Path]:
        """Make a store of so many leads, one message each; and a log with more messages of some."""
        say(f"making a store of {leads:,} leads")
        log, more = self.folder / "leads.jsonl", self.folder / f"more-{leads}.jsonl"
        self.script("generator", "leads", log, leads, more, messages)
        store = self.new(f"leads-{leads}.db")
        self.command("lifecycle", "replay", store, log, "--format", "json")
        log.unlink()
        return store, more

    # --- rounds -----------------------------------------------------------------------------

    def rounds(
        self, sides: dict[str, Callable[[int], float]], turns: int = 1
    ) -> dict[str, list[float]]:
        """Let the sides take turns, round after round, ``turns`` for one; what each gave."""
        found: dict[str, list[float]] = {name: [] for name in sides}
        for number in range(self.repeats * turns):
            for name, side in sides.items():
                # What one side left to be written to the disk, the next need not wait for.
                os.sync()
                found[name].append(side(number))
                say(f"  round {number + 1}, {name}: {found[name][-1]:,.1f}")
        return found

    def median_of(self, commands: dict[str, Callable[[], Run]]) -> dict[str, float]:
        """Start each of some commands many times, in turns; milliseconds at the median."""
        found: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(self.sizes.starts):
            for name, start in commands.items():
                found[name].append(1e3 * start().seconds)
        return {name: median(times) for name, times in found.items()}


def _python_path(absent: Path) -> str:
    """Return a path that hides what pm4py brings, as for those who do not have pm4py.

    sqlite_utils imports numpy and pandas where it finds them, and lifecycle imports sqlite_utils.
    """
    absent.mkdir()
    for name in ("numpy", "pandas"):
        (absent / f"{name}.py").write_text("raise ImportError\n")
    return os.pathsep.join(filter(None, [str(absent), os.environ.get("PYTHONPATH")]))


def installed(package: str) -> bool:
    """Whether a peer is there."""
    return importlib.util.find_spec(package) is not None


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)
