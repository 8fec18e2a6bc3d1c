"""The domain: states, rules, machine, leads, events, the fold. Values in, values out.

No clock, no file, no JSON, no SQL: those are the layers above.
"""

from lifecycle.domain.course import Course, PartyValue, PlainRow
from lifecycle.domain.dataset import DatasetDigest, dataset_digest
from lifecycle.domain.event import (
    Contact,
    FieldChange,
    LeadEvent,
    Note,
    Party,
    Position,
    Snapshot,
    WrittenNames,
)
from lifecycle.domain.fact import compared, cut, fact_id, merged, object_id, source_name
from lifecycle.domain.fold import (
    conflict,
    contact_findings,
    fold,
    hub,
    hubs,
    is_refolded,
    joined,
    lead_groups,
    subject_history,
    subjects_of,
)
from lifecycle.domain.future import Group
from lifecycle.domain.guards import condition_of, find_guard, guard, guard_names
from lifecycle.domain.history import (
    HUB_SIZE,
    SEVERITY,
    STEPS,
    EventFate,
    Finding,
    History,
    HistoryRow,
    LeadHistory,
    Meant,
    Severity,
    Verdicts,
)
from lifecycle.domain.identity import OWN_SCHEME, PLACEHOLDERS, Identity
from lifecycle.domain.key import Components, Key, KeyKind, splits
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine, LeadTransition, machine_for
from lifecycle.domain.meaning import Meaning, Meanings, Source
from lifecycle.domain.meaning import default_text as default_meanings
from lifecycle.domain.memory import Memory
from lifecycle.domain.names import (
    BLANKS,
    is_mask,
    lowered,
    normal_party,
    normal_scheme,
    salesforce_id,
    trimmed,
)
from lifecycle.domain.refusals import guard_in_words, refused_in_words
from lifecycle.domain.rules import Edge, Rules, state_diagram
from lifecycle.domain.several import are_several, contact_ids, names_contact
from lifecycle.domain.states import RANK, RULED_TRIGGERS, STATES, TRIGGERS, State, Trigger
from lifecycle.domain.steps import advance_change
from lifecycle.domain.subject import ON_INVALID, OnInvalid, SubjectFold
from lifecycle.domain.track import OPEN_FINDINGS, Track, advance
from lifecycle.immutable import immutable
from lifecycle.reasons import VERDICTS, Problem, Refusal, Verdict

__all__ = [
    "BLANKS",
    "HUB_SIZE",
    "ON_INVALID",
    "OPEN_FINDINGS",
    "OWN_SCHEME",
    "PLACEHOLDERS",
    "RANK",
    "RULED_TRIGGERS",
    "SEVERITY",
    "STATES",
    "STEPS",
    "TRIGGERS",
    "VERDICTS",
    "Components",
    "Contact",
    "Course",
    "DatasetDigest",
    "Edge",
    "EventFate",
    "FieldChange",
    "Finding",
    "Group",
    "History",
    "HistoryRow",
    "Identity",
    "Key",
    "KeyKind",
    "Lead",
    "LeadEvent",
    "LeadHistory",
    "LeadMachine",
    "LeadTransition",
    "Meaning",
    "Meanings",
    "Meant",
    "Memory",
    "Note",
    "OnInvalid",
    "Party",
    "PartyValue",
    "PlainRow",
    "Position",
    "Problem",
    "Refusal",
    "Rules",
    "Severity",
    "Snapshot",
    "Source",
    "State",
    "SubjectFold",
    "Track",
    "Trigger",
    "Verdict",
    "Verdicts",
    "WrittenNames",
    "advance",
    "advance_change",
    "are_several",
    "compared",
    "condition_of",
    "conflict",
    "contact_findings",
    "contact_ids",
    "cut",
    "dataset_digest",
    "default_meanings",
    "fact_id",
    "find_guard",
    "fold",
    "guard",
    "guard_in_words",
    "guard_names",
    "hub",
    "hubs",
    "immutable",
    "is_mask",
    "is_refolded",
    "joined",
    "lead_groups",
    "lowered",
    "machine_for",
    "merged",
    "names_contact",
    "normal_party",
    "normal_scheme",
    "object_id",
    "refused_in_words",
    "salesforce_id",
    "source_name",
    "splits",
    "state_diagram",
    "subject_history",
    "subjects_of",
    "trimmed",
]
