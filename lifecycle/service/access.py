"""Permission: keys and their scopes, names of the host, requests from other sites, rates."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from lifecycle.service.calls import Call
from lifecycle.service.keys import ANYBODY, Key, KeyFile
from lifecycle.service.problems import ProblemError
from lifecycle.service.sessions import Sessions
from lifecycle.service.settings import LOOPBACK, Settings

_READING: Final = ("GET", "HEAD", "OPTIONS")
_OWN: Final = ("same-origin", "none")
_REMEMBERED: Final = 10_000
#: So many seconds' worth of requests may come at once.
_BURST_SECONDS: Final = 2.0


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Access:
    """Checks requests before they are answered."""

    def __init__(self, settings: Settings) -> None:
        self.keys = None if settings.keys is None else KeyFile(settings.keys)
        self._rates = Rates(settings.rate)
        self._url = settings.url
        # Another site could give its own name the address of this machine, and ask by that. Where
        # keys are needed it would learn nothing, so that names need not be known.
        self._hosts: frozenset[str] | None = None
        if settings.hosts or self.keys is None:
            names = (*LOOPBACK, settings.host, *settings.hosts)
            self._hosts = frozenset(name.lower() for name in names)

    def check(self, request: Request, call: Call, sessions: Sessions) -> Key:
        """Return the key of a request: what it states, or for a page that of its browser.

        Raises:
            ProblemError: The request may not be answered.
        """
        self._check_host(request)
        check_site(request, self._url)
        if call.scope is None:
            return ANYBODY
        key = sessions.key_of(request) if call.is_page else self.key_of(request)
        if not key.allows(call.scope):
            raise ProblemError("missing_scope", f"the key {key.name!r} lacks {call.scope}")
        client = request.client.host if request.client else ""
        self._rates.count(key.name or client)
        return key

    def key_of(self, request: Request) -> Key:
        """Return the key that a request has.

        Raises:
            ProblemError: It has none that is known.
        """
        if self.keys is None:
            return ANYBODY
        key = self.keys.find(_stated_key(request))
        if key is None:
            expected = "expected a key as x-api-key, or as Authorization: Bearer"
            raise ProblemError("no_key", expected, headers={"WWW-Authenticate": "Bearer"})
        return key

    def _check_host(self, request: Request) -> None:
        hosts = request.headers.getlist("host")
        if len(hosts) > 1:
            raise ProblemError("bad_host", "expected one Host")
        if self._hosts is None:
            return
        name = _host_name("".join(hosts))
        if name not in self._hosts:
            raise ProblemError(
                "bad_host", f"not known by the name {name!r:.80}: add it to `hosts` in the settings"
            )


def check_site(request: Request, url: str | None) -> None:
    """Check that a browser does not ask on behalf of another site.

    A link from elsewhere may lead here; nothing of another site may ask, or send, in its name.

    ``url`` is the address under which others reach the service: a proxy may ask by another name.

    Raises:
        ProblemError: It does.
    """
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    if request.method in _READING and request.headers.get("sec-fetch-mode") == "navigate":
        return
    names = {request.headers.get("host"), urlsplit(url or "").netloc}
    is_other = origin is not None and _place_of(origin) not in names
    if site not in _OWN or is_other:
        raise ProblemError("cross_site", "expected a request of this service's own pages")


def _place_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _stated_key(request: Request) -> str:
    if stated := request.headers.get("x-api-key"):
        return stated
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@lru_cache
def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class Rates:
    """Counts requests, so that nobody makes more a second than he may, on average."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._most = max(1.0, rate * _BURST_SECONDS)
        #: How many requests somebody has left, and when that was so.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def count(self, who: str) -> None:
        """Count a request.

        Raises:
            ProblemError: It is one too many.
        """
        if not self._rate:
            return
        now = self._clock()
        left, since = self._left.pop(who, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        self._left[who] = (left - 1 if left >= 1 else left, now)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        if left < 1:
            wait = {"Retry-After": str(int((1 - left) / self._rate) + 1)}
            raise ProblemError("too_many_requests", "ask less often", headers=wait)
