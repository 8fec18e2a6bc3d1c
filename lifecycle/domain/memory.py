"""A lead's memory of the changes of its fields in other systems."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from attrs import define, field

from lifecycle.domain.event import Party
from lifecycle.domain.fact import compared

#: So many fields are remembered of a lead, and values of so many characters: anybody may send such.
_MOST: Final = 50
_LONGEST: Final = 500

#: A field of an object of a source, all in compared form.
Place: TypeAlias = tuple[str, str, str]


@define
class Memory:
    """The fields of a lead in other systems, as far as changes of them were folded.

    Attributes:
        values: The last value of each field of each object, as written.
        open_walks: The fields whose last moment began at a value that only a later change tells.
        newest: The last value of each field of a source in compared form, whatever its object.
        people: By source whom its field of people names; None: nobody.
        names: By source and name of a person, the id that the name stands for.
        moved: The sources whose changes moved the lead.
        unmapped: The fields and values without a meaning that were said.
    """

    values: dict[Place, str] = field(factory=dict)
    open_walks: set[Place] = field(factory=set)
    newest: dict[tuple[str, str], str] = field(factory=dict)
    people: dict[str, Party | None] = field(factory=dict)
    names: dict[tuple[str, str], str] = field(factory=dict)
    moved: list[str] = field(factory=list)
    unmapped: set[Place] = field(factory=set)

    def remember(self, place: Place, value: str, written: str) -> None:
        """Take a field's new value, in compared form and as written, as its last one."""
        source, _, name = place
        if len(written) + sum(map(len, place)) > _LONGEST:
            self.values.pop(place, None)
            self.newest.pop((source, name), None)
        elif place in self.values or len(self.values) < _MOST:
            self.values[place] = written
            self.newest[source, name] = value

    def call(self, source: str, name: str, known_id: str) -> None:
        """Remember which id the name of a person stands for."""
        if len(self.names) < _MOST and len(source) + len(name) + len(known_id) <= _LONGEST:
            self.names.setdefault((source, name), known_id)

    def is_unsaid(self, place: Place) -> bool:
        """Return whether a value without a meaning was not said yet; from now on it was."""
        if place in self.unmapped or len(self.unmapped) >= _MOST:
            return False
        self.unmapped.add(place)
        return True

    def fields(self) -> dict[str, dict[str, str]]:
        """Return the newest value of each field as written, by source and field."""
        written: dict[str, dict[str, str]] = {}
        for (source, _, name), value in sorted(self.values.items()):
            fields = written.setdefault(source, {})
            if name not in fields or compared(value) == self.newest.get((source, name)):
                fields[name] = value
        return written

    def as_data(self) -> list[Any]:
        """Return the memory as JSON can say it; an empty list where there is none."""
        mine = (self.values, self.open_walks, self.newest, self.people, self.names)
        if not any((*mine, self.moved, self.unmapped)):
            return []
        return [
            [[*place, value] for place, value in sorted(self.values.items())],
            [list(place) for place in sorted(self.open_walks)],
            [[*key, value] for key, value in sorted(self.newest.items())],
            [
                [source, (party := self.people[source]) and [party.id, party.name]]
                for source in sorted(self.people)
            ],
            [[*key, known_id] for key, known_id in sorted(self.names.items())],
            self.moved,
            [list(place) for place in sorted(self.unmapped)],
        ]

    @classmethod
    def from_data(cls, data: list[Any]) -> Memory:
        """Return the memory of what ``as_data`` gave."""
        if not data:
            return cls()
        values, open_walks, newest, people, names, moved, unmapped = data
        return cls(
            {(source, thing, name): value for source, thing, name, value in values},
            {(source, thing, name) for source, thing, name in open_walks},
            {(source, name): value for source, name, value in newest},
            {source: Party(*party) if party else None for source, party in people},
            {(source, name): known_id for source, name, known_id in names},
            moved,
            {(source, name, value) for source, name, value in unmapped},
        )
