"""Messages posted: one, an array, a page, CloudEvents, an agent's operation; and their answers."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.domain import Identity
from lifecycle.errors import MessageError
from lifecycle.messages import (
    MAX_BYTES,
    Reading,
    Undecodable,
    canonical,
    read_message,
    too_large,
)
from lifecycle.messages.cloudevents import structured
from lifecycle.messages.parse import parse
from lifecycle.service.bodies import body_of, check_media_type
from lifecycle.service.calls import Call, json_answer
from lifecycle.service.core import Service
from lifecycle.service.problems import ProblemError
from lifecycle.store import Ignored, IngestItem, Outcome, to_stored

CLOUD_EVENT: Final = "application/cloudevents+json"
CLOUD_EVENTS: Final = "application/cloudevents-batch+json"
ACCEPTED: Final = ("application/json", CLOUD_EVENT, CLOUD_EVENTS)
#: Bodies up to this size, and with no more parts, are decoded at once, others in a thread.
_SMALL: Final = 64 * 1024
_FEW: Final = 500
#: Clients take no longer headers.
_LONGEST_LOCATION: Final = 2_000
_KEY: Final = "idempotency-key"


async def post(service: Service, request: Request, _: dict[str, Any]) -> Response:
    """Take messages in; answer when they are on disk."""
    check_media_type(request, ACCEPTED)
    async with body_of(request, service.settings, service.memory) as body:
        whole = with_headers(body, request.headers)

        async def work() -> Response:
            return await take(service, request, whole)

        key = request.headers.get(_KEY)
        if key is None:
            return await work()
        asked = request_of(request, whole)
        return await service.answers.once(service.access.key_of(request).name, key, asked, work)


def request_of(request: Request, body: bytes) -> bytes:
    """Return all that a request asks for: where it is posted to, and what it holds."""
    return b"%b\n%b" % (str(request.scope["path"]).encode(), body)


async def take(service: Service, request: Request, body: bytes) -> Response:
    """Take in what a body holds, and answer with what became of it."""
    items = await items_within(service, body)
    outcomes = await service.writer.take(items)
    if any(isinstance(one, Ignored) for one in outcomes):
        service.subscriptions.accept(body)
    return answer(request, outcomes)


async def items_within(service: Service, body: bytes) -> list[IngestItem]:
    """Return the messages of a body, decoded in a thread where it is large.

    Raises:
        ProblemError: They are more than one body may hold.
    """
    arguments = (body, service.rules.identity, service.settings.messages)
    if len(body) <= _SMALL and body.count(b",") < _FEW:
        return items_of(*arguments)
    return await asyncio.to_thread(items_of, *arguments)


def answer(request: Request, outcomes: Sequence[Outcome]) -> Response:
    """Return the answer to messages that are in the store."""
    told = [told_of(one) for one in outcomes]
    request.state.told = told
    root = request.scope.get("root_path", "")
    if len(told) != 1:
        return json_answer(told, 201, Location=f"{root}/inbox/")
    return json_answer(told[0], 201, Location=f"{root}{_location(told[0])}")


def told_of(outcome: Outcome) -> dict[str, Any]:
    """Return what is told of a message: its id, what became of it, its lead."""
    told = outcome.as_dict()
    return {"id": told.get("event_id"), **told}


def items_of(body: bytes, identity: Identity, most: int) -> list[IngestItem]:
    """Return the messages of a body.

    Raises:
        ProblemError: They are more than ``most``. Numbers in an array are many in few bytes.
    """
    items = [to_stored(one, identity) for one in islice(_readings(body), most + 1)]
    if len(items) > most:
        raise ProblemError("body_too_large", f"expected at most {most:,} messages")
    return items


def _readings(body: bytes) -> Iterator[Reading]:
    """Yield what a body says; beyond the limit of a message it may be an array or a page."""
    if len(body) <= MAX_BYTES:
        yield from read_message(body, identity=None)
        return
    entries = _entries(body)
    if entries is None:
        digest = hashlib.sha256(body).digest()
        yield Undecodable(body[:MAX_BYTES], (too_large(len(body)),), len(body), digest)
        return
    for entry in entries:
        yield from read_message(canonical(entry), identity=None)


def _entries(body: bytes) -> list[Any] | None:
    """Return the entries of a large array or page; None where it is neither."""
    try:
        value = parse(body, max_bytes=len(body))
    except MessageError:
        return None
    if isinstance(value, dict) and not isinstance(value.get("data"), dict):
        value = value.get("contains")
    return value if isinstance(value, list) else None


def with_headers(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Return a CloudEvent in binary mode as one in structured mode; anything else as it is.

    What a header cannot hold is percent-encoded in it, as the binding to HTTP says.
    """
    attributes = {name[3:]: one for name, one in headers.items() if name.startswith("ce-")}
    return structured({name: unquote(text) for name, text in attributes.items()}, body)


def _location(told: Mapping[str, Any]) -> str:
    if told["id"] is not None:
        location = f"/inbox/{quote(told['id'], safe='')}"
        return location if len(location) <= _LONGEST_LOCATION else "/inbox/"
    return f"/quarantine/{told['number']}" if told.get("number") else "/inbox/"


CALLS: Final = tuple(
    Call(
        "POST",
        path,
        post,
        "Take in messages: one, an array, a page, or CloudEvents.",
        scope="write",
        takes=ACCEPTED,
        status=201,
        schema="Outcomes",
        tag="Inbox",
    )
    for path in ("/inbox/", "/publish/")
)
