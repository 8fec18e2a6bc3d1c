"""Addresses that the service may post to: those that are configured, or this machine's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

import httpx

from lifecycle.service.problems import ProblemError
from lifecycle.service.settings import LOOPBACK

_SCHEMES: Final = {"http": 80, "https": 443}
_SECONDS: Final = 10.0
_JSON: Final = {"Content-Type": "application/json"}
#: What one reader of an address takes for a part of the host, and another for a part of the path.
_DOUBTFUL: Final = ("\\", "@", "#", "%2e", "%2f", "%5c", "/../", "/./")


def check_target(target: str, allowed: Sequence[str]) -> str:
    """Return an address that may be posted to.

    Raises:
        ProblemError: It may not.
    """
    parts = _split(target)
    if parts is None:
        raise ProblemError("bad_body", "target: expected an address with http or https")
    beginnings = [_split(one) for one in allowed]
    if allowed:
        is_allowed = any(_is_below(parts, one) for one in beginnings if one is not None)
    else:
        is_allowed = parts.hostname in LOOPBACK
    if not is_allowed:
        raise ProblemError("target_not_allowed", "target: not among `targets` of the settings")
    return target


@asynccontextmanager
async def calling() -> AsyncIterator[httpx.AsyncClient]:
    """Open what posts to targets: it follows no redirects, and uses no proxy of the environment."""
    async with httpx.AsyncClient(timeout=_SECONDS, trust_env=False) as client:
        yield client


async def post(
    client: httpx.AsyncClient, target: str, body: bytes, headers: Mapping[str, str] | None = None
) -> str | None:
    """Post a message; return why it was not taken, None where it was."""
    try:
        # What the target answers is not read: it may be of any size.
        async with client.stream(
            *("POST", target), content=body, headers={**_JSON, **(headers or {})}
        ) as answer:
            return None if answer.is_success else f"the target answered {answer.status_code}"
    except httpx.HTTPError as error:
        return f"the target could not be reached: {type(error).__name__}"


def _split(address: str) -> SplitResult | None:
    """Return the parts of an address; None where it is none, or readers of it may differ."""
    if not address.isascii() or not address.isprintable() or " " in address:
        return None
    if any(one in f"{address.lower()}/" for one in _DOUBTFUL):
        return None
    try:
        parts = urlsplit(address)
        is_one = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_one else None


def _is_below(parts: SplitResult, beginning: SplitResult) -> bool:
    if _origin(parts) != _origin(beginning):
        return False
    path = beginning.path.rstrip("/")
    return parts.path == path or parts.path.startswith(f"{path}/")


def _origin(parts: SplitResult) -> tuple[str, str | None, int]:
    return parts.scheme, parts.hostname, parts.port or _SCHEMES[parts.scheme]
