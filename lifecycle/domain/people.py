"""People in the changes of a source: rows that name them, beside rows that have their ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from attrs import define

from lifecycle.domain.event import LeadEvent, Party
from lifecycle.domain.fact import compared
from lifecycle.domain.meaning import Source
from lifecycle.domain.memory import Memory, Place
from lifecycle.domain.words import change_of


@define(eq=False)
class People:
    """Whom the fields of a source name.

    Attributes:
        source: The name of the source.
        about: What the meanings say of it.
        memory: What is known of the lead, with the ids that names stand for.
    """

    source: str
    about: Source
    memory: Memory

    def are_named_by(self, event: LeadEvent) -> bool:
        """Return whether a change is of a field that names a person."""
        return change_of(event).place[2] in self.about.people_fields

    def named(self, event: LeadEvent) -> Party | None:
        """Return whom a field of people names: of a name whose id is known the one with the id."""
        value = change_of(event).new
        known_id = self.memory.names.get((self.source, compared(value)))
        if known_id is not None:
            return self.about.person(known_id)
        return event.recipient or self.about.person(value)

    def value(self, place: Place, value: str) -> str:
        """Return a value in compared form; the name of a person as the id that it stands for."""
        value = compared(value)
        if place[2] in self.about.people_fields:
            known = self.memory.names.get((self.source, value))
            return value if known is None else compared(known)
        return value

    def beside_ids(self, events: Sequence[LeadEvent]) -> list[LeadEvent]:
        """Return the changes that name a person beside a change that has the id."""
        if len(events) == 1 or not self.about.ids:
            return []
        by_place: dict[Place, list[LeadEvent]] = defaultdict(list)
        for event in filter(self.are_named_by, events):
            by_place[change_of(event).place].append(event)
        return [one for people in by_place.values() for one in self._beside_ids(people)]

    def _beside_ids(self, people: Sequence[LeadEvent]) -> list[LeadEvent]:
        """Return the changes of one field that name a person, if others have ids."""
        ids = [one for one in people if self.about.is_id(change_of(one).new)]
        names = [one for one in people if one not in ids and change_of(one).new]
        if not ids:
            return []
        if len(ids) == len(names) == 1:
            self._learn_names(ids[0], names[0])
        return names

    def _learn_names(self, by_id: LeadEvent, by_name: LeadEvent) -> None:
        name, known, call = change_of(by_name), change_of(by_id), self.memory.call
        call(self.source, compared(name.new), known.new)
        if name.old and known.old:
            call(self.source, compared(name.old), known.old)
