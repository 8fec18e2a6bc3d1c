"""Rows of changes: each has a lead, a field, its new value and a time, in columns of a layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from lifecycle.systems.columns import Finder
from lifecycle.systems.entries import Entry
from lifecycle.systems.kinds import Kind
from lifecycle.systems.message import person
from lifecycle.systems.moments import Moment
from lifecycle.systems.snapshots import Snapshots, Version
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import FactWriter

_DETAILS: Final = ("name", "email", "telephone")


class Change(NamedTuple):
    """What a row says: ``cells`` has the other columns by what they are for."""

    lead: Mapping[str, str]
    contact: Mapping[str, Any]
    field: str
    new: str
    moment: Moment
    cells: Mapping[str, str]

    @property
    def lead_id(self) -> str:
        """The lead's first key."""
        return next(iter(self.lead.values()))

    @property
    def old(self) -> str | None:
        """The value before; None where no column has it."""
        return self.cells.get("old")


class ChangeRows:
    """Reads rows by the columns of a layout."""

    def __init__(self, writer: FactWriter) -> None:
        self._writer = writer
        self._layout = layout = writer.layout
        self._columns = Finder({name: one for name, one in layout.columns.items() if name != "id"})
        self._lead = Finder(layout.lead)
        self._contact = Finder(layout.contact)
        self._needs = dict(zip(("lead", *layout.needed), layout.needs, strict=True))

    def read(self, row: Entry) -> Change | None:
        """Return what a row says; None where its field is left out.

        Raises:
            InputError: It is not as it must be.
        """
        self._writer.tally.records += 1
        entry = row.flat()
        lead, columns = self._lead.find(entry.value), self._columns.find(entry.value)
        self._check(entry, lead, columns)
        written = entry.text(columns["field"]) if "field" in columns else ""
        name = written or self._layout.columns["new"][0]
        name = self._layout.fields.get(name, name)
        if not self._writer.names(name):
            self._writer.leave_out(f"field {name}")
            return None
        cells = {role: entry.text(column) for role, column in columns.items()}
        moment = entry.moment(columns["time"], self._layout)
        keys, contact = self._keys(entry, lead), self._details(entry, cells)
        return Change(keys, contact, name, cells["new"], moment, cells)

    def check_head(self, head: Entry) -> None:
        """Check that a table has the columns that must be there.

        Raises:
            InputError: One is missing.
        """
        self._check(head, self._lead.find(head.value), self._columns.find(head.value))

    def absent(self) -> list[str]:
        """Return the columns that the layout names and no row had."""
        return [*self._columns.absent(), *self._contact.absent()]

    def write(self, line: int, change: Change, **said: Any) -> Record:
        """Return the record of what a row says."""
        return self._writer.fact(
            line,
            change.lead_id,
            change.field,
            change.moment,
            lead=dict(change.lead),
            contact=change.contact,
            **said,
        )

    def _check(self, entry: Entry, lead: Mapping[str, str], columns: Mapping[str, str]) -> None:
        for role, names in self._needs.items():
            if role not in columns and (role != "lead" or self._layout.scheme not in lead):
                raise entry.missing(names)

    def _keys(self, entry: Entry, columns: Mapping[str, str]) -> dict[str, str]:
        keys = {scheme: entry.text(column) for scheme, column in columns.items()}
        scheme = self._layout.scheme
        if not keys[scheme]:
            raise entry.error("expected the id of a lead, got nothing", columns[scheme])
        return {scheme: value for scheme, value in keys.items() if value}

    def _details(self, entry: Entry, cells: Mapping[str, str]) -> dict[str, Any]:
        contact: dict[str, Any] = {name: cells[name] for name in _DETAILS if cells.get(name)}
        columns = self._contact.find(entry.value)
        keys = {scheme: entry.text(column) for scheme, column in columns.items()}
        if named := {scheme: value for scheme, value in keys.items() if value}:
            contact["identifier"] = named
        return contact


class SourceReader:
    """Reads the entries of one source, by the methods that its kinds name."""

    def __init__(self, writer: FactWriter) -> None:
        self.rows = ChangeRows(writer)
        self.snapshots = Snapshots(writer, self.turn)
        self._writer = writer
        self._layout = writer.layout

    def turn(self, version: Version, name: str, old: str | None, new: str) -> Iterator[Record]:
        """Return the facts of a value that differs from that of the row before."""
        line, moment = version.line, version.moment
        yield self._writer.fact(line, version.object, name, moment, old=old, new=new)


class OwnRows(SourceReader):
    """Reads tables and JSON lines of one's own, by a layout alone."""

    def row(self, entry: Entry) -> Iterator[Record]:
        """Return the fact of a row."""
        change = self.rows.read(entry)
        if change is None:
            return
        party, cells = self._layout.party, change.cells
        of_people = change.field in self._layout.people
        recipient = person(party, cells.get("assignee", "")) or (
            person(party, change.new) if of_people else None
        )
        yield self.rows.write(
            entry.line,
            change,
            old=change.old,
            new=change.new,
            agent=person(party, cells.get("by", "")),
            recipient=recipient,
            reason=cells.get("reason") or None,
        )


KINDS: Final = (
    Kind(
        "rows",
        "Rows of changes in the columns that the layout names: a CSV table or JSON lines.",
        (),
        OwnRows.row,
    ),
)
