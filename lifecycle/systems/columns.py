"""Names of columns: which of the names that a system's exports use a file has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

#: Names of a column: of several the first that is there.
Names: TypeAlias = tuple[str, ...]
#: Columns by what they are for, or by the scheme that their values are keys of.
Columns: TypeAlias = Mapping[str, Names]

_NO_LETTERS: Final = re.compile(r"[\W_]+")
#: Columns of snapshot tables: the time from which a row states the values of its object. A row
#: says nothing of the row before: a value that did not change is told again, and moves nothing.
BEGIN: Final[Names] = ("_fivetran_start", "dbt_valid_from", "valid_from")
#: What columns of warehouses begin with that say nothing of the object.
_BOOKKEEPING: Final = ("_fivetran", "_dlt", "_airbyte", "_sdc", "dbt_", "valid_from", "valid_to")
_TECHNICAL: Final = frozenset(("lastmodifieddate", "lastmodifiedbyid", "systemmodstamp"))
_TRUE: Final = ("true", "t", "1", "yes")
#: So many forms of records are remembered, each by the names that it has.
_FORMS: Final = 1000


def plain(name: str) -> str:
    """Return a name in its letters and digits: ``LeadId``, ``lead_id``, ``Lead.Id`` are one."""
    return _NO_LETTERS.sub("", name).casefold()


def flatten(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the members of an object with those of its objects, as ``CreatedBy.Name``."""
    if not any(type(part) is dict for part in value.values()):
        return value
    members: dict[str, Any] = {}
    for name, part in value.items():
        if type(part) is dict:
            members |= {f"{name}.{inner}": one for inner, one in flatten(part).items()}
        else:
            members[name] = part
    return members


def is_true(text: str) -> bool:
    """Return whether a text is how an export writes that something is so."""
    return text.casefold() in _TRUE


def is_bookkeeping(column: str) -> bool:
    """Return whether a column is the warehouse's own, or changes with every save."""
    return column.casefold().startswith(_BOOKKEEPING) or plain(column) in _TECHNICAL


class Finder:
    """Finds columns by what they are for, in records of any form."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._columns_of = lru_cache(_FORMS)(self._find)
        self._absent = dict.fromkeys(columns)

    def find(self, record: Mapping[str, Any]) -> Mapping[str, str]:
        """Return the record's columns by what they are for, as far as it has them."""
        return self._columns_of(tuple(record))

    def absent(self) -> list[str]:
        """Return the columns that none of the records had."""
        has_records = self._columns_of.cache_info().misses > 0
        return [self._columns[role][0] for role in self._absent] if has_records else []

    def _find(self, form: tuple[str, ...]) -> dict[str, str]:
        """Return the columns of a form in any spelling, of two the one that is spelt alike."""
        # The first column of a spelling stays.
        spellings = {
            **{plain(column): column for column in reversed(form)},
            **{column.casefold(): column for column in reversed(form)},
            **{column: column for column in form},
        }
        found: dict[str, str] = {}
        for role, names in self._columns.items():
            for name in names:
                for spelling in (name, name.casefold(), plain(name)):
                    if spelling and spelling in spellings:
                        found.setdefault(role, spellings[spelling])
        for role in found:
            self._absent.pop(role, None)
        return found
