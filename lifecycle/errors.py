"""Every error that lifecycle raises on purpose: whose fault it is, and what a caller does about it.

LifecycleError
 |- MessageError            the sender's: a message cannot be decoded (raise_for_problems)
 |- TransitionRefusedError  the sender's: the machine did not allow it (raise_for_refusal)
 |- ArgumentError           the caller's: give another time, state, limit, ledger head or source
 |- NotFoundError           the caller's: give another name; no lead or quarantined message has it
 |- AmbiguousLeadError      the caller's: choose one of lead_ids, which share this name
 |- HubError                the caller's: ask whether many people are meant, then all_of_them=True
 |- OtherMessageError       the caller's: ask whether another message is meant, then force=True
 |- InputError              the caller's: give another file; this one cannot be read or written
 |- RulesError              the caller's: mend the file of rules, or the map of how files are read
 |- MissingExtraError       the caller's: install the extra that brings a library
 `- StoreError              the file's: it is no store, of a newer lifecycle, damaged or closed
     |- BusyStoreError        try again: another writer did not let go in time
     |- FullStoreError        make room, then try again: the disk is full
     |- ClockSkewError        set the clock right, or accept_clock=True
     |- RulesMismatchError    open it without rules, or rebuild it: it was folded with others
     `- PurgeIncompleteError  purge again later: erased, but traces of it are still in the file

Each carries its data in attributes, and reads as one sentence. Each survives ``pickle`` and
``copy``: from another process it comes as it was raised there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from lifecycle.reasons import Problem, Refusal

__all__ = [
    "AmbiguousLeadError",
    "ArgumentError",
    "BusyStoreError",
    "ClockSkewError",
    "FullStoreError",
    "HubError",
    "InputError",
    "LifecycleError",
    "MessageError",
    "MissingExtraError",
    "NotFoundError",
    "OtherMessageError",
    "PortableError",
    "PurgeIncompleteError",
    "RulesError",
    "RulesMismatchError",
    "StoreError",
    "TransitionRefusedError",
]


class PortableError(Exception):
    """An exception that ``pickle`` and ``copy`` restore with its text and its attributes.

    Python restores an exception by calling its class with its text, which fails where the class
    makes the text of other arguments.
    """

    def __reduce__(self) -> tuple[Callable[..., PortableError], tuple[Any, ...], dict[str, Any]]:
        """Return how to make this exception again without the arguments of its class."""
        return _restored, (type(self), self.args), vars(self)


def _restored(kind: type[PortableError], args: tuple[Any, ...]) -> PortableError:
    """Return an exception that has these ``args``; its attributes are set afterwards."""
    error = kind.__new__(kind, *args)
    # Exceptions that are built in keep their text by themselves.
    super(PortableError, error).__init__(*args)
    return error


class LifecycleError(PortableError):
    """The base of every error that lifecycle raises on purpose."""


class MessageError(LifecycleError):
    """A message cannot be decoded; ``problems`` says where and what was expected."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in problems))


class TransitionRefusedError(LifecycleError):
    """The machine did not allow what a message asked for."""

    def __init__(self, *, lead_id: str, trigger: str, state: str, refusal: Refusal) -> None:
        self.lead_id = lead_id
        self.trigger = trigger
        self.state = state
        self.refusal = refusal
        super().__init__(f"{lead_id}: {trigger} refused in state {state}: {refusal}")


class ArgumentError(LifecycleError, ValueError):
    """An argument is not as it must be; the sentence says what was expected, and what it got."""


class NotFoundError(LifecycleError, LookupError):
    """No lead has this name, or no quarantined message this number; ``name`` is what was given."""

    def __init__(self, name: str | int, hint: str = "") -> None:
        self.name = name
        super().__init__(
            f"no quarantined message has the number {name}"
            if isinstance(name, int)
            else f"no lead is known as {name!r:.100}{hint}"
        )


class AmbiguousLeadError(LifecycleError, LookupError):
    """Several leads share this name; ``lead_ids`` are theirs, the first hundred at most."""

    def __init__(self, alias: str, lead_ids: Sequence[str]) -> None:
        self.alias = alias
        self.lead_ids = tuple(lead_ids)
        some = ", ".join(lead_ids[:5]) + (", ..." if len(lead_ids) > 5 else "")  # noqa: PLR2004
        super().__init__(f"{alias!r:.100} is the name of several leads: {some}")


class HubError(LifecycleError):
    """More leads or names hang together than are one person's; ``hubs`` says by what."""

    def __init__(self, alias: str, hubs: Sequence[str]) -> None:
        self.alias = alias
        self.hubs = tuple(hubs)
        super().__init__(
            f"{alias:.100} may be many people: {'; '.join(hubs)}. Nothing was erased; --all-of-them"
            " (in a program all_of_them=True) erases everything that hangs together"
        )


class OtherMessageError(LifecycleError, ValueError):
    """A correction has another event id than the quarantined message that it corrects."""

    def __init__(self, number: int, event_id: str, other: str) -> None:
        self.number = number
        self.event_id = event_id
        self.other = other
        super().__init__(
            f"message {number} has the event id {event_id!r:.100}, its correction {other!r:.100};"
            " --force (in a program force=True) takes it all the same"
        )


class InputError(LifecycleError):
    """A log, or another file that was to be read, cannot be read."""


class RulesError(LifecycleError):
    """A file of rules, or a map of how files are read, cannot be used; ``where`` names the row."""

    def __init__(self, where: str, expected: str) -> None:
        self.where = where
        self.expected = expected
        super().__init__(f"{where}: {expected}" if where else expected)


class MissingExtraError(LifecycleError, ImportError):
    """A library is not installed that only an extra of this package brings."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        self.library = library
        self.extra = extra
        super().__init__(f"{what} need {library}: pip install 'lead-lifecycle[{extra}]'")


class StoreError(LifecycleError):
    """The store cannot be opened, read or written."""


class BusyStoreError(StoreError):
    """Another writer held the store for longer than this one would wait."""


class FullStoreError(StoreError):
    """The disk is full: nothing was written, and the store is as it was."""


class ClockSkewError(StoreError):
    """The clock is more than a day behind the last transaction, or more than a year ahead of it.

    ``now`` and ``last`` are their times, as datetimes in UTC.
    """

    def __init__(self, path: str, now: datetime, last: datetime) -> None:
        self.now = now
        self.last = last
        super().__init__(
            f"{path}: the clock says {now:%Y-%m-%dT%H:%M:%SZ}, but the last transaction was at"
            f" {last:%Y-%m-%dT%H:%M:%SZ}: nothing was written. Set the clock right; if it is,"
            " --accept-clock (in a program accept_clock=True) goes on"
        )


class RulesMismatchError(StoreError):
    """The store was folded with other rules than those asked for."""


class PurgeIncompleteError(StoreError):
    """Traces of what was erased may still be in the file; whoever asks sees none of it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path}: erased, but the file still holds traces of it ({reason});"
            f" `lifecycle erase {path} --purge` removes them when nobody else uses it"
        )
