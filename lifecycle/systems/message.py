"""Messages of the network, made of what other systems say (design.md sections 3 and 4a)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from lifecycle.messages import format_time

#: A message as JSON can say it.
Message: TypeAlias = dict[str, Any]
#: A person or a system: a URI, or an object with an identifier.
Party: TypeAlias = "str | dict[str, Any]"


def change_message(
    source: str,
    field: str,
    *,
    time: int | str,
    lead: Mapping[str, Any],
    contact: Mapping[str, Any] | None = None,
    record: str | None = None,
    lead_source: str | None = None,
    **said: Any,
) -> Message:
    """Return the ``lead#change`` message of one change of a field.

    Args:
        source: The system's name: ``salesforce``, ``hubspot``, ``genesys``, or a table's own.
        field: The field by its API name.
        time: When it changed: microseconds since 1970 in UTC, or a time as written.
        lead: The lead's identifiers by scheme; of one that has several, a list.
        contact: The properties of its contact: ``identifier``, ``name``, ``email``, ``telephone``.
        record: The source's id of the changed object, where that is not the lead's key of it.
        lead_source: Where the lead came from, if the record says so.
        said: What the record says besides, where it is not None: ``old``, ``new``, ``current``
            (what the field is, without a change), ``agent``, ``recipient``, ``reason``.
    """
    data: Message = {"type": "ChangeAction", "source": source, "field": field}
    data.update((name, part) for name, part in said.items() if part is not None)
    if record is not None:
        data["record"] = record
    data["object"] = {"type": "Lead", "identifier": _identifier(lead)}
    if lead_source:
        data["object"]["leadSource"] = lead_source
    if contact:
        data["object"]["object"] = {"type": "Contact", **contact}
    return {
        "topic": "realestate/lead#change",
        "time": time if isinstance(time, str) else format_time(time),
        "data": data,
    }


def person(scheme: str, value: str, name: str | None = None) -> Party | None:
    """Return who is meant by a value: a URI, or an id in a scheme; None where it is empty."""
    if not value:
        return None
    if "://" in value or value.startswith("urn:"):
        return value
    found: dict[str, Any] = {"type": "Person", "identifier": {scheme: value}}
    return found | {"name": name} if name else found


def _identifier(lead: Mapping[str, Any]) -> dict[str, Any] | list[dict[str, Any]]:
    """Return identifiers as messages have them: a mapping, or a list where a scheme has several."""
    if not any(isinstance(value, list) for value in lead.values()):
        return dict(lead)
    return [
        {"propertyID": scheme, "value": value}
        for scheme, values in lead.items()
        for value in (values if isinstance(values, list) else [values])
    ]
