"""The shapes of the network's messages, declared once; cattrs structures them.

Fields bear the names they have on the wire, so that a path into these classes is a path into the
message. Extra properties are always allowed. (seeds 000, 001, 002, 004; design.md section 3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import cache, lru_cache, partial
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin

from attrs import field, fields
from cattrs import AttributeValidationNote, ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from lifecycle.domain import (
    OWN_SCHEME,
    Party,
    Problem,
    immutable,
    is_mask,
    normal_scheme,
)
from lifecycle.errors import ArgumentError, MessageError
from lifecycle.messages.times import Instant, parse_time
from lifecycle.messages.wrappers import kind_of

#: ``(scheme, value)`` pairs.
Identifiers = NewType("Identifiers", tuple[tuple[str, str], ...])
Text = NewType("Text", str)
#: A text that must be there and say something.
Name = NewType("Name", str)
#: A value of a field: a text, a number or a flag.
Value = NewType("Value", str)
#: A text that nothing depends on: anything else in its place is passed over.
Detail = NewType("Detail", str)
#: Where a lead came from: a text, a thing or an action, or a list of such.
Origin = NewType("Origin", str)
Shape = TypeVar("Shape")


@immutable
class ContactShape:
    """The person behind a lead, or the object of a deletion."""

    identifier: Identifiers | None = None
    sameAs: Identifiers | None = None
    at_id: Text | None = None
    id: Text | None = None
    name: Detail | None = None
    givenName: Detail | None = None
    familyName: Detail | None = None
    email: Detail | None = None
    telephone: Detail | None = None


@immutable
class LeadShape:
    """The lead's snapshot: ``data.object``."""

    identifier: Identifiers | None = None
    at_id: Text | None = None
    id: Text | None = None
    object: ContactShape | None = None
    owner: Party | None = None
    sender: Party | None = None
    recipient: Party | None = None
    dateSent: Instant | None = None
    dateReceived: Instant | None = None
    dateAccepted: Instant | None = None
    dateRejected: Instant | None = None
    leadSource: Origin | None = None


@immutable
class PersonShape(LeadShape):
    """A person or contact in the place of the lead, whose snapshot it may hold: ``data.object``."""

    sameAs: Identifiers | None = None
    name: Detail | None = None
    givenName: Detail | None = None
    familyName: Detail | None = None
    email: Detail | None = None
    telephone: Detail | None = None


@immutable
class LeadAction:
    """The action on a lead: ``data``."""

    object: LeadShape
    type: Detail | None = None
    at_type: Detail | None = None
    agent: Party | None = None
    recipient: Party | None = None
    participant: Party | None = None
    reason: Detail | None = None
    comment: Detail | None = None
    dateSent: Instant | None = None


@immutable
class PersonAction(LeadAction):
    """The action on a lead whose message names the person alone: ``data``."""

    object: PersonShape = field(kw_only=True)


@immutable
class ChangeAction(LeadAction):
    """A change of one field in another system: ``data`` of lead#change (design.md section 4a)."""

    source: Name = field(kw_only=True)
    field: Name = field(kw_only=True)
    old: Value | None = None
    new: Value | None = None
    current: Value | None = None
    record: Text | None = None


@immutable
class ChangePersonAction(ChangeAction):
    """The same, of a message that names the person alone: ``data``."""

    object: PersonShape = field(kw_only=True)


@immutable
class ContactAction:
    """The action on a contact: ``data`` of contact#delete."""

    object: ContactShape
    type: Detail | None = None
    at_type: Detail | None = None
    agent: Party | None = None
    reason: Detail | None = None
    comment: Detail | None = None
    dateSent: Instant | None = None


class _Unexpected(ValueError):  # noqa: N818 - caught here, never seen outside
    """A part of a message is not what it must be; ``path`` leads on from where it was met."""

    def __init__(self, expected: str, got: Any, path: str = "") -> None:
        self.path = path
        super().__init__(f"expected {expected}, got {kind_of(got)}")


def structure(data: dict[str, Any], shape: type[Shape], path: str) -> Shape:
    """Structure the data into its shape.

    A message that is accepted takes the fast converter; one that is not is structured again by the
    thorough one, which finds every problem with its path.

    Raises:
        MessageError: Parts are not what they must be; every one of them is named.
    """
    try:
        return _FAST.structure(data, shape)
    except Exception:  # noqa: BLE001 - whatever it was, the thorough converter says it in full
        try:
            return _thorough().structure(data, shape)
        except Exception as error:  # noqa: BLE001
            raise MessageError(sorted(_problems(error, path), key=str)) from None


def _problems(error: BaseException, path: str) -> Iterator[Problem]:
    if isinstance(error, ClassValidationError):
        for one in error.exceptions:
            name = next(
                (note.name for note in _notes(one) if isinstance(note, AttributeValidationNote)),
                "",
            )
            wire = wire_name(name)
            yield from _problems(one, f"{path}.{wire}" if path and wire else path or wire)
    elif isinstance(error, KeyError):
        kinds = [note.type for note in _notes(error) if isinstance(note, AttributeValidationNote)]
        thing = "a text" if Name in kinds else "an object"
        yield Problem(path, f"expected {thing}, got nothing", "missing")
    else:
        more = error.path if isinstance(error, _Unexpected) else ""
        yield Problem(f"{path}{more}", str(error))


def _notes(error: BaseException) -> list[Any]:
    return getattr(error, "__notes__", [])


def text_of(value: Any, _: object = None) -> str:
    """Return a text; of a number how it is written in decimal.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return decimal_text(value)
    raise _Unexpected("a text", value)


def detail_of(value: Any, _: object = None) -> str | None:
    """Return a text or a number; of several the first."""
    first: Any = value[0] if isinstance(value, list) and value else value
    try:
        return text_of(first, None)
    except _Unexpected:
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


def _instant(value: Any, _: object) -> Instant | None:
    if value == "":
        return None
    if not isinstance(value, str):
        raise _Unexpected("a time", value)
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
        raise _Unexpected("a URI or an object", value)
    own, at = _optional_text(value, "id"), _optional_text(value, "@id")
    name, identified = _optional_text(value, "name"), _identified(value.get("identifier"))
    uri = own or at or identified
    return Party(uri, name) if uri or name else None


def _first_party(values: list[Any]) -> Party | None:
    parties = []
    for number, one in enumerate(values):
        if isinstance(one, list):
            raise _Unexpected("a URI or an object", one, f"[{number}]")
        try:
            parties.append(None if one is None else party_of(one, Party))
        except _Unexpected as error:
            error.path = f"[{number}]{error.path}"
            raise
    return parties[0] if parties else None


def _identified(value: Any) -> str | None:
    """Return what a party is called by its identifiers: the smallest, as ``scheme:value``."""
    if value is None:
        return None
    try:
        pairs = identifiers_of(value, None)
    except _Unexpected as error:
        error.path = f".identifier{error.path}"
        raise
    named = (f"{normal_scheme(scheme)}:{text}" for scheme, text in pairs if not is_mask(text))
    return min(named, default=None)


def _party_of(uri: str) -> Party | None:
    return None if is_mask(uri) else Party(uri)


#: URIs up to this length are worth remembering: in a log the same few come again and again.
_USUAL: Final = 200
_usual_party = lru_cache(maxsize=10_000)(_party_of)


def _name(value: Any, _: object) -> str:
    """Return a text or a number that says something."""
    text = text_of(value, None)
    if is_mask(text):
        raise _Unexpected("a text with a letter or a digit", value)
    return text


def _value(value: Any, _: object) -> str:
    """Return a value of a field as text."""
    return str(value).lower() if isinstance(value, bool) else text_of(value, None)


def _optional_text(value: dict[str, Any], name: str) -> str | None:
    part = value.get(name)
    if part is None or part == "":
        return None
    try:
        text = text_of(part, None)
        return None if is_mask(text) else text
    except _Unexpected as error:
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
        raise _Unexpected("a text or a number", value, path)


def wire_name(name: str) -> str:
    """Return what a field is called in messages: ``at_id`` stands for ``@id``."""
    return f"@{name[3:]}" if name.startswith("at_") else name


def _converter(*, thorough: bool) -> Converter:
    converter = Converter(detailed_validation=thorough)
    converter.register_structure_hook_func(lambda kind: kind is Text, text_of)
    converter.register_structure_hook_func(lambda kind: kind is Detail, detail_of)
    converter.register_structure_hook_func(lambda kind: kind is Identifiers, identifiers_of)
    converter.register_structure_hook_func(lambda kind: kind is Origin, origin_of)
    converter.register_structure_hook(Instant, _instant)
    converter.register_structure_hook(Party, party_of)
    converter.register_structure_hook_func(lambda kind: kind is Name, _name)
    converter.register_structure_hook_func(lambda kind: kind is Value, _value)
    converter.register_structure_hook_factory(_is_optional, partial(_of_optional, converter))
    actions = (PersonAction, LeadAction, ChangeAction, ChangePersonAction, ContactAction)
    for shape in (ContactShape, PersonShape, LeadShape, *actions):
        converter.register_structure_hook(shape, _of_object(shape, converter))
    return converter


def _of_optional(converter: Converter, kind: Any) -> Callable[[Any, Any], Any]:
    """Return a hook that is found once; cattrs' own would look for it with every value."""
    (inner,) = (one for one in get_args(kind) if one is not NoneType)
    hook = converter.get_structure_hook(inner)

    def of_optional(value: Any, _: object) -> Any:
        return None if value is None else hook(value, inner)

    return of_optional


def _is_optional(kind: Any) -> bool:
    """Return whether a declared type is something or None."""
    return get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind)


def _of_object(shape: type[Any], converter: Converter) -> Callable[[Any, Any], Any]:
    renamed = {
        one.name: override(rename=wire_name(one.name))
        for one in fields(shape)
        if one.name != wire_name(one.name)
    }
    of_mapping = make_dict_structure_fn(shape, converter, **renamed)  # type: ignore[arg-type]

    def of_object(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            raise _Unexpected("an object", value)
        return of_mapping(value, kind)

    return of_object


_FAST: Final = _converter(thorough=False)


@cache
def _thorough() -> Converter:
    """Return the converter that finds every problem; made when the first message is refused."""
    return _converter(thorough=True)
