"""Reasons for which something was refused or could not be read: the data of errors and outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

from attrs import frozen

from lifecycle.immutable import immutable

Verdict: TypeAlias = Literal["stated", "implied", "no_edge", "guard", "contact_deleted"]

VERDICTS: Final[tuple[Verdict, ...]] = (
    "stated",
    "implied",
    "no_edge",
    "guard",
    "contact_deleted",
)


def alternatives(words: Sequence[str]) -> str:
    """Return words as ``a, b or c``."""
    return " or ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


@immutable
class Problem:
    """Something in a message that is not as it must be.

    ``path`` is a JSON path such as ``data.object.identifier``, empty for the message as a whole.
    """

    path: str
    message: str
    code: str = "invalid"

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@frozen
class Refusal:
    """The reason for which the machine did not allow a step, as data.

    ``allowed`` are the triggers that some edge allows from that state (``no_edge``); ``guard`` and
    ``why`` name the guard that refused and its words (``guard``); a lead whose contact was deleted
    refuses everything (``contact_deleted``).
    """

    kind: Verdict
    allowed: tuple[str, ...] = ()
    guard: str | None = None
    why: str | None = None

    def __str__(self) -> str:
        if self.kind == "no_edge":
            only = alternatives(self.allowed)
            return f"only {only} may follow" if only else "nothing may follow"
        if self.kind == "guard":
            return f"{self.guard}: {self.why}"
        return "its contact was deleted before"
