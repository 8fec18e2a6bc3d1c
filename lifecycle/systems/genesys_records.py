"""What Genesys Web Services writes: notifications by CometD, and operations with their answers.

A notification has its body under ``email``, ``chat`` or ``workitem``, and comes bare or in
``{channel, data}``. An operation is ``{operationName, id or uri, statusCode}``, flat or as
``{request, response}``. (seed 003)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from lifecycle.errors import InputError, TimeFormatError
from lifecycle.messages import LAST, parse_time
from lifecycle.systems.documents import Document
from lifecycle.systems.spool import Record

#: The schemes of the ids of interactions, contacts and agents.
INTERACTION: Final = "genesysInteractionId"
CONTACT: Final = "genesysContactId"
AGENT: Final = "genesysAgentId"

_MEDIA: Final = ("email", "chat", "workitem")
_TIMES: Final = ("time", "timestamp", "eventTime", "dateTime", "date")
_USERS: Final = ("agent", "agentId", "userId", "user", "userName")
_TARGET_USERS: Final = ("targetUserUri", "targetUser", "targetAgentId", "targetUserId", "userUri")
_TARGETS: Final = ("targetUri", "target", "destination", "destinationUri")
#: Milliseconds since 1970 have more digits than this number; seconds would be taken for 1970.
_SECONDS: Final = 10**11
_STATUS: Final = re.compile(r"\d{1,9}", re.ASCII)
# A date whose blanks were lost, as it is printed in seed 003: "Tue,11Mar2014 14: 05: 09+0200".
_MAIL_DATE: Final = re.compile(
    r"(?:\w{3},)?\s*(\d{1,2})\s*(\w{3})\s*(\d{4})\s*(\d\d):\s*(\d\d):\s*(\d\d)\s*([+-]\d{4}|GMT|UTC)"
)


@frozen
class Part:
    """What a record says of its interaction.

    Attributes:
        operation: The name of an operation that was done; None for a notification.
        kind: The notification's type.
        state: The state that it tells.
        capabilities: What can be done with it now.
        agent: Who acts, or whom it is offered to.
        target: To which agent an operation hands it on.
        contact: The id of the contact.
        details: The contact's name and email.
        timed: Whether the record states a time of its own.
        said: What the record says, whatever it came in: what its event's id is derived of.
    """

    operation: str | None = None
    kind: str | None = None
    state: str | None = None
    capabilities: bool = False
    agent: str | None = None
    target: str | None = None
    contact: str | None = None
    details: dict[str, str] = field(factory=dict)
    timed: bool = True
    said: Any = None


def record_of(
    path: Path, document: Document, received_at: int | None, latest: dict[str, int]
) -> Record | str:
    """The record of a document; or why it says nothing of an interaction.

    A record without a time follows the one before it in its interaction, of which ``latest`` has
    the times; the first has the date of the mail, else ``received_at``.

    Raises:
        InputError: It is no operation and no notification, or lacks what every one has.
    """
    if isinstance(document.value, dict) and _is_meta(document.value.get("channel")):
        return "CometD's own"
    found = _Found(path, document)
    if found.operation is not None:
        status = found.status
        if status != 0:
            return f"operation that failed (statusCode {status})"
    elif found.kind == "Error":
        return "notification of an error"
    elif found.media is None:
        return "no email, chat or workitem"
    name, time = found.interaction(), found.time()
    content = {"record": document.value, "timed": time is not None}
    if time is None:
        before = latest.get(name)
        time = found.mail_date() if before is None else min(before + 1, LAST)
        time = received_at if time is None else time
    if time is None:
        raise found.error(f"no time: expected {' or '.join(_TIMES)}, or --received-at TIME")
    latest[name] = time
    return Record(name, time, document.line, content)


def _is_meta(channel: Any) -> bool:
    return isinstance(channel, str) and channel.startswith("/meta/")


def part_of(content: dict[str, Any]) -> Part:
    """What a record says, from its content (see ``record_of``)."""
    found = _Found(Path(), Document(0, "", content["record"]))
    said = (found.said(), found.time() if content["timed"] else None)
    if found.operation is not None:
        return Part(
            operation=found.operation,
            agent=found.first(_USERS),
            target=found.target(),
            timed=content["timed"],
            said=said,
        )
    data, body = found.user_data, found.body
    details = {"name": _text(data.get("FromPersonal")), "email": _text(data.get("EmailAddress"))}
    return Part(
        kind=found.kind,
        state=_text(body.get("state")),
        capabilities=bool(body.get("capabilities")),
        agent=_text(data.get("RTargetAgentSelected")),
        contact=_text(data.get("ContactId")),
        details={name: text for name, text in details.items() if text},
        timed=content["timed"],
        said=said,
    )


class _Found:
    """Where things are in a record."""

    def __init__(self, path: Path, document: Document) -> None:
        self._path = path
        self._document = document
        value = document.value
        if not isinstance(value, dict):
            raise self.error("expected an operation or a notification of Genesys Web Services")
        #: From the outside in: the channel's wrapper, its data; an operation's request, its body.
        self._layers = [value]
        for name in ("data", "request", "body", "parameters"):
            inner = self._layers[-1].get(name)
            if isinstance(inner, dict):
                self._layers.append(inner)
        self.operation = self.first(("operationName",))
        self.kind = self.first(("notificationType",))
        self.media = next(
            (one for one in _MEDIA for layer in self._layers if isinstance(layer.get(one), dict)),
            None,
        )
        if self.operation is None and self.kind is None and self.first(("messageType",)) is None:
            raise self.error(
                "expected an operation (operationName) or a notification (notificationType)"
            )

    @property
    def body(self) -> dict[str, Any]:
        """What is under ``email``, ``chat`` or ``workitem``."""
        bodies = (layer.get(self.media) for layer in self._layers) if self.media else iter(())
        return next((body for body in bodies if isinstance(body, dict)), {})

    @property
    def user_data(self) -> dict[str, Any]:
        """The data that is attached to the interaction."""
        data = self.body.get("userData")
        return data if isinstance(data, dict) else {}

    @property
    def status(self) -> Any:
        """The answer to an operation."""
        response = self._layers[0].get("response")
        layers = [*self._layers, response] if isinstance(response, dict) else self._layers
        found = next((layer["statusCode"] for layer in layers if "statusCode" in layer), None)
        return int(found) if isinstance(found, str) and _STATUS.fullmatch(found) else found

    def said(self) -> Any:
        """A notification without what it came in; an operation as it is."""
        if self.operation is not None:
            return self._layers[0]
        names = ("notificationType", "messageType")
        return next(layer for layer in self._layers if any(name in layer for name in names))

    def target(self) -> str | None:
        """The agent whom an operation hands it on to; None for a queue."""
        if user := self.first(_TARGET_USERS):
            return user
        for layer in self._layers:
            for name in _TARGETS:
                part = layer.get(name)
                uri = _text(part.get("uri") if isinstance(part, dict) else part)
                if uri and "/users/" in uri:
                    return _last_of_uri(uri)
        return None

    def first(self, names: tuple[str, ...]) -> str | None:
        """The first of these properties that is a text, a number, or an object with an id."""
        for layer in self._layers:
            for name in names:
                part = layer.get(name)
                if isinstance(part, dict):
                    part = part.get("id") or part.get("uri") or part.get("userName")
                if text := _text(part):
                    return _last_of_uri(text) if "/" in text else text
        return None

    def interaction(self) -> str:
        """The id of the interaction.

        Raises:
            InputError: There is none.
        """
        if self.media:
            own = _text(self.body.get("id")) or self.first(("uri",))
        else:
            # The id of a wrapper is none of an interaction: the innermost one counts.
            inner = (_text(layer.get("id")) for layer in reversed(self._layers))
            own = self.first(("interactionId", "uri", "url", "path")) or next(
                filter(None, inner), None
            )
        if not own:
            raise self.error("expected the id of an interaction, or its uri")
        return own

    def time(self) -> int | None:
        """When it happened, as it states itself.

        Raises:
            InputError: What it states is no time.
        """
        for name, value in self._times():
            if isinstance(value, int) and not isinstance(value, bool):
                if _SECONDS < value <= LAST // 1000:
                    return value * 1000
                raise self.error(f"{name}: expected milliseconds since 1970, got {value}")
            try:
                return parse_time(value if isinstance(value, str) else repr(value)).micros
            except TimeFormatError as error:
                raise self.error(f"{name}: {error}") from None
        return None

    def _times(self) -> Iterator[tuple[str, Any]]:
        for layer in [*self._layers, self.body]:
            for name in _TIMES:
                if layer.get(name) not in (None, ""):
                    yield name, layer[name]

    def mail_date(self) -> int | None:
        """The date of the mail itself: older than the step, but better than none."""
        text = _text(self.user_data.get("Header_Date"))
        match = _MAIL_DATE.search(text) if text else None
        if match is None:
            return None
        day, month, year, hour, minute, second, zone = match.groups()
        try:
            moment: datetime = parsedate_to_datetime(
                f"{day} {month} {year} {hour}:{minute}:{second} {zone}"
            )
            return parse_time(moment.isoformat()).micros
        except (ValueError, OverflowError):
            return None

    def error(self, what: str) -> InputError:
        """What is wrong with the record."""
        return self._document.error(self._path, what)


def _text(value: Any) -> str | None:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value).strip() or None
    return None


def _last_of_uri(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]
