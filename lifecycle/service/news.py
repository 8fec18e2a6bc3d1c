"""News of the store: who follows its changes is told of each commit."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from lifecycle.errors import StoreError
from lifecycle.service.readers import Readers
from lifecycle.store import LeadReader

#: Other programs may write to the store, too: how often to look for that.
_LOOK_SECONDS: Final = 1.0


class News:
    """Tells those who follow that the store has changed.

    Attributes:
        followers: How many there are.
    """

    def __init__(self, readers: Readers) -> None:
        self._readers = readers
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looks: asyncio.Task[None] | None = None
        self._next = asyncio.Event()
        self.followers = 0

    async def start(self) -> None:
        """Begin to look for what other programs write."""
        self._loop = asyncio.get_running_loop()
        self._looks = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Look no more, and let nobody wait."""
        if self._looks is not None:
            self._looks.cancel()
        self._wake()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Be one of those who follow."""
        self.followers += 1
        try:
            yield
        finally:
            self.followers -= 1

    def tell(self) -> None:
        """Tell that a commit was made; called in the writer's thread."""
        if self._loop is not None and self.followers:
            self._loop.call_soon_threadsafe(self._wake)

    def next(self) -> asyncio.Event:
        """Return what is set at the next change: get it, look for changes, then wait for it."""
        return self._next

    def _wake(self) -> None:
        self._next.set()
        self._next = asyncio.Event()

    async def _look(self) -> None:
        last = 0
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self.followers:
                continue
            with suppress(StoreError):
                now = await self._readers.read(LeadReader.last_change)
                if now != last:
                    self._wake()
                last = now
