"""Values in the data of a message: texts, times, parties and identifiers, in each of their forms.

What is not what it must be raises ``Unexpected``, which says where, below the value that was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from lifecycle.domain import OWN_SCHEME, Party, is_mask, normal_scheme
from lifecycle.errors import ArgumentError, PortableError
from lifecycle.messages.times import Instant, parse_time
from lifecycle.messages.wrappers import kind_of


class Unexpected(PortableError, ValueError):  # noqa: N818 - caught here, never seen outside
    """A part of a message is not what it must be; ``path`` leads on from where it was met."""

    def __init__(self, expected: str, got: Any, path: str = "") -> None:
        self.path = path
        super().__init__(f"expected {expected}, got {kind_of(got)}")


def text_of(value: Any, _: object = None) -> str:
    """Return a text; of a number how it is written in decimal.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return decimal_text(value)
    raise Unexpected("a text", value)


def detail_of(value: Any, _: object = None) -> str | None:
    """Return a text or a number; of several the first."""
    first: Any = value[0] if isinstance(value, list) and value else value
    try:
        return text_of(first, None)
    except Unexpected:
        return None


def origin_of(value: Any, _: object = None) -> str | None:
    """Return where a lead came from, of several the first that says so.

    Of a thing it is the name, else the address, else the type; of an action, such as a question
    that somebody asked on a web site, the name, else the type: its address is its own alone.
    """
    if isinstance(value, list):
        return next((text for one in value if (text := _origin_of(one))), None)
    return _origin_of(value)


def _origin_of(value: Any) -> str | None:
    if not isinstance(value, dict):
        return _said(value)
    kind = _said(value.get("type")) or _said(value.get("@type"))
    is_action = kind is not None and kind.endswith("Action")
    names = ("name",) if is_action else ("name", "url", "id", "@id")
    return next((text for name in names if (text := _said(value.get(name)))), kind)


def _said(value: Any) -> str | None:
    """Return a text or a number that says something, without the spaces around it."""
    text = None if isinstance(value, list) else detail_of(value)
    return None if text is None or is_mask(text) else text.strip()


def decimal_text(number: int | float) -> str:  # noqa: PYI041 - they are written differently
    """Return a number as it is written in decimal: 5 and 5.0 are both ``5``."""
    if isinstance(number, float):
        return format(Decimal(repr(number)), "f").removesuffix(".0")
    return str(number)


def instant_of(value: Any, _: object) -> Instant | None:
    """Return a time that is stated; None where it is empty, or stands for none."""
    if value == "":
        return None
    if not isinstance(value, str):
        raise Unexpected("a time", value)
    try:
        instant = parse_time(value)
    except ArgumentError as error:
        raise ValueError(str(error)) from None
    return None if instant.is_null else instant


def party_of(value: Any, _: object = None) -> Party | None:
    """Return the party of a URI, or of ``{type, id, name, identifier}``; of several the first."""
    if isinstance(value, list):
        return _first_party(value)
    if isinstance(value, str):
        return _usual_party(value) if len(value) <= _USUAL else _party_of(value)
    if not isinstance(value, dict):
        raise Unexpected("a URI or an object", value)
    own, at = _optional_text(value, "id"), _optional_text(value, "@id")
    name, identified = _optional_text(value, "name"), _identified(value.get("identifier"))
    uri = own or at or identified
    return Party(uri, name) if uri or name else None


def _first_party(values: list[Any]) -> Party | None:
    parties = []
    for number, one in enumerate(values):
        if isinstance(one, list):
            raise Unexpected("a URI or an object", one, f"[{number}]")
        try:
            parties.append(None if one is None else party_of(one, Party))
        except Unexpected as error:
            error.path = f"[{number}]{error.path}"
            raise
    return parties[0] if parties else None


def _identified(value: Any) -> str | None:
    """Return what a party is called by its identifiers: the smallest, as ``scheme:value``."""
    if value is None:
        return None
    try:
        pairs = identifiers_of(value, None)
    except Unexpected as error:
        error.path = f".identifier{error.path}"
        raise
    named = (f"{normal_scheme(scheme)}:{text}" for scheme, text in pairs if not is_mask(text))
    return min(named, default=None)


def _party_of(uri: str) -> Party | None:
    return None if is_mask(uri) else Party(uri)


#: URIs up to this length are worth remembering: in a log the same few come again and again.
_USUAL: Final = 200
_usual_party = lru_cache(maxsize=10_000)(_party_of)


def name_of(value: Any, _: object) -> str:
    """Return a text or a number that says something."""
    text = text_of(value, None)
    if is_mask(text):
        raise Unexpected("a text with a letter or a digit", value)
    return text


def value_of(value: Any, _: object) -> str:
    """Return a value of a field as text."""
    return str(value).lower() if isinstance(value, bool) else text_of(value, None)


def _optional_text(value: dict[str, Any], name: str) -> str | None:
    part = value.get(name)
    if part is None or part == "":
        return None
    try:
        text = text_of(part, None)
        return None if is_mask(text) else text
    except Unexpected as error:
        error.path = f".{name}"
        raise


def identifiers_of(value: Any, _: object = None) -> tuple[tuple[str, str], ...]:
    """Return the identifiers in a mapping, a bare value (``id``), or a list of names and values."""
    if isinstance(value, dict):
        return tuple(_of_mapping(value, ""))
    if isinstance(value, list):
        return tuple(pair for number, one in enumerate(value) for pair in _of_entry(one, number))
    return tuple(_pair(OWN_SCHEME, value, ""))


def _of_entry(entry: Any, number: int) -> Iterator[tuple[str, str]]:
    if isinstance(entry, dict):
        return _of_mapping(entry, f"[{number}]")
    return _pair(OWN_SCHEME, entry, f"[{number}]")


def _of_mapping(value: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the schemes of a mapping; one that describes a value is one scheme and that value."""
    if not _DESCRIBING.isdisjoint(value):
        yield from _described(value, path)
        return
    for name, part in value.items():
        if name != "type" and name[:1] != "@":
            if type(part) is str:
                yield name, part
            else:
                yield from _pair(name, part, f"{path}.{name}")


def _described(value: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the scheme that a mapping describes, with its value; else its schemes, or none."""
    parts = {name: part for name, part in value.items() if not is_keyword(name)}
    scheme = next((one for name in NAMING if isinstance(one := parts.get(name), str) and one), None)
    if "value" in parts and (scheme or len(parts) == 1):
        yield from _pair(scheme or OWN_SCHEME, parts["value"], f"{path}.value")
    elif not parts.keys() <= set(NAMING):
        for name, part in parts.items():
            yield from _pair(name, part, f"{path}.{name}")


#: What names the scheme of a value: schema.org's PropertyValue, and FHIR's Identifier.
NAMING: Final = ("propertyID", "system", "name")
_DESCRIBING: Final = frozenset((*NAMING, "value"))


def is_keyword(name: str) -> bool:
    """Return whether a member of an object is JSON-LD's, and no scheme of an identifier."""
    return name == "type" or name.startswith("@")


def _pair(scheme: str, value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield the scheme with its value; nothing where that is a flag or null, which name nobody."""
    if isinstance(value, str):
        yield scheme, value
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, (int, float)):
        yield scheme, decimal_text(value)
    else:
        raise Unexpected("a text or a number", value, path)
