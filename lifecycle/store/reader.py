"""Reading a store: leads by any name, histories now and as known before, the feed of changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar, cast

from attrs import evolve

from lifecycle.domain import (
    STATES,
    Finding,
    History,
    Identity,
    Lead,
    LeadHistory,
    Rules,
    State,
    source_name,
)
from lifecycle.errors import AmbiguousLeadError, UnknownLeadError, UnknownMessageError
from lifecycle.store.db.codec import hashed
from lifecycle.store.db.gate import Gate
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import (
    SELECT_LEADS,
    STATE_NUMBER,
    Parties,
    complete_lead,
)
from lifecycle.store.db.rules import rules_at
from lifecycle.store.db.transaction import snapshot, translated
from lifecycle.store.ingest.identify import problems_from
from lifecycle.store.ledger.chain import Head, head_of
from lifecycle.store.ledger.digest import digest_of
from lifecycle.store.query.aliases import possible_keys
from lifecycle.store.query.as_known_at import Knowledge, at_moment, recorded_times
from lifecycle.store.query.audit_source import StoreEvidence
from lifecycle.store.query.export import StoreListing
from lifecycle.store.query.find import MANY, find_lead
from lifecycle.store.query.history import Entries
from lifecycle.store.query.moment import Moment, as_micros
from lifecycle.store.query.results import (
    MESSAGES_IN_ORDER,
    SELECT_COPIES,
    SELECT_MESSAGES,
    UNMAPPED_VALUES,
    Change,
    FindingEntry,
    HistoryEntry,
    Quarantined,
    StoredCopy,
    StoredMessage,
    UnmappedValue,
    stored_copy,
    stored_message,
)

if TYPE_CHECKING:
    from lifecycle.store.db.file import Mode
    from lifecycle.store.verify import Verification

_PAGE: Final = 1000


Params = ParamSpec("Params")
Result = TypeVar("Result")


def reading(method: Callable[Params, Result]) -> Callable[Params, Result]:
    """Let a method read as of one moment."""

    @wraps(method)
    def read(*args: Params.args, **kwargs: Params.kwargs) -> Result:
        store = cast("LeadReader", args[0])
        with store.snapshot():
            return method(*args, **kwargs)

    return read


class LeadReader:
    """A store, opened for reading alone: nothing is written, not even where it is not yet made.

    Raises:
        StoreError: The file cannot be read, or is no store that this version understands.
    """

    def __init__(self, path: str | Path, mode: Mode = "read", *, permissions: int = 0o600) -> None:
        self.path = Path(path)
        # sqlite_utils takes a while to import, and is needed from here on.
        from lifecycle.store.db.file import open_store  # noqa: PLC0415

        self._connection = open_store(self.path, mode, permissions)
        self._gate = Gate(self.path, self._connection)
        self._parties = Parties(self._connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is used of this object from now on raises a StoreError."""
        self._gate.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read within a ``with`` block be as of one moment.

        Each method does so by itself. Nothing can be written on this object meanwhile, and other
        threads wait that use it.

        Raises:
            StoreError: The store cannot be read, was closed, or was opened before a fork.
        """
        with self._gate.held(), snapshot(self._connection, self.path):
            yield

    @property
    @reading
    def rules(self) -> Rules:
        """The rules that the store was folded with."""
        return rules_at(self._connection, None)

    # --- leads ------------------------------------------------------------------------------

    @reading
    def lead(
        self, alias: str, *, as_of: Moment | None = None, as_known_at: Moment | None = None
    ) -> Lead:
        """The lead of this name: ``scheme:value``, or a key as ``lead:...`` or ``contact:...``.

        With ``as_of`` its state, holder and counts are those of that moment, by what is known now;
        with ``as_known_at`` everything is as it was known at that moment. Moments are RFC 3339
        texts, aware datetimes, or microseconds since 1970 in UTC.

        Raises:
            UnknownLeadError: No lead has this name, or had at that moment.
            AmbiguousLeadError: It is the name of a contact with several leads.
            TimeFormatError: A moment cannot be understood.
        """
        if as_of is None and as_known_at is None:
            return self._stored(find_lead(self._working(), alias))
        found, history = self._known(alias, as_known_at)
        return found.lead if as_of is None else at_moment([found], history, as_micros(as_of))[0]

    def leads(
        self,
        *,
        state: State | None = None,
        as_of: Moment | None = None,
        as_known_at: Moment | None = None,
    ) -> Iterator[Lead]:
        """All leads, or those in one state, sorted by ``lead_id``; moments as in ``lead``.

        They are read a thousand at a time; within ``snapshot`` all of them are as of one moment.
        """
        if state not in (None, *STATES):
            raise ValueError(f"expected one of {', '.join(STATES)}; got {state!r}")
        if as_of is None and as_known_at is None:
            return self._stored_leads(self._sorted_pks(state))
        return iter(self._leads_at(state, as_of, as_known_at))

    def _stored_leads(self, pks: Sequence[int]) -> Iterator[Lead]:
        for start in range(0, len(pks), _PAGE):
            yield from self._stored_page(pks[start : start + _PAGE])

    @reading
    def _leads_at(
        self, state: State | None, as_of: Moment | None, as_known_at: Moment | None
    ) -> list[Lead]:
        known_at = None if as_known_at is None else as_micros(as_known_at)
        histories = Knowledge(self._working(), known_at).histories()
        at = None if as_of is None else as_micros(as_of)
        shown = [
            lead
            for history in histories
            for lead in (
                [one.lead for one in history.leads]
                if at is None
                else at_moment(history.leads, history, at)
            )
        ]
        there = (lead for lead in shown if lead.events or lead.state != "new")
        found = (lead for lead in there if state in (None, lead.state))
        return sorted(found, key=lambda lead: lead.lead_id)

    @reading
    def history(
        self,
        alias: str,
        *,
        superseded: bool = False,
        as_of: Moment | None = None,
        as_known_at: Moment | None = None,
    ) -> list[HistoryEntry]:
        """The transitions and refusals of a lead, in order.

        ``superseded`` adds the rows that are not true any more; ``as_of`` leaves out what happened
        later; with ``as_known_at`` they are the rows that were known at that moment. Raises as
        ``lead`` does.
        """
        if as_known_at is None:
            entries = self._entries().of_lead(
                find_lead(self._working(), alias), superseded=superseded
            )
        else:
            entries = self._known_history(alias, as_micros(as_known_at))
        if as_of is not None:
            at = as_micros(as_of)
            entries = [entry for entry in entries if entry.row.at <= at]
        return [evolve(entry, seq=seq) for seq, entry in enumerate(entries, 1)]

    def state_at(self, alias: str, moment: Moment, *, as_known_at: Moment | None = None) -> State:
        """The state a lead was in at a moment; ``new`` before anything happened to it."""
        return self.lead(alias, as_of=moment, as_known_at=as_known_at).state

    def changes(self, *, after: int = 0) -> Iterator[Change]:
        """The changes of history behind this number, in the order in which they were made.

        A row that a late message made untrue comes again, as ``superseded``. Keep the last
        ``number`` and go on from there: nothing is left out, nothing comes twice.
        """
        if not isinstance(after, int):
            raise TypeError(f"expected the number of a change, got {after!r}")
        return self._changes_behind(self._changes(after))

    def _changes_behind(self, page: list[Change]) -> Iterator[Change]:
        while page:
            yield from page
            page = self._changes(page[-1].number)

    @reading
    def messages(self, alias: str) -> list[StoredMessage]:
        """The messages of a lead in fold order: what became of each, and where it came from."""
        rows = self._connection.execute(
            f"{SELECT_MESSAGES} WHERE event.lead = ? {MESSAGES_IN_ORDER}",
            (find_lead(self._working(), alias),),
        )
        return [stored_message(row) for row in rows]

    @reading
    def copies(self, alias: str) -> list[StoredCopy]:
        """The contents under the ids of a lead's messages that do not count, in fold order."""
        rows = self._connection.execute(
            f"{SELECT_COPIES} WHERE event.lead = ? {MESSAGES_IN_ORDER}, copy.id",
            (find_lead(self._working(), alias),),
        )
        return [stored_copy(row) for row in rows]

    @reading
    def rules_times(self) -> list[int]:
        """When other rules came into force: everything was folded again then."""
        rows = self._connection.execute("SELECT recorded_at FROM rules ORDER BY id")
        return [row[0] for row in rows]

    def evidence(self) -> StoreEvidence:
        """What an audit looks at; within one ``snapshot``."""
        with self._gate.held():
            return StoreEvidence(self._connection, self._parties, self._identity())

    def listing(self) -> StoreListing:
        """All of a store for an export, as it streams; within one ``snapshot``."""
        with self._gate.held():
            return StoreListing(self._connection, self._parties, self._identity())

    @reading
    def unmapped_values(self, source: str) -> list[UnmappedValue]:
        """Return the values of a source's fields that no meaning fits, the most frequent first."""
        rows = self._connection.execute(UNMAPPED_VALUES)
        return [
            UnmappedValue(field, value, leads)
            for written, field, value, leads in rows
            if source_name(written) == source_name(source)
        ]

    @reading
    def findings(
        self,
        alias: str | None = None,
        *,
        superseded: bool = False,
        as_known_at: Moment | None = None,
    ) -> list[FindingEntry]:
        """What an auditor should know, of all leads or of one, the gravest first.

        ``superseded`` adds what was found once and is no more; ``as_known_at`` gives what was found
        at that moment.
        """
        at = None if as_known_at is None else as_micros(as_known_at)
        values = (None if alias is None else find_lead(self._working(), alias), at)
        where = (
            "WHERE (?1 IS NULL OR finding.lead = ?1 OR (finding.superseded_at IS NOT NULL"
            " AND finding.event IN (SELECT seq FROM event WHERE lead = ?1)))"
            " AND (?2 IS NULL OR (finding.recorded_at <= ?2"
            " AND coalesce(finding.superseded_at > ?2, 1)))"
        )
        if at is None and not superseded:
            where += " AND finding.superseded_at IS NULL"
        rows = self._connection.execute(
            "SELECT finding.code, event.id, finding.detail,"
            " coalesce(lead.lead_id, former_lead.lead_id), finding.recorded_at,"
            " finding.superseded_at FROM finding LEFT JOIN lead ON lead.id = finding.lead"
            " LEFT JOIN former_lead ON former_lead.id = finding.lead"
            f" LEFT JOIN event ON event.seq = finding.event {where}"
            " ORDER BY finding.severity = 'info', finding.severity = 'warning', finding.code,"
            " 4, event.time, event.id, finding.detail, finding.id",
            values,
        )
        return [FindingEntry(Finding(*row[:3]), *row[3:]) for row in rows]

    # --- quarantine -------------------------------------------------------------------------

    def quarantine(self, *, left: bool = False) -> Iterator[Quarantined]:
        """The messages that could not be decoded, in the order in which they came.

        ``left``: those that left the quarantine instead.
        """
        numbers = self.quarantine_numbers(left=left)
        found = (self._quarantined(number, left=left) for number in numbers)
        return (one for one in found if one is not None)

    @reading
    def quarantine_numbers(self, *, left: bool = False) -> list[int]:
        """The numbers of the quarantined messages, in the order in which they came.

        ``left``: of those that left the quarantine instead.
        """
        rows = self._connection.execute(
            "SELECT id FROM quarantine WHERE (left_at IS NOT NULL) = ? ORDER BY id", (left,)
        )
        return [row[0] for row in rows]

    def quarantined(self, number: int, *, left: bool = False) -> Quarantined:
        """The quarantined message of this number; ``left``: one that left the quarantine.

        Raises:
            UnknownMessageError: There is none.
        """
        found = self._quarantined(number, left=left)
        if found is None:
            raise UnknownMessageError(number)
        return found

    @reading
    def _quarantined(self, number: int, *, left: bool = False) -> Quarantined | None:
        row = self._connection.execute(
            "SELECT quarantine.id, raw, size, problems, log.name, quarantine.line, recorded_at,"
            " due_at, left_at, left_as FROM quarantine LEFT JOIN log ON log.id = quarantine.log"
            " WHERE quarantine.id = ? AND (left_at IS NOT NULL) = ?",
            (number, left),
        ).fetchone()
        if row is None:
            return None
        found, raw, size, problems, *rest = row
        return Quarantined(found, raw, size, problems_from(problems), *rest)

    def copy_to(self, path: str | Path) -> None:
        """Copy the store, as it is at this moment, into a new file.

        Raises:
            StoreError: The store cannot be read, or the copy cannot be written.
        """
        try:
            with self._gate.held(), closing(sqlite3.connect(path)) as copy:
                self._connection.backup(copy)
        except sqlite3.Error as error:
            raise translated(error, self.path) from error

    # --- counts -----------------------------------------------------------------------------

    @reading
    def lead_count(self) -> int:
        """How many leads there are."""
        found = self._connection.execute("SELECT count(*) FROM lead").fetchone()
        return int(found[0])

    @reading
    def last_change(self) -> int:
        """The number of the last change: what ``changes(after=...)`` would go on behind."""
        found = self._connection.execute("SELECT change FROM store").fetchone()
        return int(found[0])

    @reading
    def states(self) -> dict[State, int]:
        """How many leads are in each state."""
        sums = ", ".join(f"total(state = {number})" for number in range(len(STATES)))
        found = self._connection.execute(f"SELECT {sums} FROM lead").fetchone()
        counts = zip(STATES, map(int, found), strict=True)
        return {state: count for state, count in counts if count}

    # --- whether it was changed -------------------------------------------------------------

    @reading
    def head(self) -> Head:
        """The end of the ledger, to be noted where nobody who can write the store can write.

        ``verify`` tells later whether what was stored until now is still there and unchanged.
        """
        return head_of(self._connection)

    @reading
    def digest(self) -> str:
        """The digest of the data set: two stores have the same if they hold the same messages.

        It does not depend on the order in which they came, nor on how often.
        """
        return digest_of(self._connection)

    @reading
    def verify(
        self, *noted: Head | str, past: bool = False, tell: Callable[[str], None] = lambda _: None
    ) -> Verification:
        """Check that nothing in the store was changed but by lifecycle.

        The file's integrity, the schema, every content against the ledger and its own message, the
        chain, and every lead, current row of history, finding and key against a fresh fold.

        ``noted`` are heads, as ``head`` gave them or as text: the store must still contain them.
        ``past`` adds the rows that were superseded: each subject is folded again as it was known at
        every moment at which something of it came, which can take long. ``tell`` is told the name
        of each check before it is made.
        What is wrong is in the result; nothing is raised for it, and nothing is written.

        Raises:
            HeadFormatError: A text is no head.
        """
        # Making a new store to compare with needs sqlite_utils.
        from lifecycle.store.verify.checks import verify  # noqa: PLC0415

        heads = [Head.parse(one) if isinstance(one, str) else one for one in noted]
        return verify(self._connection, heads, past=past, tell=tell)

    # --- how ---------------------------------------------------------------------------------

    def _working(self) -> WorkingSet:
        return WorkingSet(self._connection, self._parties, self._identity())

    def _identity(self) -> Identity:
        return rules_at(self._connection, None).identity

    def _stored(self, pk: int) -> Lead:
        row = self._connection.execute(f"{SELECT_LEADS} WHERE id = ?", (pk,)).fetchone()
        return self._complete(row)

    def _complete(self, row: tuple[Any, ...]) -> Lead:
        """The lead of a row, with its keys and its contact's deletion."""
        deletion = self._connection.execute(
            "SELECT event.time FROM subject JOIN event ON event.seq = subject.deletion"
            " WHERE subject.id = ?",
            (row[2],),
        ).fetchone()
        return complete_lead(row, self._parties, deletion[0] if deletion else None)

    @reading
    def _sorted_pks(self, state: State | None) -> list[int]:
        number = None if state is None else STATE_NUMBER[state]
        rows = self._connection.execute(
            "SELECT id FROM lead WHERE ?1 IS NULL OR state = ?1 ORDER BY lead_id, id", (number,)
        )
        return [row[0] for row in rows]

    @reading
    def _stored_page(self, pks: Iterable[int]) -> list[Lead]:
        rows = (
            self._connection.execute(f"{SELECT_LEADS} WHERE id = ?", (pk,)).fetchone() for pk in pks
        )
        return [self._complete(row) for row in rows if row is not None]

    @reading
    def _changes(self, after: int) -> list[Change]:
        return self._entries().changes(after, _PAGE)

    def _entries(self) -> Entries:
        return Entries(self._connection, self._parties)

    def _known(self, alias: str, as_known_at: Moment | None) -> tuple[LeadHistory, History]:
        """The lead of this name as it was known at a moment, and the history it is part of."""
        at = None if as_known_at is None else as_micros(as_known_at)
        knowledge = Knowledge(self._working(), at)
        for keys in possible_keys(alias, knowledge.rules.identity):
            history = knowledge.history_of(keys)
            found = [one for one in history.leads if not set(keys).isdisjoint(one.lead.keys)]
            if len(found) == 1:
                return found[0], history
            if found:
                lead_ids = [one.lead.lead_id for one in found]
                if lead_ids.count(alias) == 1:
                    return found[lead_ids.index(alias)], history
                raise AmbiguousLeadError(alias, lead_ids[:MANY])
        raise UnknownLeadError(alias, "" if at is None else " (at that moment)")

    def _known_history(self, alias: str, at: int) -> list[HistoryEntry]:
        found, _ = self._known(alias, at)
        seqs = {row.event_id: self._event(row.event_id) for row in found.rows}
        times = recorded_times(self._connection, (seq for seq, _ in seqs.values()), at)
        return [
            HistoryEntry(
                seq=0,
                lead_id=found.lead.lead_id,
                row=row,
                recorded_at=times.get((seqs[row.event_id][0], row.step), at),
                late=seqs[row.event_id][1],
            )
            for row in found.rows
        ]

    def _event(self, event_id: str) -> tuple[int, bool]:
        row = self._connection.execute(
            "SELECT seq, late FROM event WHERE id_hash = ?", (hashed(event_id),)
        ).fetchone()
        return row[0], bool(row[1])
