"""All checks of a store, one after the other; what cannot even be read is a defect, too.

Everything is read as it streams, in memory that does not grow with the store but for the numbers
of contents that were erased.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from lifecycle.errors import RulesError
from lifecycle.store.db.rules import rules_at
from lifecycle.store.db.transaction import snapshot
from lifecycle.store.ledger.chain import Head
from lifecycle.store.verify.compare import DERIVED, compare, mark_erased
from lifecycle.store.verify.entries import Entries
from lifecycle.store.verify.numbers import check_numbers
from lifecycle.store.verify.replayed import Replay
from lifecycle.store.verify.result import UNREADABLE, Defect, Verification
from lifecycle.store.verify.structure import Schema

#: So many defects of each check are told.
_TOLD: Final = 100
_INTEGRITY: Final = f"SELECT * FROM pragma_integrity_check({_TOLD}) WHERE integrity_check <> 'ok'"
_LEFT_OUT: Final = "SELECT count(*) FROM sealed WHERE change IS NULL"


def verify(
    connection: sqlite3.Connection,
    noted: Iterable[Head],
    *,
    path: Path,
    quick: bool = False,
    on_check: Callable[[str], None] = lambda _: None,
) -> Verification:
    """Check everything that can be checked, within one snapshot.

    ``noted``: heads that were noted elsewhere, which the ledger must still contain. ``quick``:
    compare only what is current. ``on_check`` gets the name of each check before it is made.
    """
    with _sorting_in_files(connection), snapshot(connection, path):
        checks = _Checks(connection, noted, on_check, quick=quick)
        checks.run()
        return checks.result()


@contextmanager
def _sorting_in_files(connection: sqlite3.Connection) -> Iterator[None]:
    (before,) = connection.execute("PRAGMA temp_store").fetchone()
    try:
        with suppress(sqlite3.OperationalError):  # within a transaction it stays as it is
            connection.execute("PRAGMA temp_store = FILE")
        yield
    finally:
        with suppress(sqlite3.OperationalError):
            connection.execute(f"PRAGMA temp_store = {before}")


class _Checks:
    """The checks of a store, and what they have found so far."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        noted: Iterable[Head],
        on_check: Callable[[str], None],
        *,
        quick: bool,
    ) -> None:
        self._connection = connection
        self._on_check = on_check
        self._quick = quick
        self._entries = Entries(connection, noted)
        self._unchecked: tuple[str, ...] = ()
        self._checked: dict[str, int] = {}
        self._defects: list[Defect] = []
        self._count = 0

    def run(self) -> None:
        """Make all checks that can be made."""
        schema = Schema(self._connection)
        self._make("file", self._file())
        self._make("schema", schema.check())
        if not schema.is_ours:
            self._unchecked = ("ledger", "contents", "replay")
            return
        self._make("ledger", self._ledger())
        with closing(Replay(self._connection, self._entries.erased, quick=self._quick)) as replay:
            self._make("contents", replay.check())
            if replay.is_possible:
                self._make("replay", self._replay(replay))
            else:
                self._unchecked = ("replay",)

    def result(self) -> Verification:
        """Return what was found."""
        rules, left_out = "", 0
        if "ledger" not in self._unchecked:
            with suppress(RulesError, sqlite3.Error, *UNREADABLE):
                (left_out,) = self._connection.execute(_LEFT_OUT).fetchone()
                rules = rules_at(self._connection, None).digest
        return Verification(
            head=self._entries.head,
            erased=len(self._entries.erased),
            left_out=left_out,
            unchecked=self._unchecked,
            rules=rules,
            checked=self._checked,
            defects=tuple(self._defects),
            count=self._count,
        )

    def _make(self, name: str, check: Generator[Defect, None, int]) -> None:
        """Make one check to its end, or to where nothing can be read any more."""
        self._on_check(name)
        self._checked[name] = 0
        for number, defect in enumerate(self._guarded(name, check)):
            self._count += 1
            if number < _TOLD:
                self._defects.append(defect)

    def _guarded(self, name: str, check: Generator[Defect, None, int]) -> Iterator[Defect]:
        """Yield what a check finds, and what stops it; note how many things it looked at."""
        try:
            self._checked[name] = yield from check
        except (sqlite3.Error, RulesError, *UNREADABLE) as error:
            found = f"the check stopped, {type(error).__name__}: {error}"
            yield Defect(name, "the store", found, "expected rows that can be read")

    def _file(self) -> Generator[Defect, None, int]:
        """Yield what SQLite itself finds: pages, indices, the types of values, constraints."""
        for (found,) in self._connection.execute(_INTEGRITY):
            yield Defect("file", "the file", found, "expected an intact database")
        return int(self._connection.execute("PRAGMA page_count").fetchone()[0])

    def _ledger(self) -> Generator[Defect, None, int]:
        yield from self._entries.check()
        return self._entries.head.count

    def _replay(self, replay: Replay) -> Generator[Defect, None, int]:
        """Yield what the replay gives otherwise: rows of all tables, and numbers."""
        erased = len(self._entries.erased)
        count = yield from compare(
            "replay",
            # Which parties only the erased named, nothing tells.
            DERIVED[:-1] if self._quick or erased else DERIVED,
            *(self._connection, replay.scratch),
            said="the messages give",
            quick=self._quick,
            sets=mark_erased(replay.scratch, self._connection),
        )
        given = None if self._quick else replay.unit.numbers
        values = {name: getattr(given, name, None) for name in ("lead", "cluster")}
        yield from check_numbers(self._connection, values | {"erased": erased})
        return count
