"""Messages of a store, read from its blocks: canonical contents, others, values without meaning."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from lifecycle.domain import TRIGGERS, Finding, conflict, source_name
from lifecycle.messages import format_time
from lifecycle.store.db.blocks import Entry
from lifecycle.store.db.codec import CHANGE_NUMBER
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import OUTCOMES
from lifecycle.store.query.find import find_lead
from lifecycle.store.query.results import StoredCopy, StoredMessage, UnmappedValue

#: The columns of an event for a message and for an export; sealed_at: when its lead was erased.
SELECT_MESSAGES: Final = (
    "SELECT event.seq, lead.lead_id, event.id, event.trigger, event.time, event.outcome,"
    " event.recorded_at, event.late, log.name, event.line, event.entry,"
    " (SELECT erased_at FROM erasure WHERE id = lead.sealed) AS sealed_at"
    " FROM event LEFT JOIN lead ON lead.id = event.lead LEFT JOIN log ON log.id = event.log"
)
_IN_ORDER: Final = "ORDER BY event.time, event.trigger, event.id"
_COPIES: Final = (
    "SELECT event.id, event.entry, copy.entry FROM copy JOIN event ON event.seq = copy.event"
    f" WHERE event.trigger <> {CHANGE_NUMBER}"
)
_ERASED_AT: Final = (
    "SELECT erased_at FROM erasure, json_each(erasure.entries) AS number WHERE number.value = ?"
)
_UNMAPPED: Final = (
    "SELECT event FROM finding WHERE code = 'unmapped_value' AND superseded_at IS NULL"
)


def read_messages(working: WorkingSet, where: str, *values: Any) -> list[StoredMessage]:
    """Return the messages of some events, in fold order."""
    rows = working.connection.execute(f"{SELECT_MESSAGES} WHERE {where} {_IN_ORDER}", values)
    return [_message(working, row) for row in rows]


def read_messages_of(working: WorkingSet, alias: str) -> list[StoredMessage]:
    """Return the messages of the lead of a name, in fold order."""
    return read_messages(working, "event.lead = ?", find_lead(working, alias))


def read_body(
    working: WorkingSet, entry: int, sealed_at: int | None
) -> tuple[str | None, int | None]:
    """Return the message of an entry, and when it was erased."""
    if not working.blocks.entry(entry).is_erased:
        return working.blocks.body(entry).decode(), sealed_at
    if sealed_at is None:
        row = working.connection.execute(_ERASED_AT, (entry,)).fetchone()
        sealed_at = row and row[0]
    return None, sealed_at


def read_copies(working: WorkingSet, alias: str) -> list[StoredCopy]:
    """Return the contents under the ids of a lead's messages that are not canonical."""
    lead = find_lead(working, alias)
    where = f"AND event.lead = ? {_IN_ORDER}, copy.entry"
    return [
        StoredCopy(
            event_id,
            TRIGGERS[copy.trigger],
            copy.time,
            copy.recorded_at,
            json.loads(working.blocks.body(copy.number)),
        )
        for event_id, copy in _other_contents(working, where, lead)
        if not copy.is_erased
    ]


def read_conflicts(working: WorkingSet) -> Iterator[Finding]:
    """Yield a finding for each content that is not canonical, by event id."""
    contents = {
        (event_id, copy.number if copy.is_erased else copy.digest): copy
        for event_id, copy in _other_contents(working, "ORDER BY event.id, copy.entry")
    }
    for (event_id, _), copy in contents.items():
        if copy.is_erased:
            what = f"{TRIGGERS[copy.trigger]} of {format_time(copy.time)}"
            yield Finding("conflict", event_id, f"another content, erased: {what}")
        else:
            yield conflict(event_id, copy.digest)


def read_unmapped(working: WorkingSet, source: str) -> list[UnmappedValue]:
    """Return the values of a source's fields that no meaning fits, the most frequent first."""
    events = [event for (event,) in working.connection.execute(_UNMAPPED)]
    stored = {one.seq: one.event.field_change for one in working.events_numbered(set(events))}
    changes = (change for event in events if (change := stored.get(event)) is not None)
    leads = Counter((one.source, one.field, one.new) for one in changes)
    return [
        UnmappedValue(field, value, count)
        for (written, field, value), count in sorted(leads.items(), key=lambda one: (-one[1], one))
        if source_name(written) == source_name(source)
    ]


def _message(working: WorkingSet, row: tuple[Any, ...]) -> StoredMessage:
    _, _, event_id, trigger, time, outcome, recorded_at, late, log, line, entry, sealed_at = row
    body, erased_at = read_body(working, entry, sealed_at)
    return StoredMessage(
        *(event_id, TRIGGERS[trigger], time, OUTCOMES[outcome], recorded_at, bool(late)),
        *(log, line, json.loads(body or "null"), erased_at),
    )


def _other_contents(working: WorkingSet, where: str, *values: Any) -> Iterator[tuple[str, Entry]]:
    """Yield the id and the entry of each content that differs from the canonical one."""
    entry = working.blocks.entry
    for event_id, canonical, number in working.connection.execute(f"{_COPIES} {where}", values):
        if (copy := entry(number)).is_erased or copy.digest != entry(canonical).digest:
            yield event_id, copy
