"""The server: listens, and stops when all that was accepted is answered."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn

from lifecycle.service.access import is_loopback
from lifecycle.service.application import application
from lifecycle.service.core import Service
from lifecycle.service.keys import KeyFile
from lifecycle.service.protocol import limited
from lifecycle.service.settings import Settings, SettingsError
from lifecycle.service.signatures import check_secrets
from lifecycle.store import LeadStore

_BACKLOG: Final = 1024
_KEEP_ALIVE_SECONDS: Final = 30
#: So long may what was accepted take when the service stops.
_GRACE_SECONDS: Final = 30


class _Server(uvicorn.Server):
    """A server whose endless answers end when it begins to stop."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at a signal, and leave with status 0: it was asked for."""
        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return
        signals = (signal.SIGINT, signal.SIGTERM)
        before = [(one, signal.signal(one, self.handle_exit)) for one in signals]
        try:
            yield
        finally:
            for one, handler in before:
                signal.signal(one, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what would not end by itself, then wait for the rest."""
        self._service.stopping.set()
        self._service.news.stop()
        await super().shutdown(sockets)


def check(path: Path, settings: Settings) -> None:
    """Check that the service can be started: its store, its keys, its address.

    Raises:
        SettingsError: It may not listen there, or the keys cannot be read.
        StoreError: The store cannot be opened.
    """
    if settings.keys is not None:
        KeyFile(settings.keys).read()
    elif not is_loopback(settings.host):
        raise SettingsError(
            "host",
            f"{settings.host} can be reached from elsewhere, and no keys are configured:"
            " make some with `lifecycle serve keys add`, or listen at 127.0.0.1",
        )
    for name, hook in settings.hooks.items():
        check_secrets(name, hook)
    with LeadStore(path):
        pass


def serve(path: Path, settings: Settings, on_start: Callable[[str], None]) -> None:
    """Serve a store until a signal says that it is enough; ``on_start`` is told the address.

    Raises:
        SettingsError: Nothing can listen at the address.
        StoreError: The store cannot be opened.
    """
    check(path, settings)
    server = server_of(path, settings)
    with listening(settings) as listener:
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        on_start(f"http://{shown}:{port}")
        server.run([listener])


def server_of(path: Path, settings: Settings) -> uvicorn.Server:
    """Return the server of a store, which is told where to listen when it runs.

    Raises:
        SettingsError: The file of keys cannot be read.
    """
    made = application(path, settings)
    config = uvicorn.Config(
        made,
        http=limited(settings),
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.connections,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return _Server(config, made.state.service)


def listening(settings: Settings) -> socket.socket:
    """Return a socket that listens at the address of the settings.

    Raises:
        SettingsError: Nothing can listen there.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        where = f"{settings.host}:{settings.port}"
        raise SettingsError(where, f"cannot listen there: {error.strerror}") from None
    return listener
