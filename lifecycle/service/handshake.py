"""Senders of CloudEvents that ask by OPTIONS whether they may deliver (their HTTP webhook rules).

An address in ``WebHook-Request-Callback`` is not called: the answer says all.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.service.calls import Call, text
from lifecycle.service.core import Service
from lifecycle.service.problems import ProblemError

_MINUTE: Final = 60
_METHODS: Final = {"Allow": "POST"}


async def may_deliver(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer that a sender may deliver, if it is among those that are configured."""
    settings = service.settings
    if given.get("name") is not None and given["name"] not in settings.hooks:
        raise ProblemError("not_found", "no webhook of this name is configured")
    origin = request.headers.get("webhook-request-origin", "")
    is_known = origin.lower() in map(str.lower, settings.origins) or "*" in settings.origins
    if not is_known or not origin:
        raise ProblemError("method_not_allowed", "see `origins`", headers=_METHODS)
    rate = str(max(1, int(settings.rate * _MINUTE))) if settings.rate else "*"
    headers = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": rate}
    return Response(headers=_METHODS | headers)


def _call(path: str, *parameters: Any) -> Call:
    return Call(
        "OPTIONS",
        path,
        may_deliver,
        "Say whether a sender of CloudEvents may deliver.",
        scope=None,
        parameters=parameters,
        tag="Inbox",
    )


CALLS: Final = (
    _call("/inbox/"),
    _call("/publish/"),
    _call("/hooks/{name}", text("name", "The name of the webhook.", place="path")),
)
