"""HTTP/1.1 within limits: heads and bodies that arrive slowly, or never end, are cut off."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lifecycle.service.settings import Settings

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n"
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n"
#: The application answers first when a body is slow.
_GRACE_SECONDS: Final = 5.0
#: So many bytes of an answer a client must take while a body may last, or it is cut off.
_TAKEN_BYTES: Final = 32 * 1024


class LimitedProtocol(HttpToolsProtocol):
    """A connection whose requests must arrive in time, and whose heads may not be large."""

    settings: ClassVar[Settings]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = 0
        self._trailer_bytes = 0
        self._taking: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait(self.settings.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to watch whether a client takes its answer."""
        super().pause_writing()
        self._watch()

    def resume_writing(self) -> None:
        """Watch no more: it has taken nearly all of it."""
        self._stop_watching()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Count the bytes of a head while it has not ended."""
        super().data_received(data)
        if self._head_bytes is None or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > self.settings.header_limit:
            self._cut(_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin to wait for a head."""
        super().on_message_begin()
        self._head_bytes = 0
        self._wait(self.settings.header_seconds)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; behind a body nobody reads any, and they have no end."""
        if self._head_bytes is not None:
            super().on_header(name, value)
            return
        self._trailer_bytes += len(name) + len(value)
        if self._trailer_bytes > self.settings.header_limit:
            self._cut(_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Wait for the body, unless the head is too large."""
        self._head_bytes = None
        self._trailer_bytes = 0
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.settings.header_limit:
            self._cut(_TOO_LARGE)
            return
        self._wait(self.settings.body_seconds + _GRACE_SECONDS)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, unless its request was cut off."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait no more: the rest is for the application to do."""
        self._stop_waiting()
        if not self.transport.is_closing():
            super().on_message_complete()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self._cut, _TOO_SLOW)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        size = self.transport.get_write_buffer_size()
        self._taking = self.loop.call_later(self.settings.body_seconds, self._check_taking, size)

    def _check_taking(self, before: int) -> None:
        if before - self.transport.get_write_buffer_size() < _TAKEN_BYTES:
            self.transport.abort()  # to close it would wait for the client
        else:
            self._watch()

    def _stop_watching(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None

    def _cut(self, answer: bytes) -> None:
        """Close the connection, with an answer where none was begun."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(answer)
        self.transport.close()


def limited(settings: Settings) -> type[LimitedProtocol]:
    """Return the protocol with these limits."""
    return type("Limited", (LimitedProtocol,), {"settings": settings})
