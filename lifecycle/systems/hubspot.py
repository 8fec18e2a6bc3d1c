"""``import hubspot``: properties of contacts and leads, as HubSpot exports or publishes them.

The API gives for each property its versions, a table or a list a version a row, webhooks a change
each. HubSpot's contacts are the leads here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from lifecycle.systems.columns import BEGIN, Columns, Finder, is_bookkeeping, is_true
from lifecycle.systems.entries import Entry
from lifecycle.systems.hubspot_objects import MERGED_IDS, PLAIN, HubSpotObjects
from lifecycle.systems.kinds import Kind
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import CREATED, DELETED, At, FactWriter

_CHANGE: Final = "propertyChange"
_MERGE: Final = "merge"
#: The actions of webhooks that are facts of an object: the field and its new value.
_ACTIONS: Final = {
    "creation": (CREATED, ""),
    "deletion": (DELETED, "true"),
    "privacyDeletion": (DELETED, "true"),
    "restore": (DELETED, "false"),
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
    "winner": ("newObjectId",),
    "primary": ("primaryObjectId", "objectId"),
    "losers": ("mergedObjectIds",),
}
_BY: Final = ("source", "by")
_SNAPSHOT: Final[Columns] = {
    "id": ("id", "vid", "contactId", "hs_object_id"),
    "begin": BEGIN,
    DELETED: ("isDeleted", "_fivetran_deleted", "archived"),
}
#: What warehouses put before the name of a property.
_PREFIXES: Final = ("property_", "properties_", "properties.")


class HubSpot(HubSpotObjects):
    """Reads the entries of HubSpot's files."""

    def __init__(self, writer: FactWriter) -> None:
        super().__init__(writer)
        self._webhook = Finder(_WEBHOOK)
        self._snapshot = Finder(_SNAPSHOT)

    # --- webhooks ---------------------------------------------------------------------------------

    def webhook(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a webhook's notification."""
        yield from self._writer.account(self._notified(entry))

    def _notified(self, entry: Entry) -> Iterator[Record]:
        columns = self._webhook.find(entry.value)
        subscription = entry.text(entry.must(columns, "subscription", _WEBHOOK))
        kind, _, action = subscription.partition(".")
        if kind == "object":
            kind = entry.text(entry.must(columns, "type", _WEBHOOK))
        if kind not in _OBJECTS or action not in (_CHANGE, _MERGE, *_ACTIONS):
            what = subscription if kind in subscription else f"{subscription} {kind}"
            self._writer.leave_out(f"webhook {what}")
            return
        moment = entry.moment(entry.must(columns, "time", _WEBHOOK), self._layout)
        if action == _MERGE:
            winner, name, new = _merger(entry, columns)
            at = At(entry.line, winner, moment)
        else:
            name, new = _ACTIONS.get(action) or _changed(entry, columns)
            at = At(entry.line, entry.filled(columns, "id", _WEBHOOK), moment)
        if not self.names(name):
            self._writer.leave_out(f"field {name}")
            return
        agent = self.agent({role: entry.text(columns[role]) for role in _BY if role in columns})
        yield from self.tell(at, name, new, agent=agent)

    # --- contacts with validity -------------------------------------------------------------------

    def version(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a row of a snapshot table."""
        flat = entry.flat()
        columns = self._snapshot.find(flat.value)
        object_id = flat.filled(columns, "id", _SNAPSHOT)
        begin = flat.must(columns, "begin", _SNAPSHOT)
        own = set(columns.values())
        values = {
            _property(column): flat.text(column)
            for column in flat.value
            if column not in own and self._is_told(column)
        }
        if DELETED in columns:
            values[DELETED] = "true" if is_true(flat.text(columns[DELETED])) else "false"
        moment = flat.moment(begin, self._layout)
        yield from self._writer.account(self.values(At(flat.line, object_id, moment), values, {}))

    def _is_told(self, column: str) -> bool:
        name = _property(column)
        is_plain = name in PLAIN and name != MERGED_IDS
        return not is_bookkeeping(column) and not is_plain and self.names(name)


def _changed(entry: Entry, columns: Mapping[str, str]) -> tuple[str, str]:
    """Return the property that a webhook names, and its new value."""
    field, new = (entry.must(columns, role, _WEBHOOK) for role in ("field", "new"))
    return entry.text(field), entry.text(new)


def _merger(entry: Entry, columns: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the object that is left after a merge, which may be a new one, and the merged."""
    losers = entry.texts(entry.must(columns, "losers", _WEBHOOK))
    primary = entry.filled(columns, "primary", _WEBHOOK)
    winner = entry.text(columns["winner"]) if "winner" in columns else primary
    return winner or primary, MERGED_IDS, ";".join((*losers, primary))


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
