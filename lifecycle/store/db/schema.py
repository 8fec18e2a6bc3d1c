"""The schema in numbered migrations, and the views people read (design.md section 8).

Times are integers, microseconds since 1970 in UTC; states, triggers and verdicts are integers
that the ``*_name`` tables spell out; parties are interned. The views show all of it in words.
"""

from __future__ import annotations

from os import urandom
from typing import Final

from sqlite_utils import Database, Migrations

from lifecycle.domain import SEVERITY, STATES, TRIGGERS, VERDICTS
from lifecycle.store.db.frames import dictionary
from lifecycle.store.db.rows import FOLD_ORDER, OUTCOMES

#: Marks the file as a lifecycle store (``PRAGMA application_id``): "LEAD" in ASCII.
APPLICATION_ID: Final = 0x4C454144
SECRET_BYTES: Final = 16

migrations: Final = Migrations("lifecycle")
#: Migrations of before the first release: stores that have one are not read any more.
FORMER: Final = frozenset(("m001_store", "m001_facts", "m002_erasing"))

_TABLES: Final = (
    # One row. secret: the key of all hashes. recorded_at: the time of the last transaction that
    # wrote. change, entry, lead, cluster: the last number that was given; none is given twice.
    # bound: the sum of the rows of bound tables (``ledger/chain.py``).
    """CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        secret BLOB NOT NULL,
        recorded_at INTEGER NOT NULL,
        change INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        lead INTEGER NOT NULL,
        cluster INTEGER NOT NULL,
        bound BLOB NOT NULL
    ) STRICT""",
    # What payloads are compressed with, so that whoever has the file can read it.
    "CREATE TABLE dictionary (id INTEGER PRIMARY KEY, content BLOB NOT NULL) STRICT",
    # The ledger: entries from number ``first`` on. about: what each is, with digests and salts;
    # contents: what was decoded; bodies: the messages; link: that of the last entry.
    """CREATE TABLE block (
        first INTEGER PRIMARY KEY,
        size INTEGER NOT NULL,
        link BLOB NOT NULL,
        about BLOB NOT NULL,
        contents BLOB NOT NULL,
        bodies BLOB NOT NULL
    ) STRICT""",
    # The rules in force since recorded_at; the last row's are those of now. A store that nobody
    # has opened to write has none, which means the default ones. entry: that of the ledger.
    """CREATE TABLE rules (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        digest TEXT NOT NULL,
        toml TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        entry INTEGER NOT NULL
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
    # Only clusters that are more than their leads. contact_only: events of its leads that name no
    # lead key. deletion: the first contact#delete.
    """CREATE TABLE cluster (
        id INTEGER PRIMARY KEY,
        contact_only INTEGER NOT NULL,
        deletion INTEGER
    ) STRICT""",
    # source: where it came from, in the words of its messages.
    # last_*: where its last event stands in the order. memory: what it remembers of its fields
    # in other systems. doubts: values of one scheme that no event states together. keys: all its
    # names, with their kinds. known_since: since when its name, kept_holder and deleted_at are
    # known. kept_holder: its holder, where that is not the one of its last step. sealed: the
    # erasure that sealed it.
    """CREATE TABLE lead (
        id INTEGER PRIMARY KEY,
        lead_id TEXT NOT NULL,
        cluster INTEGER NOT NULL,
        state INTEGER NOT NULL,
        since INTEGER,
        holder INTEGER,
        owner INTEGER,
        sender INTEGER,
        recipient INTEGER,
        contact TEXT,
        source TEXT,
        events INTEGER NOT NULL,
        refusals INTEGER NOT NULL,
        last_time INTEGER NOT NULL,
        last_trigger INTEGER NOT NULL,
        last_id TEXT NOT NULL,
        decisions TEXT,
        memory TEXT,
        doubts TEXT,
        contact_only INTEGER NOT NULL,
        keys TEXT NOT NULL,
        deleted_at INTEGER,
        kept_holder INTEGER,
        known_since INTEGER NOT NULL,
        sealed INTEGER
    ) STRICT""",
    "CREATE INDEX lead_cluster ON lead (cluster, last_time)",
    # What was known of leads once: of those that turned out to be others, of those renamed.
    """CREATE TABLE former_lead (
        lead INTEGER NOT NULL,
        lead_id TEXT NOT NULL,
        deleted_at INTEGER,
        kept_holder INTEGER,
        known_since INTEGER NOT NULL,
        superseded_at INTEGER NOT NULL,
        PRIMARY KEY (lead, known_since)
    ) STRICT, WITHOUT ROWID""",
    # hash: keyed by the store's secret; where two keys share one, the later takes the next number.
    # lead: whose name it is. leads: how many leads name this key of a contact.
    """CREATE TABLE key (
        hash INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('contact', 'lead')),
        scheme TEXT NOT NULL,
        value TEXT NOT NULL,
        cluster INTEGER NOT NULL,
        lead INTEGER,
        leads INTEGER NOT NULL
    ) STRICT""",
    # seq: the number of the first entry that came under its id. entry: that of the content that is
    # canonical. hash: of the id, keyed by the store's secret. cluster: only for a deletion, which
    # has no lead.
    """CREATE TABLE event (
        seq INTEGER PRIMARY KEY,
        entry INTEGER NOT NULL,
        hash INTEGER NOT NULL,
        id TEXT NOT NULL,
        trigger INTEGER NOT NULL,
        time INTEGER NOT NULL,
        lead INTEGER,
        cluster INTEGER,
        outcome INTEGER NOT NULL,
        late INTEGER NOT NULL,
        recorded_at INTEGER NOT NULL,
        log INTEGER,
        line INTEGER,
        CHECK ((lead IS NULL) <> (cluster IS NULL))
    ) STRICT""",
    "CREATE INDEX event_hash ON event (hash)",
    "CREATE INDEX event_lead ON event (lead) WHERE lead IS NOT NULL",
    "CREATE INDEX event_cluster ON event (cluster) WHERE cluster IS NOT NULL",
    # The other contents under the id of an event: another one, or one with a later time. One in
    # which the identity policy finds no name does not count: it is of minus the event's number.
    """CREATE TABLE copy (
        event INTEGER NOT NULL,
        entry INTEGER NOT NULL,
        PRIMARY KEY (event, entry)
    ) STRICT, WITHOUT ROWID""",
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
    # cluster: only where it concerns no single lead.
    """CREATE TABLE finding (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        code TEXT NOT NULL,
        lead INTEGER,
        cluster INTEGER,
        event INTEGER,
        detail TEXT NOT NULL,
        recorded_at INTEGER NOT NULL,
        superseded_at INTEGER,
        CHECK ((lead IS NULL) <> (cluster IS NULL))
    ) STRICT""",
    "CREATE INDEX finding_lead ON finding (lead) WHERE lead IS NOT NULL",
    "CREATE INDEX finding_cluster ON finding (cluster) WHERE cluster IS NOT NULL",
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
    # What was erased when. entry: that of the ledger, which commits to the numbers of the erased
    # entries (JSON) and to the rows that are sealed. purged_at: since when nothing of it is left
    # in the file.
    """CREATE TABLE erasure (
        id INTEGER PRIMARY KEY,
        entry INTEGER NOT NULL,
        entries TEXT NOT NULL,
        erased_at INTEGER NOT NULL,
        quarantined INTEGER NOT NULL,
        purged_at INTEGER
    ) STRICT""",
    # Leads whose rows up to an erasure cannot be derived any more: those that it sealed, and those
    # that once hung together with them. change: the number of the change, for those it sealed.
    """CREATE TABLE sealed (
        lead INTEGER PRIMARY KEY,
        erasure INTEGER NOT NULL,
        change INTEGER UNIQUE
    ) STRICT""",
    # Hashes of the ids of erased messages, and of keys of erased persons. until: of a key, up to
    # which time what names it is ignored; NULL: always.
    """CREATE TABLE suppressed (
        hash INTEGER PRIMARY KEY,
        kind TEXT NOT NULL CHECK (kind IN ('id', 'key')),
        until INTEGER
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


def _lead_id(table: str) -> str:
    return (
        f"coalesce((SELECT lead_id FROM lead WHERE id = {table}.lead), (SELECT lead_id"
        f" FROM former_lead WHERE lead = {table}.lead ORDER BY known_since DESC LIMIT 1))"
    )


_VIEWS: Final = (
    f"""CREATE VIEW lead_list AS SELECT
        lead.lead_id, {_name("state", "lead.state")} AS state, {_time("lead.since")} AS since,
        {_party("lead.holder")} AS holder, {_party("lead.owner")} AS owner,
        {_party("lead.sender")} AS sender, {_party("lead.recipient")} AS recipient,
        lead.events, lead.refusals, {_time("lead.deleted_at")} AS contact_deleted_at,
        (SELECT {_time("erased_at")} FROM erasure WHERE id = lead.sealed) AS erased_at,
        lead.source
    FROM lead""",
    f"""CREATE VIEW lead_history AS SELECT
        {_lead_id("history")} AS lead_id,
        {_time("history.at")} AS at, {_name("trigger", "history.trigger")} AS trigger,
        {_name("state", "history.source")} AS "from", {_name("state", "history.target")} AS "to",
        {_name("verdict", "history.verdict")} AS verdict, {_party("history.by")} AS "by",
        {_party("history.holder")} AS holder, coalesce(history.refusal, history.reason) AS reason,
        event.id AS event_id, {_time("history.recorded_at")} AS recorded_at,
        {_time("history.superseded_at")} AS superseded_at
    FROM history JOIN event ON event.seq = history.event
    ORDER BY 1, {FOLD_ORDER}""",
    f"""CREATE VIEW finding_list AS SELECT
        severity.severity, finding.code, {_lead_id("finding")} AS lead_id, event.id AS event_id,
        finding.detail, {_time("finding.recorded_at")} AS recorded_at,
        {_time("finding.superseded_at")} AS superseded_at
    FROM finding LEFT JOIN severity ON severity.code = finding.code
        LEFT JOIN event ON event.seq = finding.event""",
    f"""CREATE VIEW event_list AS SELECT
        event.seq, event.id, {_name("trigger", "event.trigger")} AS trigger,
        {_time("event.time")} AS time, lead.lead_id,
        {_name("outcome", "event.outcome")} AS outcome, event.late,
        {_time("event.recorded_at")} AS recorded_at, log.name AS log, event.line,
        (SELECT max(first) FROM block WHERE first <= event.entry) AS block, event.entry
    FROM event LEFT JOIN lead ON lead.id = event.lead LEFT JOIN log ON log.id = event.log""",
)


@migrations()
def m001_blocks(db: Database) -> None:
    """Create the tables, the names and the views."""
    for statement in _TABLES:
        db.execute(statement)
    for table, names in _NAMES.items():
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT")
        for number, name in enumerate(names):
            db.execute(f"INSERT INTO {table} VALUES (?, ?)", [number, name])
    db.execute("CREATE TABLE severity (code TEXT PRIMARY KEY, severity TEXT NOT NULL) STRICT")
    for code, severity in SEVERITY.items():
        db.execute("INSERT INTO severity VALUES (?, ?)", [code, severity])
    for view in _VIEWS:
        db.execute(view)
    secret = urandom(SECRET_BYTES)
    db.execute("INSERT INTO store VALUES (1, ?, 0, 0, 0, 0, 0, ?)", [secret, bytes(32)])
    db.execute("INSERT INTO dictionary VALUES (1, ?)", [dictionary()])
