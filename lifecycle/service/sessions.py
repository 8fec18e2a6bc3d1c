"""Browsers: which key was given in each, and tokens that show that a form is from our own page."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from lifecycle.service.keys import ANYBODY, Key, KeyFile
from lifecycle.service.problems import ProblemError

COOKIE: Final = "lifecycle-session"
_KEPT: Final = 1_000
_SECONDS: Final = 12 * 60 * 60
_LONGEST: Final = 100


@frozen
class _Session:
    digest: str
    until: float


class Sessions:
    """The browsers that are known, in memory: after a restart keys are given again."""

    def __init__(self, keys: KeyFile | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._known: OrderedDict[str, _Session] = OrderedDict()

    def key_of(self, request: Request) -> Key:
        """Return the key that was given in a browser, if it still is one.

        Raises:
            ProblemError: None was given.
        """
        if self._keys is None:
            return ANYBODY
        session = self._known.get(_cookie(request))
        if session is not None and session.until > self._clock():
            for key in self._keys.read():
                if hmac.compare_digest(key.digest, session.digest):
                    return key
        raise ProblemError("login_needed")

    def open(self, secret: str, response: Response, *, secure: bool) -> bool:
        """Note a key for a browser; return whether it is known."""
        key = None if self._keys is None else self._keys.find(secret)
        if key is None:
            return False
        name = self.give(response, secure=secure)
        self._known[name] = _Session(key.digest, self._clock() + _SECONDS)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return True

    def close(self, request: Request, response: Response) -> None:
        """Forget a browser."""
        self._known.pop(_cookie(request), None)
        response.delete_cookie(COOKIE, path="/ui", httponly=True, samesite="strict")

    def give(self, response: Response, *, secure: bool) -> str:
        """Give a browser a name of its own, which other sites cannot make it send."""
        name = secrets.token_urlsafe(32)
        response.set_cookie(
            COOKIE,
            name,
            max_age=_SECONDS,
            path="/ui",
            secure=secure,
            httponly=True,
            samesite="strict",
        )
        return name

    def name_of(self, request: Request) -> str:
        """Return the name of a browser; empty where it has none."""
        return _cookie(request)

    def token_of(self, name: str) -> str:
        """Return the token of the forms that a browser of this name is shown."""
        return hmac.new(self._secret, name.encode(), "sha256").hexdigest()

    def check_token(self, request: Request, token: str) -> None:
        """Check that a form is from a page that this very browser was shown.

        Raises:
            ProblemError: It is not.
        """
        name = _cookie(request)
        expected = self.token_of(name).encode()
        if not name or not hmac.compare_digest(expected, token.encode()):
            raise ProblemError("bad_token", "go back, load the page again, and repeat it")


def _cookie(request: Request) -> str:
    name = request.cookies.get(COOKIE, "")
    return name if len(name) <= _LONGEST else ""
