"""One transaction that writes: the numbers that it gives, the ledger, and the bound tables."""

from __future__ import annotations

import sqlite3
from typing import Final

from lifecycle.store.db.blocks import ADD_BLOCK, BLOCK, REMOVE_BLOCK, Block, Blocks
from lifecycle.store.db.lookups import Numbers
from lifecycle.store.db.statements import Writes
from lifecycle.store.ledger.bound import Bound
from lifecycle.store.ledger.chain import BEGINNING, Ledger, head_of, merged_blocks

_SAVE: Final = (
    "UPDATE store SET recorded_at = ?, change = ?, entry = ?, lead = ?, cluster = ?, bound = ?"
)
_LINK_BEFORE: Final = "SELECT link FROM block WHERE first < ? ORDER BY first DESC LIMIT 1"


class Unit:
    """What a transaction knows of the store's own row, and how it goes on.

    Attributes:
        numbers: The last numbers that were given.
        bound: The sum of the rows of bound tables.
        head: The end of the ledger.
        is_changed: Whether something was added to the ledger.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.numbers = Numbers(connection)
        self.bound = Bound(self.numbers.bound)
        self.head = head_of(connection)
        self.is_changed = False

    def ledger(self, recorded_at: int) -> Ledger:
        """Return the ledger, to add entries of a moment."""
        return Ledger(self.head, recorded_at)

    def add_blocks(self, ledger: Ledger, writes: Writes) -> None:
        """Let what a ledger added be written; small blocks at its end become full ones."""
        loose: list[Block] = []
        if self.head.count // BLOCK != ledger.last // BLOCK:
            loose = Blocks(self._connection).loose()
        if sum(map(len, loose)) >= BLOCK:
            for row in merged_blocks(loose, self._link_before(loose[0].first)):
                writes.add(ADD_BLOCK, *row)
            for block in loose:
                writes.add(REMOVE_BLOCK, block.first)
        for row in ledger.rows():
            writes.add(ADD_BLOCK, *row)
        self._go_on(ledger)

    def write_blocks(self, ledger: Ledger) -> None:
        """Write what a ledger added at once."""
        self._connection.executemany(ADD_BLOCK, ledger.rows())
        self._go_on(ledger)

    def save(self) -> None:
        """Write the store's own row; where bound rows were changed, an entry that binds them."""
        if self.bound.is_changed:
            ledger = self.ledger(self.numbers.recorded_at)
            ledger.enter_state(self.bound.total)
            self.write_blocks(ledger)
        if self.is_changed:
            one = self.numbers
            self._connection.execute(
                _SAVE,
                (
                    *(one.recorded_at, one.change, self.head.count, one.lead, one.cluster),
                    self.bound.total,
                ),
            )

    def _go_on(self, ledger: Ledger) -> None:
        if ledger.added:
            self.head = ledger.head
            self.numbers.recorded_at = ledger.recorded_at
            self.is_changed = True

    def _link_before(self, first: int) -> bytes:
        found = self._connection.execute(_LINK_BEFORE, (first,)).fetchone()
        return bytes(found[0]) if found else BEGINNING
