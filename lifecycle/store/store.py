"""The store that messages are applied to."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from attrs import evolve

from lifecycle.domain import Key, Meanings, Rules, machine_for
from lifecycle.errors import ArgumentError, HubError, NotFoundError
from lifecycle.messages import Message, Moment, optional_micros
from lifecycle.store import erasure
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.erasure.policy import OnContactDelete, checked_policy
from lifecycle.store.ingest.correction import check_correction
from lifecycle.store.ingest.item import (
    Items,
    Outcome,
    Quarantined,
    is_ready,
    several,
    stored_items,
)
from lifecycle.store.ingest.set_aside import AHEAD
from lifecycle.store.ledger.chain import Unit
from lifecycle.store.query.find import find_person
from lifecycle.store.reader import LeadReader
from lifecycle.store.session import ReplaySession
from lifecycle.store.writer import Clock, Writer, system_clock
from lifecycle.text import counted

if TYPE_CHECKING:
    from lifecycle.store.erasure.erase import Erasure

_LOG: Final = logging.getLogger("lifecycle")
_LEAVE: Final = "UPDATE quarantine SET left_at = ?2, left_as = ?3, due_at = NULL WHERE id = ?1"
_RESTORE: Final = "UPDATE quarantine SET left_at = NULL, left_as = NULL WHERE id = ?1"


class LeadStore(LeadReader):
    """A store of leads in one SQLite file, which is made where there is none.

    An object may be used by several threads: calls wait for each other, and iterators hold neither
    lock nor transaction between two items. Any number of processes may write to one file; each
    opens it for itself.

    Args:
        path: The file; ``:memory:`` for a store that is gone when it is closed.
        create: Whether to make a store where there is none.
        rules: The rules to fold with. A new store keeps them (without any: the default rules); one
            that exists has its own, and refuses others.
        clock: Gives the time, in microseconds since 1970 in UTC.
        on_contact_delete: With ``erase``, what is taken in of a person whose contact is deleted is
            erased in the same transaction; ``purge`` then removes its traces from the file. What
            may be many people (a hub, several ids of one scheme) is not: ``spared`` tells.
        mode: The permissions of a file that is made: by default its owner alone may read it.
        accept_clock: Write also where the clock is more than a day behind the last transaction, or
            more than a year ahead of it.

    Attributes:
        spared: Why some were not erased, though a contact of theirs is deleted.
        erased: How many contents and quarantined messages were, since their contact is deleted.

    Raises:
        StoreError: The file cannot be opened, or is no store that this version understands.
        RulesMismatchError: The store was folded with other rules.
        RulesError: The rules name a guard that nobody registered.
        ArgumentError: ``on_contact_delete`` is something else.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        rules: Rules | None = None,
        create: bool = True,
        clock: Clock = system_clock,
        on_contact_delete: OnContactDelete = "keep",
        accept_clock: bool = False,
        mode: int = 0o600,
    ) -> None:
        self._on_contact_delete = checked_policy(on_contact_delete)
        super().__init__(path, "create" if create else "write", permissions=mode)
        self.spared: tuple[str, ...] = ()
        self.erased = 0
        self._writer = Writer(
            *(self._connection, self._gate, self._parties), clock=clock, accept_clock=accept_clock
        )
        try:
            self._writer.settle_rules(rules)
            machine_for(self._writer.rules)
            _LOG.debug("%s: rules %s", self.path, self._writer.rules.name)
        except BaseException:
            self.close()
            raise

    # --- messages ---------------------------------------------------------------------------

    def apply(self, message: Message, *, received_at: Moment | None = None) -> Outcome:
        """Apply one message in one durable transaction; what became of it.

        ``received_at`` is the time of a message that states none, and should be the same whenever
        the message comes again. Nothing is raised for what is wrong with the message: that is an
        outcome, whose ``raise_for_refusal`` and ``raise_for_problems`` are for the strict.

        Raises:
            ClockSkewError: The clock is far from the last transaction.
            StoreError: The store could not be written; nothing of it is in the store.
            ArgumentError: The message is an inbox page; ``apply_many`` takes those.
        """
        messages = self._read([message], optional_micros(received_at))
        if len(messages) != 1:
            raise ArgumentError(f"a page of {len(messages)} messages: use apply_many")
        return self._apply(messages)[0]

    def apply_many(
        self, messages: Iterable[Message], *, received_at: Moment | None = None, batch: int = 5000
    ) -> list[Outcome]:
        """Apply messages and pages of them, in transactions of up to ``batch``; their outcomes.

        Raises:
            ArgumentError: A batch is less than one message, or the moment cannot be understood.
            StoreError: A batch could not be written; those before it are in the store.
        """
        several(messages)
        if batch < 1:
            raise ArgumentError(f"expected a batch of at least 1 message, got {batch}")
        at = optional_micros(received_at)
        rest = iter(messages)
        batches = iter(lambda: list(islice(rest, batch)), [])
        return [one for some in batches for one in self._apply(self._read(some, at))]

    def apply_group(self, groups: Iterable[Iterable[Message]]) -> list[list[Outcome]]:
        """Apply the messages of several callers in one durable transaction; the outcomes of each.

        Raises:
            StoreError: The store could not be written; nothing of any of them is in the store.
        """
        read = [self._read(several(messages), None) for messages in several(groups)]
        outcomes = iter(self._apply([one for some in read for one in some]))
        return [list(islice(outcomes, len(some))) for some in read]

    def retry(
        self,
        number: int,
        message: Message | None = None,
        *,
        received_at: Moment | None = None,
        force: bool = False,
    ) -> list[Outcome]:
        """Apply a quarantined message again, or a corrected one in its place.

        It leaves the quarantine when nothing of it would be quarantined again, and does not come
        back when the same bytes are delivered again. ``force``: take a correction although it has
        another event id than the message that it corrects.

        Raises:
            NotFoundError: No quarantined message has this number.
            OtherMessageError: The correction has another event id.
        """
        at = optional_micros(received_at)
        with self._writer.transaction() as unit:
            kept = self.quarantined(number)
            if message is not None and not force:
                check_correction(number, kept.raw, message)
            messages = self._read([kept.raw if message is None else message], at)
            latest = self._writer.now() + AHEAD
            if not all(is_ready(one, latest) for one, _ in messages):
                problems = [getattr(one, "problems", kept.problems) for one, _ in messages]
                return [Quarantined(some, number) for some in problems]
            self._leave(unit, number, "retried")
            return self._apply(messages)

    def dismiss(self, number: int) -> None:
        """Take a message out of the quarantine without applying it; ``restore`` brings it back.

        Raises:
            NotFoundError: No quarantined message has this number.
        """
        with self._writer.transaction() as unit:
            self.quarantined(number)
            self._leave(unit, number, "dismissed")

    def restore(self, number: int) -> None:
        """Bring a message back that left the quarantine; one that was erased cannot come back.

        Raises:
            NotFoundError: No message with this number left the quarantine, or it was erased.
        """
        with self._writer.transaction() as unit:
            if self.quarantined(number, left=True).left_as == "erased":
                raise NotFoundError(number)
            unit.bound.change_rows(self._connection, "quarantine", ("id = ?1", (number,)), _RESTORE)

    def _leave(self, unit: Unit, number: int, how: str) -> None:
        more = (self._writer.now(), how)
        unit.bound.change_rows(self._connection, "quarantine", ("id = ?1", (number,)), _LEAVE, more)
        _LOG.debug("%s: quarantined message %d is %s", self.path, number, how)

    def rebuild(self, rules: Rules | None = None) -> None:
        """Fold everything again, with other rules or the same; what differs is superseded.

        Under another identity policy the names are read again from the messages.

        Raises:
            RulesError: The rules name a guard that nobody registered.
        """
        self._writer.rebuild(self._writer.rules if rules is None else rules)

    def take_meanings(self, meanings: Meanings, source: str) -> None:
        """Let changes of a source mean what these meanings say of it.

        Raises:
            RulesMismatchError: The store has changes of it that were folded with other meanings.
            RulesError: The rules name a guard that nobody registered.
        """
        rules = self.rules
        meanings = rules.meanings.with_source(meanings, source)
        self._writer.take_meanings(evolve(rules, meanings=meanings), source)

    def name_in_errors(self, path: Path) -> None:
        """Let errors name another file than the one that is open, a copy of it."""
        self._gate.path = path

    def session(self) -> ReplaySession:
        """Return what reads logs into the store: with cursors, and counts of the whole run."""
        with self._gate.held():
            return ReplaySession(self._writer, self._take)

    def _take(self, messages: Items) -> list[Outcome]:
        """Take messages in, in one transaction, and erase whose contact is deleted, if asked to."""
        with self._writer.transaction():
            outcomes, intake = self._writer.take(messages)
            if self._on_contact_delete == "erase":
                self._erase_deleted(intake.deleted_clusters())
        return outcomes

    def _apply(self, messages: Items) -> list[Outcome]:
        """Take messages in, in one transaction; return what became of each, to be told."""
        with self._writer.transaction():
            return self._writer.told(messages, self._take(messages))

    def _read(self, messages: Iterable[Message], received_at: int | None) -> Items:
        return stored_items(messages, self._writer.rules.identity, received_at)

    # --- erasing ----------------------------------------------------------------------------

    def erase(
        self,
        alias: str,
        *,
        all_of_them: bool = False,
        forever: bool = False,
        dry_run: bool = False,
    ) -> Erasure:
        """Erase a person: seal all leads that hang together with this name.

        The name may be that of a contact, too. States, times and who acted stay, as a sealed
        record; all else goes, and the file is written anew (``purge``). ``all_of_them``: erase also
        what may be many people; ``forever``: ignore later messages about the person, too;
        ``dry_run``: tell what would be erased, and erase nothing.

        Raises:
            NotFoundError: Nobody has this name.
            AmbiguousLeadError: It may mean several persons.
            HubError: It may be of many people, and ``all_of_them`` was not given.
            PurgeIncompleteError: It is erased, but the file still holds traces, as it is in use.
            StoreError: The store could not be written; nothing was erased.
        """
        with self._erasing(dry_run=dry_run) as unit:
            cluster, keys = find_person(working := self._working(), alias)
            clusters = [] if cluster is None else [cluster]
            _, reasons = erasure.single_persons(working, clusters)
            if reasons and not all_of_them:
                raise HubError(alias, reasons)
            erased = self._erase(unit, clusters, keys, forever=forever)
        return self._finish(erased, dry_run=dry_run)

    def erase_deleted(self, *, forever: bool = False, dry_run: bool = False) -> Erasure:
        """Erase everybody whose contact is deleted, but who may be many people: ``spared`` tells.

        Raises:
            PurgeIncompleteError: They are erased, but the file still holds traces, as it is in use.
            StoreError: The store could not be written; nothing was erased.
        """
        with self._erasing(dry_run=dry_run) as unit:
            clusters = self._spare(erasure.deleted_clusters(self._connection))
            erased = self._erase(unit, clusters, (), forever=forever)
        return self._finish(erased, dry_run=dry_run)

    def purge(self) -> bool:
        """Write the file anew without what was erased; return whether there was anything.

        Raises:
            PurgeIncompleteError: The file is in use; try again when nobody else reads it.
        """
        with self._gate.held():
            if not erasure.is_unpurged(self._connection):
                return False
            erasure.remove_traces(self._connection, self.path, self._writer.now())
        _LOG.info("%s: traces of the erased are removed", self.path)
        return True

    @contextmanager
    def _erasing(self, *, dry_run: bool) -> Iterator[Unit]:
        """Begin a transaction to erase in; a rehearsal is taken back in the end."""
        with self._writer.transaction(before="PRAGMA secure_delete = ON") as unit:
            if not dry_run:
                yield unit
                return
            self._connection.execute("SAVEPOINT rehearsal")
            try:
                yield Unit(self._connection)
            finally:
                self._connection.execute("ROLLBACK TO rehearsal")
                self._connection.execute("RELEASE rehearsal")
                self._parties.forget()

    def _erase(
        self, unit: Unit, clusters: Collection[int], keys: Collection[Key], *, forever: bool = False
    ) -> Erasure:
        identity = self._writer.rules.identity
        working = WorkingSet(self._connection, self._parties, identity, numbers=unit.numbers)
        recorded_at = self._writer.next_recorded_at()
        return erasure.Erasing(working, unit, recorded_at, forever=forever).erase(clusters, keys)

    def _finish(self, erased: Erasure, *, dry_run: bool) -> Erasure:
        if dry_run:
            return evolve(erased, erased_at=None)
        _LOG.info("%s: erased %s", self.path, counted(len(erased.leads), "lead"))
        self.purge()
        return erased

    def _erase_deleted(self, clusters: Iterable[int]) -> None:
        """Erase those of some clusters that are one person each, within a transaction."""
        persons = self._spare(clusters)
        if persons:
            with self._writer.transaction() as unit:
                self.erased += self._erase(unit, persons, ()).removed

    def _spare(self, clusters: Iterable[int]) -> list[int]:
        """Return the clusters that are one person each; ``spared`` says why others are not."""
        persons, reasons = erasure.single_persons(self._working(), clusters)
        self.spared = tuple(dict.fromkeys((*self.spared, *reasons)))
        return persons
