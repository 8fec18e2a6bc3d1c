"""The marks of what was erased."""

from __future__ import annotations

import re
import secrets
from typing import Final

#: The digest of an event whose content was erased: one of the content could be guessed from.
ERASED_DIGEST: Final = bytes(32)
_PSEUDONYM: Final = re.compile(r"erased-[0-9a-f]{16}$")


def new_pseudonym() -> str:
    """Return a random text that stands for something personal, and that nothing leads back from."""
    return f"erased-{secrets.token_hex(8)}"


def is_pseudonym(text: str) -> bool:
    """Return whether something in a text was replaced by a pseudonym."""
    return _PSEUDONYM.search(text) is not None
