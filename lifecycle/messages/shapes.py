"""The shapes of the network's messages, declared once; cattrs structures them.

Fields bear the names they have on the wire, so that a path into these classes is a path into the
message. Extra properties are always allowed. (seeds 000, 001, 002, 004; design.md section 3)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Final, NewType, TypeVar, Union, get_args, get_origin

from attrs import field, fields
from cattrs import AttributeValidationNote, ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from lifecycle.domain import (
    Party,
    Problem,
    immutable,
)
from lifecycle.errors import MessageError
from lifecycle.messages.times import Instant
from lifecycle.messages.values import (
    Unexpected,
    detail_of,
    identifiers_of,
    instant_of,
    name_of,
    origin_of,
    party_of,
    text_of,
    value_of,
)

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
        more = error.path if isinstance(error, Unexpected) else ""
        yield Problem(f"{path}{more}", str(error))


def _notes(error: BaseException) -> list[Any]:
    return getattr(error, "__notes__", [])


def wire_name(name: str) -> str:
    """Return what a field is called in messages: ``at_id`` stands for ``@id``."""
    return f"@{name[3:]}" if name.startswith("at_") else name


def _converter(*, thorough: bool) -> Converter:
    converter = Converter(detailed_validation=thorough)
    converter.register_structure_hook_func(lambda kind: kind is Text, text_of)
    converter.register_structure_hook_func(lambda kind: kind is Detail, detail_of)
    converter.register_structure_hook_func(lambda kind: kind is Identifiers, identifiers_of)
    converter.register_structure_hook_func(lambda kind: kind is Origin, origin_of)
    converter.register_structure_hook(Instant, instant_of)
    converter.register_structure_hook(Party, party_of)
    converter.register_structure_hook_func(lambda kind: kind is Name, name_of)
    converter.register_structure_hook_func(lambda kind: kind is Value, value_of)
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
            raise Unexpected("an object", value)
        return of_mapping(value, kind)

    return of_object


_FAST: Final = _converter(thorough=False)


@cache
def _thorough() -> Converter:
    """Return the converter that finds every problem; made when the first message is refused."""
    return _converter(thorough=True)
