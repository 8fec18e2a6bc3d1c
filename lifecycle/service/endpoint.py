"""A call as an endpoint: each request is checked, answered, measured and logged."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from lifecycle.service import pages
from lifecycle.service.calls import Call
from lifecycle.service.core import Service
from lifecycle.service.problems import answer_of, problem_of
from lifecycle.service.tracing import note_status, span

_LOG: Final = logging.getLogger("lifecycle.service")
_ACCESS: Final = logging.getLogger("lifecycle.service.access")
#: The status that is logged where the client went away.
_GONE: Final = 499
_SERVER_ERROR: Final = 500
_SHOWN_IDS: Final = 20
_LONGEST_ID: Final = 200
#: What every answer says, unless it says something else of the same.
HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    # With no-referrer browsers would hide where a form is from, and it could not be told.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
_RAW: Final = [(name.encode(), text.encode()) for name, text in HEADERS.items()]


class Endpoint:
    """Answers the requests of one call, as an ASGI application."""

    def __init__(self, service: Service, call: Call) -> None:
        self._service = service
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        with span(request, self._call.method, self._call.path) as current:
            response = await self._answer(request)
            note_status(current, response.status_code)
        said = {name for name, _ in response.raw_headers}
        response.raw_headers += [one for one in _RAW if one[0] not in said]
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        service, call = self._service, self._call
        started = time.monotonic()
        who, response = "", None
        try:
            who = service.access.check(request, call, service.sessions).name
            response = await call.handler(service, request, call.read(request))
        except ClientDisconnect:
            response = Response(status_code=400)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is answered
            response = _failed(error, call, request)
        finally:
            status = _GONE if response is None else response.status_code
            service.metrics.count_request(call.method, call.path, status)
            _log(request, call, status=status, who=who, seconds=time.monotonic() - started)
        return response


def _failed(error: Exception, call: Call, request: Request) -> Response:
    problem = problem_of(error)
    response = pages.failed(problem, request) if call.is_page else answer_of(problem)
    if response.status_code == _SERVER_ERROR:
        _LOG.error("%s %s failed", call.method, call.path, exc_info=error)
    elif problem.code == "store":
        _LOG.warning("%s %s: %s", call.method, call.path, error)
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
        ids = (one["id"] for one in told[:_SHOWN_IDS])
        line["ids"] = [None if one is None else one[:_LONGEST_ID] for one in ids]
    line = {name: part for name, part in line.items() if part is not None}
    _ACCESS.info("request", extra={"request": line})
