"""Rows of changes: each has a lead, a field, its new value and a time, in columns of a layout."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from lifecycle.systems.columns import Finder
from lifecycle.systems.entries import Entry
from lifecycle.systems.kinds import Kind
from lifecycle.systems.message import Party, person
from lifecycle.systems.spool import Record
from lifecycle.systems.writer import DELETED, At, FactWriter

_DETAILS: Final = ("name", "email", "telephone")


class Change(NamedTuple):
    """A row of a file: ``cells`` has its columns by what they are for."""

    at: At
    field: str
    cells: Mapping[str, str]
    lead: Mapping[str, str]
    contact: Mapping[str, Any]


class ChangeRows:
    """Reads rows by the columns of a layout."""

    def __init__(self, writer: FactWriter, names: Callable[[str], bool]) -> None:
        self._writer = writer
        self._names = names
        self._layout = layout = writer.layout
        self._columns = Finder({name: one for name, one in layout.columns.items() if name != "id"})
        self._lead = Finder(layout.lead)
        self._contact = Finder(layout.contact)
        self._needs = layout.needs

    def read(self, row: Entry) -> Change | None:
        """Return what a row says; None where its field is left out."""
        self._writer.tally.records += 1
        entry = row.flat()
        if entry is not row:
            self._check_texts(row)
        lead, columns = self._lead.find(entry.value), self._columns.find(entry.value)
        self._check(entry, lead, columns)
        name = self._layout.columns["new"][0]
        if "field" in columns:
            name = entry.filled(columns, "field", self._layout.columns)
        name = self._layout.fields.get(name, name)
        if not self._names(name):
            self._writer.leave_out(f"field {name}")
            return None
        cells = {role: entry.text(column) for role, column in columns.items()}
        moment = entry.moment(columns["time"], self._layout)
        keys, contact = self._keys(entry, lead), self._details(entry, cells)
        return Change(At(entry.line, keys[self._writer.scheme], moment), name, cells, keys, contact)

    def check_head(self, head: Entry) -> None:
        """Check that a table has the columns that must be there."""
        self._check(head, self._lead.find(head.value), self._columns.find(head.value))

    def absent(self) -> list[str]:
        """Return the columns that the layout names and no row had."""
        return [*self._lead.absent(), *self._columns.absent(), *self._contact.absent()]

    def _check_texts(self, row: Entry) -> None:
        """Check that no value is an object: its members are members of the row's own."""
        objects = {name: part for name, part in row.value.items() if type(part) is dict}
        for column in self._columns.find(objects).values():
            raise row.error("expected a text, got an object", column)

    def _check(self, entry: Entry, lead: Mapping[str, str], columns: Mapping[str, str]) -> None:
        for role, names in self._needs.items():
            if role not in columns and (role != "lead" or self._writer.scheme not in lead):
                raise entry.missing(names)

    def _keys(self, entry: Entry, columns: Mapping[str, str]) -> dict[str, str]:
        keys = {scheme: entry.text(column) for scheme, column in columns.items()}
        scheme = self._writer.scheme
        entry.filled(columns, scheme, self._layout.lead)
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
        self.rows = ChangeRows(writer, self.names)
        self._writer = writer
        self._layout = writer.layout

    def values(
        self, at: At, values: Mapping[str, str], besides: Mapping[str, Mapping[str, Any]]
    ) -> Iterator[Record]:
        """Return a fact of each value; ``besides`` has by field what else it says."""
        for name, value in values.items():
            if (name, value) != (DELETED, "false"):
                yield from self.tell(at, name, value, **besides.get(name, {}))

    def row(self, entry: Entry) -> Iterator[Record]:
        """Return the fact of a row of changes."""
        change = self.rows.read(entry)
        if change is not None:
            cells = change.cells
            yield from self.tell(
                change.at,
                change.field,
                cells["new"],
                cells.get("old"),
                agent=self.agent(cells),
                recipient=person(self._layout.party, cells.get("assignee", "")),
                reason=cells.get("reason") or None,
                lead_source=cells.get("lead_source") or None,
                lead=change.lead,
                contact=change.contact,
            )

    def tell(
        self, at: At, name: str, new: str, old: str | None = None, **said: Any
    ) -> Iterator[Record]:
        """Return the fact of a new value, if changes of its field have a meaning."""
        if self.names(name):
            said["recipient"] = said.get("recipient") or self.recipient(name, new)
            yield self._writer.fact(at, name, old=old, new=new, **said)

    def names(self, name: str) -> bool:
        """Return whether facts are made of changes of this field."""
        return self._writer.names(name)

    def agent(self, cells: Mapping[str, str]) -> Party | None:
        """Return who made the change of a row."""
        return person(self._layout.party, cells.get("by", ""))

    def recipient(self, name: str, new: str) -> Party | None:
        """Return the person to whom a new value hands the lead."""
        return person(self._layout.party, new) if name in self._layout.people else None


KINDS: Final = (
    Kind(
        "rows",
        "Rows of changes in the columns that the layout names: a CSV table or JSON lines.",
        (),
        SourceReader.row,
    ),
)
