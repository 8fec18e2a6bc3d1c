"""The ASGI application: its calls, each checked, measured and logged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lifecycle.service import (
    audits,
    contact_centre,
    feed,
    handshake,
    hooks,
    inbox,
    leads,
    openapi,
    operations,
    pages,
    posting,
    quarantine,
    replaying,
    tools,
)
from lifecycle.service.calls import Call
from lifecycle.service.core import Service
from lifecycle.service.endpoint import HEADERS, Endpoint
from lifecycle.service.problems import ProblemError, answer_of
from lifecycle.service.settings import Settings

CALLS: Final[tuple[Call, ...]] = (
    *posting.CALLS,
    *inbox.CALLS,
    *replaying.CALLS,
    *tools.CALLS,
    *contact_centre.CALLS,
    *hooks.CALLS,
    *handshake.CALLS,
    *leads.CALLS,
    *audits.CALLS,
    *quarantine.CALLS,
    *feed.CALLS,
    *pages.CALLS,
    *openapi.CALLS,
    *operations.CALLS,
)


def application(path: Path, settings: Settings) -> Starlette:
    """Return the service of a store as an ASGI application.

    Raises:
        SettingsError: The file of keys cannot be read.
    """
    service = Service(path, settings, CALLS)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    made = Starlette(
        routes=[Route(call.path, Endpoint(service, call), methods=[call.method]) for call in CALLS],
        lifespan=lifespan,
        exception_handlers={HTTPException: _unrouted},
    )
    made.router.redirect_slashes = False
    made.state.service = service
    return made


async def _unrouted(request: Request, error: Exception) -> Response:
    """Answer a request that no call is for; of a path with a slash too few, say which is meant."""
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette promises it
    code = "method_not_allowed" if error.status_code == 405 else "not_found"  # noqa: PLR2004
    meant = _meant(request.method, request.url.path)
    detail = f"expected {meant}" if meant else ""
    response = answer_of(ProblemError(code, detail, headers=dict(error.headers or {})))
    response.headers.update(HEADERS)
    return response


def _meant(method: str, path: str) -> str:
    """Return a call's path that differs by the slash at its end alone; of the method, if one is."""
    other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
    methods = [call.method for call in CALLS if call.path == other]
    if not methods:
        return ""
    return f"{method if method in methods else methods[0]} {other}"
