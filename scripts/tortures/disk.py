"""A disk that is full, at many sizes; a small file system; a directory that cannot be written."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from children import REFUSED, Child, Ended, Tell
from result import Amount, Result
from stores import defects, folder, line_of, replayed
from stories import messages, write_log

from lifecycle import LeadStore
from lifecycle.replay import replay

DOES: Final = (
    "a file size limit at {runs:,} sizes while replaying {size:,} events; a small tmpfs where"
    " allowed; a read-only directory"
)
HOLDS: Final = (
    "one clear error, the cursor at the last acknowledged batch, nothing damaged; with room again"
    " it resumes to what an undisturbed run says"
)
FULL: Final = Amount(200, 2000)
QUICK: Final = Amount(6, 500)
_BATCHES: Final = 20
_NOBODY: Final = 65534
_LARGER: Final = ("mount", "-o", "remount,size=64m")
_UNMOUNT: Final = ("umount",)
_TMPFS: Final = ("mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs")


def run(seed: int, amount: Amount) -> Result:
    """Fill the disk."""
    result = Result()
    with folder() as place:
        place.chmod(0o755)
        log = write_log(place / "log.jsonl", messages(seed, amount.size))
        batch = amount.size // _BATCHES
        wanted = replayed(place / "whole.db", log, batch=batch)
        case = _Case(log, batch, wanted, result)
        largest = (place / "whole.db").stat().st_size
        refused = 0
        for number in range(amount.runs):
            size = Random(f"disk/{seed + number}").randrange(0, largest)
            path = place / f"{number}.db"
            refused += case.limited(path, size, f"seed {seed + number}: limit {size}")
            for file in place.glob(f"{number}.db*"):
                file.unlink()
        result.notes.append(f"the limit was met {refused:,} times")
        case.small_disk(place / "small", f"seed {seed}: tmpfs")
        case.read_only(place / "closed", f"seed {seed}: read-only directory")
    return result


class _Case:
    """A log that is replayed where something is in the way."""

    def __init__(self, log: Path, batch: int, wanted: str, result: Result) -> None:
        self._log = log
        self._batch = batch
        self._wanted = wanted
        self._result = result

    def limited(self, path: Path, size: int, name: str) -> bool:
        """No file may become larger; whether that was in the way."""

        def work(tell: Tell) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            self._replay(path, tell)

        ended = Child(work).end()
        self._check(path, ended, name)
        return ended.status == REFUSED

    def small_disk(self, place: Path, name: str) -> None:
        """Provide a file system of half a megabyte, and make it larger."""
        with small_disk(place) as allowed:
            if not allowed:
                self._result.notes.append("a tmpfs could not be mounted here")
                return
            path = place / "leads.db"
            ended = Child(lambda tell: self._replay(path, tell)).end()
            if ended.status != REFUSED:
                self._result.failures.append(f"{name}: {ended}")
            enlarge(place)
            self._check(path, ended, name)
            self._result.notes.append("a tmpfs of 512 KiB was filled")

    def read_only(self, place: Path, name: str) -> None:
        """Try a directory in which nothing may be written: first without a store, then with one."""
        place.mkdir()
        path = place / "leads.db"
        for with_store in (False, True):
            if with_store:
                LeadStore(path).close()
            place.chmod(0o555)
            ended = Child(lambda tell: self._as_nobody(path, tell)).end()
            place.chmod(0o755)
            if ended.status != REFUSED:
                self._result.failures.append(f"{name}: {ended}")
            self._check(path, ended, name)
            for file in place.iterdir():
                file.unlink()

    def _as_nobody(self, path: Path, tell: Tell) -> None:
        if not os.getuid():
            os.setuid(_NOBODY)
        self._replay(path, tell)

    def _replay(self, path: Path, tell: Tell) -> None:
        with LeadStore(path) as store:
            replay(store, [self._log], batch=self._batch, tell=lambda now: tell(now.read))

    def _check(self, path: Path, ended: Ended, name: str) -> None:
        """One error at most; what was acknowledged is there; it resumes to the same."""
        self._result.runs += 1
        wrong = [] if ended.status in (0, REFUSED) else [str(ended)]
        numbers = [int(one) for one in ended.told if one.isdecimal()]
        clear = [one for one in ended.told if not one.isdecimal()]
        if ended.status == REFUSED and (len(clear) != 1 or str(path) not in clear[0]):
            wrong.append(f"no clear error: {clear}")
        if (line := line_of(path)) != (numbers[-1] if numbers else 0):
            wrong.append(f"acknowledged {numbers[-1:]}, and the cursor is at {line}")
        if replayed(path, self._log, batch=self._batch) != self._wanted:
            wrong.append("resumed, it says something else")
        wrong += defects(path)
        self._result.failures += [f"{name}: {one}" for one in wrong]


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """Provide a small file system, where this process may mount one."""
    place.mkdir()
    try:
        done = subprocess.run([*_TMPFS, place], check=False, capture_output=True)
    except OSError:
        yield False
        return
    if done.returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run([*_UNMOUNT, place], check=True)


def enlarge(place: Path) -> None:
    """Make room on a small file system."""
    subprocess.run([*_LARGER, place], check=True)
