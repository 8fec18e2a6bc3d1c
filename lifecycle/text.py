"""Text for people: made inert where it is from messages, shortened by what all URIs share.

Every command needs it, so that it imports nothing of the package.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import Final

#: Categories of characters that a terminal would obey, or that change the direction of writing.
UNSAFE: Final = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
_SHOWN: Final = 5
_LONGEST: Final = 80
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
#: A change of a field that had no value before, or has none behind.
_FROM_NOTHING: Final = re.compile(r"(?<=:) {2}→ (?=\S)")
_TO_NOTHING: Final = re.compile(r"(?<= →)(?: {2}(?=\()|$)")
_COMMON: Final = re.compile(r"https?://|(?:/profile/card)?#me\b|/profile/card\b")


def clean(text: str) -> str:
    """Return the text with everything that a terminal would obey shown as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode() if unicodedata.category(char) in UNSAFE else char
        for char in text
    )


def excerpt(text: str) -> str:
    """Return a text to be repeated in a sentence; of a long one the beginning, and three dots."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def counted(number: int, thing: str) -> str:
    """Say in words that there are so many things."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def most_common(counts: Counter[str]) -> str:
    """Return the most common of some texts, each with how often it came."""
    return ", ".join(f"{clean(text)} {count:,}" for text, count in counts.most_common(_SHOWN))


def short(text: str) -> str:
    """Shorten a text for a table: URIs without what the network has in common, times in words."""
    if _TIME.fullmatch(text):
        return text.replace("T", " ").removesuffix("Z")
    return _COMMON.sub("", text)


def reason_in_words(text: str) -> str:
    """Return the reason of a step; of a change of a field, an empty value in words."""
    return _TO_NOTHING.sub(" nothing ", _FROM_NOTHING.sub(" nothing → ", text)).rstrip()
