"""Differences of two messages."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, TypeAlias

#: The place in the messages, as ``data.agent``; what one has there, and the other; None: nothing.
Difference: TypeAlias = tuple[str, Any, Any]


def differences(one: Any, other: Any, path: str = "") -> Iterator[Difference]:
    """Yield the places at which two JSON values differ, as deep as they have the same form."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            at = f"{path}.{name}" if path else name
            yield from differences(one.get(name), other.get(name), at)
    elif isinstance(one, list) and isinstance(other, list):
        for number, pair in enumerate(zip_longest(one, other)):
            yield from differences(*pair, f"{path}[{number}]")
    elif one != other:
        yield path, one, other
