"""``import hubspot``: properties of contacts and leads, as HubSpot exports or publishes them.

The API gives for each property its versions, a table or a list a version a row, webhooks a change
each. HubSpot's contacts are the leads here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lifecycle.systems.columns import Columns, Finder, is_true
from lifecycle.systems.entries import Entry, to_text
from lifecycle.systems.hubspot_facts import MERGED_IDS, HubSpotFacts, agent_of
from lifecycle.systems.hubspot_objects import PLAIN, ObjectReader
from lifecycle.systems.kinds import Kind
from lifecycle.systems.moments import Moment
from lifecycle.systems.rows import SourceReader
from lifecycle.systems.snapshots import BEGIN, Version, is_bookkeeping
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import FactWriter

_CREATED: Final = "created"
_DELETED: Final = "deleted"
_CHANGE: Final = "propertyChange"
_MERGE: Final = "merge"
#: The actions of webhooks that are facts of an object: the field and its new value.
_ACTIONS: Final = {
    "creation": (_CREATED, ""),
    "deletion": (_DELETED, "true"),
    "privacyDeletion": (_DELETED, "true"),
    "restore": (_DELETED, "false"),
}
#: The objects of webhooks that are leads, by name and by type id.
_OBJECTS: Final = ("contact", "lead", "0-1", "0-136")
_WEBHOOK: Final[Columns] = {
    "subscription": ("subscriptionType",),
    "id": ("objectId",),
    "time": ("occurredAt",),
    "type": ("objectTypeId",),
    "field": ("propertyName",),
    "new": ("propertyValue",),
    "source": ("changeSource",),
    "by": ("sourceId",),
}
_BY: Final = ("source", "by")
#: Who is left after a merge: an object that is new since then, or the first of them.
_MERGER: Final[Columns] = {
    "winner": ("newObjectId",),
    "primary": ("primaryObjectId", "objectId"),
    "losers": ("mergedObjectIds",),
}
_SNAPSHOT: Final[Columns] = {
    "id": ("id", "vid", "contactId", "hs_object_id"),
    "begin": BEGIN,
    _DELETED: ("isDeleted", "_fivetran_deleted", "archived"),
}
#: What warehouses put before the name of a property.
_PREFIXES: Final = ("property_", "properties_", "properties.")


class HubSpot(SourceReader):
    """Reads the entries of HubSpot's files."""

    def __init__(self, writer: FactWriter) -> None:
        super().__init__(writer)
        self._facts = HubSpotFacts(writer)
        self._objects = ObjectReader(self._facts)
        self._webhook = Finder(_WEBHOOK)
        self._merger = Finder(_MERGER)
        self._snapshot = Finder(_SNAPSHOT)

    def object(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of an object of the API."""
        yield from self._objects.read(entry)

    def row(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a version that stands by itself."""
        change = self.rows.read(entry)
        if change is None:
            return
        line, agent = entry.line, agent_of(change.cells)
        if change.field == MERGED_IDS:
            yield from self._facts.mergers(line, change.lead_id, change.new, change.moment, agent)
        else:
            recipient = self._facts.recipient(change.field, change.new)
            yield self.rows.write(line, change, new=change.new, agent=agent, recipient=recipient)

    # --- webhooks ---------------------------------------------------------------------------------

    def webhook(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a webhook's notification."""
        self._writer.tally.records += 1
        columns = self._webhook.find(entry.value)
        action = self._action(entry, columns)
        if action is None:
            return
        moment = entry.moment(entry.must(columns, "time", _WEBHOOK), self._layout)
        if action == _MERGE:
            yield from self._merge(entry, moment)
            return
        field, value = self._said(entry, columns, action)
        if not self._facts.names(field):
            self._writer.leave_out(f"field {field}")
            return
        agent = agent_of({role: entry.text(columns[role]) for role in _BY if role in columns})
        object_id = entry.identity(columns, "id", _WEBHOOK)
        yield from self._facts.change(entry.line, object_id, field, value, moment, agent=agent)

    def _action(self, entry: Entry, columns: Mapping[str, str]) -> str | None:
        """Return what a webhook tells of a lead; None where it is left out."""
        subscription = entry.text(entry.must(columns, "subscription", _WEBHOOK))
        kind, _, action = subscription.partition(".")
        if kind == "object":
            kind = entry.text(entry.must(columns, "type", _WEBHOOK))
        if kind in _OBJECTS and action in (_CHANGE, _MERGE, *_ACTIONS):
            return action
        self._writer.leave_out(f"webhook {subscription}" + f" {kind}" * (kind not in subscription))
        return None

    def _said(self, entry: Entry, columns: Mapping[str, str], action: str) -> tuple[str, str]:
        """Return the field that a webhook names, and its new value."""
        if action in _ACTIONS:
            return _ACTIONS[action]
        field, new = (entry.must(columns, role, _WEBHOOK) for role in ("field", "new"))
        return entry.text(field), entry.text(new)

    def _merge(self, entry: Entry, moment: Moment) -> Iterator[Record]:
        """Return the facts of objects that were merged into one, which may be a new one."""
        columns = self._merger.find(entry.value)
        losers = entry.value[entry.must(columns, "losers", _MERGER)]
        ids = [to_text(one) for one in losers] if isinstance(losers, list) else [None]
        if None in ids:
            raise entry.error("expected an array of ids", columns["losers"])
        primary = entry.identity(columns, "primary", _MERGER)
        winner = entry.text(columns["winner"]) if "winner" in columns else primary
        merged = ";".join(one for one in (*ids, primary) if one)
        yield from self._facts.mergers(entry.line, winner or primary, merged, moment)

    # --- contacts with validity -------------------------------------------------------------------

    def version(self, entry: Entry) -> Iterator[Record]:
        """Take in a row of a snapshot table: its facts follow when all rows are known."""
        flat = entry.flat()
        columns = self._snapshot.find(flat.value)
        object_id = flat.identity(columns, "id", _SNAPSHOT)
        begin = flat.must(columns, "begin", _SNAPSHOT)
        own = set(columns.values())
        values = {
            _property(column): flat.text(column)
            for column in flat.value
            if column not in own and self._is_told(column)
        }
        if _DELETED in columns and self._writer.names(_DELETED):
            values[_DELETED] = "true" if is_true(flat.text(columns[_DELETED])) else "false"
        self.snapshots.add(flat, object_id, begin, values, {})
        yield from ()

    def _is_told(self, column: str) -> bool:
        name = _property(column)
        return not is_bookkeeping(column) and name not in PLAIN and self._facts.names(name)

    def turn(self, version: Version, name: str, old: str | None, new: str) -> Iterator[Record]:
        """Return the facts of a value that differs from that of the row before."""
        if name == _DELETED and old is None and new == "false":
            return
        yield from self._facts.change(
            version.line, version.object, name, new, version.moment, old=old
        )


def _property(column: str) -> str:
    """Return the property that a warehouse's column holds."""
    name = column.casefold()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


KINDS: Final = (
    Kind(
        "webhooks",
        "Notifications with subscriptionType and occurredAt: propertyChange, creation, deletion,"
        " merge of contacts and leads.",
        (_WEBHOOK["subscription"], _WEBHOOK["time"]),
        HubSpot.webhook,
    ),
    Kind(
        "v1",
        "Objects with vid and properties, each with its versions: API v1, Singer's tap.",
        (("vid",), ("properties",)),
        HubSpot.object,
    ),
    Kind(
        "objects",
        "Objects with id and propertiesWithHistory, or properties: API v3, its clients, Airbyte.",
        (("id",), ("propertiesWithHistory", "properties")),
        HubSpot.object,
    ),
    Kind(
        "rows",
        "A version a row, with the object's id, property, value and timestamp: tables, lists,"
        " contact_property_history of a warehouse.",
        (),
        HubSpot.row,
    ),
    Kind(
        "snapshot",
        "Contacts with id and _fivetran_start, dbt_valid_from or valid_from: snapshot and history"
        " mode tables of a warehouse.",
        (_SNAPSHOT["id"], BEGIN),
        HubSpot.version,
    ),
)
