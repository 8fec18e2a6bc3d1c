"""The network's tools: the Schema Validator and the Mock Data Generator."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.errors import MessageError, MissingExtraError
from lifecycle.messages import canonical, checked
from lifecycle.messages.parse import parse
from lifecycle.messages.topics import plain_topic
from lifecycle.mocking import TOPICS, Properties, samples
from lifecycle.service.bodies import body_of, check_media_type
from lifecycle.service.calls import Call, flag, json_answer, number, text
from lifecycle.service.core import Service
from lifecycle.service.problems import ProblemError

_ACCEPTED: Final = ("application/json",)
#: What may stand beside a message in a request to check it.
_BESIDE: Final = {"object", "type", "@type", "@context", "schemaName"}
_OF_MESSAGES: Final = ("topic", "data", "payload")
#: So many messages are checked at once.
_MOST: Final = 1_000
_SEEDS: Final = 2**32


async def validate(service: Service, request: Request, _: dict[str, Any]) -> Response:
    """Check a message against its schema, bare or as ``object``."""
    check_media_type(request, _ACCEPTED)
    async with body_of(request, service.settings, service.memory) as body:
        results = await asyncio.to_thread(results_of, body)
    return json_answer(results[0] if len(results) == 1 else results)


def results_of(body: bytes) -> list[dict[str, Any]]:
    """Return the result for each message of a body, as the network's own validator has it.

    Raises:
        ProblemError: They are too many.
    """
    message: Any = None
    with suppress(MessageError):
        message = _inner(parse(body))
        body = canonical(message)
    results = list(islice(checked(body), _MOST + 1))
    if len(results) > _MOST:
        raise ProblemError("body_too_large", f"expected at most {_MOST:,} messages")
    return [
        {
            **(told := one.as_dict()),
            "isValid": told["isValid"],
            "schemaName": one.topic,
            "object": message if len(results) == 1 else None,
        }
        for one in results
    ]


def _inner(value: Any) -> Any:
    """Return the message that a request holds: itself, or its object."""
    if not isinstance(value, dict) or not value.keys() <= _BESIDE:
        return value
    inner = value.get("object")
    if not isinstance(inner, dict) or "#" in str(value.get("type", "")):
        return value
    is_message = any(name in inner for name in _OF_MESSAGES) or "#" in str(inner.get("type", ""))
    return inner if is_message else value


async def mock(_: Service, __: Request, given: dict[str, Any]) -> Response:
    """Make up a message of a topic; nobody in it is real."""
    topic = plain_topic(given["topic"])
    if topic not in TOPICS:
        raise ProblemError("not_found", f"topic: expected one of {', '.join(TOPICS)}")
    properties: Properties = "all"
    if given["requiredOnly"]:
        properties = "required"
    elif given["randomOptionals"]:
        properties = "random"
    seed = secrets.randbelow(_SEEDS) if given["seed"] is None else given["seed"]
    try:
        made = await asyncio.to_thread(
            lambda: next(samples([topic], seed=seed, properties=properties))
        )
    except MissingExtraError as error:
        raise ProblemError("not_installed", f"{error}") from None
    body = json.dumps(made, sort_keys=given["sortProperties"])
    return Response(body, media_type="application/json")


CALLS: Final = (
    Call(
        "POST",
        "/api/schema/validate",
        validate,
        "Check a message against the schema of its topic.",
        takes=_ACCEPTED,
        tag="Tools",
    ),
    Call(
        "GET",
        "/api/schema/mock/{topic:path}",
        mock,
        "Make up a message of a topic.",
        parameters=(
            text("topic", "The topic, as `lead%23accept`.", place="path"),
            flag("requiredOnly", "Only the properties that decoding needs."),
            flag("randomOptionals", "Each optional property or not, by chance."),
            flag("sortProperties", "Sort the properties by name."),
            number("seed", "What chance begins with; the same gives the same.", default=None),
        ),
        tag="Tools",
    ),
)
