"""Calls about the quarantine: its messages, and what may be done with them."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.service.bodies import body_of, check_media_type
from lifecycle.service.calls import LIMIT, Call, flag, json_answer, number
from lifecycle.service.core import Service
from lifecycle.service.posting import ACCEPTED, items_within, told_of
from lifecycle.service.reading import answer
from lifecycle.store import LeadReader, LeadStore

NUMBER: Final = number("number", "The number of the message.", place="path")
_LEFT: Final = flag("left", "Those that left the quarantine.")


def quarantine_page(reader: LeadReader, given: dict[str, Any]) -> dict[str, Any]:
    """Return a page of the quarantine, without the messages themselves."""
    numbers = [one for one in reader.quarantine_numbers(left=given["left"]) if one > given["after"]]
    # A message may have a mebibyte: one is held at a time.
    kept = (reader.quarantined(one, left=given["left"]) for one in numbers[: given["limit"]])
    page = [_without_raw(one.as_dict()) for one in kept]
    is_full = len(numbers) > len(page)
    return {
        "quarantine": page,
        "next": page[-1]["id"] if is_full and page else None,
    }


def _without_raw(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in entry.items() if name != "raw"}


async def quarantine(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with the messages in the quarantine."""
    return await answer(service, request, lambda reader: quarantine_page(reader, given))


async def quarantined(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with one message of the quarantine."""
    number, left = given["number"], given["left"]
    return await answer(
        service, request, lambda reader: reader.quarantined(number, left=left).as_dict()
    )


async def retry(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Apply a message again, or the one in the body in its place."""
    number, force = given["number"], given["force"]
    if not _has_body(request):
        outcomes = await service.writer.call(lambda store: store.retry(number))
    else:
        check_media_type(request, ACCEPTED)
        async with body_of(request, service.settings, service.memory) as body:
            await items_within(service, body)  # so many may it be, and no more
            outcomes = await service.writer.call(
                lambda store: store.retry(number, body, force=force)
            )
    request.state.told = told = [told_of(one) for one in outcomes]
    return json_answer({"outcomes": told, "left": all(_is_taken(one) for one in told)})


def _has_body(request: Request) -> bool:
    length = request.headers.get("content-length", "0")
    return length.strip("0") != "" or "transfer-encoding" in request.headers


def _is_taken(told: dict[str, Any]) -> bool:
    return bool(told["outcome"] != "quarantined")


async def dismiss(service: Service, _: Request, given: dict[str, Any]) -> Response:
    """Take a message out of the quarantine without applying it."""
    await service.writer.call(lambda store: LeadStore.dismiss(store, given["number"]))
    return json_answer({"left": True})


async def restore(service: Service, _: Request, given: dict[str, Any]) -> Response:
    """Bring a message back that left the quarantine."""
    await service.writer.call(lambda store: LeadStore.restore(store, given["number"]))
    return json_answer({"left": False})


CALLS: Final = (
    Call(
        "GET",
        "/quarantine",
        quarantine,
        "The messages that could not be decoded, without their bytes.",
        schema="Quarantine",
        parameters=(_LEFT, LIMIT, number("after", "The `next` of the page before.")),
    ),
    Call(
        "GET",
        "/quarantine/{number}",
        quarantined,
        "One of them, with its bytes.",
        schema="Quarantined",
        parameters=(NUMBER, _LEFT),
    ),
    Call(
        "POST",
        "/quarantine/{number}/retry",
        retry,
        "Apply it again, or the corrected message in the body in its place.",
        scope="write",
        takes=ACCEPTED,
        parameters=(NUMBER, flag("force", "Take a correction that has another event id.")),
    ),
    Call(
        "POST",
        "/quarantine/{number}/dismiss",
        dismiss,
        "Take it out of the quarantine without applying it.",
        scope="write",
        parameters=(NUMBER,),
    ),
    Call(
        "POST",
        "/quarantine/{number}/restore",
        restore,
        "Bring one back that left the quarantine.",
        scope="write",
        parameters=(NUMBER,),
    ),
)
