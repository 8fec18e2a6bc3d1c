"""The store that messages are applied to."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from attrs import astuple, evolve, frozen

from lifecycle.domain import Key, Meanings, Rules, machine_for, source_name
from lifecycle.errors import (
    ClockSkewError,
    HubError,
    OtherRulesError,
    StoreError,
    UnknownMessageError,
)
from lifecycle.messages import LAST, Message, Undecodable, format_time, read_message
from lifecycle.store.db.codec import CHANGE_NUMBER, Packed
from lifecycle.store.db.lookups import all_subjects
from lifecycle.store.db.rows import OUTCOMES
from lifecycle.store.db.rules import rules_at
from lifecycle.store.db.transaction import unit_of_work
from lifecycle.store.erasure.erase import Erasing, Erasure, hubs_of, is_unpurged, purge
from lifecycle.store.ingest.correction import check_correction
from lifecycle.store.ingest.identify import AHEAD, Place, Taken, taken
from lifecycle.store.ingest.intake import Intake
from lifecycle.store.ingest.outcome import Outcome
from lifecycle.store.ingest.renaming import rename
from lifecycle.store.ledger.chain import Ledger
from lifecycle.store.query.find import find_person
from lifecycle.store.query.moment import Moment, as_micros
from lifecycle.store.reader import LeadReader, reading

#: How far the clock may be behind the last transaction, and ahead of it, in microseconds: one
#: wrong moment would spoil the times of all later transactions, but a store may lie idle.
_BEHIND: Final = 24 * 60 * 60 * 1_000_000
_AHEAD: Final = 366 * _BEHIND
#: No later time is recorded, so that one can be told that is after it.
_LATEST: Final = LAST - _AHEAD
#: So many subjects are folded again together when everything is.
_REBUILT_TOGETHER: Final = 500
# What packing.content_of writes of a change begins with its source.
_SOURCES: Final = (
    "SELECT DISTINCT json_extract(content, '$[14][0]') FROM event WHERE trigger = ?"
    " AND json_extract(content, '$[14][0]') IS NOT NULL"
)
_LOG: Final = logging.getLogger("lifecycle")
Clock = Callable[[], int]
#: What becomes of a person's data when the contact is deleted.
OnContactDelete: TypeAlias = Literal["keep", "erase"]


def system_clock() -> int:
    """The time, in microseconds since 1970-01-01 in UTC."""
    return time.time_ns() // 1000


@frozen
class Cursor:
    """How far a log was read: everything before ``byte_offset`` is in the store.

    The log is recognised by digests of its first ``head_size`` bytes and of the ``tail_size`` bytes
    before the offset.
    """

    log: int
    byte_offset: int = 0
    line: int = 0
    head_size: int = 0
    head_digest: bytes | None = None
    tail_size: int = 0
    tail_digest: bytes | None = None


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
            erased in the same transaction; ``purge`` then removes its traces from the file. Those
            who hang together by a hub, or hold several ids of one scheme, are not: they may be
            many people. ``spared`` tells.
        mode: The permissions of a file that is made: by default its owner alone may read it.
        accept_clock: Write also where the clock is more than a day behind the last transaction, or
            more than a year ahead of it.

    Attributes:
        spared: Why some were not erased, though a contact of theirs is deleted.
        erased: How many contents and quarantined messages were, since their contact is deleted.

    Raises:
        StoreError: The file cannot be opened, or is no store that this version understands.
        OtherRulesError: The store was folded with other rules.
        RulesError: The rules name a guard that nobody registered.
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
        super().__init__(path, "create" if create else "write", permissions=mode)
        self._clock = clock
        self._on_contact_delete = on_contact_delete
        self._accept_clock = accept_clock
        self._erasures = 0
        self.spared: tuple[str, ...] = ()
        self.erased = 0
        try:
            self._rules = self._settle_rules(rules)
            machine_for(self._rules)
            _LOG.debug("%s: opened, rules %s", self.path, self._rules.name)
        except BaseException:
            self.close()
            raise

    # --- messages ---------------------------------------------------------------------------

    def apply(self, message: Message, *, received_at: Moment | None = None) -> Outcome:
        """Apply one message in one durable transaction; what became of it.

        ``received_at`` is the time of a message that states none, and should be the same whenever
        the message comes again. Nothing is raised for what is wrong with the message: that is an
        outcome. To be strict, see ``Outcome.raise_for_refusal`` and
        ``Outcome.raise_for_problems``.

        Raises:
            ClockSkewError: The clock is far from the last transaction.
            StoreError: The store could not be written; nothing of it is in the store.
            ValueError: The message is an inbox page; ``apply_many`` takes those.
        """
        messages = self._read([message], received_at)
        if len(messages) != 1:
            raise ValueError(f"a page of {len(messages)} messages: use apply_many")
        with self.transaction():
            return self.take(messages)[0]

    def apply_many(
        self,
        messages: Iterable[Message],
        *,
        received_at: Moment | None = None,
        batch: int = 5000,
    ) -> list[Outcome]:
        """Apply messages and pages of them, in transactions of up to ``batch``; their outcomes.

        Raises:
            StoreError: The store could not be written; batches before the one that failed are in
                it, and all may be applied again.
        """
        if isinstance(messages, (str, bytes, dict)):
            raise TypeError("expected several messages, got one: use apply, or put it in a list")
        rest = iter(messages)
        outcomes: list[Outcome] = []
        while some := list(islice(rest, batch)):
            messages_read = self._read(some, received_at)
            with self.transaction():
                outcomes += self.take(messages_read)
        return outcomes

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
            UnknownMessageError: No quarantined message has this number.
            OtherMessageError: The correction has another event id.
        """
        with self.transaction():
            found = self.quarantined(number)
            if message is not None and not force:
                check_correction(number, found.raw, message)
            messages = self._read([found.raw if message is None else message], received_at)
            if any(not self._ready(one) for one, _ in messages):
                return [
                    Outcome("quarantined", problems=getattr(one, "problems", found.problems))
                    for one, _ in messages
                ]
            self._leave(number, "retried")
            return self.take(messages)

    def dismiss(self, number: int) -> None:
        """Take a message out of the quarantine without applying it; ``restore`` brings it back.

        Raises:
            UnknownMessageError: No quarantined message has this number.
        """
        with self.transaction():
            self.quarantined(number)
            self._leave(number, "dismissed")

    def restore(self, number: int) -> None:
        """Bring a message back that left the quarantine; one that was erased cannot come back.

        Raises:
            UnknownMessageError: No message with this number left the quarantine, or it was erased.
        """
        with self.transaction():
            if self.quarantined(number, left=True).left_as == "erased":
                raise UnknownMessageError(number)
            self._connection.execute(
                "UPDATE quarantine SET left_at = NULL, left_as = NULL WHERE id = ?", (number,)
            )

    def _leave(self, number: int, how: str) -> None:
        self._connection.execute(
            "UPDATE quarantine SET left_at = ?, left_as = ?, due_at = NULL WHERE id = ?",
            (self._now(), how, number),
        )

    def rebuild(self, rules: Rules | None = None) -> None:
        """Fold everything again, with other rules or the same; what differs is superseded.

        Under another identity policy the names are read again from the messages.

        Raises:
            RulesError: The rules name a guard that nobody registered.
        """
        rules = rules or self._rules
        machine_for(rules)
        with self._unit_of_work():
            self._check_rules()
            recorded_at = self._next_recorded_at()
            if rules.digest != self._rules.digest:
                self._record_rules(rules, recorded_at)
            if rules.identity != self._rules.identity:
                intake = partial(self._intake, rules)
                rename(self._connection, rules.identity, recorded_at, intake)
            else:
                self._fold_again(rules, recorded_at)
        self._rules = rules

    def take_meanings(self, meanings: Meanings, source: str) -> None:
        """Let changes of a source mean what these meanings say of it.

        Raises:
            OtherRulesError: The store has changes of it that were folded with other meanings.
            RulesError: The rules name a guard that nobody registered.
        """
        rules = evolve(self._rules, meanings=self._rules.meanings.with_source(meanings, source))
        if rules.digest == self._rules.digest:
            return
        if not self._adds_meanings(self._rules, rules):
            raise OtherRulesError(
                f"{self.path}: its changes of {source} were folded with other meanings;"
                f" `lifecycle rebuild {self.path} --rules FILE`, where FILE has the new ones,"
                " folds everything again"
            )
        self._put_in_force(rules)
        self._rules = rules

    def _fold_again(self, rules: Rules, recorded_at: int) -> None:
        subjects = all_subjects(self._connection)
        for start in range(0, len(subjects), _REBUILT_TOGETHER):
            some = subjects[start : start + _REBUILT_TOGETHER]
            self._intake(rules, recorded_at).fold_again(some)

    # --- erasing ----------------------------------------------------------------------------

    def erase(self, alias: str, *, hub: bool = False, dry_run: bool = False) -> Erasure:
        """Erase a person: everything personal of all that hangs together with this name.

        The name may be that of a contact, too, with or without ``contact:`` before it. ``hub``:
        erase also where more hangs together than is one person's, by a placeholder for instance.
        ``dry_run``: tell what would be erased, and erase nothing.

        Payloads, contacts, keys that are personal, texts, copies, and what is in the quarantine.
        States, times, who acted, other ids and the ledger stay. A later copy of an erased message
        is a duplicate. The file is then written anew, so that it holds no trace (``purge``).

        Raises:
            UnknownLeadError: Nobody has this name.
            AmbiguousLeadError: It may mean several persons.
            HubError: It may be of many people, and ``hub`` was not given.
            UnpurgedError: It is erased, but the file still holds traces, as it is in use.
            StoreError: The store could not be written; nothing was erased.
        """
        with self._unit_of_work(before="PRAGMA secure_delete = ON"):
            self._check_rules()
            subject, keys = find_person(self._working(), alias)
            hubs = hubs_of(self._connection, subject)
            if hubs and not hub:
                raise HubError(alias, hubs)
            if dry_run:
                return self._rehearse(subject, keys)
            erasure = self._erase(subject, keys)
        self.purge()
        return erasure

    def purge(self) -> bool:
        """Remove the traces of what was erased from the file; whether there may have been any.

        The file is written anew, which takes time and room as it is large.

        Raises:
            UnpurgedError: The file is in use; try again when nobody else reads it.
        """
        with self._gate.held():
            if not is_unpurged(self._connection):
                return False
            purge(self._connection, self.path, self._now())
        _LOG.info("%s: traces of the erased are removed", self.path)
        return True

    def _rehearse(self, subject: int | None, keys: Iterable[Key]) -> Erasure:
        """Erase, and take it back."""
        self._connection.execute("SAVEPOINT rehearsal")
        try:
            return evolve(self._erase(subject, keys), erased_at=None)
        finally:
            self._connection.execute("ROLLBACK TO rehearsal")
            self._connection.execute("RELEASE rehearsal")
            self._parties.forget()

    def _erase_deleted(self, subjects: Iterable[int]) -> None:
        """Erase those whose contact is deleted, but for hubs."""
        for subject in subjects:
            keys = hubs_of(self._connection, subject)
            if keys:
                self.spared = tuple(dict.fromkeys((*self.spared, *keys)))
            else:
                self.erased += self._erase(subject, ()).removed

    def _erase(self, subject: int | None, keys: Iterable[Key]) -> Erasure:
        recorded_at = self._next_recorded_at()
        fold_again = self._intake(self._rules, recorded_at).fold_again
        erasing = Erasing(self._connection, self._parties, self._rules, recorded_at, fold_again)
        return erasing.erase(subject, set(keys))

    # --- replay -----------------------------------------------------------------------------

    def cursor(self, log: str) -> Cursor:
        """How far the log of this name was read; it is remembered from now on."""
        with self._unit_of_work():
            self._connection.execute("INSERT OR IGNORE INTO log (name) VALUES (?)", (log,))
            row = self._connection.execute(
                "SELECT id, byte_offset, line, head_size, head_digest, tail_size, tail_digest"
                " FROM log WHERE name = ?",
                (log,),
            ).fetchone()
        return Cursor(*row)

    def forget_unfinished(self, cursor: Cursor) -> None:
        """Forget what was quarantined of a last line that had no end yet: it is read again."""
        with self._unit_of_work():
            self._connection.execute(
                "DELETE FROM quarantine WHERE log = ? AND unfinished AND left_at IS NULL",
                (cursor.log,),
            )

    def begin_run(self) -> int:
        """The number of a new run, whose events can be counted when it ends."""
        with self._unit_of_work():
            self._next_recorded_at()
            cursor = self._connection.execute(
                "INSERT INTO run (started_at, applied, refused, noted) VALUES (?, 0, 0, 0)",
                (self._now(),),
            )
        return cast("int", cursor.lastrowid)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction for all that is taken in within: it is in the store in the end, or not.

        Raises:
            StoreError: The store could not be written; nothing of it is in the store.
            OtherRulesError: Another process folded everything again, with other rules.
        """
        with self._unit_of_work():
            self._check_rules()
            yield

    def take(self, messages: Sequence[tuple[Taken, Place]]) -> list[Outcome]:
        """Take messages in, within a ``transaction``; what became of each."""
        with self._gate.held():
            intake = self._intake(self._rules, self._next_recorded_at())
            outcomes = intake.take(messages)
            if self._on_contact_delete == "erase":
                self._erase_deleted(intake.deleted_subjects())
            self._log(outcomes)
            return outcomes

    def _log(self, outcomes: Sequence[Outcome]) -> None:
        """Say what became of a batch, and of a refused message no more than its id and why."""
        if not _LOG.isEnabledFor(logging.DEBUG):
            return
        counts = Counter(one.kind for one in outcomes)
        told = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
        _LOG.debug("%s: %d messages: %s", self.path, len(outcomes), told)
        for one in outcomes:
            if one.refusal is not None:
                _LOG.debug("%s: refused %s: %s", self.path, one.event_id, one.refusal.kind)

    def move(self, cursor: Cursor) -> None:
        """Move a log's cursor, within a ``transaction``."""
        self._connection.execute(
            "UPDATE log SET byte_offset = ?, line = ?, head_size = ?, head_digest = ?,"
            " tail_size = ?, tail_digest = ? WHERE id = ?",
            (*astuple(cursor)[1:], cursor.log),
        )

    @reading
    def run_counts(self, run: int) -> dict[str, int]:
        """How many of the events that a run stored are applied, refused and noted by now."""
        found = self._connection.execute(
            f"SELECT {', '.join(OUTCOMES)} FROM run WHERE id = ?", (run,)
        )
        return dict(zip(OUTCOMES, found.fetchone(), strict=True))

    def relax(self) -> None:
        """Commit without waiting for the disk, for replays: a power loss may undo whole batches.

        The cursor moves in the same transactions, so the next run goes on where the store is.
        """
        with self._gate.held():
            # Elsewhere a power loss could damage the file.
            if self._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",):
                self._connection.execute("PRAGMA synchronous = NORMAL")

    # --- how ---------------------------------------------------------------------------------

    def _read(
        self, messages: Iterable[Message], received_at: Moment | None
    ) -> list[tuple[Taken, Place]]:
        at = None if received_at is None else as_micros(received_at)
        place = Place()
        return [
            (taken(one), place)
            for message in messages
            for one in read_message(message, received_at=at, identity=None)
        ]

    def _ready(self, message: Taken) -> bool:
        if isinstance(message, Undecodable):
            return False
        return not isinstance(message, Packed) or message.time <= self._now() + AHEAD

    def _now(self) -> int:
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

    @contextmanager
    def _unit_of_work(self, *, before: str = "") -> Iterator[None]:
        """Hold the gate for one transaction; ``before`` is executed first."""
        with self._gate.held():
            if before:
                self._connection.execute(before)
            with unit_of_work(self._connection, self.path, self._parties.forget):
                yield

    def _intake(self, rules: Rules, recorded_at: int, *, renames: bool = False) -> Intake:
        return Intake(
            self._connection,
            machine_for(rules),
            self._parties,
            rules.identity,
            recorded_at=recorded_at,
            now=self._now(),
            renames=renames,
        )

    def _next_recorded_at(self) -> int:
        """Return the time of what is recorded now, which is after that of all before.

        Raises:
            ClockSkewError: The clock is too far from the last transaction.
        """
        (last,) = self._connection.execute("SELECT recorded_at FROM store").fetchone()
        now = self._now()
        if last and not self._accept_clock and not last - _BEHIND <= now <= last + _AHEAD:
            words = (format_time(now), format_time(last))
            raise ClockSkewError(f"{self.path}", now, last, words)
        return max(now, int(last) + 1)

    def _settle_rules(self, rules: Rules | None) -> Rules:
        """The store's own rules; a new store takes those it is given, if they can be used."""
        if rules is not None:
            machine_for(rules)
        with self._unit_of_work():
            (chosen,) = self._connection.execute("SELECT EXISTS (SELECT 1 FROM rules)").fetchone()
            if chosen:
                found = rules_at(self._connection, None)
            else:
                found = rules or Rules.default()
                self._record_rules(found, self._next_recorded_at())
        if rules is None or rules.digest == found.digest:
            return found
        if self._adds_meanings(found, rules):
            self._put_in_force(rules)
            return rules
        raise OtherRulesError(
            f"{self.path}: folded with the rules {found.name!r}, not with {rules.name!r};"
            f" `lifecycle rebuild {self.path} --rules FILE` folds everything again"
        )

    def _put_in_force(self, rules: Rules) -> None:
        """Record rules under which everything is folded as it is."""
        machine_for(rules)
        with self._unit_of_work():
            self._record_rules(rules, self._next_recorded_at())

    def _adds_meanings(self, found: Rules, rules: Rules) -> bool:
        """Return whether rules differ in nothing but sources of which there are no changes yet."""
        if (found.edges, found.identity) != (rules.edges, rules.identity):
            return False
        rows = self._connection.execute(_SOURCES, (CHANGE_NUMBER,))
        return all(
            found.meanings.of_source(source) == rules.meanings.of_source(source)
            for source in {source_name(written) for (written,) in rows}
        )

    def _record_rules(self, rules: Rules, recorded_at: int) -> None:
        toml, ledger = rules.to_toml(), Ledger(self._connection, recorded_at)
        self._connection.execute(
            "INSERT INTO rules (digest, toml, recorded_at, ledger) VALUES (?, ?, ?, ?)",
            (rules.digest, toml, recorded_at, ledger.enter(toml)),
        )
        ledger.save()
        self._connection.execute("UPDATE store SET recorded_at = ?", (recorded_at,))

    def _check_rules(self) -> None:
        """Another process may have folded everything again, with other rules, or erased parties."""
        (erasures,) = self._connection.execute(
            "SELECT coalesce(max(id), 0) FROM erasure"
        ).fetchone()
        if erasures != self._erasures:
            self._parties.forget()
            self._erasures = erasures
        (digest,) = self._connection.execute(
            "SELECT digest FROM rules ORDER BY id DESC LIMIT 1"
        ).fetchone()
        if digest != self._rules.digest:
            raise OtherRulesError(
                f"{self.path}: was folded again with other rules meanwhile; open it again"
            )
