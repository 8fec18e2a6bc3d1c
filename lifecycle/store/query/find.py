"""Whose name something is: the one lead, or the one person, of a name."""

from __future__ import annotations

import re
import sqlite3
from typing import Final

from lifecycle.domain import Key
from lifecycle.errors import AmbiguousLeadError, UnknownLeadError
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.erasure.mentions import mentions, tells
from lifecycle.store.query.aliases import possible_keys
from lifecycle.text import counted

#: So many leads of a name are told.
MANY: Final = 100
_SOME: Final = 5
_COPIES: Final = "SELECT content FROM copy"
_LEADS: Final = f"GROUP BY lead.lead_id ORDER BY lead.lead_id LIMIT {_SOME}"
_IN_CONTACTS: Final = f"SELECT lead_id FROM lead WHERE mentions(contact) {_LEADS}"
_IN_MESSAGES: Final = (
    "SELECT lead.lead_id FROM event JOIN lead ON lead.id = event.lead"
    f" WHERE mentions(lifecycle_payload(event.body)) {_LEADS}"
)
_IN_QUARANTINE: Final = "SELECT count(*) FROM quarantine WHERE mentions(raw)"
_HINT: Final = "; a name has its scheme before it, as in salesforceid:0031U00002XW1QWQA1"


def find_lead(working: WorkingSet, alias: str) -> int:
    """The number of the one lead of this name.

    Raises:
        UnknownLeadError: No lead has this name.
        AmbiguousLeadError: It is the name of a contact with several leads.
    """
    for keys in possible_keys(alias, working.identity):
        leads = sorted({lead for key in keys for lead in _leads_of(working, key)})
        if len(leads) == 1:
            return leads[0]
        if leads:
            lead_ids = [_lead_id(working, lead) for lead in leads]
            if lead_ids.count(alias) == 1:
                return leads[lead_ids.index(alias)]
            raise AmbiguousLeadError(alias, lead_ids)
    raise UnknownLeadError(alias, _hint(working, alias))


def _hint(working: WorkingSet, alias: str) -> str:
    """What else a name may be."""
    if ":" not in alias:
        return _HINT
    for keys in possible_keys(f"contact:{alias}", working.identity):
        if any(working.key_row(key).subject for key in keys):
            return f"; a contact is: contact:{alias}"
    return ""


def find_person(working: WorkingSet, alias: str) -> tuple[int | None, list[Key]]:
    """The subject that has this name, of a lead or of a contact, and the keys that it may mean.

    There is no subject where nothing has the name but contents that do not count.

    Raises:
        UnknownLeadError: Nobody has this name; it tells whose contact it stands in.
        AmbiguousLeadError: It may mean several persons.
    """
    names = (alias, f"contact:{alias}")
    readings = (some for name in names for some in possible_keys(name, working.identity))
    keys = list(dict.fromkeys(key for some in readings for key in some))
    named = {key: subject for key in keys if (subject := working.key_row(key).subject) is not None}
    if len(set(named.values())) > 1:
        raise AmbiguousLeadError(alias, sorted(map(str, named)))
    if named:
        return min(named.values()), list(named)
    for (content,) in working.connection.execute(_COPIES):
        event = unpack("", b"", 0, 0, content, identity=working.identity)
        if not set(keys).isdisjoint(event.keys):
            return None, keys
    raise UnknownLeadError(alias, _mentions(working.connection, alias))


def _mentions(connection: sqlite3.Connection, alias: str) -> str:
    """Where such an address, number or name stands: in contacts, who can be asked for, or else."""
    # A terminal may give bytes that are no text.
    text = alias.encode(errors="replace").decode()
    sought = mentions(filter(tells, [text.rpartition(":")[2].strip()]))
    if sought is None:
        return ""

    # However it is written, the letters without accents are as they are: most texts lack them.
    clue = max(re.findall("[a-z]+", text.lower().rpartition(":")[2]), key=len, default="")

    def found(text: str | bytes | None) -> bool:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return text is not None and clue in text.lower() and sought.search(text) is not None

    connection.create_function("mentions", 1, found, deterministic=True)
    if leads := _names(connection, _IN_CONTACTS):
        return f"; it stands in the contact of {leads}: name one of these"
    places = [f"messages of {leads}"] if (leads := _names(connection, _IN_MESSAGES)) else []
    (waiting,) = connection.execute(_IN_QUARANTINE).fetchone()
    if waiting:
        places.append(f"{counted(waiting, 'message')} in the quarantine")
    return f"; it stands in {' and in '.join(places)}, as no contact's" if places else ""


def _names(connection: sqlite3.Connection, select: str) -> str:
    return ", ".join(lead_id for (lead_id,) in connection.execute(select))


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
