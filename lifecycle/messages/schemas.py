"""JSON Schemas (2020-12) of the messages, made from the shapes that the decoder structures.

A schema describes the canonical envelope, and accepts exactly what is decoded, as long as `format`
is what it is in 2020-12 without being asked for more: a remark. ``validation`` asks for more.

The keywords that are used mean the same in draft 7, so that AsyncAPI's own dialect reads them too:
a description stands beside ``allOf``, never beside ``$ref``.
"""

from __future__ import annotations

import math
from types import NoneType
from typing import Any, Final, TypeAlias, get_args, get_type_hints

from attrs import NOTHING, fields

from lifecycle.domain import Party, Trigger
from lifecycle.messages.patterns import (
    DATE,
    LETTER_OR_DIGIT,
    NULL_DATE,
    PERSON,
    PLACEHOLDER,
    STAMP,
    TIME,
    UNUSED_DATE,
    topic_pattern,
)
from lifecycle.messages.shapes import (
    ChangeAction,
    ChangePersonAction,
    ContactAction,
    ContactShape,
    Detail,
    Identifiers,
    LeadAction,
    LeadShape,
    Name,
    Origin,
    PersonAction,
    PersonShape,
    Text,
    Value,
    wire_name,
)
from lifecycle.messages.times import EARLIEST_SECOND, LAST, UNITS, Instant
from lifecycle.messages.topics import OWN_DATE, TRIGGER_OF_TOPIC, known_topic
from lifecycle.messages.values import NAMING
from lifecycle.messages.words import ENVELOPE, SUMMARY_OF_TOPIC, WORDS
from lifecycle.messages.wrappers import TYPE_NAMES

Schema: TypeAlias = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_URN: Final = "urn:lead-lifecycle:schema"

_NULL: Final = {"type": "null"}
#: No date, or one that programs write for none.
_NOTHING: Final = {"type": ["string", "null"], "pattern": NULL_DATE}
#: What a scheme may have for a value; a flag names nobody.
_VALUE: Final = {"type": ["string", "number", "boolean", "null"]}
#: Members of an identifier that are no schemes: those of JSON-LD.
_KEYWORDS: Final = {"^@|^type$": True}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _having(name: str, part: Schema) -> Schema:
    """Return an object that has this property."""
    return {"type": "object", "required": [name], "properties": {name: part}}


def _if(condition: Schema, then: Schema, otherwise: Schema) -> Schema:
    return {"if": condition, "then": then, "else": otherwise}


def _usable() -> Schema:
    """Return a value that names somebody."""
    placeholder = {"anyOf": [{"enum": [0, -1]}, {"type": "string", "pattern": PLACEHOLDER}]}
    return {"type": ["string", "number"], "pattern": LETTER_OR_DIGIT, "not": placeholder}


def _described_value() -> Schema:
    """Return a schema of a value with what names its scheme (PropertyValue, FHIR's Identifier)."""
    named = [_having(name, {"type": "string", "minLength": 1}) for name in NAMING]
    alone = {
        "properties": {"value": True},
        "patternProperties": _KEYWORDS,
        "additionalProperties": _NULL,
    }
    return {**_having("value", {"not": _NULL}), "anyOf": [*named, alone]}


def _nameless() -> Schema:
    """Return a schema of what names a scheme, without a value."""
    return {
        "type": "object",
        "properties": dict.fromkeys(NAMING, True),
        "patternProperties": _KEYWORDS,
        "additionalProperties": _NULL,
    }


def _mapping() -> Schema:
    every = {"patternProperties": _KEYWORDS, "additionalProperties": _VALUE}
    rest = _if(_ref("nameless"), {}, every)
    return _if(_ref("describedValue"), {"properties": {"value": _VALUE}}, rest)


def _naming_mapping() -> Schema:
    """Return a mapping in which at least one scheme has a usable value."""
    none = {"patternProperties": _KEYWORDS, "additionalProperties": {"not": _ref("usable")}}
    rest = {"not": {"anyOf": [_ref("nameless"), none]}}
    return _if(_ref("describedValue"), {"properties": {"value": _ref("usable")}}, rest)


def _naming() -> Schema:
    """Return a schema of identifiers of which at least one names somebody."""
    entry = {"anyOf": [_ref("usable"), {"type": "object", "allOf": [_ref("namingMapping")]}]}
    return {"anyOf": [*entry["anyOf"], {"type": "array", "contains": entry}]}


def _identifiers() -> Schema:
    return {
        "description": "Names in their schemes: a mapping; one bare value; or a list of either,"
        " where {propertyID, system or name, value} is one scheme and its value.",
        "type": ["object", "string", "number", "boolean", "array", "null"],
        "items": {
            "type": ["object", "string", "number", "boolean", "null"],
            "allOf": [_ref("mapping")],
        },
        "allOf": [_ref("mapping")],
    }


def _party() -> Schema:
    return {
        "description": "A person, organisation or system: a URI, or an object with any part"
        " missing; of a list the first.",
        "type": ["string", "object", "array", "null"],
        "items": {"type": ["string", "object", "null"], "allOf": [_ref("oneParty")]},
        "allOf": [_ref("oneParty")],
    }


def _one_party() -> Schema:
    name = {"type": ["string", "number", "null"]}
    return {
        "format": "uri",
        "properties": {
            "id": name | {"format": "uri"},
            "@id": name | {"format": "uri"},
            "name": name,
            "identifier": _ref("identifiers"),
        },
    }


def _date(pattern: str) -> Schema:
    return {
        "description": "A time in RFC 3339. Decoded are also a day alone, no offset (which means"
        " UTC), and what stands for nothing: an empty text, year 1, 1900-01-01, the first second"
        " of 1970, 9999-12-31.",
        "type": ["string", "null"],
        "pattern": pattern,
        "format": "date-time",
    }


#: What each type of a declared field is in JSON; None always stands for nothing. A field of a new
#: type needs a row here, or its class one in ``_SHAPES``.
_LEAVES: Final[dict[Any, tuple[str, Schema]]] = {
    Text: ("text", {"type": ["string", "number", "null"]}),
    Detail: ("detail", {"description": "A text; anything else is passed over."}),
    Origin: (
        "origin",
        {
            "description": "A text, a thing or an action, or a list of such: of the first that says"
            " so the name, of a thing else its url, its id or its type, of an action its type."
        },
    ),
    Identifiers: ("identifiers", _identifiers()),
    Instant: ("date", _date(DATE)),
    Party: ("party", _party()),
    Name: ("name", {"type": ["string", "number"], "pattern": LETTER_OR_DIGIT}),
    Value: ("value", _VALUE | {"description": "A value of a field; null and empty are alike."}),
}

#: What the definitions above refer to.
_RULES: Final = {
    "time": _date(TIME),
    "oneParty": _one_party(),
    "usable": _usable(),
    "describedValue": _described_value(),
    "nameless": _nameless(),
    "mapping": _mapping(),
    "namingMapping": _naming_mapping(),
    "naming": _naming(),
}

_SHAPES: Final = {LeadShape: "lead", ContactShape: "contact", PersonShape: "person"}


def message_schema(topic: str) -> Schema:
    """Return the JSON Schema of the messages of one topic, with everything that it refers to.

    Raises:
        ArgumentError: Messages of this topic are not decoded.
    """
    topic = known_topic(topic)
    return {
        "$schema": DIALECT,
        "$id": f"{_URN}:{topic.replace('#', ':')}",
        **envelope_schema(topic),
        "$defs": definitions(),
    }


def envelope_schema(topic: str) -> Schema:
    """Return the same, without what it refers to."""
    trigger = TRIGGER_OF_TOPIC[topic]
    return {
        "title": topic,
        "description": SUMMARY_OF_TOPIC[topic],
        "type": "object",
        "required": ["topic", "data"],
        "properties": {
            "topic": {"type": "string", "pattern": topic_pattern(topic)},
            "time": _described(_ref("time"), ENVELOPE["time"]),
            **{name: _described(_ANY_URI, ENVELOPE[name]) for name in _DELIVERY},
            # A change of a field has the id of what it says.
            "id": _described(_ANY_URI if trigger == "change" else _ID, ENVELOPE["id"]),
            "timestamp": {"description": ENVELOPE["timestamp"]},
            "data": _data(trigger),
        },
        # The timestamp counts only where there is no time.
        "if": {"properties": {"time": _NOTHING}},
        "then": {"properties": {"timestamp": _timestamp()}},
        "anyOf": _stated(trigger),
    }


_ANY_URI: Final = {"format": "uri"}
_ID: Final = {"type": ["string", "number", "null"], **_ANY_URI}
_DELIVERY: Final = ("@id", "agent", "instrument", "source", "originalRecipient")


def _timestamp() -> Schema:
    """Return a schema of a number since 1970 that is not before 1990, or what stands for none."""
    return {"anyOf": [{"enum": [None, "", "0"]}, _within(0, 1), *_stamps()]}


def _stamps() -> list[Schema]:
    """Return schemas of numbers that say when something happened: in seconds or milliseconds."""
    units = [_within(EARLIEST_SECOND * one, limit) for _, limit, one in UNITS if limit < math.inf]
    _, _, finest = UNITS[-1]
    last = {"type": "number", "minimum": EARLIEST_SECOND * finest, "maximum": LAST * 1000}
    return [*units, last, {"type": "string", "pattern": STAMP}]


def _within(first: float, limit: float) -> Schema:
    return {"type": "number", "minimum": first, "exclusiveMaximum": limit}


def _stated(trigger: Trigger) -> list[Schema]:
    """Return the places where a message may say when it happened; one of them must."""
    date = {"not": {"type": ["string", "null"], "pattern": UNUSED_DATE}}
    places: list[tuple[tuple[str, ...], Schema]] = [
        (("time",), {"not": _NOTHING}),
        (("timestamp",), {"anyOf": _stamps()}),
        (("data", "dateSent"), date),
    ]
    if trigger in OWN_DATE:
        places.append((("data", "object", OWN_DATE[trigger]), date))
    return [_reaching(place, part) for place, part in places]


def _reaching(place: tuple[str, ...], part: Schema) -> Schema:
    for name in reversed(place):
        part = _having(name, part)
    return part


def _data(trigger: Trigger) -> Schema:
    if trigger == "delete":
        return _action(ContactAction)
    of_person, of_lead = (
        (ChangePersonAction, ChangeAction) if trigger == "change" else (PersonAction, LeadAction)
    )
    text = {"type": "string", "pattern": PERSON}
    person = {"anyOf": [text, {"type": "array", "minItems": 1, "maxItems": 1, "items": text}]}
    is_person = _having("object", {"anyOf": [_having(name, person) for name in TYPE_NAMES]})
    return {"type": "object", **_if(is_person, _action(of_person), _action(of_lead))}


def _action(shape: type[Any]) -> Schema:
    data = _object(shape) | {"type": "object"}
    data["properties"]["object"]["anyOf"] = _identity(shape)
    return data


def _identity(shape: type[Any]) -> list[Schema]:
    """Return a schema in which at least one name of the lead or its contact is a name."""
    own = [_having(name, _ref("usable")) for name in ("@id", "id")]
    contact = [_having(name, _ref("naming")) for name in ("identifier", "sameAs")] + own
    if shape not in (LeadAction, ChangeAction):
        return contact
    lead = [_having("identifier", _ref("naming")), *own]
    return [*lead, _having("object", {"type": "object", "anyOf": contact})]


def definitions() -> dict[str, Schema]:
    """Return what the schemas of all messages refer to."""
    leaves = dict(_LEAVES.values())
    shapes = {name: _object(shape) for shape, name in _SHAPES.items()}
    return {**shapes, **leaves, **_RULES}


def _object(shape: type[Any]) -> Schema:
    """Return an object with the fields of this shape; other properties are always allowed."""
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
    is_needed = inner is kind and inner in _SHAPES
    return _described({"type": "object", "allOf": [part]} if is_needed else part, words)


def _described(part: Schema, words: str | None) -> Schema:
    if not words:
        return part
    return {"description": words} | ({"allOf": [part]} if "$ref" in part else part)
