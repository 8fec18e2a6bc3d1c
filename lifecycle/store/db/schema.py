"""The schema in numbered migrations, and the views people read (design.md section 8).

Times are integers, microseconds since 1970 in UTC; states, triggers and verdicts are integers
that the ``*_name`` tables spell out; parties are interned. The views show all of it in words.
"""

from __future__ import annotations

from typing import Final

from sqlite_utils import Database, Migrations

from lifecycle.domain import STATES, TRIGGERS, VERDICTS
from lifecycle.store.db.compression import dictionary
from lifecycle.store.db.rows import FOLD_ORDER, OUTCOMES

#: Marks the file as a lifecycle store (``PRAGMA application_id``): "LEAD" in ASCII.
APPLICATION_ID: Final = 0x4C454144

migrations: Final = Migrations("lifecycle")
#: Migrations of before the first release: stores that have one are not read any more.
FORMER: Final = frozenset(("m001_store",))

_TABLES: Final = (
    # One row: the last transaction's time, the number of the last change of history, and the last
    # number that each of these tables gave: none is given twice. AUTOINCREMENT promises the same
    # and writes to a table of its own for every single row.
    """CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        recorded_at INTEGER NOT NULL,
        change INTEGER NOT NULL,
        event INTEGER NOT NULL,
        lead INTEGER NOT NULL,
        subject INTEGER NOT NULL
    ) STRICT""",
    # What payloads are compressed with, so that whoever has the file can read it.
    "CREATE TABLE dictionary (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",
    # The rules in force since recorded_at; the last row's are those of now. A store that nobody
    # has opened to write has none, which means the default ones. ledger: the number of the entry.
    """CREATE TABLE rules (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        digest TEXT NOT NULL,
        toml TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        ledger INTEGER NOT NULL
    ) STRICT""",
    """CREATE TABLE party (
        id INTEGER PRIMARY KEY,
        uri TEXT NOT NULL,
        name TEXT NOT NULL,
        UNIQUE (uri, name)
    ) STRICT""",
    # A log that was replayed, and how far: everything before byte_offset is in the store.
    """CREATE TABLE log (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        byte_offset INTEGER NOT NULL DEFAULT 0,
        line INTEGER NOT NULL DEFAULT 0,
        head_size INTEGER NOT NULL DEFAULT 0,
        head_digest BLOB,
        tail_size INTEGER NOT NULL DEFAULT 0,
        tail_digest BLOB
    ) STRICT""",
    # applied, refused, noted: what the events that a run stored are by now.
    """CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started_at INTEGER NOT NULL,
        applied INTEGER NOT NULL,
        refused INTEGER NOT NULL,
        noted INTEGER NOT NULL
    ) STRICT""",
    # Only subjects that are more than their leads. contact_only: events of its leads that name no
    # lead key. deletion: the first contact#delete.
    """CREATE TABLE subject (
        id INTEGER PRIMARY KEY,
        contact_only INTEGER NOT NULL,
        deletion INTEGER
    ) STRICT""",
    # last_*: where its last event stands in the order. memory: what it remembers of its fields
    # in other systems. doubts: values of one scheme that no event states together. keys: all its
    # names, with their kinds.
    """CREATE TABLE lead (
        id INTEGER PRIMARY KEY,
        lead_id TEXT NOT NULL,
        subject INTEGER NOT NULL,
        state INTEGER NOT NULL,
        since INTEGER,
        holder INTEGER,
        owner INTEGER,
        sender INTEGER,
        recipient INTEGER,
        contact TEXT,
        events INTEGER NOT NULL,
        refusals INTEGER NOT NULL,
        last_time INTEGER NOT NULL,
        last_trigger INTEGER NOT NULL,
        last_id TEXT NOT NULL,
        decisions TEXT,
        memory TEXT,
        doubts TEXT,
        contact_only INTEGER NOT NULL,
        keys TEXT NOT NULL
    ) STRICT""",
    "CREATE INDEX lead_subject ON lead (subject)",
    # Leads that turned out to be others, or none: what was recorded of them keeps their name.
    "CREATE TABLE former_lead (id INTEGER PRIMARY KEY, lead_id TEXT NOT NULL) STRICT",
    # lead: whose name it is. leads: how many leads name this key of a contact.
    """CREATE TABLE key (
        hash BLOB NOT NULL UNIQUE,
        kind TEXT NOT NULL CHECK (kind IN ('contact', 'lead')),
        scheme TEXT NOT NULL,
        value TEXT NOT NULL,
        subject INTEGER NOT NULL,
        lead INTEGER,
        leads INTEGER NOT NULL
    ) STRICT""",
    # Only ever added to: one row for each content that was stored and for rules that were put in
    # force, in the order of arrival, with numbers from 1 without a gap. id_hash,
    # trigger, time: those of the event, NULL for rules. salt: NULL once the content is erased.
    """CREATE TABLE ledger (
        number INTEGER PRIMARY KEY,
        recorded_at INTEGER NOT NULL,
        id_hash BLOB,
        trigger INTEGER,
        time INTEGER,
        commitment BLOB NOT NULL,
        salt BLOB,
        link BLOB NOT NULL
    ) STRICT""",
    # The copies that count. ledger: the number of the content. subject: only for a deletion, which
    # has no lead. content: what was decoded, as JSON. body: the message itself, compressed.
    """CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        ledger INTEGER NOT NULL,
        id TEXT NOT NULL,
        id_hash BLOB NOT NULL UNIQUE,
        digest BLOB NOT NULL,
        trigger INTEGER NOT NULL,
        time INTEGER NOT NULL,
        lead INTEGER,
        subject INTEGER,
        outcome INTEGER NOT NULL,
        recorded_at INTEGER NOT NULL,
        late INTEGER NOT NULL,
        run INTEGER,
        log INTEGER,
        line INTEGER,
        content TEXT NOT NULL,
        body BLOB NOT NULL,
        CHECK ((lead IS NULL) <> (subject IS NULL))
    ) STRICT""",
    "CREATE INDEX event_lead ON event (lead) WHERE lead IS NOT NULL",
    "CREATE INDEX event_subject ON event (subject) WHERE subject IS NOT NULL",
    # Copies under the id of an event that do not count (any more): other content, or a later time.
    """CREATE TABLE copy (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event INTEGER NOT NULL,
        ledger INTEGER NOT NULL,
        digest BLOB NOT NULL,
        trigger INTEGER NOT NULL,
        time INTEGER NOT NULL,
        recorded_at INTEGER NOT NULL,
        content TEXT NOT NULL,
        body BLOB NOT NULL,
        UNIQUE (event, digest, time)
    ) STRICT""",
    # superseded_change: the number, in one sequence with id, under which it was superseded.
    """CREATE TABLE history (
        id INTEGER PRIMARY KEY,
        lead INTEGER NOT NULL,
        event INTEGER NOT NULL,
        step INTEGER NOT NULL,
        trigger INTEGER NOT NULL,
        source INTEGER NOT NULL,
        target INTEGER NOT NULL,
        verdict INTEGER NOT NULL,
        at INTEGER NOT NULL,
        by INTEGER,
        holder INTEGER,
        reason TEXT,
        refusal TEXT,
        recorded_at INTEGER NOT NULL,
        superseded_at INTEGER,
        superseded_change INTEGER
    ) STRICT""",
    """CREATE UNIQUE INDEX history_current ON history (event, step)
        WHERE superseded_at IS NULL""",
    "CREATE INDEX history_former_event ON history (event) WHERE superseded_at IS NOT NULL",
    "CREATE INDEX history_former_lead ON history (lead) WHERE superseded_at IS NOT NULL",
    """CREATE UNIQUE INDEX history_superseded ON history (superseded_change)
        WHERE superseded_change IS NOT NULL""",
    # subject: only where it concerns no single lead.
    """CREATE TABLE finding (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        code TEXT NOT NULL,
        severity TEXT NOT NULL,
        lead INTEGER,
        subject INTEGER,
        event INTEGER,
        detail TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        superseded_at INTEGER,
        CHECK ((lead IS NULL) <> (subject IS NULL))
    ) STRICT""",
    "CREATE INDEX finding_lead ON finding (lead) WHERE lead IS NOT NULL",
    "CREATE INDEX finding_subject ON finding (subject) WHERE subject IS NOT NULL",
    "CREATE INDEX finding_conflict ON finding (event) WHERE code = 'conflict'",
    "CREATE INDEX finding_hub ON finding (detail) WHERE code = 'hub'",
    # unfinished: it is the beginning of a line that had no end yet. left_*: when and how it left.
    """CREATE TABLE quarantine (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        digest BLOB NOT NULL UNIQUE,
        raw BLOB NOT NULL,
        size INTEGER NOT NULL,
        problems TEXT NOT NULL,
        log INTEGER,
        line INTEGER,
        unfinished INTEGER NOT NULL,
        recorded_at INTEGER NOT NULL,
        due_at INTEGER,
        left_at INTEGER,
        left_as TEXT CHECK (left_as IN ('retried', 'dismissed', 'erased')),
        CHECK ((left_at IS NULL) = (left_as IS NULL))
    ) STRICT""",
    "CREATE INDEX quarantine_due ON quarantine (due_at) WHERE due_at IS NOT NULL",
    "CREATE TABLE ignored (topic TEXT PRIMARY KEY, messages INTEGER NOT NULL) STRICT",
)

_ERASING: Final = (
    # The ids of messages that were erased, by their hashes: what comes again under one of them is
    # kept out. event: its row, without what was personal; none where it was in the quarantine.
    # ledger: the number that it had; what stays of it has another.
    """CREATE TABLE erased (
        id_hash BLOB PRIMARY KEY,
        event INTEGER UNIQUE,
        ledger INTEGER,
        erased_at INTEGER NOT NULL
    ) STRICT""",
    # What was erased of contents that did not count: its number in the ledger, and the event whose
    # id it came under.
    """CREATE TABLE erased_copy (
        ledger INTEGER PRIMARY KEY,
        event INTEGER NOT NULL
    ) STRICT""",
    "CREATE INDEX erased_copy_event ON erased_copy (event)",
    # Events that such a content may have concerned while it counted: what was known of them then
    # cannot be told again.
    "CREATE TABLE erased_link (event INTEGER PRIMARY KEY) STRICT",
    # What was removed when. purged_at: since when nothing of it is left in the file.
    """CREATE TABLE erasure (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        erased_at INTEGER NOT NULL,
        leads INTEGER NOT NULL,
        contents INTEGER NOT NULL,
        quarantined INTEGER NOT NULL,
        purged_at INTEGER
    ) STRICT""",
)

_NAMES: Final = {
    "state_name": STATES,
    "trigger_name": TRIGGERS,
    "verdict_name": VERDICTS,
    "outcome_name": OUTCOMES,
}


def _time(column: str) -> str:
    return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1e6, 'unixepoch')"


def _name(table: str, column: str) -> str:
    return f"(SELECT name FROM {table}_name WHERE id = {column})"


def _party(column: str) -> str:
    return f"(SELECT coalesce(nullif(uri, ''), name) FROM party WHERE id = {column})"


_VIEWS: Final = (
    f"""CREATE VIEW lead_list AS SELECT
        lead.lead_id, {_name("state", "lead.state")} AS state, {_time("lead.since")} AS since,
        {_party("lead.holder")} AS holder, {_party("lead.owner")} AS owner,
        {_party("lead.sender")} AS sender, {_party("lead.recipient")} AS recipient,
        lead.events, lead.refusals,
        (SELECT {_time("event.time")} FROM event
            JOIN subject ON subject.deletion = event.seq WHERE subject.id = lead.subject)
            AS contact_deleted_at
    FROM lead""",
    f"""CREATE VIEW lead_history AS SELECT
        coalesce(lead.lead_id, former_lead.lead_id) AS lead_id,
        {_time("history.at")} AS at, {_name("trigger", "history.trigger")} AS trigger,
        {_name("state", "history.source")} AS "from", {_name("state", "history.target")} AS "to",
        {_name("verdict", "history.verdict")} AS verdict, {_party("history.by")} AS "by",
        {_party("history.holder")} AS holder, coalesce(history.refusal, history.reason) AS reason,
        event.id AS event_id, {_time("history.recorded_at")} AS recorded_at,
        {_time("history.superseded_at")} AS superseded_at
    FROM history JOIN event ON event.seq = history.event
        LEFT JOIN lead ON lead.id = history.lead
        LEFT JOIN former_lead ON former_lead.id = history.lead
    ORDER BY 1, {FOLD_ORDER}""",
    f"""CREATE VIEW finding_list AS SELECT
        finding.severity, finding.code, lead.lead_id, event.id AS event_id, finding.detail,
        {_time("finding.recorded_at")} AS recorded_at,
        {_time("finding.superseded_at")} AS superseded_at
    FROM finding LEFT JOIN lead ON lead.id = finding.lead
        LEFT JOIN event ON event.seq = finding.event""",
    f"""CREATE VIEW event_list AS SELECT
        event.seq, event.id, {_name("trigger", "event.trigger")} AS trigger,
        {_time("event.time")} AS time, lead.lead_id,
        {_name("outcome", "event.outcome")} AS outcome, event.late,
        {_time("event.recorded_at")} AS recorded_at, log.name AS log, event.line, event.content
    FROM event LEFT JOIN lead ON lead.id = event.lead LEFT JOIN log ON log.id = event.log""",
)


@migrations()
def m001_facts(db: Database) -> None:
    """Create the tables, the names and the views."""
    for statement in _TABLES:
        db.execute(statement)
    for table, names in _NAMES.items():
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
        for number, name in enumerate(names):
            db.execute(f"INSERT INTO {table} VALUES (?, ?)", [number, name])
    for view in _VIEWS:
        db.execute(view)
    db.execute("INSERT INTO store VALUES (1, 0, 0, 0, 0, 0)")
    db.execute("INSERT INTO dictionary VALUES (1, ?)", [dictionary()])


@migrations()
def m002_erasing(db: Database) -> None:
    """Create the tables of what was erased."""
    for statement in _ERASING:
        db.execute(statement)
