"""Snapshot tables: rows of one object with the time from which each is valid, as changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from lifecycle.systems.columns import Names, plain
from lifecycle.systems.entries import Entry
from lifecycle.systems.moments import Moment
from lifecycle.systems.spool import Record, Spool
from lifecycle.systems.writer import FactWriter

#: Columns of the time from which a row is valid.
BEGIN: Final[Names] = ("_fivetran_start", "dbt_valid_from", "valid_from")
#: What columns of warehouses begin with that say nothing of the object.
_BOOKKEEPING: Final = ("_fivetran", "_dlt", "_airbyte", "_sdc", "dbt_", "valid_from", "valid_to")
_TECHNICAL: Final = frozenset(
    map(plain, ("LastModifiedDate", "LastModifiedById", "SystemModstamp", "lastmodifieddate"))
)


class Version(NamedTuple):
    """A row of a snapshot table.

    ``values`` has its fields by the API's names, ``known`` what its changes say besides.
    """

    object: str
    file: int
    line: int
    moment: Moment
    values: Mapping[str, str]
    known: Mapping[str, Any]


#: The facts of a value that differs from the row before: its field, old value and new value.
Turn: TypeAlias = Callable[[Version, str, "str | None", str], Iterator[Record]]


class Snapshots:
    """Rows of snapshot tables, put in the order of their times object by object."""

    def __init__(self, writer: FactWriter, turn: Turn) -> None:
        self._writer = writer
        self._turn = turn
        self._spool: Spool | None = None
        self.file = 0

    def close(self) -> None:
        """Forget the rows."""
        if self._spool is not None:
            self._spool.close()

    def add(
        self,
        row: Entry,
        object_id: str,
        begin: str,
        values: Mapping[str, str],
        known: Mapping[str, Any],
    ) -> None:
        """Take in a row; ``begin`` is its column of the time from which it is valid."""
        self._writer.tally.records += 1
        self._spool = self._spool or Spool()
        moment = row.moment(begin, self._writer.layout)
        content = (moment.text, moment.micros, values, known)
        self._spool.fill([Record(object_id, moment.micros, row.line, content)], self.file)

    def facts(self) -> Iterator[tuple[int, Record]]:
        """Return the changes between the rows of each object, each with the number of its file."""
        for _, versions in groupby(self._versions(), itemgetter(0)):
            before: dict[str, str] = {}
            for version in versions:
                facts = list(self._changes(version, before))
                if not facts:
                    self._writer.leave_out("says nothing that the row before does not say")
                for record in facts:
                    yield version.file, record
                before |= version.values

    def _changes(self, version: Version, before: Mapping[str, str]) -> Iterator[Record]:
        for name, new in version.values.items():
            old = before.get(name)
            if new != old:
                yield from self._turn(version, name, old, new)

    def _versions(self) -> Iterator[Version]:
        if self._spool is None:
            return
        for object_id, file, line, content in self._spool.rows():
            text, micros, values, known = orjson.loads(content)
            yield Version(object_id, file, line, Moment(text, micros), values, known)


def is_bookkeeping(column: str) -> bool:
    """Return whether a column is the warehouse's own, or changes with every save."""
    return column.casefold().startswith(_BOOKKEEPING) or plain(column) in _TECHNICAL
