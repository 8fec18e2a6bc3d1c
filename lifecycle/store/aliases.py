"""What people call a lead, and which keys that may mean."""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.domain import Key, KeyKind


def possible_keys(alias: str) -> Iterator[list[Key]]:
    """What a name may mean: a lead's ``scheme:value`` before a key with its kind.

    Schemes and values may hold colons themselves, so that a name may be split at each of them.
    """
    kinds: tuple[KeyKind, ...] = ("lead", "contact")
    if not alias.isprintable() and "\udc80" <= max(alias) <= "\udcff":
        return
    yield _splits("lead", alias)
    for kind in kinds:
        start, _, rest = alias.partition(":")
        if start.lower() == kind:
            yield _splits(kind, rest)


def _splits(kind: KeyKind, text: str) -> list[Key]:
    places = [place for place, char in enumerate(text) if char == ":"]
    return [Key(kind, text[:place].lower(), text[place + 1 :]) for place in places]
