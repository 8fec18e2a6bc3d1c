"""``import salesforce``: changes of leads, as Salesforce exports or publishes them.

LeadHistory has a row for each change of a tracked field, a change event the fields of one save,
Lead how a lead is now. A fact that several of them tell is the same fact in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lifecycle.systems.columns import BEGIN, Columns, Finder, is_bookkeeping, is_true
from lifecycle.systems.entries import Entry, to_text
from lifecycle.systems.kinds import Kind
from lifecycle.systems.message import Party, person
from lifecycle.systems.moments import Moment
from lifecycle.systems.rows import SourceReader
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import CREATED, DELETED, At, FactWriter

_MERGED: Final = "merged"
_CONVERTED: Final = "leadConverted"
_QUEUE: Final = "00G"
_HEADER: Final = "ChangeEventHeader"
_DELETIONS: Final = {"DELETE": "true", "UNDELETE": "false"}
#: Change events of API clients that cannot decode them name fields by bits.
_BITS: Final = "0x"

_EVENT: Final[Columns] = {
    "entity": ("entityName",),
    "kind": ("changeType",),
    "time": ("commitTimestamp",),
    "ids": ("recordIds",),
    "by": ("commitUser",),
}
_EVENT_TEXTS: Final = ("entity", "kind")
#: The columns of Lead, as the API and Data Loader name them, and as reports do.
_LEAD: Final[Columns] = {
    "id": ("Id", "LeadId", "Lead ID"),
    CREATED: ("CreatedDate", "Create Date"),
    "by": ("CreatedById", "Created By"),
    "modified": ("LastModifiedDate", "Last Modified Date", "Last Modified", "SystemModstamp"),
    "begin": BEGIN,
    "Status": ("Status", "Lead Status"),
    "Owner": ("OwnerId", "Owner.Id", "Lead Owner"),
    "name": ("Name",),
    "first": ("FirstName", "First Name"),
    "last": ("LastName", "Last Name"),
    "email": ("Email",),
    "telephone": ("Phone",),
    DELETED: ("IsDeleted", "_fivetran_deleted"),
    _MERGED: ("MasterRecordId",),
    _CONVERTED: ("IsConverted", "Converted"),
    "contact": ("ConvertedContactId",),
}
_STATED: Final = ("Status", "Owner")
#: Where the lead came from; rules may give it a meaning, too.
_SOURCE: Final[Columns] = {"source": ("LeadSource", "Lead Source")}


class Salesforce(SourceReader):
    """Reads the entries of Salesforce's files."""

    def __init__(self, writer: FactWriter) -> None:
        super().__init__(writer)
        self._lead = Finder(_LEAD)
        self._header = Finder(_EVENT)
        self._source = Finder(_SOURCE)

    def tell(
        self, at: At, name: str, new: str, old: str | None = None, **said: Any
    ) -> Iterator[Record]:
        """Return the fact of a new value, at the ``moment`` that is its own, if it has one."""
        if moment := said.pop("moment", None):
            at = at._replace(moment=Moment(*moment))
        if name in (CREATED, _CONVERTED):
            new, old = "", None
        if name == _MERGED:
            yield self._writer.merger(at, new)
        else:
            yield from super().tell(at, name, new, old, **said)

    def recipient(self, name: str, new: str) -> Party | None:
        """Return the person to whom a new value hands the lead; a queue is none."""
        return None if new.startswith(_QUEUE) else super().recipient(name, new)

    # --- change events --------------------------------------------------------------------------

    def event(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a change event."""
        yield from self._writer.account(self._event(entry))

    def _event(self, entry: Entry) -> Iterator[Record]:
        if _HEADER not in entry.value:
            raise entry.missing((_HEADER,))
        header = entry.inner(entry.value[_HEADER], _HEADER)
        columns = self._header.find(header.value)
        entity, kind = (header.text(header.must(columns, role, _EVENT)) for role in _EVENT_TEXTS)
        if entity != "Lead":
            self._writer.leave_out(f"change events of {entity}")
            return
        if kind.startswith("GAP_"):
            self._writer.say_incomplete(
                f"{entry.file}: {entry.where}: Salesforce could not say what changed"
                f" ({kind}): import LeadHistory of that time, too"
            )
            self._writer.leave_out(f"change event {kind}")
            return
        moment = header.moment(header.must(columns, "time", _EVENT), self._layout)
        by = header.text(columns["by"]) if "by" in columns else ""
        for lead_id in header.texts(header.must(columns, "ids", _EVENT)):
            at = At(entry.line, lead_id, moment)
            for name, new, contact in _event_values(entry, header, kind):
                agent = person(self._layout.party, by)
                yield from self.tell(at, name, new, agent=agent, contact=contact)

    # --- Lead -----------------------------------------------------------------------------------

    def lead(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a lead: its creation, how it is now, and what became of it."""
        yield from self._writer.account(self._state(entry.flat()))

    def _state(self, entry: Entry) -> Iterator[Record]:
        columns, cells = self._cells(entry)
        modified = entry.moment(entry.must(columns, "modified", _LEAD), self._layout)
        at = At(entry.line, entry.filled(columns, "id", _LEAD), modified)
        values, besides = self._values(entry, columns, cells)
        contact, source = _details(cells), self._lead_source(entry)
        for name, value in values.items():
            if name in _STATED:
                if self._writer.names(name):
                    said: dict[str, Any] = {"contact": contact, "lead_source": source}
                    yield self._writer.fact(at, name, current=value, **said)
            elif value != "false":
                yield from self.tell(at, name, value, **besides.get(name, {}))

    def version(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a row of a snapshot table."""
        flat = entry.flat()
        columns, cells = self._cells(flat)
        begin = flat.moment(flat.must(columns, "begin", _LEAD), self._layout)
        values, besides = self._values(flat, columns, cells)
        if source := self._lead_source(flat):
            besides = {field: {**besides.get(field, {}), "lead_source": source} for field in values}
        own = set(columns.values())
        for column in flat.value:
            name = None if column in own else self._api_name(column)
            if name is not None:
                values[name] = flat.text(column)
        lead_id = flat.filled(columns, "id", _LEAD)
        yield from self._writer.account(self.values(At(flat.line, lead_id, begin), values, besides))

    def _lead_source(self, entry: Entry) -> str | None:
        """Return where the lead came from, if the record says so."""
        columns = self._source.find(entry.value)
        return entry.text(columns["source"]) or None if columns else None

    def _cells(self, entry: Entry) -> tuple[Mapping[str, str], dict[str, str]]:
        columns = self._lead.find(entry.value)
        return columns, {role: entry.text(column) for role, column in columns.items()}

    def _values(
        self, entry: Entry, columns: Mapping[str, str], cells: Mapping[str, str]
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """Return the values of a lead by field, and what their facts say besides."""
        values = {name: cells[name] for name in _STATED if name in cells}
        if cells.get(_MERGED):
            values[_MERGED] = cells[_MERGED]
        besides: dict[str, dict[str, Any]] = {}
        if cells.get(CREATED):
            values[CREATED] = ""
            moment = entry.moment(columns[CREATED], self._layout)
            besides[CREATED] = {"moment": tuple(moment), "agent": self.agent(cells)}
        if DELETED in cells:
            values[DELETED] = "true" if is_true(cells[DELETED]) else "false"
        if is_true(cells.get(_CONVERTED, "")):
            values[_CONVERTED] = ""
            besides[_CONVERTED] = {"contact": _contact_key(cells.get("contact"))}
        return values, besides

    def _api_name(self, column: str) -> str | None:
        """Return the API's name of a warehouse's column; None where nothing has a meaning."""
        if is_bookkeeping(column):
            return None
        words = column.removesuffix("__c").removesuffix("_c").split("_")
        custom = "__c" if column.casefold().endswith("_c") else ""
        titles = [word[:1].upper() + word[1:] for word in words]
        spellings = ("".join(titles) + custom, "_".join(titles) + custom, column)
        return next((name for name in spellings if self._writer.names(name)), None)


def _event_values(
    entry: Entry, header: Entry, kind: str
) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    """Return each field that a change event names, its new value, and the contact."""
    if kind in _DELETIONS:
        yield DELETED, _DELETIONS[kind], None
        return
    if kind == "CREATE":
        yield CREATED, "", None
    for name in _changed_fields(entry, header, kind):
        if name == "IsConverted":
            if entry.value[name] is True:
                yield _CONVERTED, "", _contact_key(to_text(entry.value.get("ConvertedContactId")))
        elif not isinstance(entry.value[name], dict):
            yield "Owner" if name == "OwnerId" else name, entry.text(name), None


def _changed_fields(entry: Entry, header: Entry, kind: str) -> list[str]:
    """Return the fields of a change event that changed, as far as it has their values."""
    changed = header.value.get("changedFields") or []
    if not isinstance(changed, list) or not all(isinstance(name, str) for name in changed):
        raise header.error("expected an array of names", "changedFields")
    if kind == "CREATE" or any(name.startswith(_BITS) for name in changed):
        return [
            name for name, value in entry.value.items() if value is not None and name != _HEADER
        ]
    if not changed:
        return [name for name in entry.value if name != _HEADER]
    for name in changed:
        # Parts of compound fields are named as Name.FirstName.
        if name not in entry.value and "." not in name:
            raise entry.error("expected the field that changed, got nothing", name)
    return [name for name in changed if name in entry.value]


def _details(cells: Mapping[str, str]) -> dict[str, Any]:
    full = " ".join(part for part in (cells.get("first"), cells.get("last")) if part)
    details = {
        "name": cells.get("name") or full,
        "email": cells.get("email"),
        "telephone": cells.get("telephone"),
    }
    return {name: value for name, value in details.items() if value}


def _contact_key(value: str | None) -> dict[str, Any] | None:
    return {"identifier": {"salesforceContactId": value}} if value else None


KINDS: Final = (
    Kind(
        "history",
        "LeadHistory with LeadId, Field, OldValue, NewValue, CreatedDate: Data Loader, lead history"
        " reports, the Bulk and REST APIs, the command line, warehouse tables.",
        (),
        Salesforce.row,
    ),
    Kind(
        "events",
        "Change events with ChangeEventHeader, with or without their channel: Change Data Capture.",
        ((_HEADER,),),
        Salesforce.event,
    ),
    Kind(
        "snapshot",
        "Lead with Id and _fivetran_start, dbt_valid_from or valid_from: snapshot and history mode"
        " tables of a warehouse.",
        (_LEAD["id"], BEGIN, ("Status", "OwnerId", "IsConverted", "LeadSource")),
        Salesforce.version,
    ),
    Kind(
        "leads",
        "Lead with Id, Status or OwnerId, and SystemModstamp or LastModifiedDate: Data Loader, the"
        " APIs, reports, warehouse tables.",
        (_LEAD["id"], ("Status", "Lead Status", "OwnerId", "IsDeleted"), _LEAD["modified"]),
        Salesforce.lead,
    ),
)
