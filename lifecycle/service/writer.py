"""The thread that owns the store: requests that wait together share one commit."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

from attrs import define, frozen

from lifecycle.errors import StoreError
from lifecycle.service.purging import Purging
from lifecycle.store import IngestItem, LeadStore, Outcome, Place

Result = TypeVar("Result")
#: Messages to take in, or what is to be done with the store, in a transaction of its own.
Work: TypeAlias = "Sequence[IngestItem] | Callable[[LeadStore], Any]"

_LOG: Final = logging.getLogger("lifecycle.service")
_PLACE: Final = Place()


class QueueFullError(Exception):
    """More messages wait for their commit than may."""


class StoppedError(Exception):
    """The writer has stopped, and takes nothing more."""


@frozen
class Commit:
    """One commit that was made: how many requests shared it, their outcomes, how long it took."""

    requests: int
    outcomes: Sequence[Outcome]
    seconds: float


@define(eq=False)
class _Request:
    work: Work
    future: asyncio.Future[Any]

    @property
    def messages(self) -> int:
        return 0 if callable(self.work) else len(self.work)

    @property
    def size(self) -> int:
        return max(1, self.messages)


#: A request that is done: what it is answered with, or why it failed.
_Done: TypeAlias = tuple[_Request, Any, "BaseException | None"]


class StoreWriter:
    """Takes messages of many requests into one store, in one thread.

    Nobody waits for company: what queued while the last commit ran is the next one. Messages come
    decoded: ``LeadStore.apply_group`` would do that here, where everybody waits for it.

    Attributes:
        last_error: Why the last commit failed; None where it did not.
    """

    def __init__(
        self,
        open_store: Callable[[], LeadStore],
        *,
        queue: int,
        batch: int,
        on_commit: Callable[[Commit], None] = lambda _: None,
        purging: Purging | None = None,
    ) -> None:
        self._open_store = open_store
        self._limit = queue
        self._batch = batch
        self._on_commit = on_commit
        self._purging = purging
        self._requests: deque[_Request] = deque()
        self._depth = 0
        self._is_stopping = False
        self._wakes = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self.last_error: BaseException | None = None

    async def start(self) -> None:
        """Open the store in the thread.

        Raises:
            StoreError: It cannot be opened.
        """
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._thread.start()
        await self._opened

    async def stop(self) -> None:
        """Do what was accepted, then close the store."""
        with self._wakes:
            self._is_stopping = True
            self._wakes.notify()
        await asyncio.to_thread(self._thread.join)

    @property
    def depth(self) -> int:
        """The number of messages that wait for their commit."""
        return self._depth

    @property
    def is_running(self) -> bool:
        """Return whether requests are taken."""
        return self._thread.is_alive() and not self._is_stopping

    async def take(self, items: Sequence[IngestItem]) -> list[Outcome]:
        """Take messages in; return what became of each, when they are on disk.

        Raises:
            QueueFullError: Too many messages wait already.
            StoppedError: The service stops.
            StoreError: The store could not be written; nothing of the request is in it.
        """
        outcomes: list[Outcome] = await self._ask(items)
        return outcomes

    async def call(self, work: Callable[[LeadStore], Result]) -> Result:
        """Do something with the store, in the writer's thread; raises as ``take`` does."""
        result: Result = await self._ask(work)
        return result

    def _ask(self, work: Work) -> asyncio.Future[Any]:
        request = _Request(work, self._loop.create_future())
        with self._wakes:
            if not self.is_running:
                raise StoppedError
            # One that is larger than the queue goes in where nothing waits.
            if self._depth and self._depth + request.size > self._limit:
                raise QueueFullError
            self._requests.append(request)
            self._depth += request.size
            self._wakes.notify()
        return request.future

    # --- in the thread ----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            store = self._open_store()
        except BaseException as error:  # noqa: BLE001 - whoever started it is told
            self._loop.call_soon_threadsafe(self._opened.set_exception, error)
            return
        self._loop.call_soon_threadsafe(self._opened.set_result, None)
        with store:
            while not self._is_done():
                if group := self._next_group(self._purge(store)):
                    done = self._work(store, group)
                    self._loop.call_soon_threadsafe(_answer, done)
            if self._purging is not None:
                self._purging.finish(store)

    def _purge(self, store: LeadStore) -> float | None:
        """Purge if it is time to and nobody waits; return the seconds until then."""
        if self._purging is None:
            return None
        left = self._purging.seconds_left(store)
        is_time = left is not None and left <= 0 and not self._requests
        if is_time or self._purging.is_overdue(left):
            self._purging.run(store)
            left = self._purging.seconds_left(store)
        return left

    def _is_done(self) -> bool:
        with self._wakes:
            return self._is_stopping and not self._requests

    def _next_group(self, seconds: float | None) -> list[_Request]:
        """Wait for requests; return those that share a commit, none after so many seconds."""
        with self._wakes:
            self._wakes.wait_for(lambda: self._requests or self._is_stopping, seconds)
            group: list[_Request] = []
            size = 0
            while self._requests:
                request = self._requests[0]
                if group and (callable(request.work) or size + request.size > self._batch):
                    break
                group.append(self._requests.popleft())
                size += request.size
                if callable(request.work):
                    break
            self._depth -= size
        return group

    def _work(self, store: LeadStore, group: Sequence[_Request]) -> list[_Done]:
        """Do what a group asks for, in one commit; one that fails for its own reasons is alone."""
        try:
            return self._commit(store, group)
        except StoreError as error:
            self.last_error = error
            _LOG.error("nothing was written: %s", error)
            return [(request, None, error) for request in group]
        except Exception as error:  # noqa: BLE001 - whoever asked is told
            if len(group) > 1:
                return [done for one in group for done in self._work(store, [one])]
            return [(group[0], None, error)]

    def _commit(self, store: LeadStore, group: Sequence[_Request]) -> list[_Done]:
        first = group[0].work
        if callable(first):
            return [(group[0], first(store), None)]
        started = time.monotonic()
        items = [(item, _PLACE) for one in group if not callable(one.work) for item in one.work]
        outcomes = store.session().apply(items) if items else []
        self.last_error = None
        self._on_commit(Commit(len(group), outcomes, time.monotonic() - started))
        rest = iter(outcomes)
        return [(one, list(islice(rest, one.messages)), None) for one in group]


def _answer(done: Sequence[_Done]) -> None:
    """Answer requests, in the loop; whoever went away meanwhile is not told."""
    for request, result, error in done:
        if request.future.done():
            continue
        if error is None:
            request.future.set_result(result)
        else:
            request.future.set_exception(error)
