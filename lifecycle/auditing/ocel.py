"""The events as an object-centric event log: OCEL 2.0, in its relational form (a SQLite file).

Each message is an event of the type of its trigger; its attributes say what became of it, so that
what was refused is there as such. Leads and parties are objects; a lead's state is an attribute
that changes with its steps. (OCEL 2.0 specification, section 5, www.ocel-standard.org)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from lifecycle.domain import TRIGGERS, EventFate, History, HistoryRow, LeadEvent, LeadHistory
from lifecycle.errors import InputError
from lifecycle.messages import format_time
from lifecycle.replacing import replacing

Each: TypeAlias = Callable[[History, Sequence[LeadEvent]], None]

#: What our files are known by, and where it stands in them: SQLite's application id.
MARK: Final = (b"OCEL", 68)
#: An object's first values have this time (section 5.4).
_FIRST: Final = "1970-01-01T00:00:00Z"
_PARTS: Final = ("verdict", "state_before", "state_after", "reason")
_TABLES: Final = (
    "CREATE TABLE event_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT NOT NULL)",
    "CREATE TABLE object_map_type (ocel_type TEXT PRIMARY KEY, ocel_type_map TEXT NOT NULL)",
    """CREATE TABLE event (
        ocel_id TEXT PRIMARY KEY,
        ocel_type TEXT NOT NULL REFERENCES event_map_type (ocel_type)
    )""",
    """CREATE TABLE object (
        ocel_id TEXT PRIMARY KEY,
        ocel_type TEXT NOT NULL REFERENCES object_map_type (ocel_type)
    )""",
    """CREATE TABLE event_object (
        ocel_event_id TEXT NOT NULL REFERENCES event (ocel_id),
        ocel_object_id TEXT NOT NULL REFERENCES object (ocel_id),
        ocel_qualifier TEXT NOT NULL,
        PRIMARY KEY (ocel_event_id, ocel_object_id, ocel_qualifier)
    )""",
    """CREATE TABLE object_object (
        ocel_source_id TEXT NOT NULL REFERENCES object (ocel_id),
        ocel_target_id TEXT NOT NULL REFERENCES object (ocel_id),
        ocel_qualifier TEXT NOT NULL,
        PRIMARY KEY (ocel_source_id, ocel_target_id, ocel_qualifier)
    )""",
    """CREATE TABLE object_lead (
        ocel_id TEXT NOT NULL REFERENCES object (ocel_id),
        ocel_time TEXT NOT NULL,
        ocel_changed_field TEXT,
        state TEXT
    )""",
    """CREATE TABLE object_party (
        ocel_id TEXT NOT NULL REFERENCES object (ocel_id),
        ocel_time TEXT NOT NULL,
        ocel_changed_field TEXT
    )""",
    *(
        f"""CREATE TABLE event_{trigger} (
        ocel_id TEXT PRIMARY KEY REFERENCES event (ocel_id),
        ocel_time TEXT NOT NULL,
        {", ".join(f"{part} TEXT" for part in _PARTS)}
    )"""
        for trigger in TRIGGERS
    ),
)


@contextmanager
def writing_ocel(path: Path | None) -> Iterator[Each | None]:
    """Write subjects to a file, which is there when all of them are; without a path, nothing.

    Raises:
        InputError: The file cannot be written.
    """
    if path is None:
        yield None
        return
    with replacing(path) as unfinished:
        with _writable(path):
            connection = sqlite3.connect(unfinished, isolation_level=None)
        with closing(connection):
            writer = _Writer(connection, path)
            writer.begin()
            yield writer.take
            writer.commit()


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Raise what goes wrong in our file as what it is: a store is being read meanwhile."""
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be written: {error}") from error


class _Writer:
    """Writes subject after subject."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def begin(self) -> None:
        """Create the tables."""
        with _writable(self._path):
            self._connection.execute("PRAGMA journal_mode = OFF")
            self._connection.execute(f"PRAGMA application_id = {int.from_bytes(MARK[0])}")
            self._connection.execute("BEGIN")
            for statement in _TABLES:
                self._connection.execute(statement)
            for kind, types in (("event", TRIGGERS), ("object", ("lead", "party"))):
                names = [(one,) for one in types]
                insert = f"INSERT INTO {kind}_map_type VALUES (?1, ?1)"
                self._connection.executemany(insert, names)

    def commit(self) -> None:
        """Note that all was written."""
        with _writable(self._path):
            self._connection.execute("COMMIT")

    def take(self, history: History, events: Sequence[LeadEvent]) -> None:
        """Write a subject: its leads, and its events with what became of each."""
        with _writable(self._path):
            self._write(history, events)

    def _write(self, history: History, events: Sequence[LeadEvent]) -> None:
        rows: dict[str, list[HistoryRow]] = {}
        leads: dict[str, str] = {}
        for found in history.leads:
            lead_id = self._write_lead(found)
            leads |= dict.fromkeys(found.event_ids, lead_id)
            for row in found.rows:
                rows.setdefault(row.event_id, []).append(row)
        for event in events:
            named = [leads[event.id]] if event.id in leads else []
            if event.trigger == "delete":
                named = sorted(set(leads.values()))
            self._write_event(event, history.fates.get(event.id), rows.get(event.id, []))
            for lead_id in named:
                self._relate(event.id, lead_id, "lead")

    def _write_lead(self, found: LeadHistory) -> str:
        lead_id = f"lead:{found.lead.lead_id}"
        if not self._write_object(lead_id, "lead"):
            # Two leads may have one lead_id, where schemes hold colons.
            lead_id = f"{lead_id} ({found.event_ids[0]})"
            self._write_object(lead_id, "lead")
        changes: list[tuple[str, str, str | None, str]] = [(lead_id, _FIRST, None, "new")]
        changes += [
            (lead_id, format_time(row.at), "state", row.target)
            for row in found.rows
            if row.target != row.source
        ]
        self._connection.executemany("INSERT INTO object_lead VALUES (?, ?, ?, ?)", changes)
        return lead_id

    def _write_event(
        self, event: LeadEvent, fate: EventFate | None, rows: Sequence[HistoryRow]
    ) -> None:
        refusal = rows[-1].refusal if rows else None
        self._connection.execute("INSERT INTO event VALUES (?, ?)", (event.id, event.trigger))
        self._connection.execute(
            f"INSERT INTO event_{event.trigger} VALUES (?, ?, ?, ?, ?, ?)",
            (
                event.id,
                format_time(event.time),
                fate.verdict if fate else "unjudged",
                rows[0].source if rows else None,
                rows[-1].target if rows else None,
                str(refusal) if refusal else event.reason,
            ),
        )
        parties = (("agent", event.agent), ("recipient", event.recipient))
        for qualifier, party in (*parties, ("participant", event.participant)):
            if party is not None:
                party_id = f"party:{party}"
                self._write_party(party_id)
                self._relate(event.id, party_id, qualifier)

    def _write_party(self, party_id: str) -> None:
        if self._write_object(party_id, "party"):
            self._connection.execute(
                "INSERT INTO object_party VALUES (?, ?, NULL)", (party_id, _FIRST)
            )

    def _write_object(self, object_id: str, kind: str) -> bool:
        """Add an object; whether it is new."""
        insert = "INSERT OR IGNORE INTO object VALUES (?, ?)"
        return self._connection.execute(insert, (object_id, kind)).rowcount == 1

    def _relate(self, event_id: str, object_id: str, qualifier: str) -> None:
        self._connection.execute(
            "INSERT INTO event_object VALUES (?, ?, ?)", (event_id, object_id, qualifier)
        )
