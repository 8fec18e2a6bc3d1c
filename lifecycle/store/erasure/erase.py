"""Erasure of persons: their leads are sealed, and what is personal leaves the store.

What happened stays as a sealed record, which is not folded again: states, steps, times and who
acted. The ledger commits to it (``ledger/seals.py``). (design.md section 8)
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from datetime import datetime
from itertools import chain
from typing import Any, Final

from attrs import asdict, field, frozen

from lifecycle.domain import Key, LeadEvent, Party, conflict
from lifecycle.messages import Decoded, format_time, read_message
from lifecycle.store.db.blocks import NO_SALT, SAVE_BLOCK, Stored, encoded
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import id_hash, json_text, key_hash, select_in
from lifecycle.store.erasure.person import Person
from lifecycle.store.erasure.select import Contents, Leads, leads_of, select
from lifecycle.store.ingest.set_aside import AHEAD
from lifecycle.store.ledger.chain import BOUND, Unit
from lifecycle.store.ledger.seals import commitment_of_erasure
from lifecycle.utc import optional_datetime

_LEADS: Final = "SELECT id, holder, owner, sender, recipient, kept_holder FROM lead WHERE id IN"
_SEAL_LEAD: Final = (
    "UPDATE lead SET lead_id = 'erased:' || id, holder = ?2, owner = ?3, sender = ?4,"
    " recipient = ?5, kept_holder = ?6, contact = NULL, source = NULL, last_id = '',"
    " decisions = NULL, memory = NULL, doubts = NULL, keys = '[]', sealed = {} WHERE id = ?1"
)
_SEAL_NAME: Final = (
    "UPDATE former_lead SET lead_id = 'erased:' || lead, kept_holder = ?3"
    " WHERE lead = ?1 AND known_since = ?2"
)
_SEAL: Final = (
    "INSERT INTO sealed VALUES (?1, ?2, ?3)"
    " ON CONFLICT (lead) DO UPDATE SET erasure = ?2, change = coalesce(change, ?3)"
)
_SEALED_BY: Final = (
    "SELECT DISTINCT id, entry, entries FROM sealed JOIN erasure ON erasure.id = sealed.erasure"
    " WHERE lead IN"
)
_CLEAR_STEP: Final = (
    "UPDATE history SET by = ?2, holder = ?3, reason = NULL,"
    " refusal = json_remove(refusal, '$.why') WHERE id = ?1"
)
_RETELL: Final = (
    "UPDATE finding SET detail = ? WHERE code = 'conflict' AND event = ? AND detail = ?"
)
#: One conflict is told once, as it would be if the contents had been erased from the beginning.
_FORGET_TWINS: Final = (
    "DELETE FROM finding WHERE code = 'conflict' AND event = ?1 AND detail = ?2 AND EXISTS"
    " (SELECT 1 FROM finding AS other WHERE other.code = 'conflict' AND other.event = ?1"
    " AND other.detail = ?2 AND other.id < finding.id AND other.lead IS finding.lead"
    " AND other.superseded_at IS finding.superseded_at)"
)
_EMPTY_PARTY: Final = (
    "UPDATE party SET uri = 'erased:' || id, name = '' WHERE id = ?1 AND NOT EXISTS"
    " (SELECT 1 FROM lead WHERE ?1 IN (holder, owner, sender, recipient, kept_holder)) AND NOT"
    " EXISTS (SELECT 1 FROM history WHERE ?1 IN (by, holder)) AND NOT EXISTS"
    " (SELECT 1 FROM former_lead WHERE kept_holder = ?1)"
)
_EMPTY_QUARANTINED: Final = (
    "UPDATE quarantine SET raw = x'', size = 0, problems = '[]', due_at = NULL,"
    " left_at = coalesce(left_at, {}), left_as = 'erased' WHERE id = ?"
)
_SUPPRESS: Final = "INSERT OR REPLACE INTO suppressed VALUES (?, ?, ?)"


@frozen
class Erasure:
    """The result of an erasure.

    Attributes:
        leads: The leads of the person, by the names that they have from now on.
        events: How many events lost their content.
        copies: How many other contents under ids of events went.
        keys: How many names of the person were removed.
        quarantined: How many messages in the quarantine were emptied.
        erased_at: When; None where nothing was.
        kept_parties: Who acted or held, by the sealed leads, and stays.
    """

    leads: tuple[str, ...] = ()
    events: int = 0
    copies: int = 0
    keys: int = 0
    quarantined: int = 0
    erased_at: datetime | None = field(default=None, converter=optional_datetime)
    kept_parties: tuple[str, ...] = ()

    @property
    def removed(self) -> int:
        """The number of contents and quarantined messages that were erased."""
        return self.events + self.copies + self.quarantined

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        at = None if self.erased_at is None else format_time(self.erased_at)
        lists = {"leads": list(self.leads), "kept_parties": list(self.kept_parties)}
        return asdict(self) | lists | {"erased_at": at}


class Erasing:
    """The work of one erasure, on a connection that has begun a transaction.

    ``forever``: let what comes later under the keys of the person be ignored, too.
    """

    def __init__(
        self, working: WorkingSet, unit: Unit, recorded_at: int, *, forever: bool = False
    ) -> None:
        self._working = working
        self._connection = working.connection
        self._unit = unit
        self._recorded_at = recorded_at
        self._until = None if forever else recorded_at
        (last,) = self._connection.execute("SELECT max(id) FROM erasure").fetchone()
        self._number = (last or 0) + 1
        self._empty_quarantined = _EMPTY_QUARANTINED.format(recorded_at)

    def erase(self, clusters: Collection[int], keys: Collection[Key] = ()) -> Erasure:
        """Erase who these clusters are, and what other events say under these keys."""
        contents, person = select(self._working, clusters, keys)
        quarantined = self._empty_quarantine(person)
        if not contents.entries and not quarantined:
            return Erasure()
        leads = leads_of(self._working, clusters, contents)
        taken_over = self._take_over(leads)
        kept = self._clear_rows(leads, person)
        self._seal_leads(leads)
        self._retell_conflicts(contents)
        self._erase_events(contents)
        self._rewrite_blocks(set(contents.entries), taken_over.keys())
        removed_keys = self._remove_names(clusters, contents)
        self._empty_parties(person)
        self._commit(sorted({*contents.entries, *chain(*taken_over.values())}), quarantined)
        return Erasure(
            tuple(f"erased:{lead}" for lead in sorted(leads.live)),
            len(contents.events),
            len(contents.copies),
            removed_keys,
            quarantined,
            self._recorded_at,
            tuple(sorted(set(map(str, kept)))),
        )

    # --- leads and what is said of them ---------------------------------------------------------

    def _clear_rows(self, leads: Leads, person: Person) -> set[Party]:
        """Remove what people wrote, and the person; return who else acted or held, and stays."""
        kept: dict[int, Party] = {}

        def stays(number: int | None) -> int | None:
            party = self._working.parties.party(number)
            if number is None or party is None or person.is_party(party):
                return None
            kept[number] = party
            return number

        for statement, rows, place in (
            (
                _SEAL_LEAD.format(self._number),
                select_in(self._connection, _LEADS, leads.sealed),
                1,
            ),
            (_SEAL_NAME, leads.former_rows, 2),
            (_CLEAR_STEP, leads.steps, 1),
        ):
            cleared = [(*row[:place], *map(stays, row[place:])) for row in rows]
            self._connection.executemany(statement, cleared)
        clear_finding = "UPDATE finding SET detail = '' WHERE id = ?"
        self._connection.executemany(clear_finding, [(one,) for one in leads.findings])
        return set(kept.values())

    def _seal_leads(self, leads: Leads) -> None:
        next_change = self._unit.numbers.next_change
        changes = [(lead, next_change()) for lead in sorted(leads.sealed)]
        for lead, change in (*changes, *((lead, None) for lead in sorted(leads.others))):
            self._connection.execute(_SEAL, (lead, self._number, change))

    def _retell_conflicts(self, contents: Contents) -> None:
        """Let findings of other people's events not tell the digest of an erased content."""
        for one in contents.copies:
            if one.seq in contents.contested:
                what = f"{one.event.trigger} of {format_time(one.event.time)}"
                detail = f"another content, erased: {what}"
                former = conflict(one.event.id, one.event.digest).detail
                self._connection.execute(_RETELL, (detail, one.seq, former))
                self._connection.execute(_FORGET_TWINS, (one.seq, detail))

    # --- contents -------------------------------------------------------------------------------

    def _take_over(self, leads: Leads) -> dict[int, list[int]]:
        """Take over what earlier erasures committed to, if rows of it change now.

        A lead is sealed once, and what was committed to cannot be committed to anew. Return what
        these erasures erased, by their entries in the ledger.
        """
        rows = set(select_in(self._connection, _SEALED_BY, leads.sealed | leads.others))
        for number, _, _ in rows:
            self._connection.execute(
                "UPDATE sealed SET erasure = ? WHERE erasure = ?", (self._number, number)
            )
            self._connection.execute("UPDATE erasure SET entries = '[]' WHERE id = ?", (number,))
        return {entry: json.loads(entries) for _, entry, entries in rows}

    def _erase_events(self, contents: Contents) -> None:
        """Take their ids from events; no hash that a message has finds them."""
        for one in contents.events:
            self._connection.execute(
                "UPDATE event SET id = 'erased:' || seq, hash = 0 WHERE seq = ?", (one.seq,)
            )
        for one in contents.events + contents.copies:
            self._suppress(id_hash(self._working.numbers.secret, one.event.id), "id", None)

    def _rewrite_blocks(self, contents: Collection[int], erasures: Collection[int]) -> None:
        """Empty these contents; of erasures that were taken over the salt goes."""
        blocks = {}
        for number in sorted({*contents, *erasures}):
            block = self._working.blocks.of(number)
            blocks[block.first] = block
        for block in blocks.values():
            stored = [
                Stored(one.entry.erased())
                if one.entry.number in contents
                else one._replace(entry=one.entry._replace(salt=NO_SALT))
                if one.entry.number in erasures
                else one
                for one in block.stored()
            ]
            self._connection.execute(SAVE_BLOCK, encoded(stored, block.link))

    # --- names ----------------------------------------------------------------------------------

    def _remove_names(self, clusters: Collection[int], contents: Contents) -> int:
        """Remove the keys of these clusters, and keep what names them out; how many there were."""
        keys = sorted(contents.keys)
        self._working.load_keys(keys)
        rows = [row for row in map(self._working.key_row, keys) if row.cluster in clusters]
        many = self._connection.executemany
        many("DELETE FROM key WHERE hash = ?", [(row.hash,) for row in rows])
        many("DELETE FROM cluster WHERE id = ?", [(cluster,) for cluster in clusters])
        for key in keys:
            self._suppress(key_hash(self._working.numbers.secret, key), "key", self._until)
        return len(rows)

    def _suppress(self, number: int, kind: str, until: int | None) -> None:
        before = self._connection.execute(
            f"SELECT {BOUND['suppressed']} FROM suppressed WHERE hash = ?", (number,)
        ).fetchone()
        if before is None or before[2] is not None:
            after = (number, kind, until)
            self._connection.execute(_SUPPRESS, after)
            self._unit.bound.change("suppressed", before, after)

    def _empty_parties(self, person: Person) -> None:
        """Empty the rows of parties that are the person, and that nothing names any more.

        Rows that an earlier erasure sealed name parties, too: as in all leads of others, who acted
        stays there.
        """
        for number, uri, name in self._connection.execute("SELECT * FROM party").fetchall():
            if person.is_party(Party(uri or None, name or None)):
                self._connection.execute(_EMPTY_PARTY, (number,))
        self._working.parties.forget()

    # --- the quarantine -------------------------------------------------------------------------

    def _empty_quarantine(self, person: Person) -> int:
        """Empty what is the person's; its digest stays, so that it does not come back."""
        rows = self._connection.execute("SELECT id, raw, due_at FROM quarantine WHERE size > 0")
        found = [row for row in rows if self._is_theirs(person, *row[1:])]
        for number, raw, due_at in found:
            self._unit.bound.change_rows(
                self._connection, "quarantine", ("id = ?", (number,)), self._empty_quarantined
            )
            for event in self._decoded(raw, due_at):
                self._suppress(id_hash(self._working.numbers.secret, event.id), "id", None)
        return len(found)

    def _is_theirs(self, person: Person, raw: bytes, due_at: int | None) -> bool:
        """Judge what waits for its time by its event, and all else by its text."""
        if due_at is None:
            return person.is_in_message(raw)
        return any(map(person.is_in_event, self._decoded(raw, due_at)))

    def _decoded(self, raw: bytes, due_at: int | None) -> list[LeadEvent]:
        """Return what can be decoded of a message that may have no time but its receipt's."""
        received_at = None if due_at is None else due_at + AHEAD
        readings = read_message(raw, received_at=received_at, identity=self._working.identity)
        return [one.event for one in readings if isinstance(one, Decoded)]

    # --- the ledger -----------------------------------------------------------------------------

    def _commit(self, entries: list[int], quarantined: int) -> None:
        """Enter the erasure into the ledger, with a commitment to the rows as they are now."""
        ledger = self._unit.ledger(self._recorded_at)
        self._connection.execute(
            "INSERT INTO erasure VALUES (?, ?, ?, ?, ?, NULL)",
            (self._number, ledger.last + 1, json_text(entries), self._recorded_at, quarantined),
        )
        salt = os.urandom(16)
        commitment = commitment_of_erasure(self._connection, self._number, salt)
        ledger.enter_erasure(salt, commitment)
        self._unit.write_blocks(ledger)
