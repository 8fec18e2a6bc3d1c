"""Write transactions on a store: its clock, its rules, and messages taken in."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from lifecycle.domain import Rules, machine_for, source_name
from lifecycle.errors import ClockSkewError, RulesMismatchError, StoreError
from lifecycle.messages import LAST
from lifecycle.store.db.blocks import Blocks
from lifecycle.store.db.codec import CHANGE_NUMBER
from lifecycle.store.db.lookups import WorkingSet, all_clusters
from lifecycle.store.db.rows import Parties
from lifecycle.store.db.rules import rules_at
from lifecycle.store.db.transaction import Gate, snapshot, unit_of_work
from lifecycle.store.ingest.intake import Intake
from lifecycle.store.ingest.item import (
    Applied,
    Items,
    Noted,
    Outcome,
    Refused,
)
from lifecycle.store.ingest.known import with_what_is_known
from lifecycle.store.ingest.renaming import rename
from lifecycle.store.ledger.chain import Unit
from lifecycle.utc import as_datetime

#: How far the clock may be behind the last transaction, and ahead of it, in microseconds: one
#: wrong moment would spoil the times of all later transactions, but a store may lie idle.
_BEHIND: Final = 24 * 60 * 60 * 1_000_000
_AHEAD: Final = 366 * _BEHIND
#: No later time is recorded, so that one can be told that is after it.
_LATEST: Final = LAST - _AHEAD
#: So many clusters are looked at together when everything is folded again.
_REBUILT_TOGETHER: Final = 2000
_ADD_RULES: Final = "INSERT INTO rules (digest, toml, recorded_at, entry) VALUES (?, ?, ?, ?)"
_LOG: Final = logging.getLogger("lifecycle")
Clock = Callable[[], int]


def system_clock() -> int:
    """Return the time, in microseconds since 1970-01-01 in UTC."""
    return time.time_ns() // 1000


class Writer:
    """A writer of an open store: one transaction after the other.

    Attributes:
        rules: The rules in force.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        gate: Gate,
        parties: Parties,
        *,
        clock: Clock,
        accept_clock: bool,
    ) -> None:
        self.connection = connection
        self.parties = parties
        self._gate = gate
        self._clock = clock
        self._accept_clock = accept_clock
        self._erasure: int | None = None
        self._unit: Unit | None = None
        self.rules = Rules.default()

    @property
    def path(self) -> Path:
        """The file, as errors name it."""
        return self._gate.path

    # --- transactions -----------------------------------------------------------------------

    @contextmanager
    def transaction(self, *, before: str = "", checks_rules: bool = True) -> Iterator[Unit]:
        """Do all that is done within in one transaction, or nothing of it.

        ``before`` is executed first. Within another transaction it is part of that.

        Raises:
            StoreError: The store could not be written; nothing of it is in the store.
            RulesMismatchError: Another process folded everything again, with other rules.
        """
        with self._gate.held():
            if self._unit is not None:
                yield self._unit
                return
            if before:
                self.connection.execute(before)
            with unit_of_work(self.connection, self.path, self._undo):
                self._unit = unit = Unit(self.connection)
                if checks_rules:
                    self._check_rules(unit)
                yield unit
                if unit.bound.is_changed and not unit.is_changed:
                    unit.numbers.recorded_at = self.next_recorded_at()
                unit.save()
                self._unit = None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read as of one moment."""
        with self._gate.held(), snapshot(self.connection, self.path):
            yield

    def take(self, messages: Items) -> tuple[list[Outcome], Intake]:
        """Take messages in, within a transaction; return what became of each, and the work."""
        intake = self.intake(self.rules, self.next_recorded_at())
        outcomes = intake.take(messages)
        self._log(outcomes)
        return outcomes, intake

    def told(self, messages: Items, outcomes: list[Outcome]) -> list[Outcome]:
        """Return outcomes that also say what is known of messages that are not new."""
        if all(isinstance(one, (Applied, Refused, Noted)) for one in outcomes):
            return outcomes
        assert self._unit is not None  # noqa: S101 - only transactions call it
        return with_what_is_known(self.connection, self._unit.numbers.secret, messages, outcomes)

    def intake(
        self,
        rules: Rules,
        recorded_at: int,
        *,
        renames: bool = False,
        blocks: Blocks | None = None,
    ) -> Intake:
        """Return what takes messages in and folds at a moment, within a transaction."""
        assert self._unit is not None  # noqa: S101 - only transactions call it
        return Intake(
            self.connection,
            machine_for(rules),
            self.parties,
            rules.identity,
            unit=self._unit,
            recorded_at=recorded_at,
            now=self.now(),
            renames=renames,
            blocks=blocks,
        )

    def now(self) -> int:
        """Return the time, by the clock.

        Raises:
            StoreError: It is none that can be recorded, whatever is accepted of the clock.
        """
        now = self._clock()
        if not 0 <= now <= _LATEST:
            raise StoreError(
                f"{self.path}: the clock says {now}, expected microseconds since 1970 in UTC,"
                " before the year 9999: nothing was written. Set the clock right"
            )
        return now

    def next_recorded_at(self) -> int:
        """Return the time of what is recorded now, which is after that of all before.

        Raises:
            ClockSkewError: The clock is too far from the last transaction.
        """
        assert self._unit is not None  # noqa: S101 - only transactions call it
        last, now = self._unit.numbers.recorded_at, self.now()
        if last and not self._accept_clock and not last - _BEHIND <= now <= last + _AHEAD:
            raise ClockSkewError(f"{self.path}", as_datetime(now), as_datetime(last))
        return max(now, int(last) + 1)

    def _undo(self) -> None:
        self._unit = None
        self.parties.forget()

    def _log(self, outcomes: Sequence[Outcome]) -> None:
        """Say what became of a batch, and of a refused message no more than its id and why."""
        if not _LOG.isEnabledFor(logging.DEBUG):
            return
        counts = Counter(one.kind for one in outcomes)
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        _LOG.debug("%s: %d messages: %s", self.path, len(outcomes), told)
        for one in outcomes:
            if isinstance(one, Refused):
                _LOG.debug("%s: refused %s: %s", self.path, one.event_id, one.refusal.kind)

    # --- rules ------------------------------------------------------------------------------

    def settle_rules(self, rules: Rules | None) -> None:
        """Take the store's own rules; a new store takes those it is given, if they can be used.

        Raises:
            RulesMismatchError: The store was folded with other rules.
            RulesError: The rules name a guard that nobody registered.
        """
        if rules is not None:
            machine_for(rules)
        with self.transaction(checks_rules=False):
            select = "SELECT EXISTS (SELECT 1 FROM rules)"
            if self.connection.execute(select).fetchone()[0]:
                self.rules = rules_at(self.connection, None)
            else:
                self.rules = rules or Rules.default()
                self._record(self.rules, self.next_recorded_at())
        if rules is None or rules.digest == self.rules.digest:
            return
        if not self._adds_meanings(rules):
            raise RulesMismatchError(
                f"{self.path}: folded with the rules {self.rules.name!r}, not with {rules.name!r};"
                f" `lifecycle rebuild {self.path} --rules FILE` folds everything again"
            )
        self._put_in_force(rules)

    def take_meanings(self, rules: Rules, source: str) -> None:
        """Put rules in force that give changes of a source other meanings.

        Raises:
            RulesMismatchError: The store has changes of it that were folded with other meanings.
        """
        if rules.digest == self.rules.digest:
            return
        if not self._adds_meanings(rules):
            raise RulesMismatchError(
                f"{self.path}: its changes of {source} were folded with other meanings;"
                f" `lifecycle rebuild {self.path} --rules FILE`, where FILE has the new ones,"
                " folds everything again"
            )
        self._put_in_force(rules)

    def rebuild(self, rules: Rules) -> None:
        """Fold everything again, with other rules or the same."""
        machine_for(rules)
        with self.transaction() as unit:
            recorded_at = self.next_recorded_at()
            self._record(rules, recorded_at)
            if rules.identity == self.rules.identity:
                self._fold_again(rules, recorded_at)
            else:
                working = WorkingSet(
                    self.connection, self.parties, rules.identity, numbers=unit.numbers
                )
                rename(working, unit.bound, recorded_at, partial(self.intake, rules))
        self.rules = rules
        _LOG.info("%s: everything is folded again, rules %s", self.path, rules.name)

    def _fold_again(self, rules: Rules, recorded_at: int) -> None:
        clusters, blocks = all_clusters(self.connection), Blocks(self.connection)
        for start in range(0, len(clusters), _REBUILT_TOGETHER):
            some = clusters[start : start + _REBUILT_TOGETHER]
            self.intake(rules, recorded_at, blocks=blocks).fold_again(some)

    def _put_in_force(self, rules: Rules) -> None:
        """Record rules under which everything is folded as it is."""
        machine_for(rules)
        with self.transaction():
            self._record(rules, self.next_recorded_at())
        self.rules = rules
        _LOG.info("%s: rules %s are in force", self.path, rules.name)

    def _record(self, rules: Rules, recorded_at: int) -> None:
        assert self._unit is not None  # noqa: S101 - only transactions call it
        ledger = self._unit.ledger(recorded_at)
        toml = rules.to_toml()
        entry = ledger.enter_rules(toml)
        self.connection.execute(_ADD_RULES, (rules.digest, toml, recorded_at, entry))
        self._unit.write_blocks(ledger)

    def _adds_meanings(self, rules: Rules) -> bool:
        """Return whether rules differ in nothing but sources of which there are no changes yet."""
        before = self.rules
        if (before.edges, before.identity) != (rules.edges, rules.identity):
            return False
        return all(
            before.meanings.of_source(source) == rules.meanings.of_source(source)
            for source in self._sources()
        )

    def _sources(self) -> set[str]:
        """Return the sources of the changes that the store has."""
        working = WorkingSet(self.connection, self.parties, self.rules.identity)
        rows = self.connection.execute(
            "SELECT entry, id FROM event WHERE trigger = ? ORDER BY entry", (CHANGE_NUMBER,)
        )
        changes = (working.content(entry, event_id).field_change for entry, event_id in rows)
        return {source_name(change.source) for change in changes if change is not None}

    def _check_rules(self, unit: Unit) -> None:
        """Check whether another process folded everything with other rules, or erased parties."""
        if unit.numbers.erasure != self._erasure:
            self.parties.forget()
            self._erasure = unit.numbers.erasure
        if unit.numbers.rules != self.rules.digest:
            raise RulesMismatchError(
                f"{self.path}: was folded again with other rules meanwhile; open it again"
            )
