"""kill -9 while a log is replayed, in both kinds of journal and of waiting for the disk."""

from __future__ import annotations

import time
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Final

from children import Child, Ended, Tell
from result import Amount, Result
from stores import defects, folder, line_of, replayed, said_by
from stories import messages, write_log

from lifecycle import LeadStore
from lifecycle.replay import replay

DOES: Final = "kill -9 while replaying {size:,} events, WAL and DELETE, NORMAL and FULL: {runs:,}"
HOLDS: Final = (
    "after every kill the file is intact, every lead equals its fold, and the cursor is not behind"
    " what was acknowledged; resumed, the store says what an undisturbed run says"
)
FULL: Final = Amount(1000, 20_000)
QUICK: Final = Amount(8, 1000)
_MODES: Final = (("WAL", "NORMAL"), ("WAL", "FULL"), ("DELETE", "NORMAL"), ("DELETE", "FULL"))
#: So many batches a log has.
_BATCHES: Final = 25


def run(seed: int, amount: Amount) -> Result:
    """Kill replays, and look at the store after each."""
    result = Result()
    with folder() as place:
        log = write_log(place / "log.jsonl", messages(seed, amount.size))
        batch = amount.size // _BATCHES
        started = time.monotonic()
        wanted = replayed(place / "whole.db", log, batch=batch)
        seconds = time.monotonic() - started
        for number, mode in enumerate(cycle(_MODES)):
            if result.runs >= amount.runs:
                break
            victim = _Victim(place / f"{number}.db", log, batch, mode)
            victim.torture(result, amount.runs, Random(f"kills/{seed}/{number}"), seconds, wanted)
            result.failures += [f"seed {seed}: {mode}: {one}" for one in victim.wrong]
            for file in place.glob(f"{number}.db*"):
                file.unlink()
    return result


class _Victim:
    """One store, whose replay is killed until it is done."""

    def __init__(self, path: Path, log: Path, batch: int, mode: tuple[str, str]) -> None:
        self.wrong: list[str] = []
        self._path = path
        self._log = log
        self._batch = batch
        journal, self._synchronous = mode
        with LeadStore(path) as store:
            store._connection.execute(f"PRAGMA journal_mode = {journal}")

    def torture(self, result: Result, most: int, rng: Random, seconds: float, wanted: str) -> None:
        """Kill it and look, again and again; then let it end."""
        share = max(1, most // len(_MODES))
        last = min(most, result.runs + share)
        while result.runs < last:
            before = line_of(self._path)
            child = Child(self._replay)
            time.sleep(rng.uniform(0, seconds / 3))
            child.kill()
            ended = child.end()
            if not ended.killed:
                self._expect_done(ended)
                break
            result.runs += 1
            self._check(before, ended)
        if (found := self._finished()) != wanted:
            self.wrong.append(f"resumed, it says {found}, not {wanted}")

    def _replay(self, tell: Tell) -> None:
        with LeadStore(self._path) as store:
            store._connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            replay(store, [self._log], batch=self._batch, tell=lambda now: tell(now.read))

    def _expect_done(self, ended: Ended) -> None:
        if ended.status:
            self.wrong.append(str(ended))

    def _check(self, before: int, ended: Ended) -> None:
        """After a kill: all is whole, and nothing is lost that was acknowledged."""
        self.wrong += defects(self._path)
        acknowledged = before + int(ended.told[-1]) if ended.told else before
        if (line := line_of(self._path)) < acknowledged:
            self.wrong.append(f"acknowledged {acknowledged} lines, and has {line}")

    def _finished(self) -> str:
        ended = Child(self._replay).end()
        self._expect_done(ended)
        self.wrong += defects(self._path)
        return said_by(self._path)
