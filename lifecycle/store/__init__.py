"""The store: leads, events, history and refusals in one SQLite file."""

from lifecycle.store.db.codec import Packed, hashed
from lifecycle.store.erasure.erase import Erasure
from lifecycle.store.ingest.identify import AHEAD, Place, Taken, nameless, taken
from lifecycle.store.ingest.outcome import Outcome, OutcomeKind
from lifecycle.store.ledger.chain import Head
from lifecycle.store.query.audit_source import Origin, StoreEvidence, VerdictChange
from lifecycle.store.query.export import EventEntry, StoreListing
from lifecycle.store.query.moment import Moment, as_micros
from lifecycle.store.query.results import (
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
from lifecycle.store.reader import LeadReader
from lifecycle.store.store import Cursor, LeadStore, OnContactDelete, system_clock
from lifecycle.store.verify import Defect, Verification

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
