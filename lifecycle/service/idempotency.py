"""Answers by ``Idempotency-Key``: the same request again gives the same answer."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import define
from starlette.responses import Response

from lifecycle.service.problems import ProblemError

_KEPT: Final = 10_000
_KEPT_BYTES: Final = 64 * 1024 * 1024
_KEPT_SECONDS: Final = 24 * 60 * 60
_LONGEST: Final = 255


@define
class _Known:
    digest: bytes
    until: float
    answer: Response | None = None


class Answers:
    """The last answers by key, in memory.

    After a restart a key is forgotten. A message that comes again is a duplicate all the same.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._clock = clock
        self._bytes = 0

    async def once(
        self, who: str, key: str, asked: bytes, work: Callable[[], Awaitable[Response]]
    ) -> Response:
        """Return the answer to a request: that of before, where its key is known.

        Raises:
            ProblemError: The key came with another content, is still in work, or is too long.
        """
        if not 0 < len(key) <= _LONGEST:
            raise ProblemError("bad_query", f"Idempotency-Key: expected 1 to {_LONGEST} characters")
        self._forget()
        digest = hashlib.sha256(asked).digest()
        known = self._known.get((who, key))
        if known is not None:
            return _again(known, digest)
        known = self._known[who, key] = _Known(digest, self._clock() + _KEPT_SECONDS)
        try:
            known.answer = await work()
        except (Exception, asyncio.CancelledError):
            self._known.pop((who, key), None)
            raise
        if self._known.get((who, key)) is known:  # it may be forgotten meanwhile
            self._bytes += len(known.answer.body)
        return known.answer

    def _forget(self) -> None:
        while self._known:
            oldest = next(iter(self._known.values()))
            is_room = len(self._known) < _KEPT and self._bytes < _KEPT_BYTES
            if is_room and oldest.until > self._clock():
                break
            self._known.popitem(last=False)
            self._bytes -= len(oldest.answer.body) if oldest.answer else 0


def _again(known: _Known, digest: bytes) -> Response:
    if known.digest != digest:
        raise ProblemError("key_reused", "give each content a key of its own")
    if known.answer is None:
        raise ProblemError("key_in_use", "ask again in a moment")
    return known.answer
