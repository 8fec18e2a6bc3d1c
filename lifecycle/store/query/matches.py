"""Leads by any id, e-mail address, telephone number or name, and where each was found.

Keys are found by their hashes, contacts by a scan of the leads, earlier contacts by a scan of what
was decoded of messages. What was erased is in none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

import orjson
from attrs import frozen

from lifecycle.domain import Key, KeyKind
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import id_hash, select_in
from lifecycle.store.erasure.mentions import mentions, tells
from lifecycle.store.query.find import leads_of, possible_keys, sealed_leads
from lifecycle.store.query.history import lead_names
from lifecycle.store.query.wanted import Wanted, pattern

#: So many leads are found, at most.
MOST: Final = 100
#: How sure a place is: a name, the contact of now, a part of one, a contact of before, a message.
_KEY, _CONTACT, _PART, _FORMER, _MESSAGE = range(5)
_SCHEMES: Final = 1_000
#: Where the contact stands in what was decoded of a message.
_CONTACT_PART: Final = 11
_SHORTEST_PART: Final = 4
_KEYS_LIKE: Final = (
    f"SELECT kind, scheme, value FROM key WHERE value LIKE ? ESCAPE '!' LIMIT {MOST}"
)


@frozen
class Match:
    """A lead that was found.

    Attributes:
        lead_no: Its number, which never changes.
        lead_id: Its name.
        places: Where it was found: a key, its contact, an earlier contact, a message.
    """

    lead_no: int
    lead_id: str
    places: tuple[str, ...]


@frozen
class Matches:
    """The leads that were found.

    Attributes:
        leads: The leads, the surest first.
        quarantined: The numbers of quarantined messages that mention it.
        has_more: Whether there are more than these.
    """

    leads: tuple[Match, ...]
    quarantined: tuple[int, ...]
    has_more: bool


def find_matches(working: WorkingSet, text: str, *, messages: bool = False) -> Matches:
    """Return the leads that a text finds; ``messages``: also by the whole text of messages."""
    return _Search(working, text).run(messages=messages)


class _Search:
    """One search: the places found so far, by the number of the lead."""

    def __init__(self, working: WorkingSet, text: str) -> None:
        # A terminal may give bytes that are no text.
        self._text = text.encode(errors="replace").decode().strip()
        self._working = working
        self._connection = working.connection
        self._wanted = Wanted.of(self._text)
        self._found: dict[int, list[tuple[int, str]]] = {}

    def run(self, *, messages: bool) -> Matches:
        if not self._text:
            return Matches((), (), has_more=False)
        self._in_keys()
        self._in_contacts()
        self._in_event_ids()
        ranks = [rank for places in self._found.values() for rank, _ in places]
        if min(ranks, default=_PART) >= _PART and len(self._found) <= MOST:
            self._in_former_contacts()
        if not self._found:
            self._in_parts_of_keys()
        quarantined: tuple[int, ...] = ()
        if (mention := mentions(filter(tells, [self._text]))) is not None:
            rows = self._connection.execute("SELECT id, raw FROM quarantine WHERE size > 0")
            quarantined = tuple(
                number for number, raw in rows if mention.search(raw.decode("utf-8", "replace"))
            )[:MOST]
            if messages:
                self._in_messages(mention.search)
        return self._matches(quarantined)

    def _matches(self, quarantined: tuple[int, ...]) -> Matches:
        names = lead_names(self._connection, self._found)
        ranked = sorted(
            (min(rank for rank, _ in places), names[lead], lead, places)
            for lead, places in self._found.items()
        )
        leads = [
            Match(lead, lead_id, tuple(dict.fromkeys(place for _, place in sorted(places))))
            for _, lead_id, lead, places in ranked[:MOST]
        ]
        return Matches(tuple(leads), quarantined, len(ranked) > MOST)

    def _add(self, lead: int | None, rank: int, place: str) -> None:
        if lead is not None:
            self._found.setdefault(lead, []).append((rank, place))

    # --- names ----------------------------------------------------------------------------------

    def _in_keys(self) -> None:
        self._add_keys(key for keys in possible_keys(self._text, self._identity) for key in keys)
        select = f"SELECT DISTINCT kind, scheme FROM key LIMIT {_SCHEMES}"
        schemes = self._connection.execute(select).fetchall()
        self._add_keys(key for kind, scheme in schemes for key in self._keys(kind, scheme))
        for lead in sealed_leads(self._connection, self._text):
            self._add(lead, _KEY, "name")

    @property
    def _identity(self) -> Any:
        return self._working.identity

    def _keys(self, kind: KeyKind, scheme: str) -> Iterator[Key]:
        for text in self._wanted.values:
            if (key := self._identity.key(kind, scheme, text)) is not None:
                yield key

    def _add_keys(self, keys: Iterable[Key]) -> None:
        wanted = list(dict.fromkeys(keys))
        self._working.load_keys(wanted)
        for key in wanted:
            for lead in leads_of(self._working, [key]):
                self._add(lead, _KEY, f"key {key}")

    def _in_parts_of_keys(self) -> None:
        part = self._text.rpartition(":")[2]
        if len(part) < _SHORTEST_PART:
            return
        rows = self._connection.execute(_KEYS_LIKE, (pattern(part),)).fetchall()
        for row in rows:
            for lead in leads_of(self._working, [Key(*row)]):
                self._add(lead, _PART, f"part of key {Key(*row)}")

    # --- contacts -------------------------------------------------------------------------------

    def _in_contacts(self) -> None:
        for lead, contact in self._wanted.candidates(self._connection):
            if (said := self._wanted.said_by(contact)) is not None:
                part, value, is_whole = said
                self._add(lead, _CONTACT if is_whole else _PART, f"contact's {part} {value}")

    def _in_former_contacts(self) -> None:
        """Add leads whose contact had it once, as the letters stand in the message."""
        entries: dict[int, str] = {}
        for block in self._working.blocks.all(bodies=False):
            if not self._wanted.may_be_in(block.whole(0)):
                continue
            for number in range(block.first, block.first + len(block)):
                content = block.content(number)
                if not (content and self._wanted.may_be_in(content)):
                    continue
                contact = _contact_of(content)
                said = contact and self._wanted.said_by(contact)
                if said:
                    entries[number] = f"contact's {said[0]} once {said[1]}"
            if len(entries) > 20 * MOST:
                break
        found = set(self._found)
        for number, lead in self._leads_of_entries(entries).items():
            if lead not in found:
                self._add(lead, _FORMER, entries[number])

    def _leads_of_entries(self, entries: Collection[int]) -> dict[int, int]:
        """Return the leads of the events that have these contents."""
        select = "SELECT seq, lead FROM event WHERE lead IS NOT NULL AND seq = entry AND seq IN"
        leads = dict(select_in(self._connection, select, entries))
        rest = [number for number in entries if number not in leads]
        if rest:
            select = "SELECT entry, lead FROM event WHERE lead IS NOT NULL AND entry IN"
            leads.update(select_in(self._connection, select, rest))
            select = (
                "SELECT copy.entry, event.lead FROM copy JOIN event ON event.seq = abs(copy.event)"
                " WHERE event.lead IS NOT NULL AND copy.entry IN"
            )
            leads.update(select_in(self._connection, select, rest))
        return leads

    # --- messages -------------------------------------------------------------------------------

    def _in_event_ids(self) -> None:
        number = id_hash(self._working.numbers.secret, self._text)
        select = "SELECT lead FROM event WHERE hash = ? AND id = ?"
        for (lead,) in self._connection.execute(select, (number, self._text)):
            self._add(lead, _KEY, "id of a message")

    def _in_messages(self, search: Any) -> None:
        """Add leads of messages that mention it anywhere."""
        entries = {}
        for block in self._working.blocks.all():
            if not self._wanted.may_be_in(block.whole(1)):
                continue
            for number in range(block.first, block.first + len(block)):
                if search(block.body(number).decode("utf-8", "replace")):
                    entries[number] = "text of a message"
        found = set(self._found)
        for number, lead in self._leads_of_entries(entries).items():
            if lead not in found:
                self._add(lead, _MESSAGE, entries[number])


def _contact_of(content: bytes) -> bytes | None:
    """Return the contact in what was decoded of a message, as a lead's row has it."""
    contact = orjson.loads(content)[_CONTACT_PART]
    return orjson.dumps(contact) if contact else None
