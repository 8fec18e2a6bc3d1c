"""Read a store: leads by any name, histories now and as known before, the feed of changes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lifecycle.domain import STATES, Lead, Rules, State
from lifecycle.errors import ArgumentError, NotFoundError
from lifecycle.messages import Moment, as_micros, optional_micros
from lifecycle.store import ledger, query
from lifecycle.store.db.rules import rules_at
from lifecycle.store.db.transaction import reading, translated
from lifecycle.store.ledger.chain import Head, head_of
from lifecycle.store.opened import OpenStore
from lifecycle.store.query.as_known_at import KnownAt
from lifecycle.store.query.find import find_lead
from lifecycle.store.query.findings import read_findings
from lifecycle.store.query.history import NOW, read_changes
from lifecycle.store.query.messages import read_copies, read_messages_of, read_unmapped
from lifecycle.store.query.quarantine import (
    quarantine_numbers,
    read_quarantine,
    read_quarantined,
)
from lifecycle.store.query.results import (
    Change,
    FindingEntry,
    HistoryEntry,
    QuarantineEntry,
    StoredCopy,
    StoredMessage,
    UnmappedValue,
)
from lifecycle.utc import as_datetime

if TYPE_CHECKING:
    from lifecycle.store.query.audit_source import StoreEvidence
    from lifecycle.store.query.between import Axis, Difference
    from lifecycle.store.query.export import StoreListing
    from lifecycle.store.query.filters import LeadFilter
    from lifecycle.store.query.matches import Matches
    from lifecycle.store.verify import Verification


class LeadReader(OpenStore):
    """A store, opened for reading alone: nothing is written, not even where it is not yet made.

    Raises:
        StoreError: The file cannot be read, or is no store that this version understands.
    """

    @property
    @reading
    def rules(self) -> Rules:
        """The rules that the store was folded with."""
        return rules_at(self._connection, None)

    @reading
    def lead(
        self, alias: str, *, as_of: Moment | None = None, as_known_at: Moment | None = None
    ) -> Lead:
        """Return the lead of this name: ``scheme:value``, or a key as ``lead:`` or ``contact:``.

        With ``as_of`` its state, holder and counts are those of that moment, by what is known now.
        With ``as_known_at`` its name, state, since, holder, refusals and its contact's deletion are
        those known at that moment; ``events`` is 0, and the rest is as it is now. Moments are RFC
        3339 texts, aware datetimes, or microseconds since 1970 in UTC.

        Raises:
            NotFoundError: No lead has this name, or had at that moment.
            AmbiguousLeadError: It is the name of a contact with several leads.
            ArgumentError: A moment cannot be understood.
        """
        return self._known(as_known_at).lead(alias, optional_micros(as_of))

    def leads(
        self,
        *,
        state: State | None = None,
        asked: LeadFilter | None = None,
        sort: str = "lead_id",
        as_of: Moment | None = None,
        as_known_at: Moment | None = None,
    ) -> Iterator[Lead]:
        """Return all leads, those in one state, or those ``asked`` for; moments as in ``lead``.

        ``sort`` is one of SORTS, the other way round with ``-`` before it. Within ``snapshot`` all
        of them are as of one moment, elsewhere a thousand at a time.
        """
        from lifecycle.store.query import filters  # noqa: PLC0415 - few ask for it

        asked = asked or filters.LeadFilter(state)
        filters.order_by(sort)
        if as_of is None and as_known_at is None:
            return self._paged(self.listing().leads(asked, sort=sort))
        leads = self._leads_at(as_of, as_known_at)
        return iter(filters.in_order(filter(asked.matches, leads), sort))

    @reading
    def history(
        self,
        alias: str,
        *,
        superseded: bool = False,
        as_of: Moment | None = None,
        as_known_at: Moment | None = None,
    ) -> list[HistoryEntry]:
        """Return the transitions and refusals of a lead, in order.

        ``superseded`` adds the rows that are not true any more; ``as_of`` leaves out what happened
        later; with ``as_known_at`` they are the rows that were known at that moment. Raises as
        ``lead`` does.
        """
        return self._known(as_known_at).history(
            alias, optional_micros(as_of), superseded=superseded
        )

    @reading
    def find(self, text: str, *, messages: bool = False) -> Matches:
        """Return leads by any id, e-mail address, telephone number or name, in any spelling.

        ``messages`` finds them by the whole text of their messages, too, which takes a while.
        """
        from lifecycle.store.query.matches import find_matches  # noqa: PLC0415 - few ask for it

        return find_matches(self._working(), text, messages=messages)

    def state_at(self, alias: str, moment: Moment, *, as_known_at: Moment | None = None) -> State:
        """Return the state of a lead at a moment; ``new`` before anything happened to it."""
        return self.lead(alias, as_of=as_micros(moment), as_known_at=as_known_at).state

    @reading
    def difference(self, start: Moment, end: Moment, *, axis: Axis = "as_known_at") -> Difference:
        """Return what differs between two moments: ``as_known_at``, or ``as_of`` by what is known.

        Raises:
            ArgumentError: A moment cannot be understood, or there is no such axis.
        """
        from lifecycle.store.query.between import AXES, read_difference  # noqa: PLC0415

        if axis not in AXES:
            raise ArgumentError(f"expected one of {', '.join(AXES)}; got {axis!r}")
        return read_difference(self._working(), as_micros(start), as_micros(end), axis)

    @reading
    def names(self, beginning: str, limit: int = 100) -> list[str]:
        """Return names of leads that begin so, in their order, as a shell completes them."""
        rows = self._connection.execute(
            "SELECT lead_id FROM lead WHERE substr(lead_id, 1, length(?1)) = ?1"
            " ORDER BY lead_id LIMIT ?2",
            (beginning, limit),
        )
        return [lead_id for (lead_id,) in rows]

    @reading
    def lead_no(self, alias: str) -> int:
        """Return the number of the lead of this name, which never changes; raise as ``lead``."""
        return find_lead(self._working(), alias)

    def changes(self, *, after: int = 0, since: Moment | None = None) -> Iterator[Change]:
        """Return the changes behind this number, in the order in which they were made.

        With ``since`` those that were made at this moment or later.

        A row that became untrue comes again, as ``superseded``; a lead whose person was erased, as
        ``erased``. Keep the last ``number`` and go on from there: nothing comes twice.
        """
        if not isinstance(after, int):
            raise TypeError(f"expected the number of a change, got {after!r}")
        if not 0 <= after <= NOW:
            raise ArgumentError(f"expected the number of a change, got {after}")
        at = optional_micros(since)
        return self._paged(read_changes(self._connection, self._parties, after, at))

    @reading
    def messages(self, alias: str) -> list[StoredMessage]:
        """Return the messages of a lead in fold order: what became of each, where it came from."""
        return read_messages_of(self._working(), alias)

    @reading
    def copies(self, alias: str) -> list[StoredCopy]:
        """Return the contents under the ids of a lead's messages that are not canonical."""
        return read_copies(self._working(), alias)

    @reading
    def rules_times(self) -> list[datetime]:
        """Return when other rules came into force: everything was folded again then."""
        rows = self._connection.execute("SELECT recorded_at FROM rules ORDER BY id")
        return [as_datetime(recorded_at) for (recorded_at,) in rows]

    def evidence(self) -> StoreEvidence:
        """Return what an audit looks at; read it within one ``snapshot``."""
        with self._gate.held():
            return query.StoreEvidence(self._working())

    def listing(self) -> StoreListing:
        """Return all of a store for an export, as it streams; read it within one ``snapshot``."""
        with self._gate.held():
            return query.StoreListing(self._connection, self._parties)

    @reading
    def unmapped_values(self, source: str) -> list[UnmappedValue]:
        """Return the values of a source's fields that no meaning fits, the most frequent first."""
        return read_unmapped(self._working(), source)

    @reading
    def findings(
        self,
        alias: str | None = None,
        *,
        superseded: bool = False,
        as_known_at: Moment | None = None,
    ) -> list[FindingEntry]:
        """Return what an auditor should know, of all leads or of one, the gravest first.

        ``superseded`` adds findings of before; ``as_known_at`` gives those of that moment.
        """
        at = optional_micros(as_known_at)
        return read_findings(self._working(), alias, at, superseded=superseded)

    def quarantine(self, *, left: bool = False) -> Iterator[QuarantineEntry]:
        """Return the quarantined messages as they came; ``left``: those that left instead."""
        # A message may be as large as a mebibyte.
        return self._paged(read_quarantine(self._connection, left=left), 1)

    @reading
    def quarantine_numbers(self, *, left: bool = False) -> list[int]:
        """Return the numbers of the messages in the quarantine, or of those that ``left`` it."""
        return quarantine_numbers(self._connection, left=left)

    @reading
    def quarantined(self, number: int, *, left: bool = False) -> QuarantineEntry:
        """Return the quarantined message of this number; ``left``: one that left.

        Raises:
            NotFoundError: There is none.
        """
        is_number = 0 < number <= NOW
        message = read_quarantined(self._connection, number, left=left) if is_number else None
        if message is None:
            raise NotFoundError(number)
        return message

    def copy_to(self, path: str | Path) -> None:
        """Copy the store, as it is at this moment, into a new file that its owner alone may read.

        Raises:
            StoreError: The store cannot be read; or there is a file, or none can be written.
        """
        from lifecycle.store.db.file import make_new_file  # noqa: PLC0415 - takes a while to import

        place = Path(path)
        with self._gate.held():
            make_new_file(place)
            try:
                with closing(sqlite3.connect(place)) as copy:
                    self._connection.backup(copy)
            except sqlite3.Error as error:
                place.unlink()
                raise translated(error, self.path) from error
            except BaseException:
                place.unlink()
                raise

    def dump(self) -> Iterator[str]:
        """Return the store as JSON lines, for ``load_dump``; read them within a ``snapshot``."""
        from lifecycle.store.dump import dump  # noqa: PLC0415 - few ask for it

        with self._gate.held():
            return dump(self._connection)

    @reading
    def lead_count(self) -> int:
        """Return how many leads there are."""
        return self._number("SELECT count(*) FROM lead")

    @reading
    def last_change(self) -> int:
        """Return the number of the last change, to go on behind with ``changes(after=...)``."""
        return self._number("SELECT change FROM store")

    @reading
    def states(self) -> dict[State, int]:
        """Return how many leads are in each state."""
        rows = self._connection.execute("SELECT state, count(*) FROM lead GROUP BY 1 ORDER BY 1")
        return {STATES[state]: count for state, count in rows}

    @reading
    def head(self) -> Head:
        """Return the end of the ledger: noted elsewhere, it lets ``verify`` tell what is gone."""
        return head_of(self._connection)

    @reading
    def digest(self) -> str:
        """Return the digest of the data set: the same for the same messages in any order."""
        return ledger.digest_of(self._connection)

    def verify(
        self,
        *noted: Head | str,
        quick: bool = False,
        on_check: Callable[[str], None] = lambda _: None,
    ) -> Verification:
        """Check that nothing in the store was changed but by lifecycle; return what is wrong.

        The file, the schema, the contents against the ledger, and the rows against those of a
        scratch store into which the contents are replayed. ``noted``: heads that must still be in
        it; ``quick``: compare what is current alone; ``on_check`` is told the name of each check.

        Raises:
            ArgumentError: A text is no head.
        """
        # Making a scratch store needs sqlite_utils.
        from lifecycle.store.verify.checks import verify  # noqa: PLC0415

        heads = [one if isinstance(one, Head) else Head.parse(one) for one in noted]
        with self._gate.held():
            return verify(self._connection, heads, path=self.path, quick=quick, on_check=on_check)

    def _known(self, moment: Moment | None) -> KnownAt:
        return KnownAt(self._working(), optional_micros(moment))

    def _number(self, select: str) -> int:
        return int(self._connection.execute(select).fetchone()[0])

    @reading
    def _leads_at(self, as_of: Moment | None, as_known_at: Moment | None) -> list[Lead]:
        return list(self._known(as_known_at).leads(optional_micros(as_of)))
