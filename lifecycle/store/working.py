"""What one transaction knows of the store while it works: looked up once, kept until it ends."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from attrs import define

from lifecycle.domain import Key, Position
from lifecycle.store.rows import (
    SELECT_EVENTS,
    SELECT_LEADS,
    Keys,
    Parties,
    StoredEvent,
    StoredLead,
    select_in,
    stored_event,
    stored_lead,
)


@define
class KeyRow:
    """A key's row: its number, and to which subject and lead it belongs (None: not saved yet)."""

    id: int
    subject: int | None = None
    lead: int | None = None


@define
class SubjectRow:
    """A subject's row: how many events name only its contact, and its first deletion."""

    id: int
    contact_only: int = 0
    deletion: Position | None = None


class Numbers:
    """The numbers that rows get: each table goes on where it ended, none is given twice."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._last: dict[str, int] = dict(
            connection.execute("SELECT name, seq FROM sqlite_sequence")
        )

    def next(self, table: str) -> int:
        """The next number for a row of this table."""
        number = self._last[table] = self._last.get(table, 0) + 1
        return number


class WorkingSet:
    """The rows that a transaction works on."""

    def __init__(self, connection: sqlite3.Connection, parties: Parties) -> None:
        self.connection = connection
        self.parties = parties
        self.numbers = Numbers(connection)
        self.keys = Keys(connection)
        self._key_rows: dict[Key, KeyRow] = {}

    def key_row(self, key: Key) -> KeyRow:
        """The row of a key; a new one, with its number but without a subject, where it is new."""
        row = self._key_rows.get(key)
        if row is None:
            found = self.connection.execute(
                "SELECT id, subject, lead FROM key WHERE value = ? AND scheme = ? AND kind = ?",
                (key.value, key.scheme, key.kind),
            ).fetchone()
            row = KeyRow(*found) if found else KeyRow(self.numbers.next("key"))
            self._key_rows[key] = row
        return row

    def subject(self, number: int) -> SubjectRow:
        """A subject's row."""
        row = self.connection.execute(
            "SELECT subject.id, subject.contact_only, event.time, event.trigger, event.id"
            " FROM subject LEFT JOIN event ON event.seq = subject.deletion WHERE subject.id = ?",
            (number,),
        ).fetchone()
        return SubjectRow(row[0], row[1], None if row[2] is None else row[2:])

    def lead(self, pk: int) -> StoredLead:
        """A lead, ready to be folded on."""
        row = self.connection.execute(f"{SELECT_LEADS} WHERE lead.id = ?", (pk,)).fetchone()
        return stored_lead(row, self.parties)

    def leads_with_keys(self, subject: int) -> list[StoredLead]:
        """All leads of a subject, with the keys that they have so far."""
        rows = self.connection.execute(f"{SELECT_LEADS} WHERE lead.subject = ?", (subject,))
        leads = {row[0]: stored_lead(row, self.parties) for row in rows}
        names = self.connection.execute(
            "SELECT key.lead, key.id FROM key WHERE subject = ?1 AND lead IS NOT NULL UNION ALL"
            " SELECT lead_contact.lead, lead_contact.key FROM lead_contact"
            " JOIN lead ON lead.id = lead_contact.lead WHERE lead.subject = ?1",
            (subject,),
        )
        for pk, number in names:
            leads[pk].track.keys.add(self.keys.key(number))
        for lead in leads.values():
            named = {key for key in lead.track.keys if key.kind == "lead"}
            lead.track.pieces = [named] if named else []
        return list(leads.values())

    def leads_of(self, subjects: Iterable[int]) -> dict[int, int]:
        """The numbers of all leads of these subjects, each with its subject."""
        select = "SELECT id, subject FROM lead WHERE subject IN"
        return dict(select_in(self.connection, select, subjects))

    def events_of_leads(self, leads: Iterable[int]) -> list[StoredEvent]:
        """All events that are bound to these leads."""
        return self._events(f"{SELECT_EVENTS} WHERE lead IN", leads)

    def deletions_of(self, subjects: Iterable[int]) -> list[StoredEvent]:
        """All deletions of these subjects."""
        return self._events(f"{SELECT_EVENTS} WHERE subject IN", subjects)

    def _events(self, select: str, numbers: Iterable[int]) -> list[StoredEvent]:
        rows = select_in(self.connection, select, numbers)
        return [stored_event(row, self.keys, self.parties) for row in rows]

    def last_position(self, subject: int) -> Position | None:
        """That of the last event of a subject."""
        rows = self.connection.execute(
            "SELECT event.time, event.trigger, event.id FROM lead JOIN event"
            " ON event.seq = lead.last_event WHERE lead.subject = ?1 UNION ALL"
            " SELECT time, trigger, id FROM event WHERE subject = ?1",
            (subject,),
        )
        return max(rows, default=None)

    def size(self, subject: int) -> int:
        """How many leads a subject has."""
        found = self.connection.execute("SELECT count(*) FROM lead WHERE subject = ?", (subject,))
        return int(found.fetchone()[0])
