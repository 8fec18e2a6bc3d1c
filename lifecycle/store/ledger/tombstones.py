"""What stays of contents that did not count and were erased: of which id, for what and when.

Each has a row in the table ``erased_copy``, by which its entry in the ledger is bound to the event
whose id it came under, and the finding that there was another content goes on to stand. So nobody
can put a content in the place of another, and erase that, without a trace.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final

from lifecycle.domain import TRIGGERS, Finding
from lifecycle.messages import format_time
from lifecycle.store.db.codec import CHANGE_NUMBER
from lifecycle.store.db.rows import select_in

ADD_TOMBSTONE: Final = "INSERT INTO erased_copy (ledger, event) VALUES (?, ?)"
ADD_LINK: Final = "INSERT OR IGNORE INTO erased_link (event) VALUES (?)"
_SELECT: Final = (
    "SELECT DISTINCT event.seq, event.id, ledger.trigger, ledger.time FROM erased_copy"
    " JOIN event ON event.seq = erased_copy.event"
    f" JOIN ledger ON ledger.number = erased_copy.ledger AND ledger.trigger <> {CHANGE_NUMBER}"
)


def erased_conflicts(
    connection: sqlite3.Connection, events: Iterable[int] | None = None
) -> Iterator[tuple[int, Finding]]:
    """The findings for other contents that were erased, with the numbers of their events.

    Without ``events`` those of all.
    """
    rows: Iterable[tuple[int, str, int, int]]
    if events is None:
        rows = connection.execute(_SELECT)
    else:
        rows = select_in(connection, f"{_SELECT} WHERE event.seq IN", events)
    for seq, event_id, trigger, time in rows:
        what = f"{TRIGGERS[trigger]} of {format_time(time)}"
        yield seq, Finding("conflict", event_id, f"another content, erased: {what}")
