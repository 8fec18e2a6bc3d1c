"""Patterns of a person in a text: names, addresses, numbers and ids, however they are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final
from unicodedata import normalize
from urllib.parse import quote

from lifecycle.domain import Key

#: How many digits a telephone number has (ITU-T E.164; seven at least, to tell it from others).
DIGITS: Final = range(7, 16)
#: Shorter texts stand in messages of others, too.
_LONG: Final = 6
#: Of a longer value its beginning is sought, in so many characters.
LONGEST: Final = 200
#: What stands between the digits of a number, and between the words of a name.
_APART: Final = "[^0-9a-z]{0,3}"
_JOINED: Final = r"(?:[\W_]{1,3}|%20)"


def tells(value: str) -> bool:
    """Return whether a value names somebody wherever it is; ``0``, ``n/a`` and ``Jo`` do not."""
    if "@" in value or len(value) >= _LONG or not value.isascii():
        return True
    return len(value.split()) > 1 and any(map(str.isalpha, value))


def mentions(values: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern of these values in any case and as they stand in URIs; None of nothing."""
    parts = {form for value in values for form in forms(value)}
    if not parts:
        return None
    return re.compile("|".join(sorted(parts, key=len, reverse=True)), re.IGNORECASE)


def forms(value: str) -> Iterator[str]:
    """Yield how a value may be written: composed characters or not, and as URIs have it."""
    for written in {value, value.casefold(), normalize("NFC", value), normalize("NFD", value)}:
        yield from _forms_of(written)


def _forms_of(value: str) -> Iterator[str]:
    if len(value) > LONGEST:
        yield re.escape(value[:LONGEST])
        return
    if not any(map(str.isalnum, value)):
        return
    digits = re.sub(r"\D", "", value)
    if len(digits) in DIGITS and not any(map(str.isalpha, value)):
        # From abroad a number begins with + or 00.
        abroad = rf"(?:00{_APART})?" if value.startswith(("+", "00")) else ""
        yield rf"(?<!\d){abroad}{_APART.join(digits.removeprefix('00'))}(?!\d)"
        return
    if " " in value and "@" not in value:
        # A name, however its words are joined.
        words = [f"(?:{re.escape(word)}|{re.escape(quote(word))})" for word in value.split()]
        for order in (words, words[-1:] + words[:-1]):
            yield rf"(?<![^\W_]){_JOINED.join(order)}(?![^\W_])"
    else:
        yield bounded(value)
        yield bounded(quote(value, safe=""))


def named(key: Key) -> str:
    """Return a pattern of an id where it names somebody: anywhere, or beside its scheme."""
    if len(key.value) > LONGEST:
        return re.escape(key.value[:LONGEST])
    if _is_distinctive(key.value):
        return bounded(key.value)
    value = rf'\s*+"?+{bounded(key.value)}'
    return rf'"{re.escape(key.scheme)}"\s*+(?::\s*+\[?+|,\s*+"\w++"\s*+:){value}'


def _is_distinctive(value: str) -> bool:
    """Return whether nothing else is called so: no number, and no word."""
    kinds = (str.isdigit, str.isalpha)
    return len(value) > _LONG and all(any(map(kind, value)) for kind in kinds)


def bounded(value: str) -> str:
    """Return a pattern of a value that is not a part of a longer word."""
    before = r"(?<![^\W_])" if value[0].isalnum() else ""
    after = r"(?![^\W_])" if value[-1].isalnum() else ""
    if "@" in value or "%40" in value:
        before, after = r"(?<![^\W_])(?<![^\W_][.+-])", r"(?![.-]?[^\W_])"
    return before + re.escape(value) + after
