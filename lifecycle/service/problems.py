"""Errors as ``application/problem+json`` (RFC 9457): what is answered when a request fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from lifecycle.errors import (
    AmbiguousLeadError,
    ArgumentError,
    InputError,
    NotFoundError,
    OtherMessageError,
    PortableError,
    RulesMismatchError,
    StoreError,
)
from lifecycle.service.writer import QueueFullError, StoppedError

MEDIA_TYPE: Final = "application/problem+json"
#: What each code says in a few words, and its status.
TITLES: Final[dict[str, tuple[int, str]]] = {
    "no_body": (400, "The request has no body"),
    "bad_query": (400, "A parameter cannot be understood"),
    "bad_body": (400, "The body cannot be understood"),
    "bad_host": (400, "The service is not known by this name"),
    "no_key": (401, "A key is needed"),
    "bad_signature": (401, "The signature is not valid"),
    "login_needed": (401, "Give your key first"),
    "missing_scope": (403, "The key does not allow this"),
    "cross_site": (403, "The request comes from another site"),
    "bad_token": (403, "The form is not from a page of this service, or is too old"),
    "target_not_allowed": (403, "Nothing may be sent to this address"),
    "not_found": (404, "There is nothing here"),
    "unknown_lead": (404, "No lead has this name"),
    "unknown_message": (404, "There is no such message"),
    "method_not_allowed": (405, "This cannot be done here"),
    "body_too_slow": (408, "The body took too long to arrive"),
    "ambiguous_lead": (409, "Several leads share this name"),
    "key_in_use": (409, "A request with this idempotency key is still in work"),
    "other_message": (409, "The correction has another event id"),
    "body_too_large": (413, "The body is too large"),
    "media_type": (415, "The body is of a type that is not taken"),
    "key_reused": (422, "The idempotency key came with another content before"),
    "not_understood": (422, "The content cannot be understood"),
    "too_many_requests": (429, "Too many requests"),
    "internal": (500, "The service failed"),
    "not_installed": (501, "A library is not installed"),
    "queue_full": (503, "Too much waits to be written"),
    "too_busy": (503, "Too much is in work"),
    "stopping": (503, "The service stops"),
    "store": (503, "The store cannot be read or written now"),
}
_RETRY_SECONDS: Final = {"queue_full": 1, "too_busy": 1, "stopping": 5, "store": 5, "key_in_use": 1}
_SHOWN: Final = 400


class ProblemError(PortableError):
    """A request that fails, with what is answered.

    Attributes:
        code: One of TITLES.
        detail: What is wrong, as a sentence.
        headers: Headers of the answer.
        members: More members of the answer.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(detail or TITLES[code][1])


#: Errors by class, with the code of each and what is said of it; without that its own sentence.
#: That of a store names the file, which is nobody's concern who asks over HTTP.
_CODES: Final[tuple[tuple[type[Exception], str, str | None], ...]] = (
    (AmbiguousLeadError, "ambiguous_lead", None),
    (NotFoundError, "unknown_lead", None),
    (OtherMessageError, "other_message", None),
    (ArgumentError, "bad_query", None),
    (InputError, "not_understood", None),
    (QueueFullError, "queue_full", "try again in a moment; nothing was taken"),
    (StoppedError, "stopping", "try again when it runs again; nothing was taken"),
    (RulesMismatchError, "store", "it was folded with other rules: start the service again"),
    (StoreError, "store", "nothing was written; the service's log says why"),
    (Exception, "internal", "the service's log says why"),
)


def problem_of(error: Exception) -> ProblemError:
    """Return an error of the library, or of the service, as a problem."""
    if isinstance(error, ProblemError):
        return error
    code, said = next((code, said) for kind, code, said in _CODES if isinstance(error, kind))
    if isinstance(error, NotFoundError) and isinstance(error.name, int):
        code = "unknown_message"
    problem = ProblemError(code, f"{error}" if said is None else said)
    if isinstance(error, AmbiguousLeadError):
        problem.members["lead_ids"] = list(error.lead_ids)
    return problem


def answer_of(problem: ProblemError) -> Response:
    """Return the answer to a request that fails."""
    status, title = TITLES[problem.code]
    headers = dict(problem.headers)
    if problem.code in _RETRY_SECONDS:
        headers.setdefault("Retry-After", str(_RETRY_SECONDS[problem.code]))
    detail = problem.detail[:_SHOWN]
    body = {
        "type": f"urn:lifecycle:problem:{problem.code}",
        "title": title,
        "status": status,
        "detail": detail or title,
        "error": detail or title,
        **problem.members,
    }
    return Response(orjson.dumps(body), status, headers, media_type=MEDIA_TYPE)
