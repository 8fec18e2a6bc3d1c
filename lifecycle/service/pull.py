"""Reading an inbox of the network: page by page into a store, with the cursor in the store."""

from __future__ import annotations

import email.utils
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import httpx
from attrs import define, evolve, field

from lifecycle.errors import InputError, MessageError
from lifecycle.messages import read_message
from lifecycle.messages.decode import as_bytes
from lifecycle.messages.parse import parse
from lifecycle.store import Cursor, LeadStore, Place, to_stored

_LOG: Final = logging.getLogger("lifecycle")
_SECONDS: Final = 30.0
#: A page has fifty messages of a mebibyte at most.
_LARGEST_PAGE: Final = 64 * 1024 * 1024
_LARGEST_MESSAGE: Final = 2 * 1024 * 1024
_ATTEMPTS: Final = 7
_LONGEST_WAIT: Final = 60.0
#: So long one answer may take to arrive.
_LONGEST_ANSWER: Final = 600.0
_AGAIN: Final = (408, 425, 429, 500, 502, 503, 504)
_GONE: Final = (404, 410)
_LONGEST_TOKEN: Final = 4096
_SHOWN: Final = 200


@define
class Pulled:
    """The result of reading an inbox.

    Attributes:
        pages: How many pages there were.
        messages: How many messages were in them.
        outcomes: What became of them.
    """

    pages: int = 0
    messages: int = 0
    outcomes: dict[str, int] = field(factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"pages": self.pages, "messages": self.messages, **self.outcomes}


class Inbox:
    """An inbox of the network, read over HTTP: again where it is busy, and never elsewhere."""

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str],
        links: bool = False,
        wait: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
            raise InputError(f"{url}: expected the address of an inbox, without a name or a secret")
        self.url = url
        self._links = links
        self._wait = wait
        self._client = httpx.Client(
            headers={"Accept-Encoding": "identity", **headers},
            timeout=_SECONDS,
            follow_redirects=False,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def page(self, token: str | None) -> tuple[list[bytes], str | None]:
        """Return the messages behind a token, links resolved, and the next token.

        Raises:
            InputError: The inbox cannot be read, or answers with something else.
        """
        query = {} if token is None else {"from": token, "by": "token"}
        query |= {"format": "links"} if self._links else {}
        body = self._get(str(httpx.URL(self.url).copy_merge_params(query)), _LARGEST_PAGE)
        value = _value_of(body or b"null")
        contains, following = (
            (value.get("contains"), value.get("next")) if isinstance(value, dict) else (None, None)
        )
        if not isinstance(contains, list) or not isinstance(following, str | None):
            raise InputError(f"{self.url}: expected a page with `contains` and `next`")
        if following is not None and not 0 < len(following) <= _LONGEST_TOKEN:
            raise InputError(f"{self.url}: expected a token of 1 to {_LONGEST_TOKEN} characters")
        resolved = map(self._resolved, contains)
        return [one for one in resolved if one is not None], following

    def _resolved(self, entry: Any) -> bytes | None:
        """Return a message, or what a link leads to; None where nothing is left of it.

        A link to another place is not followed.
        """
        if not isinstance(entry, str):
            return as_bytes(entry)
        link = urljoin(self.url, entry)
        if urlsplit(link)[:2] != urlsplit(self.url)[:2]:
            raise InputError(
                f"{self.url}: a link leads elsewhere, and is not followed: {link:.100}"
            )
        return self._get(link, _LARGEST_MESSAGE)

    def _get(self, url: str, limit: int) -> bytes | None:
        """Return what is at an address; None where nothing is left of it."""
        why = ""
        for attempt in range(1, _ATTEMPTS + 1):
            # Chance only keeps readers apart.
            wait = min(_LONGEST_WAIT, 2.0**attempt * random.uniform(0.25, 0.5))  # noqa: S311
            try:
                with self._client.stream("GET", url) as answer:
                    if answer.status_code not in _AGAIN:
                        return self._body(answer, limit)
                    why = f"it answered {answer.status_code}"
                    wait = max(wait, _stated_wait(answer))
            except httpx.TransportError as error:
                why = f"it cannot be reached: {type(error).__name__}"
            _LOG.info("%s: %s; attempt %d of %d", self.url, why, attempt, _ATTEMPTS)
            if attempt < _ATTEMPTS:
                self._wait(wait)
        raise InputError(f"{self.url}: {why}, {_ATTEMPTS} times")

    def _body(self, answer: httpx.Response, limit: int) -> bytes | None:
        if answer.status_code in _GONE and str(answer.url) != self.url:
            return None
        if not answer.is_success:
            raise InputError(f"{self.url}: it answered {answer.status_code}")
        coding = answer.headers.get("content-encoding", "identity")
        if coding.lower() != "identity":  # a few packed bytes may become very many
            raise InputError(f"{self.url}: it answered with a packed body, which was not asked for")
        body, until = bytearray(), time.monotonic() + _LONGEST_ANSWER
        for chunk in answer.iter_raw():
            body += chunk
            if len(body) > limit:
                raise InputError(f"{self.url}: it answered with more than {limit:,} bytes")
            if time.monotonic() > until:
                raise InputError(f"{self.url}: its answer did not end within ten minutes")
        return bytes(body)


def _value_of(body: bytes) -> Any:
    """Return the value of a page; a message in it that cannot be decoded does not stand in the way.

    Raises:
        InputError: It is no JSON.
    """
    try:
        return parse(body, max_bytes=_LARGEST_PAGE)
    except MessageError as error:
        with suppress(ValueError, RecursionError):
            return json.loads(body)
        raise InputError(f"expected a page of an inbox: {str(error)[:_SHOWN]}") from None


def _stated_wait(answer: httpx.Response) -> float:
    """Return how long an answer asks to wait, in seconds: a number, or a date."""
    stated = answer.headers.get("retry-after", "")
    if stated.isascii() and stated.isdigit():
        return min(_LONGEST_WAIT, float(stated[:6]))
    try:
        until = email.utils.parsedate_to_datetime(stated).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return min(_LONGEST_WAIT, max(0.0, until - time.time()))


def pull(store: LeadStore, inbox: Inbox) -> Iterator[Pulled]:
    """Read an inbox to its end; yield what came of it after each page.

    A run begins with the last page that was read: an inbox may put a message there that was on
    its way meanwhile. What is known already is a duplicate.

    Raises:
        InputError: The inbox cannot be read; what was read before is in the store.
        StoreError: The store cannot be written.
    """
    cursor, pulled = store.session().cursor(inbox.url), Pulled()
    token = None if cursor.head_digest is None else cursor.head_digest.decode()
    while True:
        messages, following = inbox.page(token)
        if not messages and following in {None, token}:
            return
        cursor = _moved(cursor, token, following, len(messages))
        _take(store, cursor, messages, pulled)
        yield pulled
        if following in {None, token}:
            return
        token = following


def _take(store: LeadStore, cursor: Cursor, messages: Sequence[bytes], pulled: Pulled) -> None:
    """Take a page in, and move the cursor, in one transaction."""
    session = store.session()
    first = cursor.line - len(messages) + 1
    items = [
        (to_stored(one, store.rules.identity), Place(cursor.log, line))
        for line, message in enumerate(messages, first)
        for one in read_message(message, identity=None)
    ]
    with session.transaction():
        outcomes = session.take(items)
        session.move(cursor)
    pulled.pages += 1
    pulled.messages += len(outcomes)
    for one in outcomes:
        pulled.outcomes[one.kind] = pulled.outcomes.get(one.kind, 0) + 1


def _moved(cursor: Cursor, token: str | None, following: str | None, messages: int) -> Cursor:
    """Return the cursor of an inbox behind a page.

    It stands in the columns of a log's: the token of that page in place of the digest of its
    head, the token behind it in place of that of its tail. ``line`` counts messages as they come.
    """
    begin, end = (None if one is None else one.encode() for one in (token, following))
    return evolve(
        cursor,
        line=cursor.line + messages,
        head_size=len(begin or b""),
        head_digest=begin,
        tail_size=len(end or b""),
        tail_digest=end,
    )


@contextmanager
def opened(url: str, *, headers: Mapping[str, str], links: bool = False) -> Iterator[Inbox]:
    """Open an inbox.

    Raises:
        InputError: It is not the address of one.
    """
    inbox = Inbox(url, headers=headers, links=links)
    try:
        yield inbox
    finally:
        inbox.close()
