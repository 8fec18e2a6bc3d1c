"""Lead lifecycle: CRM lead messages in; every lead's state, history and refusals out.

>>> from lifecycle import LeadStore
>>> with LeadStore("leads.db") as store:  # doctest: +SKIP
...     outcome = store.apply(message)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lifecycle.auditing import Audit, Explanation, audit, explain
    from lifecycle.domain import (
        STATES,
        TRIGGERS,
        Contact,
        Edge,
        EventFate,
        FieldChange,
        Finding,
        History,
        HistoryRow,
        Identity,
        Key,
        Lead,
        LeadEvent,
        LeadHistory,
        Note,
        Party,
        Problem,
        Refusal,
        Rules,
        Snapshot,
        State,
        Trigger,
        Verdict,
        fold,
        guard,
        guard_names,
    )
    from lifecycle.errors import (
        AmbiguousLeadError,
        ArgumentError,
        BusyStoreError,
        ClockSkewError,
        HubError,
        InputError,
        LifecycleError,
        MessageError,
        MissingExtraError,
        NotFoundError,
        OtherMessageError,
        PurgeIncompleteError,
        RulesError,
        RulesMismatchError,
        StoreError,
        TransitionRefusedError,
    )
    from lifecycle.messages import (
        Message,
        Moment,
        Violation,
        decode,
        format_time,
        message_schema,
        parse_time,
        validate,
    )
    from lifecycle.store import (
        Applied,
        Change,
        Conflict,
        Defect,
        Duplicate,
        Erasure,
        FindingEntry,
        Head,
        HistoryEntry,
        Ignored,
        LeadReader,
        LeadStore,
        Noted,
        Outcome,
        Quarantined,
        QuarantineEntry,
        Refused,
        StoredCopy,
        StoredMessage,
        Verification,
    )

__all__ = [
    "STATES",
    "TRIGGERS",
    "AmbiguousLeadError",
    "Applied",
    "ArgumentError",
    "Audit",
    "BusyStoreError",
    "Change",
    "ClockSkewError",
    "Conflict",
    "Contact",
    "Defect",
    "Duplicate",
    "Edge",
    "Erasure",
    "EventFate",
    "Explanation",
    "FieldChange",
    "Finding",
    "FindingEntry",
    "Head",
    "History",
    "HistoryEntry",
    "HistoryRow",
    "HubError",
    "Identity",
    "Ignored",
    "InputError",
    "Key",
    "Lead",
    "LeadEvent",
    "LeadHistory",
    "LeadReader",
    "LeadStore",
    "LifecycleError",
    "Message",
    "MessageError",
    "MissingExtraError",
    "Moment",
    "NotFoundError",
    "Note",
    "Noted",
    "OtherMessageError",
    "Outcome",
    "Party",
    "Problem",
    "PurgeIncompleteError",
    "QuarantineEntry",
    "Quarantined",
    "Refusal",
    "Refused",
    "Rules",
    "RulesError",
    "RulesMismatchError",
    "Snapshot",
    "State",
    "StoreError",
    "StoredCopy",
    "StoredMessage",
    "TransitionRefusedError",
    "Trigger",
    "Verdict",
    "Verification",
    "Violation",
    "audit",
    "decode",
    "explain",
    "fold",
    "format_time",
    "guard",
    "guard_names",
    "message_schema",
    "parse_time",
    "validate",
]

# Names are imported when they are asked for first (PEP 562).
_HOMES = ("errors", "domain", "messages", "store", "auditing")


def __getattr__(name: str) -> Any:
    """Import what is exported when it is asked for first (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

        try:
            return version("lead-lifecycle")
        except PackageNotFoundError:
            return "0+unknown"  # run from its source, not installed
    if name in _HOMES:
        return import_module(f"lifecycle.{name}")
    if name in __all__:
        # Messages know an Ignored, too: what is exported is the outcome.
        for home in ("store",) if name == "Ignored" else _HOMES:
            module = import_module(f"lifecycle.{home}")
            if hasattr(module, name):
                globals()[name] = found = getattr(module, name)
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
