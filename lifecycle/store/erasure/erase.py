"""Erasing a person: everything personal of a subject, in one transaction.

What stays are states, times, who acted, ids that are not personal, and the ledger, whose entries
lose their salts. The events stay without what is personal and are folded again: the fold of what
stays is what the store says. (design.md section 8)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from attrs import evolve, frozen

from lifecycle.domain import HUB_SIZE, Key, LeadEvent, Party, Rules, change_text
from lifecycle.errors import UnpurgedError
from lifecycle.messages import Decoded, format_time, read_message
from lifecycle.store.db.codec import hashed, packed_of
from lifecycle.store.db.compression import ERASED
from lifecycle.store.db.rows import Parties, key_hash, redacted_refusal, select_in
from lifecycle.store.erasure.redaction import Redaction
from lifecycle.store.erasure.select import Erasable, erasable
from lifecycle.store.ingest.identify import AHEAD
from lifecycle.store.ingest.shared_findings import Settling
from lifecycle.store.ledger.chain import Ledger
from lifecycle.store.ledger.tombstones import ADD_LINK, ADD_TOMBSTONE

#: How long the last step waits for readers to let go of what was there before, in milliseconds.
PURGE_WAITS: Final = 10_000

_ERASE_EVENT: Final = (
    "UPDATE event SET ledger = ?2, id = ?3, id_hash = ?4, digest = ?5, content = ?8, body = ?9"
    " WHERE seq = ?1"
)
_NOTE_ERASED: Final = (
    "INSERT INTO erased (id_hash, event, ledger, erased_at) VALUES (?1, ?2, ?3, ?4)"
    " ON CONFLICT (id_hash) DO UPDATE SET event = ?2, ledger = ?3, erased_at = ?4"
)
# Nothing that comes under this id is taken in any more.
_KEEP_OUT: Final = "INSERT OR IGNORE INTO erased (id_hash, erased_at) VALUES (?, ?)"
_ROWS: Final = "SELECT id, event, by, holder, refusal FROM history WHERE event IN"
_SUPERSEDED_ROWS: Final = (
    "SELECT id, event, by, holder, refusal FROM history"
    " WHERE superseded_at IS NOT NULL AND event IN"
)
_HUBS: Final = (
    "SELECT detail FROM finding"
    " WHERE subject = ? AND code = 'hub' AND superseded_at IS NULL ORDER BY id"
)
_SEVERAL: Final = (
    "SELECT detail FROM finding WHERE code = 'several_ids' AND superseded_at IS NULL"
    " AND (subject = ?1 OR lead IN (SELECT id FROM lead WHERE subject = ?1)) ORDER BY id"
)
_NAMES: Final = (
    "SELECT json_extract(name.value, '$[0]'), json_extract(name.value, '$[1]'),"
    " count(DISTINCT json_extract(name.value, '$[2]'))"
    " FROM lead, json_each(lead.keys) AS name WHERE lead.subject = ?1"
    " GROUP BY 1, 2 HAVING count(DISTINCT json_extract(name.value, '$[2]')) > ?2 ORDER BY 1, 2"
)
_NAMED: Final = (
    "SELECT EXISTS (SELECT 1 FROM lead WHERE ?1 IN (holder, owner, sender, recipient))"
    " OR EXISTS (SELECT 1 FROM history WHERE ?1 IN (by, holder))"
)


@frozen
class Erasure:
    """What was erased.

    Attributes:
        leads: The leads of the person, by the names that they have from now on.
        events: How many events lost what was personal in them.
        copies: How many other contents under their ids were removed.
        keys: How many names of the person were replaced by pseudonyms.
        quarantined: How many messages in the quarantine were emptied.
        erased_at: When, in microseconds since 1970 in UTC; None where nothing was.
        kept_keys: The names of the person that stay: ids of any scheme, as systems made them up.
        kept_parties: Who acted or held, by the erased messages, and stays.
        kept_ids: How many ids of the erased messages stay.
    """

    leads: tuple[str, ...] = ()
    events: int = 0
    copies: int = 0
    keys: int = 0
    quarantined: int = 0
    erased_at: int | None = None
    kept_keys: tuple[str, ...] = ()
    kept_parties: tuple[str, ...] = ()
    kept_ids: int = 0

    @property
    def removed(self) -> int:
        """How many contents and quarantined messages were erased."""
        return self.events + self.copies + self.quarantined

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "leads": list(self.leads),
            "events": self.events,
            "copies": self.copies,
            "keys": self.keys,
            "quarantined": self.quarantined,
            "erased_at": None if self.erased_at is None else format_time(self.erased_at),
            "kept_keys": list(self.kept_keys),
            "kept_parties": list(self.kept_parties),
            "kept_ids": self.kept_ids,
        }


class Erasing:
    """The work of erasing, on a connection that has begun a transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        parties: Parties,
        rules: Rules,
        recorded_at: int,
        fold_again: Callable[[list[int]], None],
    ) -> None:
        self._connection = connection
        self._parties = parties
        self._identity = rules.identity
        self._meanings = rules.meanings
        self._recorded_at = recorded_at
        self._fold_again = fold_again

    def erase(self, subject: int | None, keys: Collection[Key] = ()) -> Erasure:
        """Erase a subject, and what other events say under one of these keys; what was."""
        contents = erasable(self._connection, subject, keys, self._identity)
        about = [one.event for one in contents.about]
        messages = (one.message for one in contents.about)
        redaction = Redaction(about, messages, contents.kept.union(keys), self._meanings)
        if contents.entries:
            self._erase(subject, contents, redaction)
        leads = self._connection.execute(
            "SELECT lead_id FROM lead WHERE subject = ? ORDER BY lead_id", (subject,)
        )
        erasure = Erasure(
            leads=tuple(lead_id for (lead_id,) in leads),
            events=len(contents.events),
            copies=len(contents.copies),
            keys=len(redaction.removed_keys),
            quarantined=self._empty_quarantine(redaction),
            kept_keys=tuple(map(str, redaction.kept_keys)),
            kept_parties=tuple(sorted(set(map(str, _parties_of(about, redaction, kept=True))))),
            kept_ids=sum(redaction.event(one).id == one.id for one in about),
        )
        if erasure.removed:
            self._connection.execute(
                "INSERT INTO erasure (erased_at, leads, contents, quarantined) VALUES (?, ?, ?, ?)",
                (
                    *(self._recorded_at, len(erasure.leads)),
                    *(erasure.events + erasure.copies, erasure.quarantined),
                ),
            )
            self._connection.execute("UPDATE store SET recorded_at = ?", (self._recorded_at,))
            erasure = evolve(erasure, erased_at=self._recorded_at)
        return erasure

    def _erase(self, subject: int | None, contents: Erasable, redaction: Redaction) -> None:
        seqs = [one.number for one in contents.events]
        leads = self._names(subject, {*seqs, *contents.others}, redaction)
        removed = _parties_of([one.event for one in contents.about], redaction, kept=False)
        self._erase_contents(contents, redaction)
        reasons = {
            one.number: change_text(redaction.event(one.event))
            for one in contents.events
            if one.event.trigger == "change"
        }
        self._erase_rows(_ROWS, seqs, redaction, reasons)
        self._erase_rows(_SUPERSEDED_ROWS, contents.others, redaction, {})
        findings = self._findings(subject, leads, seqs)
        self._redact_findings(findings, redaction)
        if subject is not None and contents.events:
            self._fold_again([subject])
        self._settle(subject, contents.contested, redaction)
        findings |= self._findings(subject, leads, {*seqs, *contents.others})
        self._connection.executemany(
            "UPDATE finding SET detail = '' WHERE superseded_at IS NOT NULL AND id = ?",
            [(number,) for number in findings],
        )
        self._erase_parties(removed)

    # --- what was stored ------------------------------------------------------------------------

    def _erase_contents(self, contents: Erasable, redaction: Redaction) -> None:
        many = self._connection.executemany
        ledger = Ledger(self._connection, self._recorded_at)
        for one in contents.events:
            stays = packed_of(redaction.event(one.event), ERASED)
            self._connection.execute(_ERASE_EVENT, (one.number, ledger.enter(stays), *stays))
            noted = (one.id_hash, one.number, one.ledger, self._recorded_at)
            self._connection.execute(_NOTE_ERASED, noted)
        ledger.save()
        many("DELETE FROM copy WHERE id = ?", [(one.number,) for one in contents.copies])
        many(ADD_TOMBSTONE, contents.tombstones)
        many(ADD_LINK, [(seq,) for seq in contents.linked])
        many(_KEEP_OUT, [(one.id_hash, self._recorded_at) for one in contents.copies])
        many("UPDATE ledger SET salt = NULL WHERE number = ?", [(one,) for one in contents.entries])

    def _empty_quarantine(self, redaction: Redaction) -> int:
        """Empty what is the person's; its digest stays, so that it does not come back."""
        rows = self._connection.execute("SELECT id, raw, due_at FROM quarantine WHERE size > 0")
        found = [row for row in rows if self._is_theirs(redaction, *row[1:])]
        for number, raw, due_at in found:
            self._connection.execute(
                "UPDATE quarantine SET raw = x'', size = 0, problems = '[]', due_at = NULL,"
                " left_at = coalesce(left_at, ?), left_as = 'erased' WHERE id = ?",
                (self._recorded_at, number),
            )
            ids = [(hashed(one.id), self._recorded_at) for one in self._decoded(raw, due_at)]
            self._connection.executemany(_KEEP_OUT, ids)
        return len(found)

    def _is_theirs(self, redaction: Redaction, raw: bytes, due_at: int | None) -> bool:
        """Judge what waits for its time by its event, and all else by its text."""
        if due_at is None:
            return redaction.concerns_message(raw)
        return any(map(redaction.concerns_event, self._decoded(raw, due_at)))

    def _decoded(self, raw: bytes, due_at: int | None) -> list[LeadEvent]:
        """Return what can be decoded of a message that may have no time but its receipt's."""
        received_at = None if due_at is None else due_at + AHEAD
        readings = read_message(raw, received_at=received_at, identity=self._identity)
        return [one.event for one in readings if isinstance(one, Decoded)]

    # --- what was said of it ----------------------------------------------------------------

    def _names(self, subject: int | None, seqs: Iterable[int], redaction: Redaction) -> set[int]:
        """Let leads have names that are not personal, those that they had once too; the leads."""
        rows = self._connection.execute("SELECT id FROM lead WHERE subject = ?", (subject,))
        own = {number for (number,) in rows}
        leads = set(own)
        for table in ("history", "finding"):
            select = f"SELECT DISTINCT lead FROM {table} WHERE lead IS NOT NULL AND event IN"
            leads.update(lead for (lead,) in select_in(self._connection, select, seqs))
        for table, renamed in (("lead", own), ("former_lead", leads)):
            select = f"SELECT id, lead_id FROM {table} WHERE id IN"
            for number, lead_id in select_in(self._connection, select, renamed):
                self._connection.execute(
                    f"UPDATE {table} SET lead_id = ? WHERE id = ?",
                    (redaction.lead_id(lead_id), number),
                )
        return leads

    def _erase_rows(
        self, select: str, seqs: Iterable[int], redaction: Redaction, reasons: Mapping[int, str]
    ) -> None:
        """Remove what people wrote from rows of history; who acted, and what changed, stays."""
        for number, event, by, holder, refusal in select_in(self._connection, select, seqs):
            parties = (self._redacted_party(one, redaction) for one in (by, holder))
            text = None if refusal is None else redacted_refusal(refusal, redaction.text)
            self._connection.execute(
                "UPDATE history SET by = ?, holder = ?, reason = ?, refusal = ? WHERE id = ?",
                (*parties, reasons.get(event), text, number),
            )

    def _redacted_party(self, number: int | None, redaction: Redaction) -> int | None:
        party = self._parties.party(number)
        redacted = redaction.party(party)
        return number if redacted == party else self._parties.number(redacted)

    def _findings(self, subject: int | None, leads: Iterable[int], seqs: Iterable[int]) -> set[int]:
        columns = {"subject": [subject], "lead": leads, "event": seqs}
        return {
            number
            for column, values in columns.items()
            for (number,) in select_in(
                self._connection, f"SELECT id FROM finding WHERE {column} IN", values
            )
        }

    def _redact_findings(self, findings: Iterable[int], redaction: Redaction) -> None:
        rows = select_in(self._connection, "SELECT id, detail FROM finding WHERE id IN", findings)
        self._connection.executemany(
            "UPDATE finding SET detail = ? WHERE id = ?",
            [(redaction.text(detail), number) for number, detail in rows],
        )

    def _settle(self, subject: int | None, contested: Iterable[int], redaction: Redaction) -> None:
        """What a fold does not reach: conflicts, and keys of a deletion alone."""
        settling = Settling(self._connection, self._recorded_at)
        for seq in sorted(contested):
            settling.conflicts_of(seq)
        self._connection.executemany(
            "DELETE FROM key WHERE hash = ? AND subject = ?",
            [(key_hash(key), subject) for key in redaction.removed_keys],
        )

    # --- parties ----------------------------------------------------------------------------

    def _erase_parties(self, parties: Iterable[Party]) -> None:
        """Empty the rows that nothing names any more; their numbers are never given again."""
        for party in parties:
            number = self._parties.number(party)
            (named,) = self._connection.execute(_NAMED, (number,)).fetchone()
            if not named:
                self._connection.execute(
                    "UPDATE party SET uri = 'erased:' || id, name = '' WHERE id = ?", (number,)
                )
        self._parties.forget()


def _parties_of(events: Iterable[LeadEvent], redaction: Redaction, *, kept: bool) -> set[Party]:
    """Return the parties that events name: those that stay, or those that are the person."""
    parties = {
        party
        for event in events
        for party in (
            *(event.agent, event.recipient, event.participant),
            *(event.snapshot.owner, event.snapshot.sender, event.snapshot.recipient),
        )
    }
    return {party for party in parties if party and (redaction.party(party) == party) == kept}


def hubs_of(connection: sqlite3.Connection, subject: int | None) -> list[str]:
    """Return why a subject may be many people: a hub, several ids, or very many names."""
    shared = connection.execute(_HUBS, (subject,))
    several = connection.execute(_SEVERAL, (subject,))
    names = connection.execute(_NAMES, (subject, HUB_SIZE))
    return [
        *(f"more than {HUB_SIZE} leads share {detail}" for (detail,) in shared),
        *(f"several ids, {detail}" for (detail,) in several),
        *(f"{count:,} names {kind}:{scheme}:..." for kind, scheme, count in names),
    ]


def is_unpurged(connection: sqlite3.Connection) -> bool:
    """Whether the file may still hold what was erased: in free pages, or in its log."""
    select = "SELECT EXISTS (SELECT 1 FROM erasure WHERE purged_at IS NULL)"
    return bool(connection.execute(select).fetchone()[0])


def purge(connection: sqlite3.Connection, path: object, now: int) -> None:
    """Write the file anew without what was erased, and empty its log.

    Raises:
        UnpurgedError: A reader, a writer or the disk is in the way; what was erased stays erased,
            but traces of it are still in the file.
    """
    (wait,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {PURGE_WAITS}")
    try:
        connection.execute("PRAGMA temp_store = DEFAULT")
        (last,) = connection.execute("SELECT max(id) FROM erasure").fetchone()
        connection.execute("VACUUM")
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise UnpurgedError(f"{path}", "somebody still reads it")
        connection.execute(
            "UPDATE erasure SET purged_at = ? WHERE purged_at IS NULL AND id <= ?", (now, last)
        )
    except sqlite3.Error as error:
        raise UnpurgedError(f"{path}", str(error)) from error
    finally:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA busy_timeout = {wait}")
