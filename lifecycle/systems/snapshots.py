"""Snapshot tables: rows of one object with the time from which each is valid, as changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from lifecycle.systems.columns import Names, plain
from lifecycle.systems.moments import Moment
from lifecycle.systems.spool import Record, Spool
from lifecycle.systems.writer import DELETED, At, FactWriter

#: Columns of the time from which a row is valid.
BEGIN: Final[Names] = ("_fivetran_start", "dbt_valid_from", "valid_from")
#: What columns of warehouses begin with that say nothing of the object.
_BOOKKEEPING: Final = ("_fivetran", "_dlt", "_airbyte", "_sdc", "dbt_", "valid_from", "valid_to")
_TECHNICAL: Final = frozenset(("lastmodifieddate", "lastmodifiedbyid", "systemmodstamp"))

#: Tells the facts of a new value: of which object and moment, the field, the value, and what else.
Tell: TypeAlias = Callable[..., Iterator[Record]]


class _Version(NamedTuple):
    """A row: its values by field, and what their facts say besides."""

    file: int
    at: At
    values: Mapping[str, str]
    besides: Mapping[str, Mapping[str, Any]]


class Snapshots:
    """Rows of snapshot tables, put in the order of their times object by object."""

    def __init__(self, writer: FactWriter, tell: Tell) -> None:
        self._writer = writer
        self._tell = tell
        self._spool: Spool | None = None
        #: The number of the file that is read.
        self.file = 0

    def close(self) -> None:
        """Forget the rows."""
        if self._spool is not None:
            self._spool.close()

    def add(
        self,
        at: At,
        values: Mapping[str, str],
        besides: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Take in a row that is valid from this moment; ``besides`` is by field."""
        self._spool = self._spool or Spool()
        content = (tuple(at.moment), values, besides or {})
        self._spool.fill([Record(at.object, at.moment.micros, at.line, content)], self.file)

    def facts(self) -> Iterator[tuple[int, Record]]:
        """Return the changes between the rows of each object, each with the number of its file."""
        for _, versions in groupby(self._versions(), lambda version: version.at.object):
            before: dict[str, str] = {}
            for version in versions:
                changes = self._changes(version, before)
                for record in self._writer.account(changes, "same as the row before"):
                    yield version.file, record
                before |= version.values

    def _changes(self, version: _Version, before: Mapping[str, str]) -> Iterator[Record]:
        for name, new in version.values.items():
            old = before.get(name)
            if new != old and (name, old, new) != (DELETED, None, "false"):
                besides = version.besides.get(name, {})
                yield from self._tell(version.at, name, new, old, **besides)

    def _versions(self) -> Iterator[_Version]:
        if self._spool is None:
            return
        for object_id, file, line, content in self._spool.rows():
            moment, values, besides = orjson.loads(content)
            yield _Version(file, At(line, object_id, Moment(*moment)), values, besides)


def is_bookkeeping(column: str) -> bool:
    """Return whether a column is the warehouse's own, or changes with every save."""
    return column.casefold().startswith(_BOOKKEEPING) or plain(column) in _TECHNICAL
