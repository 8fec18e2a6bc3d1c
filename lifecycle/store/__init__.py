"""The store: leads, events, history and refusals in one SQLite file."""

from lifecycle.store.arrivals import AHEAD, Place, Taken, nameless, taken
from lifecycle.store.erasing import Erasure
from lifecycle.store.evidence import Origin, StoreEvidence, VerdictChange
from lifecycle.store.leadstore import Cursor, LeadStore, OnContactDelete, system_clock
from lifecycle.store.ledger import Head
from lifecycle.store.listing import EventEntry, StoreListing
from lifecycle.store.moment import Moment, as_micros
from lifecycle.store.outcome import Outcome, OutcomeKind
from lifecycle.store.packing import Packed, hashed
from lifecycle.store.reading import LeadReader
from lifecycle.store.records import (
    Change,
    FindingEntry,
    HistoryEntry,
    Quarantined,
    StoredCopy,
    StoredMessage,
    UnmappedValue,
    lead_dict,
    refusal_dict,
)
from lifecycle.store.verifying import Defect, Verification

__all__ = [
    "AHEAD",
    "Change",
    "Cursor",
    "Defect",
    "Erasure",
    "EventEntry",
    "FindingEntry",
    "Head",
    "HistoryEntry",
    "LeadReader",
    "LeadStore",
    "Moment",
    "OnContactDelete",
    "Origin",
    "Outcome",
    "OutcomeKind",
    "Packed",
    "Place",
    "Quarantined",
    "StoreEvidence",
    "StoreListing",
    "StoredCopy",
    "StoredMessage",
    "Taken",
    "UnmappedValue",
    "VerdictChange",
    "Verification",
    "as_micros",
    "hashed",
    "lead_dict",
    "nameless",
    "refusal_dict",
    "system_clock",
    "taken",
]
