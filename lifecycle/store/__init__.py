"""The store: leads, events, history and refusals in one SQLite file."""

from lifecycle.store.arrivals import Place, Taken, taken
from lifecycle.store.leadstore import Cursor, LeadStore, system_clock
from lifecycle.store.moment import Moment, as_micros
from lifecycle.store.outcome import Outcome, OutcomeKind
from lifecycle.store.packing import Packed
from lifecycle.store.reading import LeadReader
from lifecycle.store.records import (
    Change,
    FindingEntry,
    HistoryEntry,
    Quarantined,
    lead_dict,
    refusal_dict,
)

__all__ = [
    "Change",
    "Cursor",
    "FindingEntry",
    "HistoryEntry",
    "LeadReader",
    "LeadStore",
    "Moment",
    "Outcome",
    "OutcomeKind",
    "Packed",
    "Place",
    "Quarantined",
    "Taken",
    "as_micros",
    "lead_dict",
    "refusal_dict",
    "system_clock",
    "taken",
]
