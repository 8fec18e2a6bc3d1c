"""A replay of the contents of a store into a scratch store, by the code that made it.

Contents go in in the order of their entries, those that were recorded together together, under the
rules that were in force then; so every row comes out with the times that it must have.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import partial
from typing import Final

from lifecycle.domain import TRIGGERS, Identity, Problem, Rules, machine_for
from lifecycle.errors import MessageError, RulesError
from lifecycle.messages import LAST, Decoded, Undecodable, read_message
from lifecycle.store.db.blocks import CONTENT, Blocks, Stored
from lifecycle.store.db.codec import Packed, pack
from lifecycle.store.db.lookups import WorkingSet, all_clusters
from lifecycle.store.db.rows import Parties
from lifecycle.store.ingest.intake import Intake
from lifecycle.store.ingest.item import Place
from lifecycle.store.ingest.renaming import rename
from lifecycle.store.ledger.chain import Unit
from lifecycle.store.verify.result import UNREADABLE, Defect, difference
from lifecycle.store.verify.structure import new_store

#: So many contents, or clusters, are folded together where it does not matter when they came.
_TOGETHER: Final = 5000
_FOLDED_AGAIN: Final = 500
_SETTINGS: Final = (
    "PRAGMA temp_store = FILE",
    "PRAGMA journal_mode = OFF",
    "PRAGMA cache_size = -32768",
    "BEGIN",
)
_COPIES: Final = (
    "SELECT copy.entry, event.entry FROM copy JOIN event ON event.seq = abs(copy.event)"
)
_COMPARED: Final = ("digest", "trigger", "time", "content")


class Replay:
    """The check of contents beside their messages, and the replay of these.

    Attributes:
        scratch: The store that it makes, which is gone when it is closed.
        is_possible: Whether everything is replayed; otherwise a guard is not registered.
    """

    def __init__(self, connection: sqlite3.Connection, erased: set[int], *, quick: bool) -> None:
        self._connection = connection
        # Other contents under the id of an erased one: no fold says anything of them.
        self._aside = {copy for copy, entry in connection.execute(_COPIES) if entry in erased}
        self._rules: dict[int, Rules] = {}
        self._in_force: Rules | None = None
        self._together = False
        self._waiting: list[tuple[Packed, Place]] = []
        self._recorded_at = 0
        self.scratch = new_store("")
        (secret,) = connection.execute("SELECT secret FROM store").fetchone()
        self.scratch.execute("UPDATE store SET secret = ?", (secret,))
        for setting in _SETTINGS:
            self.scratch.execute(setting)
        self._blocks = Blocks(connection)
        self._parties = Parties(self.scratch)
        self.unit = Unit(self.scratch)
        self.is_possible = False
        with suppress(RulesError):
            self._load_rules(quick=quick)
            self.is_possible = True

    def _load_rules(self, *, quick: bool) -> None:
        """Load all rules that were in force; if it is quick, put those of now in force at once."""
        rows = self._connection.execute("SELECT entry, toml FROM rules ORDER BY id")
        self._rules = {entry: Rules.loads(toml) for entry, toml in rows}
        loaded = list(self._rules.values()) or [Rules.default()]
        # Under which names an event is known depends on all policies there were.
        self._together = quick and len({one.identity for one in loaded}) == 1
        if self._together:
            loaded, self._rules, self._in_force = loaded[-1:], {}, loaded[-1]
        for rules in loaded:
            machine_for(rules)

    def check(self) -> Generator[Defect, None, int]:
        """Yield what was not decoded as the message says; return how many contents there are.

        Everything is folded meanwhile.
        """
        count = 0
        for stored in self._stored():
            entry = stored.entry
            if entry.recorded_at != self._recorded_at and not self._together:
                self._fold()
            self._recorded_at = entry.recorded_at
            if entry.number in self._rules and self.is_possible:
                self._take_rules(self._rules[entry.number])
            elif entry.kind == CONTENT and not entry.is_erased:
                count += 1
                yield from self._take(stored)
        self._fold()
        return count

    def _stored(self) -> Iterator[Stored]:
        """Yield all entries; blocks that cannot be read are defects of the ledger."""
        for (first,) in self._connection.execute("SELECT first FROM block ORDER BY first"):
            with suppress(*UNREADABLE):
                yield from self._blocks.of(first).stored()

    def close(self) -> None:
        """Remove the scratch store."""
        self.scratch.close()

    def _take(self, stored: Stored) -> Iterator[Defect]:
        """Check a content beside its message, and take that in."""
        entry = stored.entry
        where = f"entry {entry.number}"
        try:
            rules = self._in_force or Rules.default()
            packed = _decoded(stored, rules.identity)
        except UNREADABLE as error:
            yield Defect("contents", where, f"{error}", "expected a message")
            return
        found = (entry.digest, entry.trigger, entry.time, stored.content)
        expected = (packed.digest, packed.trigger, packed.time, packed.content)
        if found != expected:
            where = f"{where}, event {packed.id}"
            sides = [
                (digest, *(TRIGGERS[trigger : trigger + 1] or [trigger]), time, content.decode())
                for digest, trigger, time, content in (found, expected)
            ]
            yield Defect("contents", where, *difference(_COMPARED, "its message gives", *sides))
        if self.is_possible and entry.number not in self._aside:
            place = Place(entry.log or None, entry.line or None, entry=entry.number)
            self._waiting.append((packed, place))
            if self._together and len(self._waiting) >= _TOGETHER:
                self._fold()

    # --- folding --------------------------------------------------------------------------------

    def _fold(self) -> None:
        """Take in what was recorded together."""
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._intake(self._recorded_at).take(waiting)

    def _intake(self, recorded_at: int, *, renames: bool = False) -> Intake:
        rules = self._in_force = self._in_force or Rules.default()
        return Intake(
            *(self.scratch, machine_for(rules), self._parties, rules.identity),
            unit=self.unit,
            recorded_at=recorded_at,
            now=LAST,
            renames=renames,
            blocks=self._blocks,
        )

    def _take_rules(self, rules: Rules) -> None:
        """Put rules in force; fold everything again under them, unless they are the first."""
        before, self._in_force = self._in_force, rules
        if before is None:
            return
        if before.identity != rules.identity:
            working = WorkingSet(
                *(self.scratch, self._parties, rules.identity),
                numbers=self.unit.numbers,
                blocks=self._blocks,
            )
            rename(working, self.unit.bound, self._recorded_at, partial(self._intake))
            return
        clusters = all_clusters(self.scratch)
        for start in range(0, len(clusters), _FOLDED_AGAIN):
            self._intake(self._recorded_at).fold_again(clusters[start : start + _FOLDED_AGAIN])


def _decoded(stored: Stored, identity: Identity) -> Packed:
    """Return what a message says.

    Raises:
        MessageError: It cannot be decoded, or does not concern leads.
    """
    # Whether its names are names is the policy's to say, and was said when it came.
    (reading,) = read_message(stored.body, received_at=stored.entry.time, identity=None)
    if isinstance(reading, Undecodable):
        raise MessageError(reading.problems)
    if not isinstance(reading, Decoded):
        raise MessageError([Problem("topic", "expected one that concerns leads")])
    return pack(reading, identity)
