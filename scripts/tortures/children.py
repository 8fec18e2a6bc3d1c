"""Processes that do one thing, tell how far they are, and may be killed while they do it."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Final, NamedTuple, NoReturn, TypeAlias

from lifecycle.errors import LifecycleError

Tell: TypeAlias = Callable[[object], None]
Work: TypeAlias = Callable[[Tell], None]

#: How a child ends that met one of our own errors, and one that met any other.
REFUSED: Final = 3
BROKEN: Final = 70


class Ended(NamedTuple):
    """How a child ended: its exit status, or minus the signal; what it told, a line each."""

    status: int
    told: list[str]

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.status == -signal.SIGKILL

    def __str__(self) -> str:
        return f"status {self.status}: {self.told[-1] if self.told else 'nothing told'}"


class Child:
    """A process made by forking: it has all that was imported, and no open store."""

    def __init__(self, work: Work) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        self.pid = os.fork()
        if not self.pid:
            os.close(reading)
            _do(work, writing)
        os.close(writing)
        self._pipe = os.fdopen(reading, encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Kill it; one that has ended is left as it is."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> Ended:
        """Wait until it ends."""
        with self._pipe:
            told = self._pipe.read().splitlines()
        _, status = os.waitpid(self.pid, 0)
        return Ended(os.waitstatus_to_exitcode(status), told)


def _do(work: Work, pipe: int) -> NoReturn:
    """Do the work and end: nothing of what the parent meant to do is done here."""
    status = BROKEN

    def tell(what: object) -> None:
        line = " ".join(str(what).splitlines())
        os.write(pipe, f"{line}\n".encode())

    try:
        work(tell)
        status = 0
    except LifecycleError as error:
        tell(error)
        status = REFUSED
    except BaseException:  # noqa: BLE001 - whatever it is, the parent is told
        tell(traceback.format_exc()[-1500:])
    finally:
        os._exit(status)
