"""Joins that look wrong: a lead or a contact that holds two values of one scheme (design.md 6).

Values that one event states together (a list, a merge, ``sameAs``) belong together, and so does
what such statements link. Where they do not link all values of a scheme, two leads or two people
may have become one: the finding ``several_ids``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from attrs import define, field

from lifecycle.domain.event import LeadEvent
from lifecycle.domain.history import Finding
from lifecycle.domain.key import Components, Key, shown_scheme

#: Values in doubt as plain data: by scheme, the groups of values, each behind the id of the event
#: that brought the first of them; that of the first group does not matter.
Doubts: TypeAlias = dict[str, list[list[str]]]

#: A person has several of these, and nobody doubts that it is one person.
_ADDRESSES: Final = re.compile(r"e-?mail|phone|mobile|fax|^(?:mail|tel|cell)$")
_LONGEST_SHOWN: Final = 200


@define(eq=False)
class _Group:
    """Values of one scheme that events state together, and the event that brought the first."""

    event_id: str
    values: list[str]


@define(eq=False)
class Holdings:
    """The values that a lead or a contact holds, by scheme and by what events state together."""

    _groups: dict[str, list[_Group]] = field(factory=lambda: defaultdict(list))
    _of: dict[tuple[str, str], _Group] = field(factory=dict)

    @classmethod
    def of(cls, keys: Iterable[Key], doubts: Mapping[str, Sequence[Sequence[str]]]) -> Holdings:
        """Return what is held by these keys, of which some values are in doubt."""
        held = cls()
        by_scheme: dict[str, list[str]] = defaultdict(list)
        for key in sorted(keys):
            by_scheme[key.scheme].append(key.value)
        for scheme, values in by_scheme.items():
            for event_id, *together in doubts.get(scheme, [["", *values]]):
                held._add(scheme, _Group(event_id, together))
        return held

    def take(self, event_id: str, keys: Iterable[Key]) -> None:
        """Take in what one event states together."""
        by_scheme: dict[str, list[str]] = defaultdict(list)
        for key in keys:
            by_scheme[key.scheme].append(key.value)
        for scheme, values in by_scheme.items():
            self._state(scheme, values, event_id)

    def doubts(self) -> Doubts:
        """Return the values in doubt, as plain data."""
        return {
            scheme: [["", *sorted(first.values)]]
            + [[one.event_id, *sorted(one.values)] for one in rest]
            for scheme, (first, *rest) in sorted(self._groups.items())
            if rest
        }

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each scheme in doubt, at the event that brought the second value."""
        return several_ids(self.doubts())

    def _add(self, scheme: str, group: _Group) -> None:
        self._groups[scheme].append(group)
        self._of.update(((scheme, value), group) for value in group.values)

    def _state(self, scheme: str, values: list[str], event_id: str) -> None:
        groups = self._groups[scheme]
        stated = {id(group): group for value in values if (group := self._of.get((scheme, value)))}
        if not stated:
            self._add(scheme, _Group(event_id, values))
            return
        first = next(iter(stated.values()))
        if len(stated) > 1:
            linked = [group for group in groups if id(group) in stated]
            first = linked[0]
            for other in linked[1:]:
                groups.remove(other)
                self._put(scheme, other.values, first)
        self._put(scheme, [one for one in values if (scheme, one) not in self._of], first)

    def _put(self, scheme: str, values: list[str], group: _Group) -> None:
        group.values += values
        self._of.update(((scheme, value), group) for value in values)


def several_ids(doubts: Doubts) -> Iterator[Finding]:
    """Yield the finding for each scheme in doubt: a value of its first group, one of its second."""
    for scheme, (first, second, *_) in sorted(doubts.items()):
        values = f"{first[1][:_LONGEST_SHOWN]} and {second[1][:_LONGEST_SHOWN]}"
        yield Finding("several_ids", second[0], f"{shown_scheme(scheme)}: {values}")


def contact_ids(events: Iterable[LeadEvent], hubs: Iterable[Key] = ()) -> list[Finding]:
    """Return the findings for the contacts of a cluster, given its events in fold order.

    A contact is a component over contact keys alone. One that holds a key of very many leads is
    left out: the finding ``hub`` tells of it already.
    """
    named = [event for event in events if event.contact_keys]
    components: Components[Key] = Components()
    for event in named:
        components.link(event.contact_keys)
    shared = {components.find(key) for key in hubs}
    contacts: dict[Key, Holdings] = defaultdict(Holdings)
    for event in named:
        contact = components.find(event.contact_keys[0])
        if contact not in shared:
            contacts[contact].take(event.id, filter(names_contact, event.contact_keys))
    return [finding for held in contacts.values() for finding in held.findings()]


def names_contact(key: Key) -> bool:
    """Return whether two values of a contact key's scheme are two names of a contact."""
    return key.kind == "contact" and _ADDRESSES.search(key.scheme) is None


def are_several(keys: Iterable[Key]) -> bool:
    """Return whether some contact keys hold two values of one scheme that can be in doubt."""
    schemes = [key.scheme for key in set(keys) if names_contact(key)]
    return len(schemes) > len(set(schemes))
