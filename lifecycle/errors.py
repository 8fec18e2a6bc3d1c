"""Every error that lifecycle raises on purpose: the tree, and whose fault each one is.

LifecycleError
 |- MessageError            the sender's: a message that cannot be decoded (raise_for_problems)
 |- InputError              the caller's: a log or another file that cannot be read
 |- RulesError              the caller's: a rules file that cannot be used
 |- MappingError            the caller's: a map, which says how files are read, that cannot be used
 |- TimeFormatError         the caller's: a time that cannot be understood
 |- SourcesError            the caller's: what cannot be audited together
 |- OverdueError            the caller's: a limit of time that cannot be understood
 |- HeadFormatError         the caller's: a text that is no head, noted from a store
 |- MissingExtraError       the caller's: a library is not installed that only an extra brings
 |- TransitionRefusedError  the sender's: the machine did not allow it (raise_for_refusal)
 |- HubError                the caller's: erasing it may erase many people, and nobody said so
 |- UnknownMessageError     the caller's: no quarantined message has this number
 |- OtherMessageError       the caller's: a correction has another event id than what it corrects
 |- LeadLookupError         the caller's
 |   |- UnknownLeadError    no lead has this name
 |   `- AmbiguousLeadError  several leads share this name
 `- StoreError              the file's, or the place's where it lies
     |- NotAStoreError      not a lifecycle store
     |- NewerStoreError     written by a newer lifecycle
     |- OtherRulesError     folded with other rules
     |- BusyStoreError      another writer did not let go in time
     |- ClockSkewError      the machine's clock is far from the store's last transaction
     `- UnpurgedError       erased, but traces of it are still in the file

Each carries its data in attributes, and reads as one sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from lifecycle.reasons import Problem, Refusal

__all__ = [
    "AmbiguousLeadError",
    "BusyStoreError",
    "ClockSkewError",
    "HeadFormatError",
    "HubError",
    "InputError",
    "LeadLookupError",
    "LifecycleError",
    "MappingError",
    "MessageError",
    "MissingExtraError",
    "NewerStoreError",
    "NotAStoreError",
    "OtherMessageError",
    "OtherRulesError",
    "OverdueError",
    "RulesError",
    "SourcesError",
    "StoreError",
    "TimeFormatError",
    "TransitionRefusedError",
    "UnknownLeadError",
    "UnknownMessageError",
    "UnpurgedError",
]


class LifecycleError(Exception):
    """The base of every error that lifecycle raises on purpose."""


class MessageError(LifecycleError):
    """A message cannot be decoded; ``problems`` says where and what was expected."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(str(problem) for problem in problems))


class InputError(LifecycleError):
    """A log, or another file that was to be read, cannot be read."""


class RulesError(LifecycleError):
    """A table of rules cannot be used; ``where`` names the row and the field."""

    def __init__(self, where: str, expected: str) -> None:
        self.where = where
        self.expected = expected
        super().__init__(f"{where}: {expected}" if where else expected)


class MappingError(LifecycleError):
    """A map of how files are read cannot be used; ``where`` names the row and the field."""

    def __init__(self, where: str, expected: str) -> None:
        self.where = where
        self.expected = expected
        super().__init__(f"{where}: {expected}" if where else expected)


class TimeFormatError(LifecycleError, ValueError):
    """A text is not a time in RFC 3339."""


class SourcesError(LifecycleError, ValueError):
    """What was to be audited is neither one store, nor one or more logs."""


class OverdueError(LifecycleError, ValueError):
    """A text is not a state and a duration, as in ``assigned>PT30M``."""

    def __init__(self, text: str, expected: str) -> None:
        self.text = text
        self.expected = expected
        super().__init__(f"{text}: {expected}")


class HeadFormatError(LifecycleError, ValueError):
    """A text is not the head of a store, as ``lifecycle verify DB --head`` prints it."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(
            f"expected a head as COUNT:HEX with 64 hexadecimal digits, got {text!r:.100}"
        )


class MissingExtraError(LifecycleError, ImportError):
    """A library is not installed that only an extra of this package brings."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        self.library = library
        self.extra = extra
        super().__init__(f"{what} need {library}: pip install 'lead-lifecycle[{extra}]'")


class TransitionRefusedError(LifecycleError):
    """The machine did not allow what a message asked for."""

    def __init__(self, *, lead_id: str, trigger: str, state: str, refusal: Refusal) -> None:
        self.lead_id = lead_id
        self.trigger = trigger
        self.state = state
        self.refusal = refusal
        super().__init__(f"{lead_id}: {trigger} refused in state {state}: {refusal}")


class LeadLookupError(LifecycleError, LookupError):
    """A name does not lead to one lead."""


class UnknownLeadError(LeadLookupError):
    """No lead has this name."""

    def __init__(self, alias: str, hint: str = "") -> None:
        self.alias = alias
        super().__init__(f"no lead is known as {alias!r}{hint}")


class AmbiguousLeadError(LeadLookupError):
    """Several leads share this name; ``lead_ids`` are theirs, the first hundred at most."""

    def __init__(self, alias: str, lead_ids: Sequence[str]) -> None:
        self.alias = alias
        self.lead_ids = tuple(lead_ids)
        some = ", ".join(lead_ids[:5]) + (", ..." if len(lead_ids) > 5 else "")  # noqa: PLR2004
        super().__init__(f"{alias!r} is the name of several leads: {some}")


class HubError(LifecycleError):
    """More leads or names hang together than are one person's; ``hubs`` says by what."""

    def __init__(self, alias: str, hubs: Sequence[str]) -> None:
        self.alias = alias
        self.hubs = tuple(hubs)
        super().__init__(
            f"{alias} may be many people: {'; '.join(hubs)}. Nothing was erased; --all-of-them"
            " (in a program all_of_them=True) erases everything that hangs together"
        )


class UnknownMessageError(LifecycleError, LookupError):
    """No quarantined message has this number."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(f"no quarantined message has the number {number}")


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


class StoreError(LifecycleError):
    """The store cannot be opened, read or written."""


class NotAStoreError(StoreError):
    """The file is not a lifecycle store."""


class NewerStoreError(StoreError):
    """The store was written by a newer lifecycle than this one."""


class OtherRulesError(StoreError):
    """The store was folded with other rules than those asked for."""


class BusyStoreError(StoreError):
    """Another writer held the store for longer than this one would wait."""


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


class UnpurgedError(StoreError):
    """What was erased is erased for all who ask, but the file may still hold traces of it."""

    def __init__(self, path: str, reason: str) -> None:
        self.path = path
        self.reason = reason
        super().__init__(
            f"{path}: erased, but the file still holds traces of it ({reason});"
            f" `lifecycle erase {path} --purge` removes them when nobody else uses it"
        )
