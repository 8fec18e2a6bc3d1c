"""``import salesforce``: the history of leads, as Salesforce exports it, and the leads themselves.

LeadHistory has a row for each change of a tracked field: Field, OldValue, NewValue, CreatedDate (to
the second), CreatedById. Lead tells when a lead was created, by whom, and how it is now.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from lifecycle.errors import TimeFormatError
from lifecycle.messages import LAST
from lifecycle.systems.changes import messages_of
from lifecycle.systems.mapping import Mapping as ValueMapping
from lifecycle.systems.message import derived_id, lead_message, person
from lifecycle.systems.source import Made, Recall, Source, Tally
from lifecycle.systems.spool import Record, Spool
from lifecycle.systems.table import changes
from lifecycle.systems.tables import Row, Table

CREATED: Final = "created"
_OWNER: Final = "Owner"
_STATUS: Final = "Status"
# Ids are letters and digits, 15 where their case counts, 18 with three more that make it safe.
# Those of leads, users and queues begin with 00, as no name does.
_ID: Final = re.compile(r"00[A-Za-z0-9]{13}(?:[A-Za-z0-9]{3})?")
_SAFE: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
#: A time is known to the second: what is true at its end was true within it.
_TO_THE_END: Final = 999_999

#: The columns of Lead, as the API and Data Loader name them, and as reports do.
_LEAD: Final = {
    "id": ("Id", "LeadId", "Lead ID"),
    "created": ("CreatedDate", "Create Date"),
    "modified": ("LastModifiedDate", "SystemModstamp", "Last Modified Date"),
    "by": ("CreatedById", "Created By"),
}
_LEAD_MORE: Final = {
    "status": ("Status", "Lead Status"),
    "name": ("Name",),
    "first": ("FirstName", "First Name"),
    "last": ("LastName", "Last Name"),
    "email": ("Email",),
    "telephone": ("Phone",),
}


def read_salesforce(
    history: Path, *, leads: Path | None = None, mapping: ValueMapping | None = None
) -> Source:
    """Read LeadHistory.csv and, if it is there, Lead.csv.

    Raises:
        InputError: A file cannot be read, or a row is not as it must be.
    """
    mapping = mapping or ValueMapping.default("salesforce")
    tally, spool = Tally(), Spool()
    try:
        spool.fill(changes(history, mapping, tally, partial(_tidy, mapping)))
        if leads is not None:
            spool.fill(_lead_records(leads, mapping, tally))
    except BaseException:
        spool.close()
        raise
    return Source(history, tally, spool, partial(_messages, mapping))


def full_id(text: str) -> str:
    """An id in its 18 characters: reports print 15, and both name one record."""
    if len(text) != 15 or not _ID.fullmatch(text):  # noqa: PLR2004 - see _ID
        return text
    parts = (text[start : start + 5] for start in (0, 5, 10))
    return text + "".join(
        _SAFE[sum(char.isupper() << place for place, char in enumerate(part))] for part in parts
    )


def _tidy(mapping: ValueMapping, change: dict[str, Any], cells: Mapping[str, str]) -> None:
    """Ids in full; and the creation of a lead as Lead tells it, too."""
    change["lead"] = {scheme: full_id(value) for scheme, value in change["lead"].items()}
    change["by"] = person(mapping.party, full_id(cells.get("by", "")))
    if change["field"] in mapping.people:
        change["new"] = full_id(change["new"])
        change["old"] = change["old"] and full_id(change["old"])
    if change["field"].casefold() == CREATED:
        change |= _creation(next(iter(change["lead"].values())))


def _creation(lead: str) -> dict[str, Any]:
    return {"field": CREATED, "old": None, "new": "", "id": f"{CREATED}-{lead}"}


# --- Lead -----------------------------------------------------------------------------------


def _lead_records(path: Path, mapping: ValueMapping, tally: Tally) -> Iterator[Record]:
    """Two records of each lead: its creation, and how it is now."""
    table = Table(path)
    columns = {role: table.column(names) for role, names in _LEAD.items()}
    columns |= {role: table.column(names) for role, names in _LEAD_MORE.items() if table.has(names)}
    scheme = next(iter(mapping.lead))
    for row in table.rows():
        tally.records += 2
        cells = {role: row.cells[column].strip() for role, column in columns.items()}
        if not cells["id"]:
            raise table.error(row, columns["id"], "expected the id of a lead, got nothing")
        lead = full_id(cells["id"])
        created, modified = (
            _time(table, row, columns[role], mapping) for role in ("created", "modified")
        )
        keys = {"lead": {scheme: lead}, "contact": {}}
        by = person(mapping.party, full_id(cells["by"]))
        name = f"{scheme}:{lead}"
        yield Record(name, created, row.line, {**keys, **_creation(lead), "by": by})
        yield Record(name, modified, row.line, {**keys, "is": cells})


def _time(table: Table, row: Row, column: str, mapping: ValueMapping) -> int:
    try:
        return mapping.moment(row.cells[column].strip())
    except TimeFormatError as error:
        raise table.error(row, column, str(error)) from None


def _snapshot(mapping: ValueMapping, record: Record) -> Made:
    """How a lead is now: its contact, and its status, which its history must lead to."""
    cells = record.content["is"]
    full = " ".join(part for part in (cells.get("first"), cells.get("last")) if part)
    details = {"name": cells.get("name") or full}
    details |= {name: cells.get(name) for name in ("email", "telephone")}
    status = cells.get("status")
    content: dict[str, Any] = {
        "lead": record.content["lead"],
        "contact": {name: value for name, value in details.items() if value},
        "fieldChange": {"field": _STATUS, "old": status, "new": status} if status else None,
    }
    time = min(record.time + _TO_THE_END, LAST)
    identity = derived_id(mapping.name, (time, content))
    return Made(lead_message("update", event_id=identity, time=time, **content), record.line)


# --- the messages of a lead -----------------------------------------------------------------


def _messages(
    mapping: ValueMapping, records: list[Record], recall: Recall, tally: Tally
) -> Iterator[Made]:
    told = [record for record in records if "is" not in record.content]
    yield from messages_of(mapping, _once(told, mapping, tally), recall, tally)
    for record in records:
        if "is" in record.content:
            tally.told += 1
            yield _snapshot(mapping, record)


def _once(records: list[Record], mapping: ValueMapping, tally: Tally) -> list[Record]:
    """One creation, and one change of owner for the two rows that Salesforce writes of it."""
    found: list[Record] = []
    created = False
    for _, group in groupby(records, lambda one: one.time):
        for record in _owners_once(list(group), mapping, tally):
            if record.content["field"] == CREATED and created:
                tally.left_out["told twice"] += 1
                continue
            created |= record.content["field"] == CREATED
            found.append(record)
    return found


def _owners_once(records: list[Record], mapping: ValueMapping, tally: Tally) -> list[Record]:
    """One row has the ids of the owners, another their names: the first, with the names."""
    owners = [one for one in records if one.content["field"] in mapping.people]
    by_id = [one for one in owners if _ID.fullmatch(one.content["new"] or "")]
    by_name = [one for one in owners if one not in by_id]
    if not by_id or not by_name:
        return records
    tally.left_out["owner by name, beside the id"] += len(by_name)
    others = [one for one in records if one not in owners]
    if len(by_id) == len(by_name) == 1:
        names = by_name[0].content
        named = by_id[0].content | {"new_name": names["new"], "old_name": names["old"]}
        return [*others, by_id[0]._replace(content=named)]
    return others + by_id
