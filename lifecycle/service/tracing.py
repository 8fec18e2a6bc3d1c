"""Spans of OpenTelemetry, by its API alone: without it, or a provider of tracers, none are made."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from starlette.requests import Request


def _imported() -> tuple[Any, Any]:
    try:
        from opentelemetry import propagate, trace  # noqa: PLC0415 - not of the extra
    except ImportError:
        return None, None
    return propagate, trace


_PROPAGATE, _TRACE = _imported()
_NAME: Final = "lifecycle.service"


def span(request: Request, method: str, route: str) -> AbstractContextManager[Any]:
    """Return the span of a request, within that of who asks; None where nobody traces.

    It has the route and not the path, which may hold a name of a lead.
    """
    if _TRACE is None or isinstance(_TRACE.get_tracer_provider(), _TRACE.ProxyTracerProvider):
        return nullcontext()
    current: AbstractContextManager[Any] = _TRACE.get_tracer(_NAME).start_as_current_span(
        f"{method} {route}",
        context=_PROPAGATE.extract(dict(request.headers)),
        kind=_TRACE.SpanKind.SERVER,
        attributes={"http.request.method": method, "http.route": route},
    )
    return current


def note_status(current: Any, status: int) -> None:
    """Note the status of the answer in a span."""
    if current is not None:
        current.set_attribute("http.response.status_code", status)
