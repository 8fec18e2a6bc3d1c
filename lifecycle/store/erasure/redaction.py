"""What of a person's messages is personal, and the messages without it.

What is personal: the contact's name, e-mail addresses and telephone numbers; keys that are such, or
a web address of the contact; texts that people wrote; values of fields. Other ids, times, and who
acted are not. What is personal and must stay in place, so that the fold of what stays says the
same, is replaced by a random pseudonym that nothing leads back from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from urllib.parse import unquote

from attrs import evolve

from lifecycle.domain import FieldChange, Key, LeadEvent, Meanings, Note, Party, Problem
from lifecycle.messages.wrappers import unwrap
from lifecycle.store.db.erased import ERASED_DIGEST, is_pseudonym, new_pseudonym
from lifecycle.store.erasure.mentions import DIGITS, bounded, forms, mentions, named, tells

_SCHEME: Final = re.compile(r"e-?mail|phone|mobile|fax|^(mail|tel|cell)$|name$")
_ADDRESS: Final = re.compile(r"(mailto|tel):\S+|[^@\s]+@[^@\s]+", re.IGNORECASE)
_TELEPHONE: Final = re.compile(r"\+[\d\s()./-]++|\(?\d++\)?[\s()./-][\d\s()./-]++")
#: Years and places in a row: `2026-000123`.
_NUMBERED: Final = re.compile(r"[1-9]\d*-\d+")
#: Between several addresses in one text: `Joe <joe@bloggs.example>; joe@work.example`.
_APART: Final = re.compile(r"[\s<>;,\"()]++")
_WEB: Final = re.compile(r"https?:", re.IGNORECASE)
_PREFIX: Final = re.compile(r"^(mailto|tel):", re.IGNORECASE)
#: What every message has, whoever it is about.
_STRUCTURE: Final = re.compile(r'"@?(type|context|topic)"\s*+:\s*+"[^"]*+"')
_URI_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
#: How JSON writes what is no letter, such as the end of a line.
_SPACE: Final = re.compile(r'\\[bfnrt"]')
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


class Redaction:
    """What is personal in some events of a person, and what stands for it from now on.

    ``messages`` are the same events as they came, parsed; ``kept`` are other keys of the person,
    by which messages in the quarantine are found. Values of fields stay where the ``meanings``
    name the field: what happened to the lead follows from them.
    """

    def __init__(
        self,
        events: Iterable[LeadEvent],
        messages: Iterable[Any],
        kept: Iterable[Key] = (),
        meanings: Meanings | None = None,
    ) -> None:
        events = list(events)
        self._meanings = meanings or Meanings.default()
        self._keys = {key for event in events for key in event.keys}
        self._known = self._keys.union(kept)
        self._sought = [re.compile(named(key), re.IGNORECASE) for key in self._known]
        contacts = [event.snapshot.contact for event in events if event.snapshot.contact]
        self._names = {one.name for one in contacts if one.name}
        values = {part for one in contacts for part in (one.email, one.telephone) if part}
        values.update(one for part in set(values) for one in _listed(part))
        for message in messages:
            contact = _contact_of(message)
            values.update(_cards(contact))
            self._names.update(_full_names(contact))
            values.update(_addresses(contact))
        values.update(key.value for key in self._keys if _is_personal(key))
        values = {_PREFIX.sub("", value) for value in values if tells(value)}
        self._values = mentions(values.union(filter(tells, self._names)))
        self._unnamed = mentions(values)
        self._called = {name.casefold() for name in self._names}
        self._removed = {key for key in self._keys if _is_personal(key) or self.concerns(key.value)}
        personal = {key.value for key in self._removed}
        # In the order of what they stand for, so that the smallest key stays the smallest.
        tokens = sorted(new_pseudonym() for _ in personal)
        self._tokens: dict[str, str] = {}
        for value, token in zip(sorted(personal), tokens, strict=True):
            self._stands_for(value, token)
        self._ids = dict(self._pseudonyms({event.id for event in events}))
        self._ids.update((one.id, _without_digest(one.id)) for one in events if self._empties(one))

    # --- what is personal -----------------------------------------------------------------------

    def concerns(self, text: str) -> bool:
        """Whether a text contains something personal."""
        return self._values is not None and self._values.search(text) is not None

    def concerns_event(self, event: LeadEvent) -> bool:
        """Whether an event is the person's: by a key of theirs, or an address of its contact."""
        if not self._known.isdisjoint(event.keys):
            return True
        contact = event.snapshot.contact
        addresses = (contact.email, contact.telephone) if contact else ()
        unnamed = self._unnamed
        return unnamed is not None and any(unnamed.search(one) for one in addresses if one)

    def concerns_message(self, raw: bytes) -> bool:
        """Whether a message that could not be decoded is the person's, as far as it can be told.

        It is when it has an address, a number, all words of the full name, or an id of them.
        """
        text = _text_of(raw)
        if self._unnamed is not None and self._unnamed.search(text):
            return True
        if any(sought.search(text) for sought in self._sought):
            return True
        text = _STRUCTURE.sub("", f"{text}\n{unquote(text)}")
        return any(
            all(re.search("|".join(forms(word)), text, re.IGNORECASE) for word in name.split())
            for name in filter(tells, self._names)
        )

    # --- what stays -----------------------------------------------------------------------------

    def event(self, event: LeadEvent) -> LeadEvent:
        """An event without what is personal."""
        snapshot = event.snapshot
        return evolve(
            event,
            id=self._ids.get(event.id, event.id),
            digest=ERASED_DIGEST,
            lead_keys=self._redacted_keys(event.lead_keys),
            contact_keys=self._redacted_keys(event.contact_keys),
            names=None,
            agent=self.party(event.agent),
            recipient=self.party(event.recipient),
            participant=self.party(event.participant),
            snapshot=evolve(
                snapshot,
                owner=self.party(snapshot.owner),
                sender=self.party(snapshot.sender),
                recipient=self.party(snapshot.recipient),
                contact=None,
            ),
            reason=None,
            notes=tuple(Note(note.code, self.text(note.detail)) for note in event.notes),
            field_change=self._change(event),
        )

    def _change(self, event: LeadEvent) -> FieldChange | None:
        change = event.field_change
        if change is None:
            return None
        if self._empties(event):
            return FieldChange(change.source, change.field, self.text(change.object))
        old, new, current = (
            None if value is None else self.text(value)
            for value in (change.old, change.new, change.current)
        )
        thing = self.text(change.object)
        return FieldChange(change.source, change.field, thing, old, new or "", current)

    def _empties(self, event: LeadEvent) -> bool:
        """Return whether the values of a change go, as they say nothing of the lead's life."""
        change = event.field_change
        return change is not None and not self._meanings.looks_at(change.source, change.field)

    def key(self, key: Key) -> Key:
        """A key, or what stands for it."""
        return key._replace(value=self._tokens[key.value]) if key in self._removed else key

    @property
    def removed_keys(self) -> list[Key]:
        """The keys that something else stands for."""
        return sorted(self._removed)

    @property
    def kept_keys(self) -> list[Key]:
        """The keys of the person that stay, those too that stayed before."""
        return sorted(key for key in self._known - self._removed if not is_pseudonym(key.value))

    def party(self, party: Party | None) -> Party | None:
        """A party, or what stands for it where it is the person: of the same sort."""
        if party is None:
            return None
        party_id, name = party.id, party.name
        theirs = party_id is not None and self.concerns(party_id)
        if party_id is not None and theirs:
            party_id = self._stands_for(party_id)
        if name is not None and (theirs or self.concerns(name) or name.casefold() in self._called):
            token = self._stands_for(name.casefold())
            self._tokens[name] = token
            name = token
        return Party(party_id, name)

    def text(self, text: str) -> str:
        """A text in which pseudonyms stand for what is personal."""
        values = sorted(self._tokens, key=len, reverse=True)
        if values:
            sought = re.compile("|".join(map(bounded, values)))
            text = sought.sub(lambda found: self._tokens[found[0]], text)
        return self._values.sub("erased", text) if self._values is not None else text

    def lead_id(self, lead_id: str) -> str:
        """The name of a lead, which is one of its keys, without what is personal."""
        for key in self._removed:
            if key.lead_id == lead_id:
                return self.key(key).lead_id
        return self.text(lead_id) if self.concerns(lead_id) else lead_id

    def _pseudonyms(self, ids: Iterable[str]) -> Iterator[tuple[str, str]]:
        """What stands for ids with something personal in them, as far as can be in their order."""
        personal = sorted(filter(self.concerns, ids))
        tokens = sorted(new_pseudonym() for _ in personal)
        for event_id, token in zip(personal, tokens, strict=True):
            found = self._values.search(event_id) if self._values is not None else None
            yield event_id, event_id[: found.start() if found else 0] + token

    def _redacted_keys(self, keys: Iterable[Key]) -> tuple[Key, ...]:
        return tuple(sorted(map(self.key, keys)))

    def _stands_for(self, text: str, token: str = "") -> str:
        """The pseudonym of a text, of the same sort: guards compare parties by it."""
        if text not in self._tokens:
            scheme = _URI_SCHEME.match(text)
            sort = scheme[0] if scheme is not None and not self.concerns(scheme[0]) else ""
            self._tokens[text] = sort + (token or new_pseudonym())
        return self._tokens[text]


def _without_digest(event_id: str) -> str:
    """Return the id of a change without its digest, which its values could be guessed from."""
    return f"{event_id.rpartition(':')[0]}:{new_pseudonym()}"


def _is_personal(key: Key) -> bool:
    """Whether a key is of those that name a person to everybody."""
    if _SCHEME.search(key.scheme) or _ADDRESS.match(key.value):
        return True
    # A number of a case or an invoice has one dash, too.
    if _is_telephone(key.value) and not _NUMBERED.fullmatch(key.value):
        return True
    return key.kind == "contact" and _WEB.match(key.value) is not None


def _listed(text: str) -> Iterator[str]:
    """Yield each e-mail address of several in one text."""
    for word in _APART.split(text):
        user, _, host = word.partition("@")
        host = host.partition("@")[0]
        if user and host:
            yield f"{user}@{host}"


def _is_telephone(text: str) -> bool:
    digits = sum(char.isdigit() for char in text)
    return digits in DIGITS and _TELEPHONE.fullmatch(text) is not None


def _text_of(raw: bytes) -> str:
    """What stands in a message that may be no JSON, and no UTF-8: without its escapes."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        # The encodings of old systems; what was UTF-8 in it is sought, too.
        text = f"{raw.decode('utf-8', 'replace')}\n{raw.decode('latin-1')}"
    if b"\0" in raw:
        # UTF-16, of either order; a line that was cut out of a file may begin within a character.
        text = "\n".join([text, *(raw.decode(f"utf-16-{one}", "replace") for one in ("le", "be"))])
    text = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
    text = _SPACE.sub(" ", text).replace("\\/", "/")
    # Halves of characters that were escaped one by one belong together.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


# --- messages as they came ------------------------------------------------------------------


def _contact_of(message: Any) -> dict[str, Any]:
    """The contact in a message, whatever its shape."""
    envelope = unwrap(message)
    value = None if isinstance(envelope, Problem) else envelope.data
    lead = value.get("object") if isinstance(value, dict) else None
    contact = lead.get("object", lead) if isinstance(lead, dict) else None
    return contact if isinstance(contact, dict) else {}


def _full_names(contact: dict[str, Any]) -> Iterator[str]:
    """The name of a contact, of a deletion too, whose event has none; and its parts together."""
    name = contact.get("name")
    if isinstance(name, str) and name:
        yield name
    parts = [contact.get(name) for name in ("givenName", "familyName")]
    words = [part for part in parts if isinstance(part, str) and part]
    if len(words) > 1:
        yield " ".join(words)


def _cards(contact: dict[str, Any]) -> Iterator[str]:
    """The web address that a contact has beside its identifiers."""
    card = contact.get("@id")
    if isinstance(card, str) and _WEB.match(card):
        yield card


def _addresses(value: Any) -> Iterator[str]:
    """All e-mail addresses and telephone numbers that stand in a contact, however deep."""
    if isinstance(value, dict):
        # What identifies the contact is judged as a key.
        value = [one for name, one in value.items() if name not in ("identifier", "sameAs")]
    if isinstance(value, list):
        for one in value:
            yield from _addresses(one)
    elif isinstance(value, str) and (_ADDRESS.fullmatch(value) or _is_telephone(value)):
        yield value
