"""The ASGI application: its calls, each checked, measured and logged."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lifecycle.service import (
    audits,
    contact_centre,
    feed,
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
from lifecycle.service.problems import ProblemError, answer_of, problem_of
from lifecycle.service.settings import Settings

CALLS: Final[tuple[Call, ...]] = (
    *posting.CALLS,
    *inbox.CALLS,
    *replaying.CALLS,
    *tools.CALLS,
    *contact_centre.CALLS,
    *hooks.CALLS,
    *leads.CALLS,
    *audits.CALLS,
    *quarantine.CALLS,
    *feed.CALLS,
    *pages.CALLS,
    *openapi.CALLS,
    *operations.CALLS,
)
_LOG: Final = logging.getLogger("lifecycle.service")
_ACCESS: Final = logging.getLogger("lifecycle.service.access")
#: The status that is logged where the client went away.
_GONE: Final = 499
_SERVER_ERROR: Final = 500
_SHOWN_IDS: Final = 20
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


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
        routes=[_route(service, call) for call in CALLS],
        lifespan=lifespan,
        exception_handlers={HTTPException: _unrouted},
    )
    made.router.redirect_slashes = False
    made.state.service = service
    return made


def _route(service: Service, call: Call) -> Route:
    async def endpoint(request: Request) -> Response:
        started = time.monotonic()
        who, response, status = "", None, _GONE
        try:
            key = service.access.check(request, call, service.sessions)
            who = key.name
            response = await call.handler(service, request, call.read(request))
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
            response = _failed(error, call, request)
        finally:
            status = _GONE if response is None else response.status_code
            service.metrics.count_request(call.method, call.path, status)
            _log(request, call, status=status, who=who, seconds=time.monotonic() - started)
        for name, text in _HEADERS.items():
            response.headers.setdefault(name, text)
        return response

    return Route(call.path, endpoint, methods=[call.method], name=f"{call.method} {call.path}")


def _failed(error: Exception, call: Call, request: Request) -> Response:
    problem = problem_of(error)
    response = pages.failed(problem, request) if call.is_page else answer_of(problem)
    if response.status_code == _SERVER_ERROR:
        _LOG.error("%s %s failed", call.method, call.path, exc_info=error)
    elif problem.code == "store":
        _LOG.warning("%s %s: %s", call.method, call.path, error)
    return response


async def _unrouted(_: Request, error: Exception) -> Response:
    """Answer a request that no call is for."""
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette promises it
    code = "method_not_allowed" if error.status_code == 405 else "not_found"  # noqa: PLR2004
    response = answer_of(ProblemError(code, headers=dict(error.headers or {})))
    response.headers.update(_HEADERS)
    return response


def _log(request: Request, call: Call, *, status: int, who: str, seconds: float) -> None:
    """Log a request: of messages no more than their ids, of a path no more than its route."""
    if not _ACCESS.isEnabledFor(logging.INFO):
        return
    line: dict[str, Any] = {
        "method": call.method,
        "route": call.path,
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
        "client": request.client.host if request.client else None,
        "key": who or None,
    }
    told = getattr(request.state, "told", None)
    if told is not None:
        line["messages"] = len(told)
        line["ids"] = [one["id"] for one in told[:_SHOWN_IDS]]
    line = {name: part for name, part in line.items() if part is not None}
    _ACCESS.info("request", extra={"request": line})
