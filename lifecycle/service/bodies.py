"""Bodies of requests: read within limits of size, time and memory, and their media types."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request

from lifecycle.service.problems import ProblemError
from lifecycle.service.settings import Settings

#: What makes a client stop sending a body that nobody reads.
_CLOSE: Final = {"Connection": "close"}


class Memory:
    """Counts the bytes of bodies that are in work at once."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def take(self, size: int) -> None:
        """Take some bytes.

        Raises:
            ProblemError: So many are not free. What waits alone may be as large as it likes.
        """
        if self.used and self.used + size > self._limit:
            raise ProblemError("too_busy", "too many large bodies at once", headers=_CLOSE)
        self.used += size

    def free(self, size: int) -> None:
        """Give bytes back."""
        self.used -= size


@asynccontextmanager
async def body_of(request: Request, settings: Settings, memory: Memory) -> AsyncIterator[bytes]:
    """Read a body; its bytes count as used until the ``with`` block ends.

    Raises:
        ProblemError: There is none, it is too large, too slow, or too many are in work.
    """
    held = 0
    chunks: list[bytes] = []
    try:
        _check_length(request, settings.body_limit)
        async with asyncio.timeout(settings.body_seconds):
            async for chunk in request.stream():
                if held + len(chunk) > settings.body_limit:
                    raise _too_large(settings.body_limit)
                memory.take(len(chunk))
                held += len(chunk)
                chunks.append(chunk)
        body = b"".join(chunks)
        if not body.strip():
            raise ProblemError("no_body", "expected a message in the body")
        yield body
    except TimeoutError:
        seconds = f"{settings.body_seconds:g}"
        raise ProblemError(
            "body_too_slow", f"expected the body within {seconds} seconds", headers=_CLOSE
        ) from None
    finally:
        memory.free(held)


def check_media_type(request: Request, accepted: Sequence[str]) -> str:
    """Return the media type of a body, without its parameters.

    Raises:
        ProblemError: It is none of those that are accepted, or the body is packed.
    """
    stated = request.headers.get("content-type", "")
    media_type = stated.partition(";")[0].strip().lower()
    is_json = media_type.startswith("application/") and media_type.endswith("+json")
    if media_type not in accepted and not (is_json and "application/json" in accepted):
        expected = " or ".join(accepted)
        raise ProblemError("media_type", f"expected {expected}, got {media_type!r:.80}")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise ProblemError("media_type", f"expected a body that is not packed, got {coding!r:.80}")
    return media_type


def _check_length(request: Request, limit: int) -> None:
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated[:20]) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> ProblemError:
    return ProblemError("body_too_large", f"expected at most {limit:,} bytes", headers=_CLOSE)
