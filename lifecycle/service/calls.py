"""Calls of the service: one row each, from which routes, checks and the OpenAPI document come."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import orjson
from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from lifecycle.messages import parse_time
from lifecycle.service.keys import Scope
from lifecycle.service.problems import ProblemError

#: Answers a request to a service, with its parameters as they were read.
Handler: TypeAlias = Callable[[Any, Request, dict[str, Any]], Awaitable[Response]]
Schema: TypeAlias = "dict[str, Any]"

#: A time to the minute has so many characters; what follows may be an offset.
_MINUTES: Final = len("2026-03-01T10:00")
_OFFSET: Final = re.compile(r" (?=\d\d:?\d\d$)")
_LARGEST: Final = 2**63 - 1
_MOST: Final = 1_000
_PAGE: Final = 100


@frozen
class Parameter:
    """A parameter of a call.

    Attributes:
        name: Its name, in the query or in the path.
        meaning: What it is for.
        read: How its text is read; a ValueError says what was expected.
        schema: Its JSON Schema.
        default: What it is where it is not given.
        place: Where it stands: ``query`` or ``path``.
    """

    name: str
    meaning: str
    read: Callable[[str], Any]
    schema: Schema
    default: Any = None
    place: str = "query"


@frozen
class Call:
    """A call of the service.

    Attributes:
        method: The HTTP method.
        path: The path, with its parameters in braces, as Starlette reads it.
        handler: What answers.
        summary: What it does, in a few words.
        scope: What a key must allow; None where none is needed.
        parameters: What may stand in the query and in the path.
        takes: The media types that the body may have; none where there is no body.
        gives: The media type of the answer.
        schema: The name of the answer's schema.
        status: The status of the answer.
        tag: What it belongs to.
        is_page: Whether it is for people, with forms in place of keys.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    scope: Scope | None = "read"
    parameters: Sequence[Parameter] = ()
    takes: Sequence[str] = ()
    gives: str = "application/json"
    schema: str = "Anything"
    status: int = 200
    tag: str = "API"
    is_page: bool = False

    def read(self, request: Request) -> dict[str, Any]:
        """Return the parameters of a request.

        Raises:
            ProblemError: One is unknown, stands twice, or cannot be understood.
        """
        if not self.parameters and not request.scope["query_string"]:
            return {}
        given = {one.name: one.default for one in self.parameters}
        in_query = {one.name: one for one in self.parameters if one.place == "query"}
        seen: set[str] = set()
        for name, text in request.query_params.multi_items():
            if name not in in_query:
                known = ", ".join(in_query) or "none"
                raise ProblemError("bad_query", f"unknown parameter {name!r:.80}; known: {known}")
            if name in seen:
                raise ProblemError("bad_query", f"the parameter {name!r} stands twice")
            seen.add(name)
            given[name] = _read(in_query[name], text)
        for one in self.parameters:
            if one.place == "path":
                given[one.name] = _read(one, str(request.path_params[one.name]))
        return given


def _read(parameter: Parameter, text: str) -> Any:
    try:
        return parameter.read(text)
    except ValueError as error:
        raise ProblemError("bad_query", f"{parameter.name}: {error}") from None


def json_answer(value: Any, status: int = 200, **headers: str) -> Response:
    """Return a value as JSON."""
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    return Response(orjson.dumps(value), status, names, media_type="application/json")


# --- parameters -----------------------------------------------------------------------------


def text(name: str, meaning: str, *, place: str = "query") -> Parameter:
    """Return a parameter that is a text."""
    return Parameter(name, meaning, str, {"type": "string"}, place=place)


def choice(name: str, meaning: str, names: Sequence[str], default: Any = None) -> Parameter:
    """Return a parameter that is one of some names."""

    def read(given: str) -> str:
        if given not in names:
            raise ValueError(f"expected one of {', '.join(names)}; got {given!r:.80}")
        return given

    return Parameter(name, meaning, read, {"type": "string", "enum": list(names)}, default)


def flag(name: str, meaning: str) -> Parameter:
    """Return a parameter that is true or false; by its name alone it is true."""

    def read(given: str) -> bool:
        if given.lower() not in {"", "1", "true", "0", "false"}:
            raise ValueError(f"expected true or false, got {given!r:.80}")
        return given.lower() in {"", "1", "true"}

    return Parameter(name, meaning, read, {"type": "boolean"}, default=False)


def number(
    name: str, meaning: str, *, default: Any = 0, most: int = _LARGEST, place: str = "query"
) -> Parameter:
    """Return a parameter that is a whole number, 0 or above."""

    def read(given: str) -> int:
        is_number = given.isascii() and given.isdecimal() and len(given) <= len(str(_LARGEST))
        if not is_number or int(given) > most:
            raise ValueError(f"expected a number from 0 to {most}, got {given!r:.80}")
        return int(given)

    schema = {"type": "integer", "minimum": 0, "maximum": most}
    return Parameter(name, meaning, read, schema, default, place)


def moment(name: str, meaning: str) -> Parameter:
    """Return a parameter that is a time in RFC 3339, as microseconds since 1970 in UTC."""

    def read(given: str) -> int:
        # A plus sign that was not escaped arrives as a space.
        return parse_time(given[:_MINUTES] + _OFFSET.sub("+", given[_MINUTES:])).micros

    return Parameter(name, meaning, read, {"type": "string", "format": "date-time"})


LEAD: Final = text("name", "Any name of the lead, as `scheme:value`.", place="path")
AS_OF: Final = moment("as_of", "As it was at that time, by what is known now.")
AS_KNOWN_AT: Final = moment("as_known_at", "As it was known at that time.")
LIMIT: Final = number("limit", "How many at most.", default=_PAGE, most=_MOST)
