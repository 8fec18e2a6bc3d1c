"""A text that somebody looks for: how it is compared with names, addresses and numbers."""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Self

import orjson
from attrs import frozen

from lifecycle.store.erasure.mentions import DIGITS

_WORD: Final = re.compile(r"[^\W_]+")
_ASCII: Final = re.compile(r"[a-z0-9]+")
#: Behind these vowels an `e` may stand instead of a mark.
_PIECE: Final = re.compile(r"[^aou]*[aou]?")
#: What may stand between the digits of a number.
_NO_DIGITS: Final = bytes(set(range(256)) - set(b"0123456789"))
_PREFIX: Final = re.compile(r"^(mailto|tel):", re.IGNORECASE)
#: Letters that Unicode does not take apart, as they are written without marks.
_LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "æ": "a",
        "œ": "o",
        "ð": "d",
        "þ": "th",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "'": "",
    }
    | {"\N{RIGHT SINGLE QUOTATION MARK}": ""}
)
_LEAST_DIGITS: Final = min(DIGITS)
_LEAST_LETTERS: Final = 3
_CONTACTS: Final = "SELECT id, CAST(contact AS BLOB) FROM lead WHERE contact IS NOT NULL AND"
#: Accents, and what is left out of names, are compared outside SQL.
_MAY_SAY: Final = f"""{_CONTACTS} (
    contact LIKE ? ESCAPE '!' OR contact LIKE ? ESCAPE '!' OR contact LIKE '%''%'
    OR length(contact) < length(CAST(contact AS BLOB)))"""
#: What has a meaning in a pattern of LIKE.
_SPECIAL: Final = str.maketrans({char: "!" + char for char in "!%_"})
#: No e-mail address is longer (RFC 5321); LIKE takes as long as the text times the part.
_LONGEST: Final = 320


class Said(NamedTuple):
    """A part of a contact that is wanted, how it is written, and whether it is all of it."""

    part: str
    value: str
    is_whole: bool


def plain(text: str) -> str:
    """Return a text without case and marks: ``Müller``, ``MULLER`` and ``Mueller`` are one."""
    if not text.isascii():
        apart = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(char for char in apart if not unicodedata.combining(char))
    text = text.lower().translate(_LETTERS)
    return text.replace("ae", "a").replace("oe", "o").replace("ue", "u")


def _digits(text: str) -> str:
    """Return the digits in a text, of any script, as ``0`` to ``9``."""
    return "".join(str(unicodedata.decimal(char)) for char in text if char.isdecimal())


def pattern(part: str) -> str | None:
    """Return what LIKE finds a part of a text by, whatever its case; nothing by a huge one."""
    return f"%{part.translate(_SPECIAL)}%" if part and len(part) <= _LONGEST else None


def _escaped(text: str) -> str:
    """Return a text as it stands in JSON."""
    return orjson.dumps(text)[1:-1].decode()


@frozen
class Wanted:
    """A text that somebody looks for.

    Attributes:
        values: The text as a key may have it.
        words: Its words in plain form, where it may be a name.
        part: What an e-mail address has, or has a part of.
        digits: The digits of a telephone number.
        clue: What stands in every message that has it as it is written.
        piece: What stands in every text without marks that has the longest of the words, if any.
    """

    values: tuple[str, ...]
    words: tuple[str, ...]
    part: str
    digits: str
    clue: bytes
    piece: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what a text looks for."""
        bare = _PREFIX.sub("", text).strip("<> ")
        digits = _digits(bare)
        is_number = len(digits) in DIGITS and not any(map(str.isalpha, bare))
        words = () if "@" in bare or is_number else tuple(_WORD.findall(plain(bare)))
        part = bare.casefold() if len(bare) >= _LEAST_LETTERS and " " not in bare else ""
        runs = _ASCII.findall(bare.lower())
        is_address = "@" in bare and bare.isascii()
        clue = _escaped(bare.lower()) if is_address else max(runs, key=len, default="")
        values = tuple(dict.fromkeys((text, bare, text.rpartition(":")[2].strip())))
        number = digits.lstrip("0") if is_number else ""
        pieces = _PIECE.findall(max(words, key=len, default=""))
        piece = max(pieces, key=len, default="")
        return cls(values, words, part, number, b"" if is_number else clue.encode(), piece)

    def may_be_in(self, text: bytes) -> bool:
        """Return whether a text may have it: fast, and never wrongly no where it is so written.

        Digits of other scripts are not looked for.
        """
        if self.digits:
            return self.digits[-_LEAST_DIGITS:].encode() in text.translate(None, _NO_DIGITS)
        return self.clue in text.lower()

    def candidates(self, connection: sqlite3.Connection) -> Iterator[tuple[int, bytes]]:
        """Yield leads and their contacts that may say it, as the rows of leads have them."""
        digits = "%".join(self.digits[-_LEAST_DIGITS:])
        parts = (f"%{digits}%", None) if digits else map(pattern, (self.piece, _escaped(self.part)))
        yield from connection.execute(_MAY_SAY, tuple(parts))

    def said_by(self, contact: bytes) -> Said | None:
        """Return what of a contact, as the row of a lead has it, is wanted."""
        name, email, telephone = orjson.loads(contact)
        if self.digits:
            return self._telephone(telephone)
        return self._email(email) or self._name(name)

    def _telephone(self, value: Any) -> Said | None:
        if not value:
            return None
        digits = _digits(value).lstrip("0")
        if len(digits) < _LEAST_DIGITS:
            return None
        if digits.endswith(self.digits) or self.digits.endswith(digits):
            return Said("telephone", value, digits == self.digits)
        return None

    def _email(self, value: Any) -> Said | None:
        if not value or not self.part or self.part not in (low := value.casefold()):
            return None
        return Said("e-mail", value, low == self.part)

    def _name(self, value: Any) -> Said | None:
        """Return a name of which each wanted word begins a word, in any order."""
        if not value or not self.words:
            return None
        own = _WORD.findall(plain(value))
        if not all(any(one.startswith(word) for one in own) for word in self.words):
            return None
        return Said("name", value, sorted(own) == sorted(self.words))
