"""The identity policy: what is a name of a lead or a contact, and what is none (design.md 6).

The policy is data in the rules. Messages keep what was written; the policy makes keys of it, so
that a store can be folded again under another policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import evolve, field, frozen

from lifecycle.domain.event import LeadEvent, WrittenNames
from lifecycle.domain.key import Key, KeyKind
from lifecycle.domain.names import (
    by_looks,
    is_mask,
    lowered,
    normal_scheme,
    salesforce_id,
    says_salesforce,
    trimmed,
    without_leading_zeros,
)
from lifecycle.domain.toml import choice_of, flag_of, table_of
from lifecycle.errors import RulesError

#: Values that programs write where they know no name.
PLACEHOLDERS: Final = frozenset(
    (
        "null",
        "none",
        "nil",
        "undefined",
        "unknown",
        "n/a",
        "na",
        "tbd",
        "\\n",  # a database's null, \N
        "0",
        "-1",
        "false",
        "true",
        "00000000-0000-0000-0000-000000000000",
    )
)
#: Identifiers up to this length are remembered: the messages of a lead repeat them.
_USUAL: Final = 200
_MANY: Final = 4096
#: The scheme of a lead's or a contact's own id.
OWN_SCHEME: Final = "id"

_IGNORED: Final = "ignore"
_KINDS: Final[tuple[KeyKind, ...]] = ("lead", "contact")
_FORMS: Final[dict[str, Callable[[str], str]]] = {
    "salesforce": salesforce_id,
    "verbatim": str,
    "without_leading_zeros": without_leading_zeros,
}
#: What the policy may say of a scheme.
SCHEME_RULES: Final = (_IGNORED, *_KINDS, *_FORMS)


@frozen(cache_hash=True)
class Identity:
    """The identity policy of rules: what names a lead or a contact, and what names nobody.

    Attributes:
        placeholders: Values that name nobody, in normal form and without case.
        schemes: By scheme (in normal form): ``ignore``, the kind of what it names, or the normal
            form of its values. The others go by what a value looks like.
    """

    placeholders: frozenset[str] = PLACEHOLDERS
    schemes: tuple[tuple[str, str], ...] = ()
    _rules: Mapping[str, str] = field(init=False, repr=False, eq=False)
    #: Whether identifiers of a lead may name a contact, or the reverse.
    _moves: bool = field(init=False, repr=False, eq=False)
    _known: dict[tuple[KeyKind, str, str], Key | None] = field(
        init=False, repr=False, eq=False, factory=dict
    )

    def __attrs_post_init__(self) -> None:
        rules = dict(self.schemes)
        object.__setattr__(self, "_rules", rules)
        object.__setattr__(self, "_moves", not set(_KINDS).isdisjoint(rules.values()))

    def key(self, kind: KeyKind, scheme: str, value: str) -> Key | None:
        """Return the key of an identifier; None for one that names nobody."""
        name = (kind, scheme, value)
        try:
            return self._known[name]
        except KeyError:
            key = self._new_key(*name)
        if len(scheme) + len(value) <= _USUAL:
            if len(self._known) >= _MANY:
                self._known.clear()
            self._known[name] = key
        return key

    def keys(self, names: WrittenNames) -> tuple[tuple[Key, ...], tuple[Key, ...]]:
        """Return the lead keys and the contact keys of the names in a message, each sorted."""
        lead = self._named("lead", names.lead, names.lead_own)
        contact = self._named("contact", names.contact, names.contact_own)
        if self._moves:
            both = [*lead, *contact]
            lead = [key for key in both if key.kind == "lead"]
            contact = [key for key in both if key.kind == "contact"]
        return _sorted(lead), _sorted(contact)

    def named(self, event: LeadEvent) -> LeadEvent:
        """Return an event with the keys that this policy finds in it."""
        if event.names is None:
            return event
        lead_keys, contact_keys = self.keys(event.names)
        if (lead_keys, contact_keys) == (event.lead_keys, event.contact_keys):
            return event
        return evolve(event, lead_keys=lead_keys, contact_keys=contact_keys)

    def as_table(self) -> dict[str, Any]:
        """Return the policy as it stands in TOML, expanded: defaults are part of it."""
        table: dict[str, Any] = {"defaults": False, "placeholders": sorted(self.placeholders)}
        if self.schemes:
            table["schemes"] = dict(self.schemes)
        return table

    @classmethod
    def from_table(cls, value: object) -> Identity:
        """Read a policy from the table ``[identity]`` of a rules file.

        What it says is added to the defaults, unless it says ``defaults = false``; ``names`` takes
        placeholders out.
        """
        table = table_of("identity", value, _FIELDS)
        defaults = flag_of("identity, defaults", table.get("defaults", True))
        placeholders = set(PLACEHOLDERS if defaults else ())
        placeholders.update(_values(table, "placeholders"))
        return cls(
            frozenset(placeholders.difference(_values(table, "names"))),
            tuple(sorted(_schemes(table.get("schemes", {})))),
        )

    def _new_key(self, kind: KeyKind, scheme: str, value: str) -> Key | None:
        scheme = normal_scheme(scheme)
        rule = self._rules.get(scheme)
        if rule == _IGNORED:
            return None
        named: KeyKind = rule if rule in _KINDS else kind
        text = _form(rule, scheme)(trimmed(value))
        if is_mask(text) or lowered(text) in self.placeholders:
            return None
        return Key(named, scheme, text)

    def _named(
        self, kind: KeyKind, identifiers: Iterable[tuple[str, str]], own: Iterable[str]
    ) -> list[Key]:
        """Return the keys of identifiers; where none is a name, the first own id that is one."""
        keys = [key for pair in identifiers if (key := self.key(kind, *pair))]
        if not keys:
            named = (self.key(kind, OWN_SCHEME, one) for one in own)
            keys = [key for key in named if key][:1]
        return keys


#: From so many on keys have an order.
_SEVERAL: Final = 2
_FIELDS: Final = ("defaults", "placeholders", "names", "schemes")


def _sorted(keys: list[Key]) -> tuple[Key, ...]:
    """Return keys sorted, each once."""
    return tuple(keys) if len(keys) < _SEVERAL else tuple(sorted(set(keys)))


def _form(rule: str | None, scheme: str) -> Callable[[str], str]:
    """Return what brings the values of a scheme into normal form."""
    if rule in _FORMS:
        return _FORMS[rule]
    return salesforce_id if says_salesforce(scheme) else by_looks


def _values(table: Mapping[str, Any], name: str) -> Iterator[str]:
    """Read a list of values, each in the form in which placeholders are compared."""
    values = table.get(name, [])
    if not isinstance(values, list):
        raise RulesError(f"identity, {name}", f"expected a list of texts, got {values!r}")
    for number, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise RulesError(f"identity, {name}, {number}", f"expected a text, got {value!r}")
        yield lowered(by_looks(trimmed(value)))


def _schemes(table: object) -> Iterator[tuple[str, str]]:
    """Read the rules for schemes, which are compared without case."""
    seen: dict[str, str] = {}
    for written, rule in table_of("identity.schemes", table).items():
        where = f"identity.schemes, {written}"
        choice_of(where, rule, SCHEME_RULES)
        scheme = normal_scheme(written)
        if scheme in seen:
            raise RulesError(where, f"the same scheme as {seen[scheme]!r}, which has a row already")
        seen[scheme] = written
        yield scheme, rule
