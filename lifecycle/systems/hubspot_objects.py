"""Objects of HubSpot's API: the versions of their properties, and how they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from lifecycle.systems.columns import Columns, Finder, is_true
from lifecycle.systems.entries import Entry, to_text
from lifecycle.systems.message import Party
from lifecycle.systems.moments import Moment
from lifecycle.systems.rows import SourceReader
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import DELETED, At, FactWriter

#: The property that lists the ids of the objects that were merged into one.
MERGED_IDS: Final = "hs_merged_object_ids"
_USER: Final = "userId:"
DETAILS: Final = ("firstname", "lastname", "email", "phone")
#: Properties that say when an object was saved.
_MODIFIED: Final = ("lastmodifieddate", "hs_lastmodifieddate")
#: Properties that say nothing of the life of a lead.
PLAIN: Final = frozenset(
    (*DETAILS, *_MODIFIED, "createdate", "hs_createdate", "hs_object_id", MERGED_IDS)
)

#: The property that says where a contact came from.
_SOURCE: Final = "hs_analytics_source"
_NO_HISTORY: Final = (
    "objects as they are now, without earlier values, which move no lead: ask the API with"
    " propertiesWithHistory=hs_lead_status,lifecyclestage,hubspot_owner_id"
)
_OBJECT: Final[Columns] = {
    "id": ("id", "vid"),
    "properties": ("properties",),
    "histories": ("propertiesWithHistory",),
    "modified": ("updatedAt",),
    "archived": ("archived",),
    "archived_at": ("archivedAt",),
}
_VERSION: Final[Columns] = {
    "new": ("value",),
    "time": ("timestamp",),
    "source": ("sourceType",),
    "by": ("sourceId",),
    "user": ("updatedByUserId",),
}


class _Version(NamedTuple):
    """A value of a property, and when it was set."""

    moment: Moment
    value: str


class HubSpotObjects(SourceReader):
    """Tells the facts of HubSpot's objects, and reads those of API v3 and v1."""

    def __init__(self, writer: FactWriter) -> None:
        super().__init__(writer)
        self._object = Finder(_OBJECT)
        self._version = Finder(_VERSION)

    def tell(
        self, at: At, name: str, new: str, old: str | None = None, **said: Any
    ) -> Iterator[Record]:
        """Return the fact of a new value; of ids as ``1;2`` the fact of each that was merged."""
        if name != MERGED_IDS:
            yield from super().tell(at, name, new, old, **said)
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

    def object(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of an object."""
        columns = self._object.find(entry.value)
        object_id = entry.filled(columns, "id", _OBJECT)
        newest: dict[str, _Version] = {}
        for name, path, versions in _histories(entry, columns):
            if not isinstance(versions, list):
                raise entry.error("expected an array of versions", path)
            # The newest comes first: of equal times, too.
            for number, version in reversed(list(enumerate(versions))):
                inner = entry.inner(version, f"{path}[{number}]")
                yield from self._of_version(inner, object_id, name, newest)
        current = _current(entry, columns)
        is_archived = "archived" in columns and is_true(entry.text(columns["archived"]))
        if not (newest or is_archived or "histories" in columns):
            self._writer.say_incomplete(f"{entry.file}: {_NO_HISTORY}")
        modified = self._modified(entry, columns, current)
        if MERGED_IDS in current and MERGED_IDS not in newest and modified is not None:
            newest[MERGED_IDS] = _Version(modified, current[MERGED_IDS])
        if MERGED_IDS in newest:
            moment, ids = newest[MERGED_IDS]
            yield from self.tell(At(entry.line, object_id, moment), MERGED_IDS, ids)
        contact = contact_of(current)
        for name, value in current.items():
            as_of = modified or (newest[name].moment if name in newest else None)
            if as_of is not None and name not in PLAIN and self._writer.names(name):
                at = At(entry.line, object_id, as_of)
                said: dict[str, Any] = {"contact": contact, "lead_source": current.get(_SOURCE)}
                yield self._writer.fact(at, name, current=value, **said)
        if is_archived:
            yield from self._deletion(entry, object_id, columns, modified)

    def _of_version(
        self, version: Entry, object_id: str, name: str, newest: dict[str, _Version]
    ) -> Iterator[Record]:
        self._writer.tally.records += 1
        if not self.names(name):
            self._writer.leave_out(f"field {name}")
            return
        columns = self._version.find(version.value)
        for role in ("new", "time"):
            version.must(columns, role, _VERSION)
        cells = {role: version.text(column) for role, column in columns.items()}
        moment = version.moment(columns["time"], self._layout)
        if name not in newest or moment.micros >= newest[name].moment.micros:
            newest[name] = _Version(moment, cells["new"])
        if name != MERGED_IDS:
            at = At(version.line, object_id, moment)
            yield from self.tell(at, name, cells["new"], agent=self.agent(cells))

    def _deletion(
        self, entry: Entry, object_id: str, columns: Mapping[str, str], modified: Moment | None
    ) -> Iterator[Record]:
        """Return that an object is archived: deleted, as HubSpot calls it elsewhere."""
        archived_at = columns.get("archived_at")
        if archived_at is not None and entry.text(archived_at):
            modified = entry.moment(archived_at, self._layout)
        if modified is None:
            self._writer.leave_out("archived, without a time")
        else:
            yield from self.tell(At(entry.line, object_id, modified), DELETED, "true")

    def _modified(
        self, entry: Entry, columns: Mapping[str, str], current: Mapping[str, str]
    ) -> Moment | None:
        if "modified" in columns and entry.text(columns["modified"]):
            return entry.moment(columns["modified"], self._layout)
        for name in _MODIFIED:
            if current.get(name):
                return entry.inner(current, "properties").moment(name, self._layout)
        return None


def contact_of(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the contact that properties describe, as far as they do."""
    first, last, email, telephone = (properties.get(name, "") for name in DETAILS)
    name = " ".join(part for part in (first, last) if part)
    details = {"name": name, "email": email, "telephone": telephone}
    return {name: value for name, value in details.items() if value}


def _histories(entry: Entry, columns: Mapping[str, str]) -> Iterator[tuple[str, str, Any]]:
    """Return the name of each property that has versions, their path, and them."""
    for outer, members in _members(entry, columns.get("properties")):
        for name, member in members.items():
            # API v1 has the versions beside the value.
            if isinstance(member, dict) and "versions" in member:
                yield name, f"{outer}.{name}.versions", member["versions"]
    for outer, members in _members(entry, columns.get("histories")):
        for name, versions in members.items():
            yield name, f"{outer}.{name}", versions


def _current(entry: Entry, columns: Mapping[str, str]) -> dict[str, str]:
    """Return the value that each property has now."""
    current = {}
    for outer, members in _members(entry, columns.get("properties")):
        for name, member in members.items():
            value = member.get("value", member) if isinstance(member, dict) else member
            text = to_text(value)
            if text is None:
                raise entry.error("expected a text", f"{outer}.{name}")
            current[name] = text
    return current


def _members(entry: Entry, name: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the members of an object inside an entry, with its name, if it is there."""
    if name is not None and entry.value[name] is not None:
        yield name, entry.inner(entry.value[name], name).value
