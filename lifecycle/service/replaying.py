"""``POST /api/replay``: stored messages, posted again to a target that is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson
from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from lifecycle.errors import ArgumentError, MessageError
from lifecycle.messages import parse_time
from lifecycle.messages.parse import parse
from lifecycle.messages.topics import plain_topic
from lifecycle.service.bodies import body_of, check_media_type
from lifecycle.service.calls import Call, json_answer
from lifecycle.service.core import Service
from lifecycle.service.inbox import PAGE, message_of
from lifecycle.service.problems import ProblemError
from lifecycle.service.targets import calling, check_target, post
from lifecycle.store import LeadReader

_ACCEPTED: Final = ("application/json",)
_TYPE: Final = "ReplayRequestAction"
_MEMBERS: Final = ("type", "@type", "@context", "target", "startDate", "endDate", "items", "filter")
#: So many messages are posted for one request, at most.
_MOST: Final = 10_000
_MOST_BYTES: Final = 64 * 1024 * 1024
_TOO_MANY: Final = f"more than {_MOST:,} messages, or {_MOST_BYTES:,} bytes: narrow the dates"


@frozen
class Asked:
    """A replay request, as it was checked.

    Attributes:
        target: Where to post to.
        start: From when on messages were stored, microseconds since 1970; None: from the first.
        end: Until when.
        items: The ids of the messages; None: any.
        topics: Their topics; None: any.
    """

    target: str
    start: int | None
    end: int | None
    items: tuple[str, ...] | None
    topics: tuple[str, ...] | None

    def is_about(self, message: Any) -> bool:
        """Return whether a message is of one of the topics."""
        topic = message.get("topic") if isinstance(message, dict) else None
        return self.topics is None or (isinstance(topic, str) and plain_topic(topic) in self.topics)


async def replay(service: Service, request: Request, _: dict[str, Any]) -> Response:
    """Post stored messages again, in the order of storing, until one is not taken."""
    check_media_type(request, _ACCEPTED)
    async with body_of(request, service.settings, service.memory) as body:
        value = _parsed(body)
        asked = _asked(value, service.settings.targets)
    bodies = await service.readers.read(lambda reader: list(_bodies(reader, asked)))
    sent, error = 0, None
    async with calling() as client:
        for one in bodies:
            error = await post(client, asked.target, one)
            if error is not None:
                break
            sent += 1
    told: dict[str, Any] = {
        "type": _TYPE,
        "agent": service.access.key_of(request).name or None,
        "object": value,
        "result": {"sent": sent, "found": len(bodies)},
        "actionStatus": "CompletedActionStatus" if error is None else "FailedActionStatus",
    }
    return json_answer(told | ({} if error is None else {"error": error}))


def _bodies(reader: LeadReader, asked: Asked) -> Iterator[bytes]:
    """Yield the messages that are asked for.

    Raises:
        ProblemError: They are too many for one request.
    """
    pages, count, size = reader.listing().pages(), 0, 0
    after = 0 if asked.start is None else pages.last_before(asked.start)
    wanted = None if asked.items is None else set(asked.items)
    while entries := pages.messages(after, PAGE):
        for one in entries:
            if asked.end is not None and one.recorded_at > asked.end:
                return
            if one.body is None or (wanted is not None and one.event_id not in wanted):
                continue
            message = message_of(one.body)
            if not asked.is_about(message):
                continue
            body = orjson.dumps(message)
            count, size = count + 1, size + len(body)
            if count > _MOST or size > _MOST_BYTES:
                raise ProblemError("bad_body", _TOO_MANY)
            yield body
        after = entries[-1].number


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = parse(body)
    except MessageError as error:
        raise ProblemError("bad_body", f"{error}") from None
    if not isinstance(value, dict) or value.get("type", value.get("@type")) != _TYPE:
        raise ProblemError("bad_body", f"expected an object with the type {_TYPE}")
    unknown = [name for name in value if name not in _MEMBERS]
    if unknown:
        raise ProblemError("bad_body", f"{unknown[0][:80]}: expected {', '.join(_MEMBERS)}")
    return value


def _asked(value: dict[str, Any], targets: tuple[str, ...]) -> Asked:
    target = value.get("target")
    if not isinstance(target, str):
        raise ProblemError("bad_body", "target: expected an address")
    wanted = value.get("filter")
    if isinstance(wanted, dict):
        wanted = wanted.get("topic", [])
    topics = _texts("filter", [wanted] if isinstance(wanted, str) else wanted)
    start, end = _moment(value, "startDate"), _moment(value, "endDate")
    if start is not None and end is not None and start > end:
        raise ProblemError("bad_body", "startDate: expected no later moment than endDate")
    return Asked(
        check_target(target, targets),
        start,
        end,
        _texts("items", value.get("items")),
        None if topics is None else tuple(map(plain_topic, topics)),
    )


def _moment(value: dict[str, Any], name: str) -> int | None:
    stated = value.get(name)
    if stated is None:
        return None
    try:
        return parse_time(stated if isinstance(stated, str) else repr(stated)).micros
    except ArgumentError as error:
        raise ProblemError("bad_body", f"{name}: {error}") from None


def _texts(name: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ProblemError("bad_body", f"{name}: expected a list of texts")
    return tuple(value)


CALLS: Final = (
    Call(
        "POST",
        "/api/replay",
        replay,
        "Post stored messages again to a target.",
        scope="admin",
        takes=_ACCEPTED,
        tag="Tools",
    ),
)
