"""The properties that a message has: all that there are, the required ones, or some by chance."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from lifecycle.mocking.plan import Properties
from lifecycle.mocking.topics import Message, is_change

#: How likely an optional property is there, where chance decides.
_THERE: Final = 0.5

#: What says which message it is, and which lead or contact it concerns. Identifiers are never left
#: out: a message that names nobody cannot be decoded, and the systems' names for a lead hang
#: together by them.
_REQUIRED: Final = frozenset({"topic", "time", "id", "data", "object", "identifier"})
#: What makes a change of a field the one that it is. Without its new value it would be another one,
#: of a field that was emptied.
_REQUIRED_OF_CHANGES: Final = _REQUIRED | {"source", "field", "new"}
#: What is whole or not there at all: values are not taken apart.
_WHOLE: Final = frozenset({"identifier", "sameAs", "participant", "recipient", "leadOwner"})


def chosen(
    message: Message, properties: Properties, rng: Random, *, linked: bool = True
) -> Message:
    """Return the message with the properties that it is to have.

    Of a message that is ``linked`` to others the contact's identifier stays; one that stands alone
    needs it only where it does not name the lead.
    """
    if properties == "all":
        return message
    likely = 0.0 if properties == "required" else _THERE
    required = _REQUIRED_OF_CHANGES if is_change(message) else _REQUIRED
    kept = _pruned(message, required, likely, rng)
    lead = kept["data"]["object"]
    if not linked and "identifier" in lead and rng.random() >= likely:
        lead.pop("object", None)
    return kept


def _pruned(
    part: dict[str, Any], required: frozenset[str], likely: float, rng: Random
) -> dict[str, Any]:
    kept = {}
    for name, value in part.items():
        if name not in required and rng.random() >= likely:
            continue
        whole = name in _WHOLE or not isinstance(value, dict)
        kept[name] = value if whole else _pruned(value, required, likely, rng)
    return kept
