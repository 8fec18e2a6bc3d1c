"""Pages of leads and of stored messages: what stands behind a number, so many at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

from lifecycle.domain import Lead, State
from lifecycle.store.db.blocks import Blocks
from lifecycle.store.db.rows import (
    SELECT_LEADS,
    STATE_NUMBER,
    Parties,
    complete_lead,
    id_hash,
)
from lifecycle.store.query.streams import Stream, read_streams

_PARTIES: Final = "(SELECT id FROM party WHERE uri = ? OR name = ?)"
_TEXTS: Final = ("lead_id", "keys", "coalesce(contact, '')")
_EVENTS: Final = "SELECT seq, entry, id, recorded_at FROM event"


@frozen
class LeadFilter:
    """Which leads are asked for; what is None is not asked.

    Attributes:
        state: Those in this state.
        holder: Those held by this party, a URI or a name as it was written.
        owner: Those owned by this party.
        since: Those that came into their state at this time or later, microseconds since 1970.
        text: Those with this text in a name, or in what is known of their contact. Letters of
            ASCII compare without case.
    """

    state: State | None = None
    holder: str | None = None
    owner: str | None = None
    since: int | None = None
    text: str | None = None

    def conditions(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield conditions in SQL, each with its values."""
        if self.state is not None:
            yield "state = ?", (STATE_NUMBER[self.state],)
        if self.holder is not None:
            yield f"holder IN {_PARTIES}", (self.holder, self.holder)
        if self.owner is not None:
            yield f"owner IN {_PARTIES}", (self.owner, self.owner)
        if self.since is not None:
            yield "since >= ?", (self.since,)
        if self.text is not None:
            some = " OR ".join(f"instr(lower({column}), lower(?))" for column in _TEXTS)
            yield f"({some})", (self.text,) * len(_TEXTS)


_EVERY_LEAD: Final = LeadFilter()


@frozen
class InboxEntry:
    """A message as it was stored.

    Attributes:
        number: Its number, in the order of storing.
        event_id: The id of its event.
        recorded_at: When it came, microseconds since 1970 in UTC.
        body: The canonical message as it came, JSON; None when it was erased.
    """

    number: int
    event_id: str
    recorded_at: int
    body: bytes | None


class StorePages:
    """Leads and messages by their numbers, so many at a time.

    Read it within one ``snapshot``.
    """

    def __init__(self, connection: sqlite3.Connection, parties: Parties) -> None:
        self._connection = connection
        self._parties = parties

    def leads(
        self,
        after: int | None,
        limit: int,
        asked: LeadFilter = _EVERY_LEAD,
        *,
        newest: bool = False,
    ) -> list[tuple[int, Lead]]:
        """Return leads with their numbers, behind a number and in their order, or backwards."""
        conditions = [*asked.conditions()]
        if after is not None:
            conditions.append((f"id {'<' if newest else '>'} ?", (after,)))
        where = " AND ".join(["true", *(condition for condition, _ in conditions)])
        order = "DESC" if newest else "ASC"
        values = [value for _, some in conditions for value in some]
        select = f"{SELECT_LEADS} WHERE {where} ORDER BY id {order} LIMIT ?"
        rows = self._connection.execute(select, [*values, limit])
        return [(row[0], complete_lead(row, self._parties)) for row in rows]

    def messages(self, after: int, limit: int) -> list[InboxEntry]:
        """Return messages behind a number, in the order in which they were stored."""
        select = f"{_EVENTS} WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._entries(select, (after, limit))

    def streams(self) -> list[Stream]:
        """Return the partitions of topics that were ever read into the store."""
        return read_streams(self._connection)

    def message(self, event_id: str) -> InboxEntry | None:
        """Return the message of an event id, if there is one."""
        (secret,) = self._connection.execute("SELECT secret FROM store").fetchone()
        where = (id_hash(secret, event_id), event_id)
        return next(iter(self._entries(f"{_EVENTS} WHERE hash = ? AND id = ?", where)), None)

    def last_before(self, moment: int) -> int:
        """Return the number of the last message that was stored before a moment; 0 for none.

        Later numbers have later times, so that it is found by halves.
        """
        find = self._connection.execute
        low, high = 0, find("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
        select = "SELECT seq, recorded_at FROM event WHERE seq > ? ORDER BY seq LIMIT 1"
        while low < high:
            middle = (low + high) // 2
            seq, recorded_at = find(select, (middle,)).fetchone()
            if recorded_at < moment:
                low = seq
            else:
                high = middle
        return int(low)

    def _entries(self, select: str, values: tuple[Any, ...]) -> list[InboxEntry]:
        blocks = Blocks(self._connection)
        return [
            InboxEntry(
                *(seq, event_id, recorded_at),
                None if blocks.entry(entry).is_erased else blocks.body(entry),
            )
            for seq, entry, event_id, recorded_at in self._connection.execute(select, values)
        ]
