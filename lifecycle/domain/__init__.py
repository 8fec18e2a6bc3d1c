"""The domain: states, rules, machine, leads, events, the fold. Values in, values out.

No clock, no file, no JSON, no SQL: those are the layers above.
"""

from lifecycle.domain.diagram import state_diagram
from lifecycle.domain.event import (
    Contact,
    FieldChange,
    LeadEvent,
    Note,
    Party,
    Position,
    Problem,
    Snapshot,
)
from lifecycle.domain.fold import (
    ON_INVALID,
    Group,
    OnInvalid,
    SubjectFold,
    conflict,
    fold,
    hub,
    hubs,
    lead_groups,
    subject_history,
    subjects_of,
)
from lifecycle.domain.guards import Guard, find_guard, guard, guard_names
from lifecycle.domain.history import (
    HUB_SIZE,
    SEVERITY,
    EventFate,
    Finding,
    History,
    HistoryRow,
    LeadHistory,
    Severity,
    Verdicts,
)
from lifecycle.domain.immutable import immutable
from lifecycle.domain.key import Components, Key, KeyKind, is_mask, make_key
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine, LeadTransition, Refusal, machine_for
from lifecycle.domain.rules import Edge, Rules
from lifecycle.domain.states import (
    RANK,
    RULED_TRIGGERS,
    STATES,
    TRIGGERS,
    VERDICTS,
    State,
    Trigger,
    Verdict,
)
from lifecycle.domain.track import Track, advance

__all__ = [
    "HUB_SIZE",
    "ON_INVALID",
    "RANK",
    "RULED_TRIGGERS",
    "SEVERITY",
    "STATES",
    "TRIGGERS",
    "VERDICTS",
    "Components",
    "Contact",
    "Edge",
    "EventFate",
    "FieldChange",
    "Finding",
    "Group",
    "Guard",
    "History",
    "HistoryRow",
    "Key",
    "KeyKind",
    "Lead",
    "LeadEvent",
    "LeadHistory",
    "LeadMachine",
    "LeadTransition",
    "Note",
    "OnInvalid",
    "Party",
    "Position",
    "Problem",
    "Refusal",
    "Rules",
    "Severity",
    "Snapshot",
    "State",
    "SubjectFold",
    "Track",
    "Trigger",
    "Verdict",
    "Verdicts",
    "advance",
    "conflict",
    "find_guard",
    "fold",
    "guard",
    "guard_names",
    "hub",
    "hubs",
    "immutable",
    "is_mask",
    "lead_groups",
    "machine_for",
    "make_key",
    "state_diagram",
    "subject_history",
    "subjects_of",
]
