"""The network's inbox, read: pages of stored messages in the order of storing, or of links."""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.messages import parse_time
from lifecycle.messages.parse import parse
from lifecycle.messages.transports import Broken, is_envelope, unfold
from lifecycle.service.calls import Call, choice, text
from lifecycle.service.core import Service
from lifecycle.service.problems import ProblemError
from lifecycle.service.reading import answer
from lifecycle.store import InboxEntry, LeadReader

PAGE: Final = 50
#: A page ends before it has so many messages where they are large; so many are read together.
_PAGE_BYTES: Final = 8 * 1024 * 1024
_TOGETHER: Final = 10
_LONGEST_TOKEN: Final = 64
_LARGEST: Final = 2**63 - 1
_MILLISECONDS: Final = 1000


def token_of(number: int) -> str:
    """Return the token of a place behind a message."""
    return base64.urlsafe_b64encode(b"seq:%d" % number).decode().rstrip("=")


def number_of(token: str) -> int:
    """Return the number of the message that a token stands behind.

    Raises:
        ProblemError: It is no token of ours.
    """
    try:
        padded = token[:_LONGEST_TOKEN] + "=" * (-len(token) % 4)
        mark, _, digits = base64.b64decode(padded, b"-_", validate=True).partition(b":")
        number = int(digits) if mark == b"seq" and digits.isdigit() else -1
    except (binascii.Error, ValueError):
        number = -1
    if not 0 <= number <= _LARGEST or token != token_of(number):
        raise ProblemError("bad_query", "from: expected the `next` of a page")
    return number


def message_of(body: bytes) -> Any:
    """Return a stored message as the network knows it, out of the envelope of its transport."""
    value = parse(body)
    if is_envelope(value):
        return value
    parts = [part for _, part in unfold(value)]
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], Broken) else value


async def inbox(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with a page of the inbox; an empty one has no ``next``."""
    base = service.settings.url or str(request.base_url)

    def read(reader: LeadReader) -> dict[str, Any]:
        entries = _live(reader, _start(reader, given["from"], given["by"]))
        if given["format"] == "links":
            contains = [link_to(base, one.event_id) for one in entries]
        else:
            contains = [message_of(one.body) for one in entries if one.body is not None]
        page = {"contains": contains}
        return {"next": token_of(entries[-1].number), **page} if entries else page

    return await answer(service, request, read)


def _start(reader: LeadReader, start: str | None, by: str) -> int:
    """Return the number of the last message before a page."""
    if start is None:
        return 0
    if by == "token":
        return number_of(start)
    try:
        if by == "timestamp":
            moment = parse_time(start) if not start.isdecimal() else None
            micros = int(start[:19]) * _MILLISECONDS if moment is None else moment.micros
        else:
            micros = parse_time(start).micros
    except ValueError as error:
        raise ProblemError("bad_query", f"from: {error}") from None
    return reader.listing().pages().last_before(min(micros, _LARGEST))


def _live(reader: LeadReader, after: int) -> list[InboxEntry]:
    """Return the next messages that are not erased, a page of them."""
    pages, live, size = reader.listing().pages(), list[InboxEntry](), 0
    while entries := pages.messages(after, _TOGETHER):
        for one in entries:
            if one.body is not None:
                live.append(one)
                size += len(one.body)
            if len(live) == PAGE or size > _PAGE_BYTES:
                return live
        after = entries[-1].number
    return live


def link_to(base: str, event_id: str) -> str:
    """Return the address of a message."""
    return f"{base.rstrip('/')}/inbox/{quote(event_id, safe='')}"


async def message(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with one message, as the network knows it."""

    def read(reader: LeadReader) -> Any:
        entry = reader.listing().pages().message(given["id"])
        if entry is None or entry.body is None:
            raise ProblemError("unknown_message", "no message has this id, or it was erased")
        return message_of(entry.body)

    return await answer(service, request, read)


CALLS: Final = (
    Call(
        "GET",
        "/inbox/",
        inbox,
        "The stored messages in the order of storing, fifty a page.",
        parameters=(
            text("from", "Where to begin: the `next` of the page before, or a time."),
            choice("by", "What `from` is.", ("token", "timestamp", "datetime"), "token"),
            choice("format", "Messages, or links to them.", ("full", "links"), "full"),
        ),
        schema="InboxPage",
        tag="Inbox",
    ),
    Call(
        "GET",
        "/inbox/{id:path}",
        message,
        "One stored message.",
        parameters=(text("id", "The id of its event.", place="path"),),
        tag="Inbox",
    ),
)
