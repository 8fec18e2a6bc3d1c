"""Snapshot tables: each row states the values of an object from the time on from which it is valid.

A row says nothing of the row before, which may be in another file: a value that did not change is
told again, which moves nothing.
"""

from __future__ import annotations

from typing import Final

from lifecycle.systems.columns import Names, plain

#: Columns of the time from which a row is valid.
BEGIN: Final[Names] = ("_fivetran_start", "dbt_valid_from", "valid_from")
#: What columns of warehouses begin with that say nothing of the object.
_BOOKKEEPING: Final = ("_fivetran", "_dlt", "_airbyte", "_sdc", "dbt_", "valid_from", "valid_to")
_TECHNICAL: Final = frozenset(("lastmodifieddate", "lastmodifiedbyid", "systemmodstamp"))


def is_bookkeeping(column: str) -> bool:
    """Return whether a column is the warehouse's own, or changes with every save."""
    return column.casefold().startswith(_BOOKKEEPING) or plain(column) in _TECHNICAL
