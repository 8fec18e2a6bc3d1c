"""Whose name something is: the one lead, or the one person, of a name."""

from __future__ import annotations

from typing import Final

from lifecycle.domain import Key
from lifecycle.errors import AmbiguousLeadError, UnknownLeadError
from lifecycle.store.aliases import possible_keys
from lifecycle.store.packing import unpack
from lifecycle.store.working import WorkingSet

#: So many leads of a name are told.
MANY: Final = 100
_SOME: Final = 5
_COPIES: Final = "SELECT content FROM copy"
_IN_CONTACTS: Final = (
    "SELECT lead_id FROM lead, json_each(lead.contact) AS part"
    f" WHERE part.value = ?1 COLLATE NOCASE GROUP BY lead_id ORDER BY lead_id LIMIT {_SOME}"
)
_HINT: Final = "; a name has its scheme before it, as in salesforceid:0031U00002XW1QWQA1"


def find_lead(working: WorkingSet, alias: str) -> int:
    """The number of the one lead of this name.

    Raises:
        UnknownLeadError: No lead has this name.
        AmbiguousLeadError: It is the name of a contact with several leads.
    """
    for keys in possible_keys(alias):
        leads = sorted({lead for key in keys for lead in _leads_of(working, key)})
        if len(leads) == 1:
            return leads[0]
        if leads:
            lead_ids = [_lead_id(working, lead) for lead in leads]
            if lead_ids.count(alias) == 1:
                return leads[lead_ids.index(alias)]
            raise AmbiguousLeadError(alias, lead_ids)
    raise UnknownLeadError(alias, _HINT if ":" not in alias else "")


def find_person(working: WorkingSet, alias: str) -> tuple[int | None, list[Key]]:
    """The subject that has this name, of a lead or of a contact, and the keys that it may mean.

    There is no subject where nothing has the name but contents that do not count.

    Raises:
        UnknownLeadError: Nobody has this name; it tells whose contact it stands in.
        AmbiguousLeadError: It may mean several persons.
    """
    readings = [*possible_keys(alias), *possible_keys(f"contact:{alias}")]
    for keys in readings:
        subjects = {working.key_row(key).subject for key in keys} - {None}
        if len(subjects) > 1:
            raise AmbiguousLeadError(alias, [alias])
        if subjects:
            return subjects.pop(), keys
    keys = [key for some in readings for key in some]
    for (content,) in working.connection.execute(_COPIES):
        if not set(keys).isdisjoint(unpack("", b"", 0, 0, content).keys):
            return None, keys
    raise UnknownLeadError(alias, _contacts(working, alias))


def _contacts(working: WorkingSet, alias: str) -> str:
    """Which leads have a contact with such an address or name: they can be asked for."""
    text = alias.rpartition(":")[2].strip()
    rows = working.connection.execute(_IN_CONTACTS, (text,)) if text else ()
    lead_ids = ", ".join(lead_id for (lead_id,) in rows)
    return f"; it stands in the contact of {lead_ids}: name one of these" if lead_ids else ""


def _leads_of(working: WorkingSet, key: Key) -> list[int]:
    row = working.key_row(key)
    if row.lead is not None or row.subject is None:
        return [] if row.lead is None else [row.lead]
    rows = working.connection.execute(
        "SELECT lead.id FROM lead, json_each(lead.keys) AS name WHERE lead.subject = ?"
        " AND json_extract(name.value, '$[0]') = ? AND json_extract(name.value, '$[1]') = ?"
        f" AND json_extract(name.value, '$[2]') = ? ORDER BY lead.id LIMIT {MANY}",
        (row.subject, *key),
    )
    return [lead for (lead,) in rows]


def _lead_id(working: WorkingSet, lead: int) -> str:
    select = "SELECT lead_id FROM lead WHERE id = ?"
    return str(working.connection.execute(select, (lead,)).fetchone()[0])
