"""All checks of a store, one after the other; what cannot even be read is a defect, too.

Everything is read as it streams, in memory that does not grow with the store but for a bit for each
content and the numbers of the subjects.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from lifecycle.errors import RulesError
from lifecycle.store.ledger.chain import Head
from lifecycle.store.verify.contents import Contents
from lifecycle.store.verify.folds import Folds
from lifecycle.store.verify.past import Past
from lifecycle.store.verify.references import Records
from lifecycle.store.verify.result import Defect, Verification
from lifecycle.store.verify.structure import Schema
from lifecycle.store.verify.wording import UNREADABLE

#: So many defects of each check are told.
_TOLD: Final = 100
_INTEGRITY: Final = f"PRAGMA integrity_check({_TOLD})"


def verify(
    connection: sqlite3.Connection,
    noted: Iterable[Head],
    *,
    past: bool,
    tell: Callable[[str], None],
) -> Verification:
    """Check everything that can be checked; within one snapshot.

    ``noted``: heads that were noted elsewhere, which the ledger must still contain. ``past``:
    whether to fold again what was known at every past moment. ``tell`` gets the name of each check.
    """
    contents, folds = Contents(connection, tuple(noted)), Folds(connection)
    schema, records = Schema(connection), Records(connection)
    report = _Report(tell)
    report.run("file", lambda: _file(connection), lambda: _pages(connection))
    report.run("schema", schema.check, lambda: schema.checked)
    report.run("contents", contents.check, lambda: contents.checked)
    report.run("ledger", contents.check_ledger, lambda: contents.entries)
    report.run("folds", folds.check, lambda: folds.checked)
    report.run("records", records.check, lambda: records.checked)
    history = Past(connection)
    if past:
        report.run("past", history.check, lambda: history.checked)
    return Verification(
        head=contents.head,
        erased=contents.erased,
        left_out=history.left_out,
        rules=folds.rules,
        checked=report.checked,
        defects=tuple(report.defects),
        count=report.count,
    )


class _Report:
    """What the checks found so far."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.checked: dict[str, int] = {}
        self.defects: list[Defect] = []
        self.count = 0

    def run(
        self, name: str, check: Callable[[], Iterator[Defect]], checked: Callable[[], int]
    ) -> None:
        """Run one check to its end, or to where nothing can be read any more."""
        self._tell(name)
        told: Counter[str] = Counter()
        for defect in _guarded(name, check):
            told[name] += 1
            self.count += 1
            if told[name] <= _TOLD:
                self.defects.append(defect)
        self.checked[name] = checked()


def _guarded(name: str, check: Callable[[], Iterator[Defect]]) -> Iterator[Defect]:
    """What a check finds; what stops it is found, too."""
    try:
        yield from check()
    except RulesError as error:
        yield Defect(name, "the rules", "rules that can be used", str(error))
    except (sqlite3.Error, *UNREADABLE) as error:
        found = f"{type(error).__name__}: {error}"
        yield Defect(name, "the store", "rows that can be read", found)


def _file(connection: sqlite3.Connection) -> Iterator[Defect]:
    """What SQLite itself finds: pages, indices, the types of values, constraints."""
    for (found,) in connection.execute(_INTEGRITY):
        if found != "ok":
            yield Defect("file", "the file", "an intact database", found)


def _pages(connection: sqlite3.Connection) -> int:
    try:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])
    except (sqlite3.Error, *UNREADABLE):
        return 0
