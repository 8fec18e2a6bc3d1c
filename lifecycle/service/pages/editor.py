"""Pages of the quarantine: what is wrong with a message, beside an editor that mends it."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lifecycle.errors import OtherMessageError
from lifecycle.messages import checked
from lifecycle.service.calls import Call, flag, number
from lifecycle.service.core import Service
from lifecycle.service.pages.frame import form_of, page
from lifecycle.service.posting import told_of
from lifecycle.service.problems import ProblemError
from lifecycle.service.quarantine import NUMBER, quarantine_page
from lifecycle.store import LeadReader, LeadStore

_PAGE: Final = 50
_MOST: Final = 1_000
_ACTIONS: Final = ("validate", "retry", "dismiss", "restore")


async def quarantine(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Show the messages that could not be decoded."""
    found = await service.readers.read(
        lambda reader: quarantine_page(reader, {**given, "limit": _PAGE})
    )
    return page(service, request, "quarantine.jinja", {"left": given["left"], **found})


async def message(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Show one of them, with an editor."""
    kept = await _kept(service, given)
    return _editor(service, request, kept, kept["raw"])


async def mend(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Validate what was written, and apply it in place of the message where it is valid enough."""
    form = await form_of(service, request)
    action, written = form.get("action", ""), form.get("text", "").replace("\r\n", "\n")
    if action not in _ACTIONS:
        raise ProblemError("bad_body", f"action: expected one of {', '.join(_ACTIONS)}")
    kept = await _kept(service, given)
    number = given["number"]
    if action in {"dismiss", "restore"}:
        work = LeadStore.dismiss if action == "dismiss" else LeadStore.restore
        await service.writer.call(lambda store: work(store, number))
        return RedirectResponse("/ui/quarantine", 303)
    is_same = written == kept["raw"].replace("\r\n", "\n")
    results = await asyncio.to_thread(lambda: list(islice(checked(written), _MOST + 1)))
    if len(results) > _MOST:
        raise ProblemError("body_too_large", f"expected at most {_MOST:,} messages")
    violations = [str(one) for result in results for one in result.violations]
    is_decoded = bool(results) and all(one.is_decoded or one.is_ignored for one in results)
    values = {"violations": violations, "is_decoded": is_decoded, "was_checked": True}
    if action == "validate" or not (is_decoded or is_same):
        return _editor(service, request, kept, written, **values)
    correction, force = (None if is_same else written), "force" in form
    try:
        outcomes = await service.writer.call(
            lambda store: store.retry(number, correction, force=force)
        )
    except OtherMessageError as error:
        return _editor(service, request, kept, written, **values, refused=f"{error}")
    request.state.told = told = [told_of(one) for one in outcomes]
    if any(one["outcome"] == "quarantined" for one in told):
        said = [problem for one in told for problem in one.get("problems", ())]
        values |= {"violations": said, "is_decoded": False}
        return _editor(service, request, kept, written, **values)
    return page(service, request, "mended.jinja", {"number": number, "told": told})


async def _kept(service: Service, given: dict[str, Any]) -> dict[str, Any]:
    def read(reader: LeadReader) -> dict[str, Any]:
        left = given["number"] in reader.quarantine_numbers(left=True)
        return reader.quarantined(given["number"], left=left).as_dict()

    return await service.readers.read(read)


def _editor(
    service: Service, request: Request, kept: dict[str, Any], written: str, **values: Any
) -> Response:
    usual = {"violations": [], "is_decoded": False, "was_checked": False, "refused": ""}
    return page(
        service, request, "message.jinja", {**usual, "kept": kept, "written": written, **values}
    )


CALLS: Final = (
    Call(
        "GET",
        "/ui/quarantine",
        quarantine,
        "The quarantine.",
        parameters=(flag("left", "Those that left."), number("after", "Behind this number.")),
        is_page=True,
    ),
    Call(
        "GET",
        "/ui/quarantine/{number}",
        message,
        "One message.",
        parameters=(NUMBER,),
        is_page=True,
    ),
    Call(
        "POST",
        "/ui/quarantine/{number}",
        mend,
        "Mend it.",
        scope="write",
        parameters=(NUMBER,),
        is_page=True,
    ),
)
