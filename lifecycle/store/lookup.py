"""Whose name something is: the one lead, or the one person, of a name."""

from __future__ import annotations

from typing import Final

from lifecycle.domain import Key
from lifecycle.errors import AmbiguousLeadError, UnknownLeadError
from lifecycle.store.aliases import possible_keys
from lifecycle.store.working import WorkingSet

#: So many leads of a name are told.
MANY: Final = 100
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


def find_subject(working: WorkingSet, alias: str) -> int:
    """The number of the one subject that has this name, or whose lead has.

    Raises:
        UnknownLeadError: Nobody has this name.
        AmbiguousLeadError: It may mean several persons.
    """
    for keys in possible_keys(alias):
        subjects = {working.key_row(key).subject for key in keys} - {None}
        if len(subjects) > 1:
            raise AmbiguousLeadError(alias, [alias])
        for subject in subjects:
            if subject is not None:
                return subject
    # It tells whose name it is not.
    find_lead(working, alias)
    raise UnknownLeadError(alias)


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
