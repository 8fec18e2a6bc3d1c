"""Resolve an alias to a lead or to a contact."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from lifecycle.domain import Identity, Key, KeyKind, splits
from lifecycle.errors import AmbiguousLeadError, NotFoundError
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.erasure.mentions import mentions, tells
from lifecycle.store.query.history import lead_names
from lifecycle.text import counted

#: So many leads of a name are told.
MANY: Final = 100
#: The name of a lead whose person was erased begins so.
SEALED_SCHEME: Final = "erased:"
_SOME: Final = 5
_COPIES: Final = "SELECT event.id, copy.entry FROM copy JOIN event ON event.seq = copy.event"
_LEADS: Final = f"GROUP BY lead.lead_id ORDER BY lead.lead_id LIMIT {_SOME}"
_IN_CONTACTS: Final = f"SELECT lead_id FROM lead WHERE mentions(contact) {_LEADS}"
_IN_MESSAGES: Final = (
    "SELECT lead.lead_id FROM event JOIN lead ON lead.id = event.lead"
    " JOIN block ON block.first = (SELECT max(first) FROM block WHERE first <= event.entry)"
    " WHERE mentions(lifecycle_payload(block.about, block.bodies, event.entry - block.first))"
    f" {_LEADS}"
)
_IN_QUARANTINE: Final = "SELECT count(*) FROM quarantine WHERE mentions(raw)"
_SEALED: Final = (
    "SELECT id FROM lead WHERE sealed IS NOT NULL AND lead_id = ?1"
    f" AND id = CAST(substr(?1, {len(SEALED_SCHEME) + 1}) AS INTEGER)"
)
_HINT: Final = (
    "; a name has its scheme before it, as in salesforceid:0031U00002XW1QWQA1: `lifecycle find`"
    " searches by any text"
)


def possible_keys(alias: str, identity: Identity) -> Iterator[list[Key]]:
    """Yield the keys that a name may mean, group by group.

    The key that is written exactly so comes first: no two keys are. Then a lead's ``scheme:value``
    comes before a key with its kind. Each spelling of a key is read, as in messages: the identity
    policy makes its normal form.

    Raises:
        TypeError: The name is not text.
    """
    if not isinstance(alias, str):
        raise TypeError(f"expected a lead's name as text, got {type(alias).__name__}")
    kinds: tuple[KeyKind, ...] = ("lead", "contact")
    if not alias.isprintable() and "\udc80" <= max(alias) <= "\udcff":
        return
    readings = [_keys("lead", alias, identity)]
    for kind in kinds:
        start, _, rest = alias.partition(":")
        if start.strip().lower() == kind:
            readings.append(_keys(kind, rest, identity))
    for keys in readings:
        yield [key for key in keys if alias in (key.lead_id, str(key))]
    yield from readings


def find_lead(working: WorkingSet, alias: str) -> int:
    """Return the number of the one lead of this name.

    Raises:
        NotFoundError: No lead has this name.
        AmbiguousLeadError: It is the name of a contact with several leads.
    """
    for keys in possible_keys(alias, working.identity):
        if sealed := sealed_leads(working.connection, alias):
            return sealed[0]
        if leads := leads_of(working, keys):
            return the_one(alias, lead_names(working.connection, leads))
    raise NotFoundError(alias, _hint(working, alias))


def sealed_leads(connection: sqlite3.Connection, alias: str) -> list[int]:
    """Return the lead whose person was erased, if this is its name."""
    if not alias.startswith(SEALED_SCHEME):
        return []
    return [lead for (lead,) in connection.execute(_SEALED, (alias,))]


def the_one(alias: str, leads: Mapping[int, str]) -> int:
    """Return the number of the one lead of these, or of the one whose very name it is.

    Raises:
        AmbiguousLeadError: There are several.
    """
    named = [lead for lead, lead_id in leads.items() if lead_id == alias or len(leads) == 1]
    if len(named) != 1:
        raise AmbiguousLeadError(alias, sorted(leads.values())[:MANY])
    return named[0]


def leads_of(working: WorkingSet, keys: Iterable[Key]) -> list[int]:
    """Return the leads that have one of these keys: of a contact's not more than MANY."""
    return sorted({lead for key in keys for lead in _leads_of(working, key)})


def _leads_of(working: WorkingSet, key: Key) -> list[int]:
    row = working.key_row(key)
    if row.lead is not None or row.cluster is None:
        return [] if row.lead is None else [row.lead]
    rows = working.connection.execute(
        "SELECT lead.id FROM lead, json_each(lead.keys) AS name WHERE lead.cluster = ?"
        " AND json_extract(name.value, '$[0]') = ? AND json_extract(name.value, '$[1]') = ?"
        f" AND json_extract(name.value, '$[2]') = ? ORDER BY lead.id LIMIT {MANY}",
        (row.cluster, *key),
    )
    return [lead for (lead,) in rows]


def find_person(working: WorkingSet, alias: str) -> tuple[int | None, list[Key]]:
    """Return the cluster of a lead's or a contact's name, and the keys that the name may mean.

    There is no cluster where nothing has the name but contents that are not canonical.

    Raises:
        NotFoundError: Nobody has this name; it tells whose contact it stands in.
        AmbiguousLeadError: It may mean several persons.
    """
    names = (alias, f"contact:{alias}")
    readings = (some for name in names for some in possible_keys(name, working.identity))
    keys = list(dict.fromkeys(key for some in readings for key in some))
    named = {key: cluster for key in keys if (cluster := working.key_row(key).cluster) is not None}
    named = {key: named[key] for key in named if str(key) == alias} or named
    if len(set(named.values())) > 1:
        raise AmbiguousLeadError(alias, sorted(map(str, named)))
    if named:
        return min(named.values()), list(named)
    for event_id, entry in working.connection.execute(_COPIES):
        if working.blocks.entry(entry).is_erased:
            continue
        if not set(keys).isdisjoint(working.content(entry, event_id).keys):
            return None, keys
    raise NotFoundError(alias, _mentions(working.connection, alias))


def _keys(kind: KeyKind, text: str, identity: Identity) -> list[Key]:
    keys = (identity.key(kind, scheme, value) for scheme, value in splits(text.strip()))
    return list(dict.fromkeys(key for key in keys if key is not None))


def _hint(working: WorkingSet, alias: str) -> str:
    """Return what else a name may be, in words."""
    if ":" not in alias:
        return _HINT
    for keys in possible_keys(f"contact:{alias}", working.identity):
        if any(working.key_row(key).cluster for key in keys):
            return f"; a contact is: contact:{alias}"
    return ""


def _mentions(connection: sqlite3.Connection, alias: str) -> str:
    """Return in words where such an address, number or name stands: in contacts, or elsewhere."""
    # A terminal may give bytes that are no text.
    text = alias.encode(errors="replace").decode()
    sought = mentions(filter(tells, [text.rpartition(":")[2].strip()]))
    if sought is None:
        return ""

    # However it is written, the letters without accents are as they are: most texts lack them.
    clue = max(re.findall("[a-z]+", text.lower().rpartition(":")[2]), key=len, default="")

    def is_mentioned(text: str | bytes | None) -> bool:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        return text is not None and clue in text.lower() and sought.search(text) is not None

    connection.create_function("mentions", 1, is_mentioned, deterministic=True)
    if leads := _names(connection, _IN_CONTACTS):
        return f"; it stands in the contact of {leads}: name one of these"
    places = [f"messages of {leads}"] if (leads := _names(connection, _IN_MESSAGES)) else []
    (waiting,) = connection.execute(_IN_QUARANTINE).fetchone()
    if waiting:
        places.append(f"{counted(waiting, 'message')} in the quarantine")
    return f"; it stands in {' and in '.join(places)}, as no contact's" if places else ""


def _names(connection: sqlite3.Connection, select: str) -> str:
    return ", ".join(lead_id for (lead_id,) in connection.execute(select))
