"""Records of Genesys Web Services, by their parts.

A notification comes by CometD, bare or in ``{channel, data}``. Version 2 has its body under
``email``, ``chat``, ``workitem`` or ``call``; version 3 (the Workspace API) under ``interaction``
or ``call``, with its user data as a list of ``{key, type, value}``. An operation is
``{operationName, id or uri, statusCode}``, flat or as ``{request, response}``. (seed 003; the API's
reference; Genesys's own agent-api-simulator)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any, Final

from lifecycle.errors import ArgumentError
from lifecycle.messages import LAST, parse_time

_MEDIA: Final = ("email", "chat", "workitem", "call")
_INTERACTION: Final = "interaction"
_LAYERS: Final = ("data", "request", "body", "parameters")
_STATUS_CHANGES: Final = ("statuschange", "statuschanged")
_TIMES: Final = ("time", "timestamp", "eventTime", "dateTime", "date")
_URIS: Final = ("uri", "url", "path")
_AGENTS: Final = ("agent", "agentId", "userId", "user", "userName")
_TARGET_AGENTS: Final = ("targetUserUri", "targetUser", "targetAgentId", "targetUserId", "userUri")
_TARGETS: Final = ("targetUri", "target", "destination", "destinationUri")
_QUEUES: Final = ("queueName", "queueUri", "queue", "queueId", "targetQueue", "targetQueueUri")
#: Milliseconds since 1970 have more digits than this number; seconds would be taken for 1970.
_SECONDS: Final = 10**11
_STATUS: Final = re.compile(r"\d{1,9}", re.ASCII)
# An agent's session, what he is reached by, and media without an interaction of theirs.
_NO_INTERACTION: Final = re.compile(
    r"(?:^|/)(?:(?:me|emails|chats|workitems|calls|interactions)$|(?:workbins|devices|channels)/)"
)
#: The pattern of dates is tried on no more than this: its time is not linear.
_LONGEST_DATE: Final = 64
# A date whose blanks were lost, as it is printed in seed 003: "Tue,11Mar2014 14: 05: 09+0200".
_MAIL_DATE: Final = re.compile(
    r"(?:\w{3},)?\s*(\d{1,2})\s*(\w{3})\s*(\d{4})\s*(\d\d):\s*(\d\d):\s*(\d\d)\s*([+-]\d{4}|GMT|UTC)"
)


class RecordError(Exception):
    """A record lacks what every one has, or says something that cannot be read."""


class GenesysRecord:
    """A record, and where its parts stand in it.

    Attributes:
        operation: The name of the operation; None where it is none.
        kind: ``operations``, ``interactions`` or ``notifications``; None where it is none of them.
    """

    def __init__(self, value: dict[str, Any]) -> None:
        self._layers = _layers(value)
        self._medium, self._body = _body(self._layers)
        self._user_data = _user_data(self._body)
        self._notification = self._first(("notificationType",))
        self._message_type = self._first(("messageType",))
        self.operation = self._first(("operationName",))
        self.kind = self._kind()

    def reason_to_leave_out(self) -> str | None:
        """Return why the record says nothing of an interaction; None where it does."""
        if self.kind is None:
            raise RecordError(
                "expected an operation (operationName) or a notification (notificationType),"
                " or an interaction"
            )
        if self._is_meta():
            return "CometD's own"
        if self.operation is not None:
            status = self._status()
            return None if status == 0 else f"operation that failed (statusCode {status!s:.20})"
        if self._notification == "Error":
            return "notification of an error"
        return None if self._medium else "no email, chat or workitem"

    def change(self) -> tuple[str, str | None]:
        """Return the field that the record tells of, and its new value."""
        if self.operation is not None:
            return "operation", self._operation_name(self.operation)
        state = _text(self._body.get("state"))
        if state and self._is_status_change():
            return "state", state
        return "notification", self._notification or self._message_type

    def interaction(self) -> str | None:
        """Return the id of the interaction; None for an operation on something else."""
        if stated := self._stated_id():
            return stated
        uri = self._uri()
        if uri is not None and "workbins" not in uri.split("/"):
            return None if _NO_INTERACTION.search(uri) else _last_part(uri)
        inner_id = self._inner_id()
        if inner_id is None:
            raise RecordError("expected the id of an interaction, or its uri")
        return inner_id

    def agent(self) -> str | None:
        """Return who did it, or whom the interaction is offered to."""
        if self.operation is not None:
            return self._first(_AGENTS)
        return _text(self._user_data.get("RTargetAgentSelected")) or self._first(
            ("assignedTo", *_AGENTS), [self._body, *self._layers]
        )

    def recipient(self) -> str | None:
        """Return the agent whom the interaction is handed to."""
        if self.operation is not None:
            return self._target_agent() if self.operation.casefold() == "transfer" else None
        field, value = self.change()
        is_offer = field == "state" and value is not None and value.casefold() == "invited"
        return self.agent() if is_offer else None

    def contact_id(self) -> str | None:
        """Return the id of the contact."""
        return _text(self._user_data.get("ContactId")) or _text(self._body.get("contactId"))

    def contact_details(self) -> dict[str, str]:
        """Return the contact's name and e-mail address, where they are known."""
        data = self._user_data
        details = {"name": data.get("FromPersonal"), "email": data.get("EmailAddress")}
        return {name: text for name, value in details.items() if (text := _text(value))}

    def time(self) -> int | None:
        """Return when it happened, as the record states itself."""
        for name, value in self._times():
            if isinstance(value, int) and not isinstance(value, bool):
                if _SECONDS < value <= LAST // 1000:
                    return value * 1000
                raise RecordError(f"{name}: expected milliseconds since 1970, got {value}")
            try:
                return parse_time(value if isinstance(value, str) else repr(value)).micros
            except ArgumentError as error:
                raise RecordError(f"{name}: {error}") from None
        return None

    def mail_date(self) -> int | None:
        """Return the date of the mail itself: older than the step, but better than none."""
        text = _text(self._user_data.get("Header_Date")) or ""
        match = _MAIL_DATE.search(text[:_LONGEST_DATE])
        if match is None:
            return None
        day, month, year, hour, minute, second, zone = match.groups()
        date = f"{day} {month} {year} {hour}:{minute}:{second} {zone}"
        try:
            return parse_time(parsedate_to_datetime(date).isoformat()).micros
        except (ValueError, OverflowError):
            return None

    # --- where the parts are ------------------------------------------------------------

    def _kind(self) -> str | None:
        if self.operation is not None:
            return "operations"
        if self._medium == _INTERACTION:
            return "interactions"
        is_notification = self._notification or self._message_type or self._is_meta()
        return "notifications" if is_notification else None

    def _is_meta(self) -> bool:
        channel = self._layers[0].get("channel")
        return isinstance(channel, str) and channel.startswith("/meta/")

    def _is_status_change(self) -> bool:
        """Return whether the state is news; a message of version 3 need not have its type."""
        if self._notification is not None:
            return self._notification.casefold() in _STATUS_CHANGES
        return self._message_type is None or "statechange" in self._message_type.casefold()

    def _status(self) -> Any:
        """Return the answer to an operation."""
        response = self._layers[0].get("response")
        layers = [*self._layers, response] if isinstance(response, dict) else self._layers
        status = next((layer["statusCode"] for layer in layers if "statusCode" in layer), None)
        return int(status) if isinstance(status, str) and _STATUS.fullmatch(status) else status

    def _operation_name(self, name: str) -> str:
        """Return the name of an operation, with what it is done to where that tells them apart."""
        if name.casefold() == "transfer":
            return "Transfer to user" if self._target_agent() else "Transfer to queue"
        if name.casefold() == "complete" and self._names_queue():
            return "Complete to queue"
        return name

    def _target_agent(self) -> str | None:
        """Return the agent whom a transfer names; None for a queue."""
        uris = (uri for uri in self._target_uris() if "/users/" in uri)
        return self._first(_TARGET_AGENTS) or next(map(_last_part, uris), None)

    def _names_queue(self) -> bool:
        queues = (layer.get(name) for layer in self._layers for name in _QUEUES)
        return any(queues) or any("/queues/" in uri for uri in self._target_uris())

    def _target_uris(self) -> Iterator[str]:
        for layer in self._layers:
            for name in _TARGETS:
                target = layer.get(name)
                if uri := _text(target.get("uri") if isinstance(target, dict) else target):
                    yield uri

    def _stated_id(self) -> str | None:
        """Return the interaction's id where it is called so."""
        own = _text(self._body.get("id")) or _text(self._body.get("interactionId"))
        return own or self._first(("interactionId",))

    def _inner_id(self) -> str | None:
        """Return the id in an operation's body; the id of a wrapper is none of an interaction."""
        if self.operation is None:
            return None
        ids = (_text(layer.get("id")) for layer in reversed(self._layers))
        return next(filter(None, ids), None)

    def _uri(self) -> str | None:
        """Return the first URI, without its query."""
        layers = [self._body, *self._layers]
        uris = (_text(layer.get(name)) for layer in layers for name in _URIS)
        uri = next(filter(None, uris), None)
        return uri and (re.split(r"[?#]", uri, maxsplit=1)[0].rstrip("/") or None)

    def _times(self) -> Iterator[tuple[str, Any]]:
        for layer in [*self._layers, self._body]:
            for name in _TIMES:
                if layer.get(name) not in (None, ""):
                    yield name, layer[name]

    def _first(
        self, names: tuple[str, ...], layers: list[dict[str, Any]] | None = None
    ) -> str | None:
        """Return the first property that is a text, a number, or an object with an id."""
        for layer in self._layers if layers is None else layers:
            for name in names:
                part = layer.get(name)
                if isinstance(part, dict):
                    part = part.get("id") or part.get("uri") or part.get("userName")
                if (text := _text(part)) and (last := _last_part(text)):
                    return last
        return None


def _layers(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a record's objects from the outside in: wrapper, data; request, body."""
    layers = [value]
    for name in _LAYERS:
        inner = layers[-1].get(name)
        if isinstance(inner, dict):
            layers.append(inner)
    return layers


def _body(layers: list[dict[str, Any]]) -> tuple[str | None, dict[str, Any]]:
    """Return the medium and what is said of its interaction; None and nothing without any."""
    for layer in layers:
        if "mediatype" in layer and "state" in layer:
            return _INTERACTION, layer
        for medium in (_INTERACTION, *_MEDIA):
            body = layer.get(medium)
            if isinstance(body, dict):
                return medium, body
    return None, {}


def _user_data(body: dict[str, Any]) -> dict[str, Any]:
    """Return the data that is attached to an interaction, in version 3 a list of pairs."""
    data = body.get("userData")
    if isinstance(data, list):
        pairs = [pair for pair in data if isinstance(pair, dict)]
        return {pair["key"]: pair.get("value") for pair in pairs if _text(pair.get("key"))}
    return data if isinstance(data, dict) else {}


def _text(value: Any) -> str | None:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return str(value).strip() or None
    return None


def _last_part(uri: str) -> str:
    return uri.rstrip("/").rpartition("/")[2]
