"""A contact centre's operations: accept, reject, transfer an interaction (seed 003)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from lifecycle.errors import MessageError
from lifecycle.messages import format_time
from lifecycle.messages.parse import parse
from lifecycle.service.bodies import body_of, check_media_type
from lifecycle.service.calls import Call, json_answer, text
from lifecycle.service.core import Service
from lifecycle.service.posting import request_of, told_of
from lifecycle.service.problems import ProblemError
from lifecycle.store import system_clock
from lifecycle.systems import facts_of

_ACCEPTED: Final = ("application/json",)
_KEY: Final = "idempotency-key"
_MEDIA: Final = ("emails", "chats", "workitems")
#: What an operation may say of whom an interaction is handed to. All else the server knows itself.
_TARGETS: Final = (
    *("target", "targetUri", "destination", "destinationUri"),
    *("targetUser", "targetUserUri", "targetUserId", "targetAgentId"),
    *("queue", "queueId", "queueName", "queueUri", "targetQueue", "targetQueueUri"),
)
#: The state that an operation leads to; one that leaves a lead in another was not allowed.
_LEADS_TO: Final = {"accept": "accepted", "reject": "rejected"}
_DONE: Final = {"statusCode": 0}
_NOT_ALLOWED: Final = 2


async def operate(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Take in what an agent does with an interaction, as a field change at the server's time."""
    check_media_type(request, _ACCEPTED)
    who = service.access.key_of(request).name
    async with body_of(request, service.settings, service.memory) as body:

        async def work() -> Response:
            return await _operate(service, request, given, _operation(body, who))

        key, asked = request.headers.get(_KEY), request_of(request, body)
        return await (work() if key is None else service.answers.once(who, key, asked, work))


async def _operate(
    service: Service, request: Request, given: dict[str, Any], operation: dict[str, Any]
) -> Response:
    now = system_clock()
    record = operation | {"id": given["id"], "statusCode": 0, "time": format_time(now)}
    notified = await asyncio.to_thread(
        facts_of, orjson.dumps(record), "genesys", service.rules, now
    )
    outcomes = await service.writer.take(notified.items)
    request.state.told = told = [told_of(one) for one in outcomes]
    return json_answer(_status(operation["operationName"], told))


def _status(name: str, told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what a contact centre answers: 0 for done, 2 for what was not allowed."""
    if not told:
        return {"statusCode": _NOT_ALLOWED, "statusMessage": "nothing is known of such a thing"}
    one = told[-1]
    wanted = _LEADS_TO.get(name.strip().casefold())
    is_elsewhere = wanted is not None and one.get("state") != wanted
    if one["outcome"] == "refused" or (one["outcome"] == "noted" and is_elsewhere):
        why = one.get("reason") or f"it is {one.get('state')}"
        return {"statusCode": _NOT_ALLOWED, "statusMessage": f"not allowed: {why}"}
    return _DONE


def _operation(body: bytes, who: str) -> dict[str, Any]:
    """Return the operation that is asked for, with who asks."""
    try:
        value = parse(body)
    except MessageError as error:
        raise ProblemError("bad_body", f"{error}") from None
    name = value.get("operationName") if isinstance(value, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise ProblemError("bad_body", "operationName: expected a text")
    operation = {"operationName": name, **{one: value[one] for one in _TARGETS if one in value}}
    # Where nobody needs a key, nobody is known by one.
    user = who or value.get("user")
    return operation | ({"user": user} if isinstance(user, str) else {})


CALLS: Final = tuple(
    Call(
        "POST",
        f"/api/v2/me/{medium}/{{id}}",
        operate,
        "Accept, reject or transfer an interaction.",
        scope="write",
        parameters=(text("id", "The id of the interaction.", place="path"),),
        takes=_ACCEPTED,
        tag="Contact centre",
    )
    for medium in _MEDIA
)
