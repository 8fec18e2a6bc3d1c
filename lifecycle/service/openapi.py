"""The OpenAPI 3.1 document of the service, made from its calls; and the AsyncAPI one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.messages.asyncapi import asyncapi
from lifecycle.service.calls import Call, Parameter, json_answer
from lifecycle.service.core import Service
from lifecycle.service.problems import MEDIA_TYPE
from lifecycle.service.schemas import SCHEMAS

_PLACE: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_SCHEMES: Final = {
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
_IDEMPOTENCY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request again gives the same answer.",
    "schema": {"type": "string", "maxLength": 255},
}


def openapi(calls: Iterable[Call]) -> dict[str, Any]:
    """Return the document of these calls."""
    paths: dict[str, dict[str, Any]] = {}
    for call in calls:
        if not call.is_page:
            path = _PLACE.sub(r"{\1}", call.path)
            paths.setdefault(path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lifecycle",
            "version": version("lead-lifecycle"),
            "description": "CRM lead messages in; every lead's state, history and refusals out.",
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": _SCHEMES},
    }


def _operation(call: Call) -> dict[str, Any]:
    """Return a call as an operation of its path."""
    parameters = [_parameter(one) for one in call.parameters]
    if call.status == 201:  # noqa: PLR2004 - Created
        parameters.append(_IDEMPOTENCY)
    words = re.findall(r"\w+", _PLACE.sub(r"by \1", call.path))
    operation: dict[str, Any] = {
        "operationId": "-".join([call.method.lower(), *words]),
        "summary": call.summary,
        "tags": [call.tag],
        "parameters": parameters,
        "responses": {
            str(call.status): {
                "description": "It is done.",
                "content": {call.gives: {"schema": _ref(call.schema)}},
            },
            "default": {
                "description": "It cannot be done; `type` and `detail` say why.",
                "content": {MEDIA_TYPE: {"schema": _ref("Problem")}},
            },
        },
        "security": [] if call.scope is None else [{"key": []}, {"bearer": []}],
    }
    if call.scope is not None:
        operation["x-scope"] = call.scope
    if call.takes:
        operation["requestBody"] = {"content": {one: {"schema": {}} for one in call.takes}}
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(parameter.schema)
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.meaning,
        "schema": schema,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


async def openapi_document(service: Service, _: Request, __: dict[str, Any]) -> Response:
    """Answer with the OpenAPI document."""
    return json_answer(openapi(service.calls))


async def asyncapi_document(_: Service, __: Request, ___: dict[str, Any]) -> Response:
    """Answer with the AsyncAPI document of the messages."""
    # Its bounds of numbers are wider than 64 bits, which orjson does not write.
    return Response(json.dumps(asyncapi()), media_type="application/json")


CALLS: Final = (
    Call("GET", "/openapi.json", openapi_document, "This document.", tag="Documents"),
    Call(
        "GET",
        "/asyncapi.json",
        asyncapi_document,
        "The AsyncAPI document of the messages.",
        tag="Documents",
    ),
)
