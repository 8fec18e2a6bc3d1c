"""Readers of another user, who may write nothing, while writers come, go and are killed."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from children import Child, Ended, Tell
from result import Amount, Result
from stores import defects, folder, said
from stories import Message, messages

from lifecycle import LeadReader, LeadStore
from lifecycle.errors import BusyStoreError

DOES: Final = (
    "3 readers of another user, who may write nothing, while writers of {size:,} events come, go"
    " and are killed, WAL and DELETE: {runs:,} stores"
)
HOLDS: Final = (
    "each read gives what was written until a moment, with all that was acknowledged when it began,"
    " or says that somebody writes, and to try again; in the end all of it is read"
)
FULL: Final = Amount(4, 1000)
QUICK: Final = Amount(2, 150)
_NOBODY: Final = 65534
_READERS: Final = 3
_READABLE: Final = 0o644
_MODES: Final = ("WAL", "DELETE")
_BATCH: Final = 5
#: Of a writer's batches at most so many; how often one is killed, and one only opens and closes.
_MOST: Final = 6
_KILLED: Final = 0.4
_IDLE: Final = 0.3
_PAUSE: Final = 0.005
#: So many reads of one object, and how often one of them verifies, too.
_READS: Final = 3
_VERIFIED: Final = 0.2


def run(seed: int, amount: Amount) -> Result:
    """Let others read while it is written."""
    result = Result()
    some = messages(seed, amount.size)
    prefixes = _prefixes(some)
    counts: Counter[str] = Counter()
    if os.getuid():
        result.notes.append("not root: the readers are of the same user, in a closed directory")
    with folder() as place:
        place.chmod(0o755)
        for number in range(amount.runs):
            case = _Case(place / f"{number}", some, _MODES[number % len(_MODES)])
            wrong = case.run(Random(f"readers/{seed}/{number}"), prefixes, counts)
            result.failures += [f"seed {seed}, store {number}: {one}" for one in wrong]
            result.runs += 1
    result.notes.append(", ".join(f"{count:,} {what}" for what, count in sorted(counts.items())))
    return result


def _prefixes(some: list[Message]) -> dict[str, int]:
    """Return what a store says after each batch, and how many batches that are."""
    found = {}
    with LeadStore(":memory:") as store:
        found[said(store)] = 0
        for start in range(0, len(some), _BATCH):
            store.apply_many(some[start : start + _BATCH])
            found[said(store)] = start // _BATCH + 1
    return found


class _Case:
    """A store that one user writes and another reads."""

    def __init__(self, place: Path, some: list[Message], journal: str) -> None:
        place.mkdir()
        place.chmod(0o755)
        self._place = place
        self._path = place / "leads.db"
        self._messages = some
        self._journal = journal
        self._batches = -(-len(some) // _BATCH)
        #: When so many batches had been acknowledged.
        self._times: list[float] = [0.0]
        with LeadStore(self._path, mode=_READABLE) as store:
            store._connection.execute(f"PRAGMA journal_mode = {journal}")

    def run(self, rng: Random, prefixes: dict[str, int], counts: Counter[str]) -> list[str]:
        """Write all of it while others read; what was wrong."""
        wrong: list[str] = []
        rights = not os.getuid()
        readers = [self._reader(rng.random()) for _ in range(_READERS)] if rights else []
        while len(self._times) <= self._batches:
            if rng.random() < _IDLE:
                wrong += _failed(Child(self._open_and_close).end())
            wrong += self._write(rng, counts)
            if not rights:
                wrong += self._read_closed(rng, prefixes, counts)
        (self._place / "done").touch()
        for reader in readers:
            wrong += self._judged(reader.end(), prefixes, counts)
        self._place.chmod(0o755)
        return [f"{self._journal}: {one}" for one in wrong + defects(self._path)]

    def _open_and_close(self, _: Tell) -> None:
        with LeadStore(self._path):
            time.sleep(_PAUSE)

    def _write(self, rng: Random, counts: Counter[str]) -> list[str]:
        """Let a writer write some batches, and kill it, or not."""
        first = len(self._times) - 1
        batches = range(first, min(self._batches, first + rng.randint(1, _MOST)))
        child = Child(lambda tell: self._apply(batches, tell))
        if rng.random() < _KILLED:
            time.sleep(rng.uniform(0, 0.01 * len(batches)))
            child.kill()
        ended = child.end()
        counts["writers killed"] += ended.killed
        self._times += map(float, ended.told if not ended.status or ended.killed else ())
        return [] if ended.killed else _failed(ended)

    def _apply(self, batches: range, tell: Tell) -> None:
        with LeadStore(self._path) as store:
            for batch in batches:
                store.apply_many(self._messages[batch * _BATCH : (batch + 1) * _BATCH])
                tell(time.monotonic())
                time.sleep(_PAUSE)

    def _reader(self, chance: float) -> Child:
        """Read until all is written, and once more; each line has when, and what was read."""

        def work(tell: Tell) -> None:
            if not os.getuid():
                os.setgroups([])
                os.setgid(_NOBODY)
                os.setuid(_NOBODY)
            rng = Random(chance)
            is_done = False
            while not is_done:
                is_done = (self._place / "done").exists()
                self._read(rng, tell)

        return Child(work)

    def _read(self, rng: Random, tell: Tell) -> None:
        """Open the store and read it a few times."""
        try:
            started = time.monotonic()
            with LeadReader(self._path) as reader:
                for _ in range(rng.randint(1, _READS)):
                    with reader.snapshot():
                        tell(f"{started} {said(reader)}")
                        if rng.random() < _VERIFIED and (found := reader.verify().defects):
                            tell(f"{started} verify: {found[0]}")
                    started = time.monotonic()
        except BusyStoreError:
            tell(f"{started} again")
            time.sleep(_PAUSE)

    def _read_closed(
        self, rng: Random, prefixes: dict[str, int], counts: Counter[str]
    ) -> list[str]:
        """Read it while nobody may write to the directory."""
        self._place.chmod(0o555)
        ended = Child(lambda tell: self._read(rng, tell)).end()
        self._place.chmod(0o755)
        return self._judged(ended, prefixes, counts)

    def _judged(self, ended: Ended, prefixes: dict[str, int], counts: Counter[str]) -> list[str]:
        """Hold what was read beside what had been written."""
        wrong = _failed(ended)
        batches = 0
        for line in ended.told if not wrong else ():
            at, _, text = line.partition(" ")
            acknowledged = sum(time <= float(at) for time in self._times) - 1
            batches = prefixes.get(text, -1)
            counts["to be tried again" if text == "again" else "reads"] += 1
            if text != "again" and batches < acknowledged:
                read = f"{batches} of them" if batches >= 0 else text
                wrong.append(f"{acknowledged} batches were acknowledged, and it reads {read}")
        if not os.getuid() and batches != self._batches:
            wrong.append(f"in the end it reads {batches} of {self._batches} batches")
        return wrong


def _failed(ended: Ended) -> list[str]:
    return [f"{ended}"] if ended.status else []
