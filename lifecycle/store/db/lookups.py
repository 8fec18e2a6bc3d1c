"""What one transaction knows of the store while it works: looked up in bulk, and only once."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

from attrs import define

from lifecycle.domain import Identity, Key, LeadEvent, Position, merged
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.rows import (
    SELECT_EVENTS,
    SELECT_LEADS,
    Parties,
    StoredEvent,
    StoredLead,
    key_hash,
    select_in,
    stored_event,
    stored_lead,
)


@define(eq=False)
class KeyRow:
    """A key's row: to which subject it belongs (None: it is new), and to which lead.

    ``leads``: how many leads name it, where it is a contact's.
    """

    key: Key
    hash: bytes
    subject: int | None = None
    lead: int | None = None
    leads: int = 0
    stored: tuple[int | None, int | None, int] | None = None

    @property
    def belongs(self) -> tuple[int | None, int | None, int]:
        """What changes of it; ``stored`` is that of the row in the store, if there is one."""
        return (self.subject, self.lead, self.leads)


@define
class SubjectRow:
    """A subject's row: how many events name only its contact, and its first deletion.

    ``several``: whether one of its contacts holds several ids.
    """

    id: int
    contact_only: int = 0
    several: bool = False
    deletion: Position | None = None
    deletion_seq: int | None = None


_SEVERAL: Final = (
    "SELECT subject FROM finding"
    " WHERE code = 'several_ids' AND superseded_at IS NULL AND subject IN"
)


_COPIES: Final = "SELECT event, digest, trigger, time, content FROM copy WHERE event IN"


class Numbers:
    """The numbers that rows get: each table goes on where it ended, none is given twice."""

    change: int
    event: int
    lead: int
    subject: int

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.change, self.event, self.lead, self.subject = connection.execute(
            "SELECT change, event, lead, subject FROM store"
        ).fetchone()

    def next_event(self) -> int:
        """The next number for an event."""
        self.event += 1
        return self.event

    def next_lead(self) -> int:
        """The next number for a lead."""
        self.lead += 1
        return self.lead

    def next_subject(self) -> int:
        """The next number for a subject."""
        self.subject += 1
        return self.subject

    def next_change(self) -> int:
        """The next number for a change of history."""
        self.change += 1
        return self.change


class WorkingSet:
    """The rows that a transaction works on."""

    def __init__(
        self, connection: sqlite3.Connection, parties: Parties, identity: Identity
    ) -> None:
        self.connection = connection
        self.parties = parties
        self.identity = identity
        self.numbers = Numbers(connection)
        self._key_rows: dict[Key, KeyRow] = {}
        self._subjects: dict[int, SubjectRow] = {}
        self._leads: dict[int, StoredLead] = {}

    # --- keys -------------------------------------------------------------------------------

    def load_keys(self, keys: Iterable[Key]) -> None:
        """Look up the rows of these keys; those that are new get one."""
        known = self._key_rows
        rows = {}
        for key in keys:
            if key not in known:
                row = known[key] = KeyRow(key, key_hash(key))
                rows[row.hash] = row
        select = "SELECT hash, subject, lead, leads FROM key WHERE hash IN"
        for found, *belongs in select_in(self.connection, select, rows):
            row = rows[found]
            row.subject, row.lead, row.leads = row.stored = (*belongs,)

    def key_row(self, key: Key) -> KeyRow:
        """The row of a key."""
        row = self._key_rows.get(key)
        if row is None:
            self.load_keys([key])
            row = self._key_rows[key]
        return row

    def forget_key(self, key: Key) -> KeyRow:
        """Let a key be unknown from now on; the row that it had."""
        row = self.key_row(key)
        del self._key_rows[key]
        return row

    def changed_keys(self) -> list[KeyRow]:
        """The rows of keys that are not in the store as they are now."""
        rows = self._key_rows.values()
        return [row for row in rows if row.subject is not None and row.belongs != row.stored]

    # --- subjects ---------------------------------------------------------------------------

    def load_subjects(self, numbers: Collection[int]) -> None:
        """Look up the rows of these subjects."""
        self._subjects.update((number, SubjectRow(number)) for number in numbers)
        select = (
            "SELECT subject.id, contact_only, event.time, event.trigger, event.id, event.seq"
            " FROM subject LEFT JOIN event ON event.seq = subject.deletion WHERE subject.id IN"
        )
        for number, contact_only, time, *rest in select_in(self.connection, select, numbers):
            row = self._subjects[number]
            row.contact_only = contact_only
            if time is not None:
                trigger, event_id, row.deletion_seq = rest
                row.deletion = (time, trigger, event_id)
        for (number,) in select_in(self.connection, _SEVERAL, numbers):
            self._subjects[number].several = True

    def subject(self, number: int) -> SubjectRow:
        """A subject's row, which was looked up."""
        return self._subjects[number]

    def size(self, subject: int) -> int:
        """How many leads a subject has."""
        found = self.connection.execute("SELECT count(*) FROM lead WHERE subject = ?", (subject,))
        return int(found.fetchone()[0])

    def last_position(self, subject: int) -> Position | None:
        """That of the last event of a subject."""
        rows = self.connection.execute(
            "SELECT last_time, last_trigger, last_id FROM lead WHERE subject = ?1 UNION ALL"
            " SELECT time, trigger, id FROM event WHERE subject = ?1",
            (subject,),
        )
        return max(rows, default=None)

    # --- leads ------------------------------------------------------------------------------

    def load_leads(self, pks: Iterable[int]) -> None:
        """Look up these leads."""
        for pk, row in self.lead_rows(pks).items():
            self._leads[pk] = stored_lead(row, self.parties)

    def lead(self, pk: int) -> StoredLead:
        """A lead, which was looked up, ready to be folded on."""
        return self._leads[pk]

    def leads_of(self, subjects: Iterable[int]) -> dict[int, int]:
        """The numbers of all leads of these subjects, each with its subject."""
        select = "SELECT id, subject FROM lead WHERE subject IN"
        return dict(select_in(self.connection, select, subjects))

    def leads_of_subject(self, subject: int) -> list[StoredLead]:
        """All leads of a subject, ready to be folded on."""
        rows = self.connection.execute(f"{SELECT_LEADS} WHERE subject = ?", (subject,))
        return [stored_lead(row, self.parties) for row in rows]

    def lead_rows(self, pks: Iterable[int]) -> dict[int, tuple[Any, ...]]:
        """These leads as they stand in the store, in the columns of LEAD_COLUMNS."""
        rows = select_in(self.connection, f"{SELECT_LEADS} WHERE id IN", pks)
        return {row[0]: row for row in rows}

    # --- events -----------------------------------------------------------------------------

    def events_of_leads(self, leads: Iterable[int]) -> list[StoredEvent]:
        """All events that are bound to these leads."""
        return self._events(f"{SELECT_EVENTS} WHERE lead IN", leads)

    def deletions_of(self, subjects: Iterable[int]) -> list[StoredEvent]:
        """All deletions of these subjects."""
        return self._events(f"{SELECT_EVENTS} WHERE subject IN", subjects)

    def events_numbered(self, seqs: Iterable[int]) -> list[StoredEvent]:
        """Return the events of these numbers."""
        return self._events(f"{SELECT_EVENTS} WHERE seq IN", seqs)

    def events_of_subject(self, subject: int) -> list[StoredEvent]:
        """Return all events of a subject, its deletions too."""
        return self.events_of_leads(self.leads_of([subject])) + self.deletions_of([subject])

    def joined(self, seq: int, event: LeadEvent) -> LeadEvent:
        """Return the event of a change as all its copies make it."""
        return self._joined(event, self._copies([(seq, event.id)])[seq])

    def _events(self, select: str, numbers: Iterable[int]) -> list[StoredEvent]:
        rows = select_in(self.connection, select, numbers)
        stored = [stored_event(row, self.identity) for row in rows]
        changes = [one for one in stored if one.event.trigger == "change"]
        copies = self._copies((one.seq, one.event.id) for one in changes)
        for one in changes:
            if one.seq in copies:
                one.event = self._joined(one.event, copies[one.seq])
        return stored

    def _copies(self, changes: Iterable[tuple[int, str]]) -> dict[int, list[LeadEvent]]:
        """Return the other copies of these changes, by number."""
        ids = dict(changes)
        copies: dict[int, list[LeadEvent]] = defaultdict(list)
        for seq, *packed in select_in(self.connection, _COPIES, ids):
            copies[seq].append(unpack(ids[seq], *packed, identity=self.identity))
        return copies

    def _joined(self, event: LeadEvent, copies: Sequence[LeadEvent]) -> LeadEvent:
        return self.identity.named(merged([event, *copies]))


#: The subject of events in which the identity policy finds no name; it is none of all subjects.
UNNAMED: Final = 0


def all_subjects(connection: sqlite3.Connection) -> list[int]:
    """Return the numbers of all subjects."""
    rows = connection.execute(
        "SELECT subject FROM lead UNION SELECT subject FROM event WHERE subject > ?", (UNNAMED,)
    )
    return [row[0] for row in rows]
