"""Running a command as a process of its own: how long it took, and how much memory.

Memory is measured in two ways. ``proportional`` is the highest sum of the proportional set sizes
of the process and all below it, looked at every 50 milliseconds: a page that several share counts
once. ``resident`` is the kernel's own peak (``ru_maxrss``) of the process alone, to which a page
counts whoever else has it. Both are in MB of 1,000,000 bytes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO, Final, Self

MB: Final = 1_000_000
_EVERY: Final = 0.05
# The kernel tells the resident set in KiB; macOS in bytes.
_MAXRSS_UNIT: Final = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Run:
    """What became of a process."""

    seconds: float
    output: str
    resident: float
    proportional: float


def run(
    command: list[str | Path], *, folder: Path, environment: dict[str, str], watch: bool = False
) -> Run:
    """Run a command in a folder, and wait for its end; ``watch`` its memory.

    Raises:
        RuntimeError: It failed; with what it said on standard error.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=errors
        )
        with _Watch(process.pid, _EVERY if watch else None) as memory:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            what = " ".join(Path(word).name for word in command)
            raise RuntimeError(f"{what}: failed\n{_written(errors)}")
        resident = usage.ru_maxrss * _MAXRSS_UNIT / MB
        return Run(seconds, _written(output), resident, memory.peak / MB)


def _written(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


class _Watch:
    """Looks at the memory of a process and all below it, as long as it lasts.

    Args:
        pid: The process.
        every: How often, in seconds; None: not at all.
    """

    def __init__(self, pid: int, every: float | None) -> None:
        self.peak = 0
        self._pid = pid
        self._every = every
        self._done = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(self._every):
            self.peak = max(self.peak, sum(map(_proportional, _family(self._pid))))


def _family(pid: int) -> Iterator[int]:
    """Return a process, and all that it and they started."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _text(children).split():
            yield from _family(int(child))


def _proportional(pid: int) -> int:
    """Return the proportional set size of a process in bytes; 0 without it or /proc."""
    found = re.search(r"^Pss:\s*(\d+) kB", _text(Path(f"/proc/{pid}/smaps_rollup")), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""
