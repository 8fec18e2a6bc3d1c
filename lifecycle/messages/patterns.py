"""Regular expressions of the schemas: times, topics, and values that name nobody.

They say in the language of JSON Schema (ECMA-262, no flags) what the decoder does.
"""

from __future__ import annotations

import re
from typing import Final

from lifecycle.domain import BLANKS, PLACEHOLDERS
from lifecycle.messages.topics import MISSPELT, PREFIX

_DAY: Final = (
    r"(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    r"|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])"
    r"|(?:0[48]|[2468][048]|[13579][26])00)-02-29"
)
_CLOCK: Final = r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?)?"
_OFFSET: Final = r"(?: ?(?:[Zz]|[Uu][Tt][Cc]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?))?"
_INSTANT: Final = f"(?:{_DAY})(?:{_CLOCK}{_OFFSET})?"
#: How programs write that there is no date: a beginning that nothing else has.
_NULL: Final = (
    r"(?:0001|1900-01-01|9999-12-31"
    r"|1970-01-01(?:$|[Tt ]00:00(?:$|:00|[^:])))"
)
_EARLY: Final = r"(?:0|1[0-8]|19[0-8])"
#: A date as ``parse_time`` reads it, or an empty text.
DATE: Final = f"^$|^{_INSTANT}$"
#: A time of a message: not before 1990, unless it stands for none.
TIME: Final = f"^$|^(?={_NULL}|(?!{_EARLY})){_INSTANT}$"
#: A date that is none.
NULL_DATE: Final = f"^$|^{_NULL}"
#: A date that cannot say when something happened.
UNUSED_DATE: Final = f"^$|^{_NULL}|^{_EARLY}"

_FROM_1990: Final = (
    r"(?:63115[2-9]|6311[6-9][0-9]|631[2-9][0-9]{2}|63[2-9][0-9]{3}|6[4-9][0-9]{4}|[7-9][0-9]{5})"
)
#: A number since 1970 as text that is not before 1990: seconds, or a thousandth of them thrice.
STAMP: Final = "|".join(
    f"^(?:{_FROM_1990}[0-9]{{{zeros}}}|[1-9][0-9]{{{zeros + 6},{most}}})$"
    for zeros, most in ((3, 10), (6, 13), (9, 16), (12, 18))
)

#: A text that names somebody: a mask such as ``***`` does not.
LETTER_OR_DIGIT: Final = r"[\p{L}\p{N}]"


def any_case(text: str) -> str:
    """Return a pattern for a text of ASCII characters without case."""
    return "".join(
        f"[{char.lower()}{char.upper()}]" if char.isalpha() else re.escape(char) for char in text
    ).replace("[kK]", "[kK\u212a]")


def blank_around(pattern: str) -> str:
    """Return a pattern that allows white space around."""
    blanks = "[" + "".join(f"\\u{ord(char):04x}" for char in BLANKS) + "]*"
    return f"^{blanks}(?:{pattern}){blanks}$"


def topic_pattern(topic: str) -> str:
    """Return the pattern of every way in which a topic is written."""
    same = [topic, *(one for one, meant in MISSPELT.items() if meant == topic)]
    names = "|".join(map(any_case, same))
    return blank_around(f"(?:{any_case(PREFIX)})?(?:{names})")


def _placeholder(value: str) -> str:
    spelt = any_case(value)
    if value.count("-") == len(["8", "4", "4", "4", "12"]) - 1:
        return rf"(?:{any_case('urn:uuid:')})?(?:{spelt}|\{{{spelt}\}})"
    return spelt


#: A value that programs write where they know no name.
PLACEHOLDER: Final = blank_around("|".join(map(_placeholder, sorted(PLACEHOLDERS))))
#: The type of an object that is a person.
PERSON: Final = blank_around("Contact|Person")
