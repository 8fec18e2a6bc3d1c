"""Subscriptions of the network: an offer that is configured is accepted, at the address we know.

A pod offers a ``SubscribeAction`` that is only potential, and goes on when its own inbox gets one
that is active, as the network's server does it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

import orjson

from lifecycle.errors import MessageError
from lifecycle.messages.parse import parse
from lifecycle.service.settings import Subscription
from lifecycle.service.targets import calling, post

_LOG: Final = logging.getLogger("lifecycle.service")
_TYPE: Final = "SubscribeAction"
_OFFERED: Final = "PotentialActionStatus"
_ACCEPTED: Final = "ActiveActionStatus"
#: An offer is small; larger bodies are not searched.
_LARGEST: Final = 64 * 1024
#: How long to wait before each attempt to answer, in seconds.
_WAITS: Final = (0.0, 1.0, 4.0)
#: Where an offer stands: by itself, or in the envelope of a notification.
_WITHIN: Final = ("object", "data")


class Subscriptions:
    """Accepts what is offered and configured, one answer of each at a time, beside all else."""

    def __init__(self, known: Mapping[str, Subscription], stopping: asyncio.Event) -> None:
        self._known = known
        self._stopping = stopping
        self._answers: dict[str, asyncio.Task[None]] = {}

    def accept(self, body: bytes) -> None:
        """Begin to answer the offers in a body."""
        if not self._known or len(body) > _LARGEST:
            return
        offers = [(one.get("agent"), one.get("object")) for one in _offers(body)]
        for name, one in self._known.items():
            if (one.agent, one.object) in offers and name not in self._answers:
                self._answers[name] = asyncio.create_task(self._answer(name, one))

    async def stop(self) -> None:
        """Wait for the answers that were begun."""
        await asyncio.gather(*self._answers.values())

    async def _answer(self, name: str, one: Subscription) -> None:
        parts = {"agent": one.agent, "object": one.object}
        body = orjson.dumps({"type": _TYPE, "actionStatus": _ACCEPTED, **parts})
        headers = {} if one.secret is None else {"x-api-key": one.secret}
        error: str | None = None
        try:
            for seconds in _WAITS:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), seconds)
                async with calling() as client:
                    error = await post(client, one.inbox, body, headers)
                if error is None:
                    _LOG.info("the subscription %s was offered, and is accepted", name)
                    return
            _LOG.warning("the subscription %s was offered, but not accepted: %s", name, error)
        finally:
            self._answers.pop(name, None)


def _offers(body: bytes) -> Iterator[dict[str, Any]]:
    try:
        value = parse(body)
    except MessageError:
        return
    if isinstance(value, dict):
        value = value.get("contains", [value])
    for message in value if isinstance(value, list) else ():
        if isinstance(message, dict):
            for one in (message, *(message.get(name) for name in _WITHIN)):
                if isinstance(one, dict) and _is_offer(one):
                    yield one


def _is_offer(message: Mapping[str, Any]) -> bool:
    is_subscription = message.get("type", message.get("@type")) == _TYPE
    return is_subscription and message.get("actionStatus") == _OFFERED
