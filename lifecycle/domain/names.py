"""Normal forms of names: how two spellings of one name become the same text.

A normal form is found by what a value looks like: an e-mail address, a GUID, a web address, an id
of Salesforce where the scheme says so. Each form is a fixed point: the normal form of a normal form
is itself, so that what is shown can be looked up. (design.md sections 3 and 6)
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from string import ascii_letters, ascii_uppercase, digits
from typing import Final

#: White space, and the characters of no width that come along with it from spreadsheets.
_BLANK: Final = " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
BLANKS: Final = _BLANK + (
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u2060\ufeff"
)
_LETTER_OR_DIGIT: Final = re.compile(r"[^\W_]")
_EMAIL: Final = re.compile(r"[^@\s:/]++@[^@\s]++")
_MAILTO: Final = re.compile(r"mailto:(?=.)", re.IGNORECASE)
_GUID: Final = re.compile(
    r"(?:urn:uuid:)?(\{)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?(1)\})", re.IGNORECASE
)
_WEB: Final = re.compile(r"https?://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.IGNORECASE | re.DOTALL)
_DEFAULT_PORT: Final = re.compile(r"([^:\[\]]*|\[[^\[\]]*\]):(?:80|443)?")
_PERCENT: Final = re.compile(r"%([0-9a-f]{2})", re.IGNORECASE)
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SALESFORCE_ID: Final = re.compile(r"[0-9A-Za-z]{15}(?:[A-Za-z0-5]{3})?")
_SUFFIX: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
#: Which of five characters are capitals, the first as the lowest bit: the character that tells it.
_SUFFIX_OF: Final = {f"{number:05b}"[::-1]: char for number, char in enumerate(_SUFFIX)}
_CAPITALS: Final = {
    ord(char): "1" if char in ascii_uppercase else "0" for char in ascii_letters + digits
}
#: Which of the schemes of a contact centre hold ids that compare without case.
_CONTACT_CENTRE: Final = "genesys"


def is_mask(value: str) -> bool:
    """Return whether a value has no letter or digit (``***``) and so names nobody."""
    return _LETTER_OR_DIGIT.search(value) is None


def trimmed(text: str) -> str:
    """Return the text in composed form (NFC), without white space around it."""
    if text.isascii():
        return text.strip(BLANKS)
    return unicodedata.normalize("NFC", text).strip(BLANKS)


def lowered(text: str) -> str:
    """Return a trimmed text without case, composed again where lower case took it apart."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.lower())


def _new_scheme(scheme: str) -> str:
    return lowered(trimmed(scheme))


#: Texts up to this length are remembered: the same few come again and again.
_USUAL: Final = 200
_usual_scheme: Final = lru_cache(maxsize=1024)(_new_scheme)


def normal_scheme(scheme: str) -> str:
    """Return the form in which schemes are compared: trimmed, without case."""
    return _usual_scheme(scheme) if len(scheme) <= _USUAL else _new_scheme(scheme)


def by_looks(value: str) -> str:
    """Return the normal form of a trimmed value, by what it looks like."""
    if value.isalnum() and value.isascii():
        return value
    if "@" in value and _EMAIL.fullmatch(_MAILTO.sub("", value, count=1)):
        return lowered(value)
    if guid := _GUID.fullmatch(value):
        return guid[2].lower()
    if web := _WEB.fullmatch(value):
        return _normal_address(web)
    return value


def says_salesforce(scheme: str) -> bool:
    """Return whether the ids of a scheme, in its normal form, are those of Salesforce."""
    return "salesforce" in scheme or "sfdc" in scheme


def salesforce_id(value: str) -> str:
    """Return a Salesforce id in its form of 18 characters; anything else by its looks.

    The last three characters say which of the first fifteen are capitals: an id whose case was lost
    on the way gets it back.
    """
    if not _SALESFORCE_ID.fullmatch(value):
        return by_looks(value)
    body, suffix = value[:15], value[15:].upper()
    if suffix and (body.isupper() or body.islower()):
        body = _in_case_of(body, suffix)
    told = _case_suffix(body)
    return body + told if suffix in ("", told) else value


def without_leading_zeros(value: str) -> str:
    """Return a number written in digits without the zeros before it; anything else by its looks."""
    if value.isdecimal() and value.isascii():
        return value.lstrip("0") or "0"
    return by_looks(value)


def normal_party(party_id: str) -> str:
    """Return the form in which ids of parties are compared (design.md section 3, parties).

    Web addresses by RFC 3986, e-mail addresses and ids of a contact centre without case, and the
    value of ``scheme:value`` as a key in that scheme would be.
    """
    return _usual_party(party_id) if len(party_id) <= _USUAL else _new_party(party_id)


def _new_party(party_id: str) -> str:
    text = by_looks(trimmed(party_id))
    if _MAILTO.match(text):
        return lowered(_MAILTO.sub("", text, count=1))
    scheme, colon, value = text.partition(":")
    if not colon or _WEB.match(text):
        return text
    scheme = normal_scheme(scheme)
    if _CONTACT_CENTRE in scheme:
        return f"{scheme}:{lowered(trimmed(value))}"
    form = salesforce_id if says_salesforce(scheme) else by_looks
    return f"{scheme}:{form(trimmed(value))}"


_usual_party: Final = lru_cache(maxsize=2048)(_new_party)


def _case_suffix(body: str) -> str:
    """Return the three characters that tell which of the fifteen are capitals."""
    bits = body.translate(_CAPITALS)
    return _SUFFIX_OF[bits[:5]] + _SUFFIX_OF[bits[5:10]] + _SUFFIX_OF[bits[10:]]


def _in_case_of(body: str, suffix: str) -> str:
    """Return the fifteen characters in the case that the suffix tells."""
    cases = [_SUFFIX.index(char) >> place & 1 for char in suffix for place in range(5)]
    return "".join(
        char.upper() if capital else char.lower() for char, capital in zip(body, cases, strict=True)
    )


def _normal_address(web: re.Match[str]) -> str:
    """Return a web address as RFC 3986 section 6.2 says; http and https are alike."""
    authority, path, query, fragment = (part or "" for part in web.groups())
    user, at, host = authority.rpartition("@")
    host = lowered(_decoded(host))
    if default := _DEFAULT_PORT.fullmatch(host):
        host = default[1]
    path = _without_dots(_decoded(path)) or "/"
    return f"https://{user}{at}{host}{path}{_decoded(query)}{_decoded(fragment)}"


def _decoded(part: str) -> str:
    """Return a part of an address in which only what must be is percent-encoded, in capitals."""
    return _PERCENT.sub(_percent, part) if "%" in part else part


def _percent(found: re.Match[str]) -> str:
    char = chr(int(found[1], 16))
    return char if char in _UNRESERVED else found[0].upper()


def _without_dots(path: str) -> str:
    """Return a path without its dot segments (RFC 3986 section 5.2.4)."""
    if "/." not in path:
        return path
    segments = path.split("/")
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)
