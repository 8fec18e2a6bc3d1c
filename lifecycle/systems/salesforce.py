"""``import salesforce``: changes of leads, as Salesforce exports or publishes them.

LeadHistory has a row for each change of a tracked field, a change event the fields of one save,
Lead how a lead is now. A fact that several of them tell is the same fact in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from lifecycle.systems.columns import Columns, Finder, is_true
from lifecycle.systems.entries import Entry, to_text
from lifecycle.systems.kinds import Kind
from lifecycle.systems.message import Party, person
from lifecycle.systems.moments import Moment, read_moment
from lifecycle.systems.rows import SourceReader
from lifecycle.systems.snapshots import BEGIN, Version, is_bookkeeping
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import FactWriter

_CREATED: Final = "created"
_DELETED: Final = "deleted"
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
    "by": ("commitUser",),
}
#: The columns of Lead, as the API and Data Loader name them, and as reports do.
_LEAD: Final[Columns] = {
    "id": ("Id", "LeadId", "Lead ID"),
    "created": ("CreatedDate", "Create Date"),
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
    "deleted": ("IsDeleted", "_fivetran_deleted"),
    "merged": ("MasterRecordId",),
    "converted": ("IsConverted", "Converted"),
    "converted_at": ("ConvertedDate", "Converted Date"),
    "contact": ("ConvertedContactId",),
}
_STATED: Final = ("Status", "Owner")


class Salesforce(SourceReader):
    """Reads the entries of Salesforce's files."""

    def __init__(self, writer: FactWriter) -> None:
        super().__init__(writer)
        self._lead = Finder(_LEAD)
        self._header = Finder(_EVENT)

    def history(self, entry: Entry) -> Iterator[Record]:
        """Return the fact of a row of LeadHistory."""
        change = self.rows.read(entry)
        if change is None:
            return
        said: dict[str, Any] = {"old": change.old, "new": change.new}
        if change.field == _CREATED:
            said = {"new": ""}
        said["agent"] = self._person(change.cells.get("by", ""))
        said["recipient"] = self._recipient(change.field, change.new)
        yield self.rows.write(entry.line, change, **said)

    # --- change events --------------------------------------------------------------------------

    def event(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a change event."""
        self._writer.tally.records += 1
        header = entry.inner(entry.value[_HEADER], _HEADER)
        columns = self._header.find(header.value)
        entity, kind, time = (
            header.must(columns, role, _EVENT) for role in ("entity", "kind", "time")
        )
        if header.text(entity) != "Lead":
            self._writer.leave_out(f"change events of {header.text(entity)}")
            return
        action = header.text(kind)
        if action.startswith("GAP_"):
            self._writer.say_incomplete(
                f"{entry.file}: line {entry.line}: Salesforce could not say what changed"
                f" ({action}): import LeadHistory of that time, too"
            )
            self._writer.leave_out(f"change event {action}")
            return
        moment = header.moment(time, self._layout)
        agent = self._person(header.text(columns["by"])) if "by" in columns else None
        before = self._writer.tally.facts
        for lead_id in self._record_ids(header):
            for name, said in self._event_changes(entry, header, action):
                yield self._writer.fact(entry.line, lead_id, name, moment, agent=agent, **said)
        if self._writer.tally.facts == before:
            self._writer.leave_out("change events of other fields")

    def _event_changes(
        self, entry: Entry, header: Entry, kind: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Return the fields that a change event names, and what it says of each."""
        if kind in _DELETIONS:
            if self._writer.names(_DELETED):
                yield _DELETED, {"new": _DELETIONS[kind]}
            return
        if kind == "CREATE" and self._writer.names(_CREATED):
            yield _CREATED, {"new": ""}
        for name in _changed_fields(entry, header, kind):
            field = "Owner" if name == "OwnerId" else name
            if name == "IsConverted":
                if entry.value[name] is True and self._writer.names(_CONVERTED):
                    contact = to_text(entry.value.get("ConvertedContactId"))
                    yield _CONVERTED, {"new": "", "contact": _contact_key(contact)}
            elif self._writer.names(field) and not isinstance(entry.value[name], dict):
                new = entry.text(name)
                yield field, {"new": new, "recipient": self._recipient(field, new)}

    def _record_ids(self, header: Entry) -> list[str]:
        ids = header.value.get("recordIds")
        if not isinstance(ids, list) or not ids or not all(to_text(one) for one in ids):
            raise header.error("expected an array of ids", "recordIds")
        return [str(to_text(one)) for one in ids]

    # --- Lead -----------------------------------------------------------------------------------

    def lead(self, entry: Entry) -> Iterator[Record]:
        """Return the facts of a lead: its creation, how it is now, and what became of it."""
        tally = self._writer.tally
        tally.records += 1
        before = tally.facts
        flat = entry.flat()
        columns = self._lead.find(flat.value)
        cells = {role: flat.text(column) for role, column in columns.items()}
        lead_id = flat.identity(columns, "id", _LEAD)
        if cells.get("created"):
            created = flat.moment(columns["created"], self._layout)
            yield from self._creation(flat.line, lead_id, created, cells)
        modified = flat.moment(flat.must(columns, "modified", _LEAD), self._layout)
        contact = _details(cells)
        for name in _STATED:
            if name in cells and self._writer.names(name):
                yield self._writer.fact(
                    flat.line, lead_id, name, modified, current=cells[name], contact=contact
                )
        converted_at = modified
        if cells.get("converted_at"):
            converted_at = flat.moment(columns["converted_at"], self._layout)
        for flag in _flags(cells).items():
            moment = converted_at if flag[0] == _CONVERTED else modified
            if flag[1] != "false":
                yield from self._outcome(flat.line, lead_id, flag, moment, cells.get("contact"))
        if tally.facts == before:
            self._writer.leave_out("says nothing of a field with a meaning")

    def _creation(
        self, line: int, lead_id: str, moment: Moment, cells: Mapping[str, str]
    ) -> Iterator[Record]:
        if self._writer.names(_CREATED):
            by = self._person(cells.get("by", ""))
            yield self._writer.fact(line, lead_id, _CREATED, moment, new="", agent=by)

    def _outcome(
        self, line: int, lead_id: str, flag: tuple[str, str], moment: Moment, contact_id: str | None
    ) -> Iterator[Record]:
        """Return what became of a lead: merged into another, deleted or converted."""
        name, value = flag
        if name == _MERGED:
            yield self._writer.merger(line, value, lead_id, moment)
        elif self._writer.names(name):
            contact = _contact_key(contact_id) if name == _CONVERTED else None
            yield self._writer.fact(line, lead_id, name, moment, new=value, contact=contact)

    # --- Lead with validity -----------------------------------------------------------------------

    def version(self, entry: Entry) -> Iterator[Record]:
        """Take in a row of a snapshot table: its facts follow when all rows are known."""
        flat = entry.flat()
        columns = self._lead.find(flat.value)
        cells = {role: flat.text(column) for role, column in columns.items()}
        lead_id = flat.identity(columns, "id", _LEAD)
        values = {name: cells[name] for name in _STATED if name in cells} | _flags(cells)
        if cells.get("created"):
            values[_CREATED] = flat.moment(columns["created"], self._layout).text
        for column in flat.value.keys() - set(columns.values()):
            name = self._api_name(column)
            if name is not None:
                values[name] = flat.text(column)
        known: dict[str, Any] = {role: cells[role] for role in ("contact", "by") if role in cells}
        self.snapshots.add(flat, lead_id, flat.must(columns, "begin", _LEAD), values, known)
        yield from ()

    def turn(self, version: Version, name: str, old: str | None, new: str) -> Iterator[Record]:
        """Return the facts of a value that differs from that of the row before."""
        if name == _CREATED:
            if old is None:
                moment = read_moment(new)
                yield from self._creation(version.line, version.object, moment, version.known)
        elif name in (_MERGED, _DELETED, _CONVERTED):
            if new != "false" or old is not None:
                known = version.known.get("contact")
                yield from self._outcome(
                    version.line, version.object, (name, new), version.moment, known
                )
        elif self._writer.names(name):
            recipient = self._recipient(name, new)
            yield self._writer.fact(
                version.line,
                version.object,
                name,
                version.moment,
                old=old,
                new=new,
                recipient=recipient,
            )

    def _api_name(self, column: str) -> str | None:
        """Return the API's name of a warehouse's column; None where nothing has a meaning."""
        if is_bookkeeping(column):
            return None
        words = column.removesuffix("__c").removesuffix("_c").split("_")
        custom = "__c" if column.casefold().endswith("_c") else ""
        titles = [word[:1].upper() + word[1:] for word in words]
        spellings = ("".join(titles) + custom, "_".join(titles) + custom, column)
        return next((name for name in spellings if self._writer.names(name)), None)

    # --- people -----------------------------------------------------------------------------------

    def _person(self, value: str) -> Party | None:
        return person(self._layout.party, value)

    def _recipient(self, name: str, new: str) -> Party | None:
        """Return the person to whom a change hands the lead; a queue is none."""
        if name not in self._layout.people or new.startswith(_QUEUE):
            return None
        return self._person(new)


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


def _flags(cells: Mapping[str, str]) -> dict[str, str]:
    """Return what became of a lead: deleted, merged into, converted."""
    flags = {}
    if "deleted" in cells:
        flags[_DELETED] = "true" if is_true(cells["deleted"]) else "false"
    if cells.get("merged"):
        flags[_MERGED] = cells["merged"]
    if is_true(cells.get("converted", "")):
        flags[_CONVERTED] = ""
    return flags


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
        Salesforce.history,
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
