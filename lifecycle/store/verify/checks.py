"""All checks of a store, one after the other; what cannot even be read is a defect, too.

Everything is read as it streams, in memory that does not grow with the store but for the numbers
of contents that were erased.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from lifecycle.errors import RulesError
from lifecycle.store.db.rules import rules_at
from lifecycle.store.db.transaction import snapshot
from lifecycle.store.ledger.chain import Head
from lifecycle.store.verify.compare import Comparison
from lifecycle.store.verify.entries import Entries
from lifecycle.store.verify.numbers import Numbering
from lifecycle.store.verify.replayed import Replay
from lifecycle.store.verify.result import Defect, Verification
from lifecycle.store.verify.structure import Schema
from lifecycle.store.verify.wording import UNREADABLE

#: So many defects of each check are told.
_TOLD: Final = 100
_INTEGRITY: Final = f"PRAGMA integrity_check({_TOLD})"
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
    (sorts_in,) = connection.execute("PRAGMA temp_store").fetchone()
    with suppress(sqlite3.OperationalError):  # within a transaction it stays as it is
        connection.execute("PRAGMA temp_store = FILE")
    try:
        with snapshot(connection, path):
            return _verify(connection, noted, quick=quick, on_check=on_check)
    finally:
        with suppress(sqlite3.OperationalError):
            connection.execute(f"PRAGMA temp_store = {sorts_in}")


def _verify(
    connection: sqlite3.Connection,
    noted: Iterable[Head],
    *,
    quick: bool,
    on_check: Callable[[str], None],
) -> Verification:
    report = _Report(on_check)
    schema, entries = Schema(connection), Entries(connection, noted)
    report.run("file", lambda: _file(connection), lambda: _pages(connection))
    report.run("schema", schema.check, lambda: schema.checked)
    unchecked: tuple[str, ...] = ("ledger", "contents", "replay")
    rules, left_out = "", 0
    if schema.is_ours:
        report.run("ledger", entries.check, lambda: entries.checked)
        unchecked = _replay(connection, entries, report, quick=quick)
        with suppress(RulesError, sqlite3.Error, *UNREADABLE):
            (left_out,) = connection.execute(_LEFT_OUT).fetchone()
            rules = rules_at(connection, None).digest
    return Verification(
        head=entries.head,
        erased=len(entries.erased),
        left_out=left_out,
        unchecked=unchecked,
        rules=rules,
        checked=report.checked,
        defects=tuple(report.defects),
        count=report.count,
    )


def _replay(
    connection: sqlite3.Connection, entries: Entries, report: _Report, *, quick: bool
) -> tuple[str, ...]:
    """Replay the contents and compare; return the checks that could not be made."""
    with closing(Replay(connection, entries.erased, quick=quick)) as replay:
        report.run("contents", replay.check, lambda: replay.checked)
        if not replay.is_done:
            return ("replay",)
        comparison = Comparison(connection, replay.scratch, quick=quick)
        given = None if quick else replay.unit.numbers
        numbers = Numbering(connection, given, erased=len(entries.erased))

        def check() -> Iterator[Defect]:
            yield from comparison.check(entries.erased)
            yield from numbers.check()

        report.run("replay", check, lambda: comparison.checked)
    return ()


class _Report:
    """The defects that the checks have found so far."""

    def __init__(self, on_check: Callable[[str], None]) -> None:
        self._on_check = on_check
        self.checked: dict[str, int] = {}
        self.defects: list[Defect] = []
        self.count = 0

    def run(
        self, name: str, check: Callable[[], Iterator[Defect]], checked: Callable[[], int]
    ) -> None:
        """Run one check to its end, or to where nothing can be read any more."""
        self._on_check(name)
        told: Counter[str] = Counter()
        for defect in _guarded(name, check):
            told[defect.check] += 1
            self.count += 1
            if told[defect.check] <= _TOLD:
                self.defects.append(defect)
        self.checked[name] = checked()


def _guarded(name: str, check: Callable[[], Iterator[Defect]]) -> Iterator[Defect]:
    """Yield what a check finds; what stops it is a defect, too."""
    try:
        yield from check()
    except (sqlite3.Error, RulesError, *UNREADABLE) as error:
        found = f"the check stopped, {type(error).__name__}: {error}"
        yield Defect(name, "the store", found, "expected rows that can be read")


def _file(connection: sqlite3.Connection) -> Iterator[Defect]:
    """Yield what SQLite itself finds: pages, indices, the types of values, constraints."""
    for (found,) in connection.execute(_INTEGRITY):
        if found != "ok":
            yield Defect("file", "the file", found, "expected an intact database")


def _pages(connection: sqlite3.Connection) -> int:
    try:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])
    except (sqlite3.Error, *UNREADABLE):
        return 0
