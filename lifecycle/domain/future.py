"""Changes that are still to come in a fold, as far as earlier ones depend on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Final, TypeAlias

from lifecycle.domain.event import LeadEvent
from lifecycle.domain.fact import compared
from lifecycle.domain.memory import Place
from lifecycle.domain.walk import Change, departures

#: What tells the leads of a subject apart while they are folded.
Group: TypeAlias = Hashable
#: The field whose change says that an object was merged into another.
MERGED: Final = "merged"
#: The field whose change says that an object was deleted.
DELETED: Final = "deleted"


class Future:
    """The changes that are still to come in a fold.

    Attributes:
        merged: By lead, source and object when the object was merged into another.
    """

    def __init__(self, events: Sequence[LeadEvent], groups: Mapping[str, Group]) -> None:
        self._events = events
        self._groups = groups
        self._begins: dict[tuple[Group, Place], list[tuple[int, str]]] | None = None
        self.merged: dict[tuple[Group, str, str], int] = {}
        for event in events:
            change = event.field_change
            if change is not None and change.place[2] == MERGED and change.current is None:
                key = (groups.get(event.id), *change.place[:2])
                self.merged[key] = max(event.time, self.merged.get(key, event.time))

    def next_begin(self, group: Group, time: int, place: Place) -> str | None:
        """Return the value where the next moment of a field begins; None where none says it."""
        if self._begins is None:
            self._begins = self._all_begins()
        later = self._begins.get((group, place), ())
        return next((value for at, value in later if at > time), None)

    def _all_begins(self) -> dict[tuple[Group, Place], list[tuple[int, str]]]:
        moments: dict[tuple[Group, Place, int], list[Change]] = defaultdict(list)
        for event in self._events:
            change = event.field_change
            if change is not None and change.old is not None and change.current is None:
                one = Change(event, compared(change.old), compared(change.new))
                moments[self._groups.get(event.id), change.place, event.time].append(one)
        begins: dict[tuple[Group, Place], list[tuple[int, str]]] = defaultdict(list)
        for (group, place, time), changes in moments.items():
            starts = departures(changes) or [min(one.old or "" for one in changes)]
            begins[group, place].append((time, starts[0]))
        return begins
