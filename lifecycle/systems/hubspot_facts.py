"""Facts of HubSpot: who set a property, to whom it hands a contact, and what was merged into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lifecycle.systems.message import Party, person
from lifecycle.systems.moments import Moment
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import FactWriter

#: The property that lists the ids of the objects that were merged into one.
MERGED_IDS: Final = "hs_merged_object_ids"
_USER: Final = "userId:"


class HubSpotFacts:
    """Writes the facts of HubSpot's objects."""

    def __init__(self, writer: FactWriter) -> None:
        self.writer = writer
        self._layout = writer.layout

    def names(self, name: str) -> bool:
        """Return whether facts are made of changes of this property."""
        return name == MERGED_IDS or self.writer.names(name)

    def change(
        self,
        line: int,
        object_id: str,
        name: str,
        new: str,
        moment: Moment,
        *,
        agent: Party | None = None,
        **said: Any,
    ) -> Iterator[Record]:
        """Return what a new value of a property says."""
        if name == MERGED_IDS:
            yield from self.mergers(line, object_id, new, moment, agent)
            return
        recipient = self.recipient(name, new)
        yield self.writer.fact(
            line, object_id, name, moment, new=new, agent=agent, recipient=recipient, **said
        )

    def mergers(
        self, line: int, winner: str, ids: str, moment: Moment, agent: Party | None = None
    ) -> Iterator[Record]:
        """Return the fact of each object, of ids as ``1;2``, that was merged into another."""
        for loser in dict.fromkeys(part.strip() for part in ids.split(";")):
            if loser and loser != winner:
                yield self.writer.merger(line, winner, loser, moment, agent)

    def recipient(self, name: str, new: str) -> Party | None:
        """Return the person to whom a new value of a property hands the object."""
        return person(self._layout.party, new) if name in self._layout.people else None


def agent_of(cells: Mapping[str, str]) -> Party | None:
    """Return who set a value: a user, or what acted for nobody in particular."""
    source_id = cells.get("by", "")
    user = cells.get("user") or (source_id.startswith(_USER) and source_id.removeprefix(_USER))
    if user:
        return {"type": "Person", "identifier": {"hubspotUserId": user}}
    name = ":".join(part for part in (cells.get("source"), source_id) if part)
    if not name:
        return None
    return {"type": "SoftwareApplication", "identifier": {"hubspotSource": name}}
