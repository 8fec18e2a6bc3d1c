"""The audit as a call: the report's figures, and its lists."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.auditing import TOP
from lifecycle.auditing.report import LISTS, report
from lifecycle.domain import ON_INVALID
from lifecycle.service.calls import LIMIT, Call, choice, moment, number, text
from lifecycle.service.core import Service
from lifecycle.service.reading import answer
from lifecycle.store import LeadReader

_MOST: Final = 1_000


async def audited(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with an audit, or with a page of one of its lists."""
    which = given["list"]

    def read(reader: LeadReader) -> dict[str, Any]:
        made = service.auditor.of(reader, given)
        if which is None:
            return report(made, given["top"])
        start, end = given["after"], given["after"] + given["limit"]
        rows = list(LISTS[which][0](made))
        return {which: rows[start:end], "next": end if end < len(rows) else None}

    return await answer(service, request, read, readers=service.auditing)


PARAMETERS: Final = (
    choice(
        "on_invalid", "What a refusal does: the lead stays, moves, or ends.", ON_INVALID, "skip"
    ),
    text("overdue", "Limits of states, as `assigned>PT30M`, separated by commas."),
    moment("now", "Until when open stays last; else the time of the latest event."),
    number("top", "How many variants, edits and leads to tell of.", default=TOP, most=_MOST),
)
CALLS: Final = (
    Call(
        "GET",
        "/audit",
        audited,
        "What was not allowed, and the smallest repair.",
        parameters=(
            *PARAMETERS,
            choice("list", "One list in full, in place of the report.", [*LISTS]),
            LIMIT,
            number("after", "The `next` of the page before."),
        ),
    ),
)
