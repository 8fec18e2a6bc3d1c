"""The feed of changes: pages of JSON, or events as they happen (text/event-stream)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lifecycle.service.calls import LIMIT, Call, number
from lifecycle.service.core import Service
from lifecycle.service.problems import ProblemError
from lifecycle.service.reading import answer, as_page
from lifecycle.store import LeadReader

STREAM: Final = "text/event-stream"
_TOGETHER: Final = 500
_ALIVE: Final = b": alive\n\n"
_AFTER: Final = number("after", "Only those behind this number.")


async def changes(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with the changes behind a number, or with all that come, as events."""
    if STREAM in request.headers.get("accept", "") and request.method == "GET":
        if service.news.followers >= service.settings.feeds:
            raise ProblemError("too_busy", "too many feeds are open")
        return EventStream(service, _last_event(request, given["after"]))

    def read(reader: LeadReader) -> dict[str, Any]:
        rows = changes_behind(reader, given["after"], given["limit"])
        return {"changes": rows, "next": rows[-1]["change"] if rows else given["after"]}

    return await answer(service, request, read)


def changes_behind(reader: LeadReader, after: int, limit: int) -> list[dict[str, Any]]:
    """Return changes behind a number."""
    return as_page((one.as_dict() for one in reader.changes(after=after)), limit)[0]


def _last_event(request: Request, after: int) -> int:
    stated = request.headers.get("last-event-id")
    if stated is None:
        return after
    try:
        return int(_AFTER.read(stated))
    except ValueError as error:
        raise ProblemError("bad_query", f"Last-Event-ID: {error}") from None


class EventStream(Response):
    """An answer that goes on: each change as an event, as soon as it is on disk.

    A client that does not read is cut off: of what it does not take no more waits than the
    connection holds.
    """

    def __init__(self, service: Service, after: int) -> None:
        super().__init__(status_code=200, media_type=STREAM)
        del self.headers["content-length"]
        self._service = service
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client goes away, or the service stops."""
        request = Request(scope, receive)
        with self._service.news.followed():
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            while await self._goes_on(request):
                body = await self._next() or _ALIVE
                async with asyncio.timeout(self._service.settings.body_seconds):
                    await send({"type": "http.response.body", "body": body, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    async def _goes_on(self, request: Request) -> bool:
        """Return whether there is somebody to read, whose key is not revoked, and no end yet."""
        if self._service.stopping.is_set() or await request.is_disconnected():
            return False
        try:
            return self._service.access.key_of(request).allows("read")
        except ProblemError:
            return False

    async def _next(self) -> bytes:
        """Return the next events; nothing when it is time to say that the feed is alive."""
        news = self._service.news.next()
        rows = await self._read()
        if not rows:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._service.settings.heartbeat_seconds):
                    await news.wait()
            rows = await self._read()
        if rows:
            self._after = rows[-1]["change"]
        return b"".join(map(_event, rows))

    async def _read(self) -> list[dict[str, Any]]:
        return await self._service.readers.read(
            lambda reader: changes_behind(reader, self._after, _TOGETHER)
        )


def _event(change: dict[str, Any]) -> bytes:
    """Return a change as an event. JSON has no line ends, so that nothing in it begins another."""
    name = change["kind"].encode()
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (change["change"], name, orjson.dumps(change))


CALLS: Final = (
    Call(
        "GET",
        "/changes",
        changes,
        "What changed in the histories, in order; as text/event-stream also what will.",
        parameters=(_AFTER, LIMIT),
        schema="Changes",
        tag="Feed",
    ),
)
