"""A person: what names them in parties, and in messages of any form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from unicodedata import normalize
from urllib.parse import unquote

import orjson

from lifecycle.domain import Key, LeadEvent, Party, Problem
from lifecycle.messages.wrappers import unwrap
from lifecycle.store.erasure.mentions import DIGITS, LONGEST, mentions, named, tells

_ADDRESS: Final = re.compile(r"(mailto|tel):\S+|[^@\s]+@[^@\s]+", re.IGNORECASE)
_TELEPHONE: Final = re.compile(r"\+[\d\s()./-]++|\(?\d++\)?[\s()./-][\d\s()./-]++")
#: Between several addresses in one text: `Joe <joe@bloggs.example>; joe@work.example`.
_APART: Final = re.compile(r"[\s<>;,\"()]++")
_WEB: Final = re.compile(r"https?:", re.IGNORECASE)
_PREFIX: Final = re.compile(r"^(mailto|tel):", re.IGNORECASE)
#: What every message has, whoever it is about.
_STRUCTURE: Final = re.compile(r'"@?(type|context|topic)"\s*+:\s*+"[^"]*+"')
#: How JSON writes what is no letter, such as the end of a line.
_SPACE: Final = re.compile(r'\\[bfnrt"]')
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


class Person:
    """The words that name a person: the names, addresses and numbers of the contact, and all keys.

    ``events`` are those about the person, ``bodies`` the same as they came.
    """

    def __init__(
        self, events: Iterable[LeadEvent], bodies: Iterable[bytes], keys: Iterable[Key]
    ) -> None:
        self._keys = frozenset(keys)
        contacts = [event.snapshot.contact for event in events if event.snapshot.contact]
        names = {one.name for one in contacts if one.name}
        values = {part for one in contacts for part in (one.email, one.telephone) if part}
        values.update(one for part in set(values) for one in _listed(part))
        for body in bodies:
            contact = _contact_of(orjson.loads(body))
            names.update(_full_names(contact))
            values.update(_cards(contact))
            values.update(_addresses(contact))
        values.update(key.value for key in self._keys if _is_address(key))
        values = {_PREFIX.sub("", value) for value in values}
        self._names = [name[:LONGEST] for name in names if tells(name)]
        self._unnamed = mentions(filter(tells, values))
        self._anywhere = mentions([*filter(tells, values), *filter(tells, names)])
        # One pattern for all ids, however many they are.
        ids = sorted({named(key) for key in self._keys})
        self._ids = re.compile("|".join(ids), re.IGNORECASE) if ids else None
        exact = {one for key in self._keys for one in (key.value, key.text)}
        self._exact = set(map(_plain, exact | names | values))

    def is_party(self, party: Party | None) -> bool:
        """Return whether a party is the person: by its id or by its name."""
        return party is not None and any(map(self._is_named, filter(None, (party.id, party.name))))

    def is_in_event(self, event: LeadEvent) -> bool:
        """Return whether an event is the person's: by a key, or an address of its contact."""
        if not self._keys.isdisjoint(event.keys):
            return True
        contact, unnamed = event.snapshot.contact, self._unnamed
        addresses = (contact.email, contact.telephone) if contact else ()
        return unnamed is not None and any(unnamed.search(one) for one in addresses if one)

    def is_in_message(self, raw: bytes) -> bool:
        """Return whether a message is the person's, as far as its text tells.

        It is when it has an address, a number, an id, or all words of a full name.
        """
        text = _text_of(raw)
        if any(one and one.search(text) for one in (self._unnamed, self._ids)):
            return True
        text = _STRUCTURE.sub("", f"{text}\n{unquote(text)}")
        for name in self._names:
            words = [one for word in name.split() if (one := mentions([word]))]
            if words and all(one.search(text) for one in words):
                return True
        return False

    def _is_named(self, text: str) -> bool:
        if _plain(text) in self._exact:
            return True
        return any(one and one.search(text) for one in (self._anywhere, self._ids))


def _plain(text: str) -> str:
    return _PREFIX.sub("", normalize("NFC", text).strip()).casefold()


def _is_address(key: Key) -> bool:
    """Return whether a key is an address or a number, which names a person in any text."""
    if _ADDRESS.match(key.value) or _is_telephone(key.value):
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
    """Return what stands in a message that may be no JSON, and no UTF-8: without its escapes."""
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


def _contact_of(message: Any) -> dict[str, Any]:
    """Return the contact in a message, whatever its shape."""
    envelope = unwrap(message)
    value = None if isinstance(envelope, Problem) else envelope.data
    lead = value.get("object") if isinstance(value, dict) else None
    contact = lead.get("object", lead) if isinstance(lead, dict) else None
    return contact if isinstance(contact, dict) else {}


def _full_names(contact: dict[str, Any]) -> Iterator[str]:
    """Yield the name of a contact, of a deletion too, whose event has none; and its parts."""
    name = contact.get("name")
    if isinstance(name, str) and name:
        yield name
    parts = [contact.get(name) for name in ("givenName", "familyName")]
    words = [part for part in parts if isinstance(part, str) and part]
    if len(words) > 1:
        yield " ".join(words)


def _cards(contact: dict[str, Any]) -> Iterator[str]:
    """Yield the web address that a contact has beside its identifiers."""
    card = contact.get("@id")
    if isinstance(card, str) and _WEB.match(card):
        yield card


def _addresses(value: Any) -> Iterator[str]:
    """Yield all e-mail addresses and telephone numbers that stand in a contact, however deep."""
    if isinstance(value, dict):
        # What identifies the contact is judged as a key.
        value = [one for name, one in value.items() if name not in ("identifier", "sameAs")]
    if isinstance(value, list):
        for one in value:
            yield from _addresses(one)
    elif isinstance(value, str) and (_ADDRESS.fullmatch(value) or _is_telephone(value)):
        yield value
