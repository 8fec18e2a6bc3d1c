"""Where the time of a replay goes, by stage: microseconds a message.

    stages.py LOG [--repeats N] [--json]

The replay runs in this process, into a new store, and on one core: with more it may decode in a
second process, whose work would not be seen. Every millisecond a signal looks at which code is at
work, and the time since it last looked is put down to that code's stage. A signal waits for a call
into SQLite to end, so a long one gets all of its time; nothing is slowed down by being counted, as
it is under cProfile.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any, Final

import facts

import lifecycle
from lifecycle import LeadStore
from lifecycle.replay import replay

# What each does is said in words.toml.
STAGES: Final = ("read", "decode", "identify", "fold", "write", "other")

# Whose code it is: the innermost call that a row names decides, with the longest name that fits.
# None: a part of whatever called it. What a stage in _WHOLE calls is its own, whoever's code it is.
_STAGE_OF: Final[dict[str, str | None]] = {
    "lifecycle": None,
    "lifecycle.replay.log": "read",
    "lifecycle.replay.chunks": "read",
    "lifecycle.replay.decoder": "decode",
    "lifecycle.messages": "decode",
    "lifecycle.domain": "fold",
    "lifecycle.domain.key": None,
    "lifecycle.store.ingest.intake": "identify",
    "lifecycle.store.ingest.plain": "fold",
    "lifecycle.store.ingest.told": "write",
    "lifecycle.store.db.frames": "decode",
    "lifecycle.store.ingest.cluster": "identify",
    "lifecycle.store.ingest.identify": "identify",
    "lifecycle.store.db.lookups": "identify",
    "lifecycle.store.db.codec": "decode",
    "lifecycle.store.db.blocks": "write",
    "lifecycle.store.ingest.diff": "write",
    "lifecycle.store.ingest.standing": "write",
    "lifecycle.store.ledger.chain": "write",
    "lifecycle.store.db.transaction": "write",
    "lifecycle.store.session.ReplaySession.move": "write",
    "lifecycle.store.reader.LeadReader.close": "write",
}
_WHOLE: Final = ("decode", "write")
_EVERY: Final = 0.001


def main() -> None:
    """Print the profile as a table, or as JSON."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("log", type=Path)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    profile = median_of([measure(options.log) for _ in range(options.repeats)])
    if options.json:
        commit = facts.commit(Path(lifecycle.__file__).parent)
        place = {"commit": commit, "processor": facts.processor(), "python": facts.python()}
        print(json.dumps({**place, **profile}))
        return
    for stage, micros in profile["micros"].items():
        print(f"{stage:8} {micros:8.1f}")
    print(f"{'all':8} {sum(profile['micros'].values()):8.1f}  microseconds a message")


def measure(log: Path) -> dict[str, Any]:
    """Replay the log into a new store; how many messages, and microseconds of each stage."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sampler = Sampler()
    with (
        tempfile.TemporaryDirectory() as folder,
        sampler.running(),
        LeadStore(Path(folder) / "leads.db") as store,
    ):
        store.session().relax()
        messages = replay(store, [log]).read
    micros = {stage: 1e6 * sampler.seconds[stage] / messages for stage in STAGES}
    return {"messages": messages, "micros": micros}


def median_of(profiles: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the median of each stage."""
    micros = {
        stage: round(median(profile["micros"][stage] for profile in profiles), 2)
        for stage in STAGES
    }
    return {"messages": profiles[0]["messages"], "micros": micros}


class Sampler:
    """Puts the time that passes down to stages."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._last = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look at the main thread while this lasts."""
        before = signal.signal(signal.SIGALRM, self._look)
        self._last = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, _EVERY, _EVERY)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _look(self, _: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        self.seconds[stage_of(frame)] += now - self._last
        self._last = now


def stage_of(frame: FrameType | None) -> str:
    """Return the stage that this code is at work for."""
    names = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("lifecycle."):
            names.append(f"{module}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    stage = "other"
    for name in reversed(names):
        if (found := _named_stage(name)) is not None:
            stage = found
            if stage in _WHOLE:
                break
    return stage


def _named_stage(name: str) -> str | None:
    """Return what the longest row says whose name this one begins with."""
    while name not in _STAGE_OF:
        name = name.rpartition(".")[0]
    return _STAGE_OF[name]


if __name__ == "__main__":
    main()
