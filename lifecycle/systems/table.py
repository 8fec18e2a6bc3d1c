"""``import csv``: a table whose columns a mapping names. Tables of other CRMs are read so, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Mapping_
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeAlias

from lifecycle.errors import TimeFormatError
from lifecycle.systems.changes import messages_of
from lifecycle.systems.mapping import Columns, Mapping
from lifecycle.systems.message import person
from lifecycle.systems.source import Source, Tally
from lifecycle.systems.spool import Record, Spool
from lifecycle.systems.tables import Row, Table

_DETAILS: Final = ("name", "email", "telephone")
#: Brings a change into its system's own form; it sees the cells by what their columns are for.
Tidy: TypeAlias = Callable[[dict[str, Any], Mapping_[str, str]], None]


def as_it_is(_: dict[str, Any], __: Mapping_[str, str]) -> None:
    """Nothing to tidy."""


def read_csv(path: Path, mapping: Mapping) -> Source:
    """Read a table of changes.

    Raises:
        InputError: The file cannot be read, or a row is not as it must be.
    """
    tally, spool = Tally(), Spool()
    try:
        spool.fill(changes(path, mapping, tally))
    except BaseException:
        spool.close()
        raise
    return Source(path, tally, spool, partial(messages_of, mapping))


def changes(
    path: Path,
    mapping: Mapping,
    tally: Tally,
    tidy: Tidy = as_it_is,
    lines: Iterator[bytes] | None = None,
) -> Iterator[Record]:
    """The changes of a table; rows of fields that the mapping does not speak of are left out.

    ``lines`` are those of the file, where they are open already.

    Raises:
        InputError: The file cannot be read, or a row is not as it must be.
    """
    found = _Changes(Table(path, lines), mapping)
    tally.absent += found.absent
    yield from found.records(tally, tidy)


class _Changes:
    """A table, and which of its columns holds what."""

    def __init__(self, table: Table, mapping: Mapping) -> None:
        self._table = table
        self._mapping = mapping
        needed = ("new", "time", "field") if "field" in mapping.columns else ("new", "time")
        self._column = {role: table.column(mapping.columns[role]) for role in needed}
        for role, names in mapping.columns.items():
            if table.has(names):
                self._column[role] = table.column(names)
        # By the first of its names it is told which rows are one lead's.
        first = next(iter(mapping.lead))
        self._lead = {first: table.column(mapping.lead[first])} | self._keys(mapping.lead)
        # Called as the mapping does, whatever the case of the header.
        self._field = next(name for name in mapping.columns["new"] if table.has([name]))
        self._contact = self._keys(mapping.contact)
        #: Columns that the mapping names, and the table has not.
        self.absent = [
            names[0]
            for columns in (mapping.columns, mapping.contact)
            for names in columns.values()
            if not table.has(names)
        ]

    def records(self, tally: Tally, tidy: Tidy) -> Iterator[Record]:
        """The changes, in the order of the file."""
        for row in self._table.rows():
            tally.records += 1
            change = self._change(row, tidy)
            if not self._mapping.speaks_of(change["field"]):
                tally.left_out[f"field {change['field']}"] += 1
                continue
            scheme, value = next(iter(change["lead"].items()))
            yield Record(f"{scheme}:{value}", self._time(row), row.line, change)

    def _keys(self, columns: Columns) -> dict[str, str]:
        table = self._table
        return {
            scheme: table.column(names) for scheme, names in columns.items() if table.has(names)
        }

    def _change(self, row: Row, tidy: Tidy) -> dict[str, Any]:
        cells = {role: row.cells[column].strip() for role, column in self._column.items()}
        party = self._mapping.party
        name = cells.get("field", self._field)
        change: dict[str, Any] = {
            "field": self._mapping.fields.get(name, name),
            "old": cells.get("old"),
            "new": cells["new"],
            "by": person(party, cells.get("by", "")),
            "assignee": person(party, cells.get("assignee", "")),
            "reason": cells.get("reason") or None,
            "id": cells.get("id") or None,
            "lead": self._named(row, self._lead),
            "contact": self._contact_of(row, cells),
        }
        scheme, column = next(iter(self._lead.items()))
        if scheme not in change["lead"]:
            raise self._table.error(row, column, "expected the id of a lead, got nothing")
        tidy(change, cells)
        return change

    def _named(self, row: Row, columns: dict[str, str]) -> dict[str, str]:
        cells = {scheme: row.cells[column].strip() for scheme, column in columns.items()}
        return {scheme: value for scheme, value in cells.items() if value}

    def _contact_of(self, row: Row, cells: dict[str, str]) -> dict[str, Any]:
        contact: dict[str, Any] = {name: cells[name] for name in _DETAILS if cells.get(name)}
        if keys := self._named(row, self._contact):
            contact["identifier"] = keys
        return contact

    def _time(self, row: Row) -> int:
        column = self._column["time"]
        try:
            return self._mapping.moment(row.cells[column].strip())
        except TimeFormatError as error:
            hint = "" if self._mapping.time_format else "; [time] in a mapping names another format"
            raise self._table.error(row, column, f"{error}{hint}") from None
