"""Connections that read the store beside the writer, each used by one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import local
from typing import Final, TypeVar

from lifecycle.service.problems import ProblemError
from lifecycle.store import LeadReader

Result = TypeVar("Result")
_LINK_BYTES: Final = 8


class Readers:
    """Reads a store in some threads, each with a connection of its own.

    Whoever goes away leaves what he asked for behind: no more than ``most`` wait at once.
    """

    def __init__(self, path: Path, count: int, most: int) -> None:
        self._path = path
        self._most = most
        self._waiting = 0
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="store-reader")
        self._local = local()
        self._opened: list[LeadReader] = []

    async def read(self, work: Callable[[LeadReader], Result]) -> Result:
        """Return what is read of the store, as of one moment.

        Raises:
            StoreError: The store cannot be read.
            ProblemError: Too many wait already.
        """
        if self._waiting >= self._most:
            raise ProblemError("too_busy", "too many wait for such an answer")
        self._waiting += 1
        reading = self._threads.submit(self._read, work)
        loop = asyncio.get_running_loop()
        reading.add_done_callback(lambda _: loop.call_soon_threadsafe(self._is_done))
        return await asyncio.wrap_future(reading)

    def _is_done(self) -> None:
        self._waiting -= 1

    def close(self) -> None:
        """Close the connections."""
        self._threads.shutdown()
        for reader in self._opened:
            reader.close()

    def _read(self, work: Callable[[LeadReader], Result]) -> Result:
        reader: LeadReader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = LeadReader(self._path)
            self._opened.append(reader)
        with reader.snapshot():
            return work(reader)


def etag_of(reader: LeadReader) -> str:
    """Return what changes with the store: the number of the last change, and the ledger's head."""
    head = reader.head()
    return f'"{reader.last_change()}-{head.count}-{head.link[:_LINK_BYTES].hex()}"'
