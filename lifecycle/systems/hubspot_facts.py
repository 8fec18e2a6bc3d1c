"""Facts of HubSpot: who set a property, and what was merged into an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lifecycle.systems.message import Party
from lifecycle.systems.rows import SourceReader
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import At

#: The property that lists the ids of the objects that were merged into one.
MERGED_IDS: Final = "hs_merged_object_ids"
_USER: Final = "userId:"


class HubSpotFacts(SourceReader):
    """Tells the facts of HubSpot's objects."""

    def tell(self, at: At, name: str, new: str, **said: Any) -> Iterator[Record]:
        """Return the fact of a new value; of ids as ``1;2`` the fact of each that was merged."""
        if name != MERGED_IDS:
            yield from super().tell(at, name, new, **said)
            return
        for loser in dict.fromkeys(part.strip() for part in new.split(";")):
            if loser and loser != at.object:
                yield self._writer.merger(at._replace(object=loser), at.object, said.get("agent"))

    def names(self, name: str) -> bool:
        """Return whether facts are made of changes of this property."""
        return name == MERGED_IDS or self._writer.names(name)

    def agent(self, cells: Mapping[str, str]) -> Party | None:
        """Return who set a value: a user, or what acted for nobody in particular."""
        source_id = cells.get("by", "")
        user = cells.get("user") or (source_id.startswith(_USER) and source_id.removeprefix(_USER))
        if user:
            return {"type": "Person", "identifier": {"hubspotUserId": user}}
        name = ":".join(part for part in (cells.get("source"), source_id) if part)
        if not name:
            return None
        return {"type": "SoftwareApplication", "identifier": {"hubspotSource": name}}
