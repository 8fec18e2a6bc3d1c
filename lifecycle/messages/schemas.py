"""JSON Schemas (2020-12) of the messages, made from the shapes that the decoder structures.

A schema describes the canonical envelope, and accepts exactly what is decoded, as long as `format`
is what it is in 2020-12 without being asked for more: a remark. ``validation`` asks for more.

The keywords that are used mean the same in draft 7, so that AsyncAPI's own dialect reads them too:
a description stands beside ``allOf``, never beside ``$ref``.
"""

from __future__ import annotations

from types import NoneType
from typing import Any, Final, TypeAlias, get_args, get_type_hints

from attrs import NOTHING, fields

from lifecycle.domain import FieldChange, Party, Trigger
from lifecycle.messages.shapes import (
    ContactAction,
    ContactShape,
    Detail,
    Identifiers,
    LeadAction,
    LeadShape,
    Text,
    wire_name,
)
from lifecycle.messages.times import FIRST_MILLISECOND, LAST_MILLISECOND, STAMP, Instant
from lifecycle.messages.topics import TRIGGER_OF_TOPIC, spellings
from lifecycle.messages.words import ENVELOPE, SUMMARY_OF_TOPIC, WORDS

Schema: TypeAlias = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_URN: Final = "urn:lead-lifecycle:schema"

_DAY: Final = (
    r"(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])"
    r"|(?:0[48]|[2468][048]|[13579][26])00)-02-29"
)
_CLOCK: Final = r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?"
_OFFSET: Final = r"(?: ?(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]))?"
# On the first day no offset, and on the last day no offset or leap second, that leads out of the
# years 1 to 9999. The decoder looks at the hour, too: a pattern that did would be a page long.
_WITHIN: Final = r"(?!0001-01-01.+\+(?!00:?00$)|9999-12-31.+(?::60|-(?!00:?00$)))"
#: A time as ``parse_time`` reads it, or an empty text.
TIME: Final = f"^$|^{_WITHIN}(?:{_DAY})(?:{_CLOCK}{_OFFSET})?$"
#: A text that names somebody: a mask such as ``***`` does not.
LETTER_OR_DIGIT: Final = r"[\p{L}\p{N}]"

_NOTHING: Final = {"enum": [None, ""]}
_VALUE: Final = {"type": ["string", "number", "null"]}
_TYPES: Final = {"type": True, "@type": True}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _having(name: str, part: Schema) -> Schema:
    """An object that has this property."""
    return {"type": "object", "required": [name], "properties": {name: part}}


def _if(condition: Schema, then: Schema, otherwise: Schema) -> Schema:
    return {"if": condition, "then": then, "else": otherwise}


def _usable() -> Schema:
    """A value that names somebody."""
    return {"type": ["string", "number"], "pattern": LETTER_OR_DIGIT}


def _pair() -> Schema:
    """One scheme and its value, in the words of schema.org's PropertyValue."""
    named = [_having(name, {"type": "string", "minLength": 1}) for name in ("propertyID", "name")]
    return {"type": "object", "required": ["value"], "anyOf": named}


def _mapping() -> Schema:
    pair = {"properties": {"value": _VALUE}}
    return _if(_ref("pair"), pair, {"properties": _TYPES, "additionalProperties": _VALUE})


def _naming_mapping() -> Schema:
    """A mapping in which at least one scheme has a usable value."""
    none = {"properties": _TYPES, "additionalProperties": {"not": _ref("usable")}}
    return _if(_ref("pair"), {"properties": {"value": _ref("usable")}}, {"not": none})


def _naming() -> Schema:
    """Identifiers of which at least one names somebody."""
    entry = {"anyOf": [_ref("usable"), {"type": "object", "allOf": [_ref("namingMapping")]}]}
    return {"anyOf": [*entry["anyOf"], {"type": "array", "contains": entry}]}


def _identifiers() -> Schema:
    return {
        "description": "Names in their schemes: a mapping; one bare value; or a list of either,"
        " where {name or propertyID, value} is one scheme and its value.",
        "type": ["object", "string", "number", "array", "null"],
        "items": {"type": ["object", "string", "number"], "allOf": [_ref("mapping")]},
        "allOf": [_ref("mapping")],
    }


def _party() -> Schema:
    name = {"type": ["string", "number", "null"]}
    return {
        "description": "A person, organisation or system: a URI, or an object with any part"
        " missing.",
        "type": ["string", "object", "null"],
        "format": "uri",
        "properties": {
            "id": name | {"format": "uri"},
            "@id": name | {"format": "uri"},
            "name": name,
            "identifier": _ref("identifiers"),
        },
    }


def _time() -> Schema:
    return {
        "description": "A time in RFC 3339. Decoded are also a day alone, no offset (which means"
        " UTC) and an empty text (which is nothing).",
        "type": ["string", "null"],
        "pattern": TIME,
        "format": "date-time",
    }


#: What each type of a declared field is in JSON; None always stands for nothing. A field of a new
#: type needs a row here, or its class one in ``_SHAPES``.
_LEAVES: Final[dict[Any, tuple[str, Schema]]] = {
    Text: ("text", {"type": ["string", "number", "null"]}),
    Detail: ("detail", {"description": "A text; anything else is passed over."}),
    Identifiers: ("identifiers", _identifiers()),
    Instant: ("time", _time()),
    Party: ("party", _party()),
    FieldChange: (
        "fieldChange",
        {"description": "{field, old, new}, of another system; anything else is passed over."},
    ),
}

#: What the definitions above refer to.
_RULES: Final = {
    "usable": _usable(),
    "pair": _pair(),
    "mapping": _mapping(),
    "namingMapping": _naming_mapping(),
    "naming": _naming(),
}

_SHAPES: Final = {LeadShape: "lead", ContactShape: "contact"}

_OWN_DATE: Final[dict[Trigger, str]] = {
    "send": "dateSent",
    "receive": "dateReceived",
    "accept": "dateAccepted",
    "reject": "dateRejected",
}


def message_schema(topic: str) -> Schema:
    """The JSON Schema of the messages of one topic, with everything that it refers to.

    Raises:
        KeyError: Messages of this topic are not decoded.
    """
    return {
        "$schema": DIALECT,
        "$id": f"{_URN}:{topic.replace('#', ':')}",
        **envelope_schema(topic),
        "$defs": definitions(),
    }


def envelope_schema(topic: str) -> Schema:
    """The same, without what it refers to."""
    trigger = TRIGGER_OF_TOPIC[topic]
    return {
        "title": topic,
        "description": SUMMARY_OF_TOPIC[topic],
        "type": "object",
        "required": ["topic", "data"],
        "properties": {
            "topic": {"enum": list(spellings(topic))},
            "time": _described(_ref("time"), ENVELOPE["time"]),
            **{name: _described({"format": "uri"}, ENVELOPE[name]) for name in _DELIVERY},
            "id": _described(
                {"type": ["string", "number", "null"], "format": "uri"}, ENVELOPE["id"]
            ),
            "timestamp": {"description": ENVELOPE["timestamp"]},
            "data": _data(trigger),
        },
        # The timestamp counts only where there is no time.
        "if": {"properties": {"time": _NOTHING}},
        "then": {"properties": {"timestamp": _timestamp()}},
        "anyOf": _stated(trigger),
    }


_DELIVERY: Final = ("@id", "agent", "instrument", "source", "originalRecipient")


def _timestamp() -> Schema:
    return {
        "type": ["number", "string", "null"],
        "minimum": FIRST_MILLISECOND,
        "maximum": LAST_MILLISECOND,
        "pattern": f"^$|^{STAMP.pattern}$",
    }


def _stated(trigger: Trigger) -> list[Schema]:
    """Where a message may say when it happened; one of these places must."""
    something = {"not": _NOTHING}
    places = [("time",), ("timestamp",), ("data", "dateSent")]
    if trigger in _OWN_DATE:
        places.append(("data", "object", _OWN_DATE[trigger]))
    return [_reaching(place, something) for place in places]


def _reaching(place: tuple[str, ...], part: Schema) -> Schema:
    for name in reversed(place):
        part = _having(name, part)
    return part


def _data(trigger: Trigger) -> Schema:
    shape: type[Any] = ContactAction if trigger == "delete" else LeadAction
    data = _object(shape) | {"type": "object"}
    data["properties"]["object"]["anyOf"] = _identity(shape)
    return data


def _identity(shape: type[Any]) -> list[Schema]:
    """At least one name of the lead or its contact has a letter or a digit."""
    own = [_having(name, _ref("usable")) for name in ("@id", "id")]
    contact = [_having(name, _ref("naming")) for name in ("identifier", "sameAs")] + own
    if shape is ContactAction:
        return contact
    lead = [_having("identifier", _ref("naming")), *own]
    return [*lead, _having("object", {"type": "object", "anyOf": contact})]


def definitions() -> dict[str, Schema]:
    """What the schemas of all messages refer to."""
    leaves = dict(_LEAVES.values())
    shapes = {name: _object(shape) for shape, name in _SHAPES.items()}
    return {**shapes, **leaves, **_RULES}


def _object(shape: type[Any]) -> Schema:
    """An object with the fields of this shape; other properties are always allowed."""
    kinds = get_type_hints(shape)
    words = WORDS.get(shape.__name__, {})
    return {
        "description": words.get("", ""),
        "type": ["object", "null"],
        "required": [wire_name(one.name) for one in fields(shape) if one.default is NOTHING],
        "properties": {
            wire_name(one.name): _part(kinds[one.name], words.get(wire_name(one.name)))
            for one in fields(shape)
        },
    }


def _part(kind: Any, words: str | None) -> Schema:
    inner = next((one for one in get_args(kind) if one is not NoneType), kind)
    name = _SHAPES[inner] if inner in _SHAPES else _LEAVES[inner][0]
    part = _ref(name)
    return _described({"type": "object", "allOf": [part]} if inner is kind else part, words)


def _described(part: Schema, words: str | None) -> Schema:
    if not words:
        return part
    return {"description": words} | ({"allOf": [part]} if "$ref" in part else part)
