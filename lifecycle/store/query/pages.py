"""Pages of leads and of stored messages: what stands behind a number, so many at a time."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from attrs import frozen

from lifecycle.domain import Lead
from lifecycle.store.db.blocks import Blocks
from lifecycle.store.db.rows import (
    SELECT_LEADS,
    Parties,
    complete_lead,
    id_hash,
)
from lifecycle.store.query.filters import EVERY_LEAD, LeadFilter
from lifecycle.store.query.history import add_steps

_EVENTS: Final = "SELECT seq, entry, id, recorded_at FROM event"


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
        asked: LeadFilter = EVERY_LEAD,
        *,
        newest: bool = False,
    ) -> list[tuple[int, Lead]]:
        """Return leads with their numbers, behind a number and in their order, or backwards."""
        where, values = asked.where()
        if after is not None:
            where += f" AND id {'<' if newest else '>'} {int(after)}"
        order = "DESC" if newest else "ASC"
        select = f"{SELECT_LEADS} WHERE {where} ORDER BY id {order} LIMIT {int(limit)}"
        rows = self._connection.execute(select, values)
        leads = {row[0]: complete_lead(row, self._parties) for row in rows}
        add_steps(self._connection, leads)
        return list(leads.items())

    def messages(self, after: int, limit: int) -> list[InboxEntry]:
        """Return messages behind a number, in the order in which they were stored."""
        select = f"{_EVENTS} WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._entries(select, (after, limit))

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
