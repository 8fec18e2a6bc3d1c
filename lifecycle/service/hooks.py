"""Webhooks: signed notifications of other systems, on disk when they are answered."""

from __future__ import annotations

import asyncio
import hashlib
import time
from functools import partial
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.service.bodies import body_of
from lifecycle.service.calls import Call, json_answer, text
from lifecycle.service.core import Service
from lifecycle.service.posting import take, told_of, with_headers
from lifecycle.service.problems import ProblemError
from lifecycle.service.settings import Hook
from lifecycle.service.signatures import Delivery, check_signature, signed_at
from lifecycle.store import system_clock
from lifecycle.systems import facts_of


async def receive(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Take in what a webhook brings, if its signature is valid."""
    hook = service.settings.hooks.get(given["name"])
    if hook is None:
        raise ProblemError("not_found", "no webhook of this name is configured")
    async with body_of(request, service.settings, service.strangers) as body:
        url = hook.url or str(request.url)
        delivery = Delivery(request.method, url, request.headers, body, time.time())
        check_signature(hook, delivery)
        if hook.source == "network":
            return await take(service, request, with_headers(body, request.headers))
        signed = signed_at(hook, request.headers)
        if signed is not None:
            return await _take_facts(service, request, hook, body, signed)
        # The time of a notification that states none would be another whenever it is replayed.
        work = partial(_take_facts, service, request, hook, body, system_clock())
        key = hashlib.sha256(body).hexdigest()
        return await service.answers.once(f"/hooks/{given['name']}", key, body, work)


async def _take_facts(
    service: Service, request: Request, hook: Hook, body: bytes, now: int
) -> Response:
    notified = await asyncio.to_thread(facts_of, body, hook.source, service.rules, now)
    if len(notified.items) > service.settings.messages:
        most = f"{service.settings.messages:,}"
        raise ProblemError("body_too_large", f"expected at most {most} changes")
    outcomes = await service.writer.take(notified.items)
    request.state.told = told = [told_of(one) for one in outcomes]
    return json_answer({"outcomes": told, "left_out": notified.left_out}, 201)


CALLS: Final = (
    Call(
        "POST",
        "/hooks/{name}",
        receive,
        "Take in what a webhook brings; its signature is the key.",
        scope=None,
        parameters=(text("name", "The name of the webhook.", place="path"),),
        takes=("application/json",),
        status=201,
        tag="Inbox",
    ),
)
