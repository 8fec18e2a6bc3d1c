"""The store: leads, events, history and refusals in one SQLite file."""

from typing import TYPE_CHECKING

from lifecycle.lazy import lazily
from lifecycle.store.db.blocks import BLOCK
from lifecycle.store.db.codec import CHANGE_NUMBER, Packed, content_of, drafted, unpack
from lifecycle.store.erasure.policy import OnContactDelete
from lifecycle.store.ingest.item import (
    Applied,
    Conflict,
    Duplicate,
    Ignored,
    IngestItem,
    Noted,
    Outcome,
    OutcomeKind,
    Place,
    Quarantined,
    Refused,
    to_stored,
)
from lifecycle.store.ingest.set_aside import (
    AHEAD,
    ignored_digest,
    problems_from,
    problems_text,
    unfit,
)
from lifecycle.store.ledger.chain import Head
from lifecycle.store.query.results import (
    Change,
    FindingEntry,
    HistoryEntry,
    QuarantineEntry,
    StoredCopy,
    StoredMessage,
    UnmappedValue,
    lead_dict,
    refusal_dict,
)
from lifecycle.store.query.streams import Stream, stream_name
from lifecycle.store.reader import LeadReader
from lifecycle.store.session import Cursor, ReplaySession
from lifecycle.store.store import LeadStore
from lifecycle.store.writer import system_clock

if TYPE_CHECKING:
    from lifecycle.store.dump import load_dump
    from lifecycle.store.erasure.erase import Erasure
    from lifecycle.store.query.audit_source import Origin, StoreEvidence, VerdictChange
    from lifecycle.store.query.between import AXES, Difference, Move, Reversal
    from lifecycle.store.query.export import EventEntry, StoreListing
    from lifecycle.store.query.filters import FILTERS, SORTS, FilterOption, LeadFilter
    from lifecycle.store.query.matches import Match, Matches
    from lifecycle.store.query.pages import InboxEntry, StorePages
    from lifecycle.store.verify import Defect, Verification

__all__ = [
    "AHEAD",
    "AXES",
    "BLOCK",
    "CHANGE_NUMBER",
    "FILTERS",
    "SORTS",
    "Applied",
    "Change",
    "Conflict",
    "Cursor",
    "Defect",
    "Difference",
    "Duplicate",
    "Erasure",
    "EventEntry",
    "FilterOption",
    "FindingEntry",
    "Head",
    "HistoryEntry",
    "Ignored",
    "InboxEntry",
    "IngestItem",
    "LeadFilter",
    "LeadReader",
    "LeadStore",
    "Match",
    "Matches",
    "Move",
    "Noted",
    "OnContactDelete",
    "Origin",
    "Outcome",
    "OutcomeKind",
    "Packed",
    "Place",
    "QuarantineEntry",
    "Quarantined",
    "Refused",
    "ReplaySession",
    "Reversal",
    "StoreEvidence",
    "StoreListing",
    "StorePages",
    "StoredCopy",
    "StoredMessage",
    "Stream",
    "UnmappedValue",
    "VerdictChange",
    "Verification",
    "content_of",
    "drafted",
    "ignored_digest",
    "lead_dict",
    "load_dump",
    "problems_from",
    "problems_text",
    "refusal_dict",
    "stream_name",
    "system_clock",
    "to_stored",
    "unfit",
    "unpack",
]

__getattr__ = lazily(
    __name__,
    {
        "dump": ("load_dump",),
        "erasure.erase": ("Erasure",),
        "query.audit_source": (
            "Origin",
            "StoreEvidence",
            "VerdictChange",
        ),
        "query.between": (
            "AXES",
            "Difference",
            "Move",
            "Reversal",
        ),
        "query.export": (
            "EventEntry",
            "StoreListing",
        ),
        "query.filters": (
            "FILTERS",
            "SORTS",
            "FilterOption",
            "LeadFilter",
        ),
        "query.matches": (
            "Match",
            "Matches",
        ),
        "query.pages": (
            "InboxEntry",
            "StorePages",
        ),
        "verify": (
            "Defect",
            "Verification",
        ),
    },
)
