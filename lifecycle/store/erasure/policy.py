"""The policy for a person's data when the contact is deleted."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from lifecycle.errors import ArgumentError

OnContactDelete: TypeAlias = Literal["keep", "erase"]


def checked_policy(on_contact_delete: OnContactDelete) -> OnContactDelete:
    """Return a policy.

    Raises:
        ArgumentError: There is none of this name: a misspelt one would keep what is to be erased.
    """
    known = get_args(OnContactDelete)
    if on_contact_delete not in known:
        expected = f"on_contact_delete: expected {' or '.join(known)}"
        raise ArgumentError(f"{expected}, got {on_contact_delete!r}")
    return on_contact_delete
