"""The time to write the file anew without what was erased: soon, but not all the time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from lifecycle.errors import StoreError
from lifecycle.store import LeadStore

_LOG: Final = logging.getLogger("lifecycle.service")
#: Behind a purge the writer has so many times as long for all else, and so many seconds at least.
_TIMES: Final = 10
_SECONDS: Final = 1.0
#: So long a purge waits for a moment in which nobody asks for anything.
_PATIENCE_SECONDS: Final = 60.0


class Purging:
    """Purges a store behind erasures: several together, since nothing is written meanwhile."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # A service that was killed may have left traces.
        self._is_needed = True
        self._erased = 0
        self._next = clock()

    def seconds_left(self, store: LeadStore) -> float | None:
        """Return how long to wait for the next purge; None where none is needed."""
        if store.erased != self._erased:
            self._is_needed, self._erased = True, store.erased
        return self._next - self._clock() if self._is_needed else None

    def is_overdue(self, seconds_left: float | None) -> bool:
        """Return whether a purge has waited long enough for a moment of rest."""
        return seconds_left is not None and seconds_left < -_PATIENCE_SECONDS

    def run(self, store: LeadStore) -> None:
        """Purge; where a reader or the disk is in the way, it is tried again later."""
        started = self._clock()
        try:
            store.purge()
            self._is_needed = False
        except StoreError as error:
            _LOG.warning("what was erased is erased, but has left traces: %s", error)
        if store.spared:
            _LOG.warning("not erased, though contacts were deleted: what may be many people")
        ended = self._clock()
        self._next = ended + max(_SECONDS, _TIMES * (ended - started))

    def finish(self, store: LeadStore) -> None:
        """Purge for the last time, if that is needed."""
        if self.seconds_left(store) is not None:
            self.run(store)
