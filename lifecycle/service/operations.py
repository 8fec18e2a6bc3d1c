"""Calls for operators: whether the service lives, whether it is ready, its figures."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.service.calls import Call, json_answer
from lifecycle.service.core import Service
from lifecycle.service.metrics import MEDIA_TYPE
from lifecycle.service.problems import ProblemError
from lifecycle.store import LeadReader


async def livez(_: Service, __: Request, ___: dict[str, Any]) -> Response:
    """Say that the service lives."""
    return json_answer({"status": "alive"})


async def readyz(service: Service, _: Request, __: dict[str, Any]) -> Response:
    """Say whether messages are taken."""
    if not await service.is_ready():
        raise ProblemError("store", "the last commit failed, or the service stops")
    return json_answer({"status": "ready"})


async def metrics(service: Service, _: Request, __: dict[str, Any]) -> Response:
    """Return the figures."""

    def read(reader: LeadReader) -> bytes:
        numbers = reader.quarantine_numbers()
        return service.metrics.text(len(numbers), reader.listing().pages().streams())

    return Response(await service.readers.read(read), media_type=MEDIA_TYPE)


CALLS: Final = (
    Call("GET", "/livez", livez, "Say that the service lives.", scope=None, tag="Operations"),
    Call("GET", "/readyz", readyz, "Say whether messages are taken.", scope=None, tag="Operations"),
    Call(
        "GET",
        "/metrics",
        metrics,
        "The figures for Prometheus.",
        gives="text/plain",
        tag="Operations",
    ),
)
