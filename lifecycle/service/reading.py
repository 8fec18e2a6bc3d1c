"""Answers read from the store, with an ETag that tells whether anything has changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response

from lifecycle.service.core import Service
from lifecycle.service.readers import Readers, etag_of
from lifecycle.store import LeadReader

#: A page ends behind so many bytes.
_PAGE_BYTES: Final = 8 * 1024 * 1024
#: Whoever has an answer may keep it, and must ask whether it still is one.
_CACHE: Final = {"Cache-Control": "private, no-cache", "Vary": "Accept"}


async def answer(
    service: Service,
    request: Request,
    read: Callable[[LeadReader], Any],
    *,
    readers: Readers | None = None,
) -> Response:
    """Answer with what is read, as JSON; 304 where the client has the answer already."""
    known = {one.strip().removeprefix("W/") for one in _stated_tags(request)}

    def work(reader: LeadReader) -> tuple[str, bytes | None]:
        tag = etag_of(reader)
        return tag, None if known & {tag, "*"} else orjson.dumps(read(reader))

    tag, body = await (readers or service.readers).read(work)
    headers = _CACHE | {"ETag": tag}
    if body is None:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


def as_page(rows: Iterable[dict[str, Any]], limit: int) -> tuple[list[dict[str, Any]], bool]:
    """Return rows of a page, so many at most and fewer where they are large; and if more follow."""
    page: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        if len(page) == limit or size > _PAGE_BYTES:
            return page, True
        page.append(row)
        size += len(orjson.dumps(row))
    return page, False


def _stated_tags(request: Request) -> list[str]:
    return [one for one in request.headers.get("if-none-match", "").split(",") if one.strip()]
