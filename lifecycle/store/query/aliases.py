"""Resolve the text that people call a lead by to the keys that it may mean."""

from __future__ import annotations

from collections.abc import Iterator

from lifecycle.domain import Identity, Key, KeyKind, splits


def possible_keys(alias: str, identity: Identity) -> Iterator[list[Key]]:
    """Yield the keys that a name may mean: a lead's ``scheme:value`` before a key with its kind.

    Each spelling of a key is read, as in messages: the identity policy makes its normal form.

    Raises:
        TypeError: The name is not text.
    """
    if not isinstance(alias, str):
        raise TypeError(f"expected a lead's name as text, got {type(alias).__name__}")
    kinds: tuple[KeyKind, ...] = ("lead", "contact")
    if not alias.isprintable() and "\udc80" <= max(alias) <= "\udcff":
        return
    yield _keys("lead", alias, identity)
    for kind in kinds:
        start, _, rest = alias.partition(":")
        if start.strip().lower() == kind:
            yield _keys(kind, rest, identity)


def _keys(kind: KeyKind, text: str, identity: Identity) -> list[Key]:
    found = (identity.key(kind, scheme, value) for scheme, value in splits(text.strip()))
    return list(dict.fromkeys(key for key in found if key is not None))
