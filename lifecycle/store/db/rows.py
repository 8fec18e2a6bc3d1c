"""Values to rows and back: events, leads being folded, rows of history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import orjson
from attrs import define

from lifecycle.domain import (
    STATES,
    STEPS,
    TRIGGERS,
    VERDICTS,
    Contact,
    HistoryRow,
    Key,
    Lead,
    LeadEvent,
    Memory,
    Party,
    PartyValue,
    Refusal,
    Track,
    Verdict,
    Verdicts,
)
from lifecycle.store.db.codec import TRIGGER_NUMBER, contact_value, keyed_hash

#: By their numbers in the store.
OUTCOMES: Final[tuple[Verdicts, ...]] = ("applied", "refused", "noted")
STATE_NUMBER: Final = {name: number for number, name in enumerate(STATES)}
VERDICT_NUMBER: Final = {name: number for number, name in enumerate(VERDICTS)}
OUTCOME_NUMBER: Final = {name: number for number, name in enumerate(OUTCOMES)}

_NOBODY: Final = Contact()
_CHUNK: Final = 512
_MANY_PARTIES: Final = 10_000
#: Parties whose names are longer than this are not remembered.
_USUAL: Final = 200


def select_in(
    connection: sqlite3.Connection, select: str, values: Iterable[Any]
) -> list[tuple[Any, ...]]:
    """Return the rows of a select that ends in ``IN``, for any number of values."""
    wanted = list(values)
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(wanted), _CHUNK):
        chunk = wanted[start : start + _CHUNK]
        # One of a few sizes, so that SQLite need not compile a statement for each.
        chunk += chunk[-1:] * ((1 << (len(chunk) - 1).bit_length()) - len(chunk))
        marks = ",".join("?" * len(chunk))
        rows += connection.execute(f"{select} ({marks})", chunk).fetchall()
    return rows


class Parties:
    """The parties by number, kept between transactions: their rows never change.

    Attributes:
        added: The rows of parties that are not in the store yet.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Forget all: after a rollback what was added is not there."""
        self._numbers: dict[Party, int] = {}
        self._numbers_of: dict[PartyValue, int] = {}
        self._parties: dict[int, Party] = {}
        self.added: list[tuple[int, str, str]] = []

    def number(self, party: Party | None) -> int | None:
        """Return the number of a party; a new one gets the next, and is to be added."""
        if party is None:
            return None
        number = self._numbers.get(party)
        if number is None:
            if len(self._numbers) > _MANY_PARTIES and not self.added:
                self.forget()
            names = (party.id or "", party.name or "")
            number = self._find(names) or self._add(names)
            if self.added or len(names[0]) + len(names[1]) <= _USUAL:
                self._numbers[party] = number
        return number

    def number_of(self, value: PartyValue | None) -> int | None:
        """Return the number of a party that is given as plain data."""
        if value is None:
            return None
        number = self._numbers_of.get(value)
        if number is None:
            party = Party(value) if isinstance(value, str) else Party(*value)
            number = self.number(party)
            if party in self._numbers:
                self._numbers_of[value] = self._numbers[party]
        return number

    def value_of(self, number: int | None) -> PartyValue | None:
        """Return the party of this number as plain data."""
        party = self.party(number)
        if party is None:
            return None
        return party.id or "" if party.name is None else (party.id, party.name)

    def release_added(self) -> list[tuple[int, str, str]]:
        """Return the rows of new parties, which are in the store from now on."""
        added, self.added = self.added, []
        return added

    def party(self, number: int | None) -> Party | None:
        """Return the party of this number."""
        if number is None:
            return None
        party = self._parties.get(number)
        if party is None:
            row = self._connection.execute(
                "SELECT uri, name FROM party WHERE id = ?", (number,)
            ).fetchone()
            party = Party(row[0] or None, row[1] or None)
            if len(row[0]) + len(row[1]) <= _USUAL:
                self._parties[number] = party
        return party

    def _find(self, names: tuple[str, str]) -> int | None:
        row = self._connection.execute(
            "SELECT id FROM party WHERE uri = ? AND name = ?", names
        ).fetchone()
        return row[0] if row else None

    def _add(self, names: tuple[str, str]) -> int:
        if self.added:
            number = self.added[-1][0] + 1
        else:
            (last,) = self._connection.execute("SELECT max(id) FROM party").fetchone()
            number = (last or 0) + 1
        self.added.append((number, *names))
        return number


# --- events ---------------------------------------------------------------------------------

SELECT_EVENTS: Final = "SELECT seq, entry, id, lead, cluster, outcome, recorded_at FROM event"


@define
class StoredEvent:
    """An event as it stands in the store: with its number, its lead, and what became of it.

    ``own`` is what the canonical content says; of a change ``event`` is what all copies make.
    """

    seq: int
    entry: int
    lead: int | None
    cluster: int | None
    outcome: Verdicts
    recorded_at: int
    event: LeadEvent
    own: LeadEvent


# --- leads ----------------------------------------------------------------------------------

LEAD_COLUMNS: Final = (
    "id, lead_id, cluster, state, since, holder, owner, sender, recipient, contact, source,"
    " events, refusals, last_time, last_trigger, last_id, decisions, memory, doubts, contact_only,"
    " keys, deleted_at, kept_holder, known_since, sealed"
)
SELECT_LEADS: Final = f"SELECT {LEAD_COLUMNS} FROM lead"


@define
class StoredLead:
    """A lead as it stands in the store, ready to be folded on.

    ``keys``: those that it has in the store. ``claims``: whether it may have findings that a later
    event closes.
    """

    pk: int
    row: tuple[Any, ...]
    track: Track
    keys: frozenset[Key]
    claims: bool


def stored_lead(row: tuple[Any, ...], parties: Parties) -> StoredLead:
    """Return the lead of a row of SELECT_LEADS."""
    pk, lead_id, _, state, since, holder, owner, sender, recipient, contact = row[:10]
    events, refusals, time, trigger, event_id, decisions, memory, doubts, contact_only, _ = row[
        11:21
    ]
    lead = Lead(
        lead_id=lead_id,
        state=STATES[state],
        since_micros=since,
        holder=parties.party(holder),
        owner=parties.party(owner),
        sender=parties.party(sender),
        recipient=parties.party(recipient),
        contact=Contact(*orjson.loads(contact)) if contact else Contact(),
        source=row[10],
        events=events,
        refusals=refusals,
    )
    known = orjson.loads(decisions) if decisions else {}
    claims = bool(doubts) or any(event_id is not None for event_id in known.values())
    keys = row_keys(row)
    lead.contact_deleted_micros = row[21]
    own = {key for key in keys if key.kind == "lead"}
    track = Track(
        lead,
        (time, trigger, event_id),
        known,
        contact_only,
        [own] if own else [],
        set(keys),
        Memory.from_data(orjson.loads(memory)) if memory else Memory(),
        orjson.loads(doubts) if doubts else {},
    )
    return StoredLead(pk, row, track, frozenset(keys), claims)


def complete_lead(row: tuple[Any, ...], parties: Parties) -> Lead:
    """Return the lead of a row of SELECT_LEADS as it is shown, with its keys."""
    stored = stored_lead(row, parties)
    lead = stored.track.lead
    lead.keys = tuple(sorted(stored.keys, key=Key.order))
    lead.fields = stored.track.memory.fields()
    return lead


def key_hash(secret: bytes, key: Key) -> int:
    """Return the hash that a key is found by. The length keeps a scheme apart from a value."""
    return keyed_hash(secret, f"key:{key.kind}:{len(key.scheme)}:{key.scheme}:{key.value}")


def id_hash(secret: bytes, event_id: str) -> int:
    """Return the hash that an event is found by."""
    return keyed_hash(secret, f"id:{event_id}")


def row_keys(row: tuple[Any, ...]) -> list[Key]:
    """Return the keys of the lead of a row of SELECT_LEADS."""
    return [Key(*key) for key in orjson.loads(row[20])]


def lead_row(pk: int, cluster: int, track: Track, parties: Parties) -> tuple[Any, ...]:
    """Return the columns of LEAD_COLUMNS, but for those of when its name and marks are known."""
    lead, number = track.lead, parties.number
    return (
        pk,
        lead.lead_id,
        cluster,
        STATE_NUMBER[lead.state],
        lead.since_micros,
        number(lead.holder),
        number(lead.owner),
        number(lead.sender),
        number(lead.recipient),
        None if lead.contact == _NOBODY else json_text(contact_value(lead.contact)),
        lead.source,
        lead.events,
        lead.refusals,
        *(track.position or ()),
        json_text(track.decisions) if track.decisions else None,
        json_text(memory) if (memory := track.memory.as_data()) else None,
        json_text(doubts) if (doubts := track.doubts_left()) else None,
        track.contact_only,
        json_text([tuple(key) for key in sorted(track.keys)]),
    )


def json_text(value: Any) -> str:
    """Return a value as JSON."""
    return orjson.dumps(value).decode()


# --- history --------------------------------------------------------------------------------

#: Sorts rows of history as the fold made them: within an instant changes stand in the order taken,
#: which their steps count through; messages in that of their ids.
FOLD_ORDER: Final = (
    f"event.time, event.trigger, history.step / {STEPS}, event.id, history.step, history.id"
)
HISTORY_CONTENT: Final = "trigger, source, target, verdict, at, by, holder, reason, refusal"


def history_content(row: HistoryRow, parties: Parties) -> tuple[Any, ...]:
    """Return the columns of HISTORY_CONTENT: what makes two rows of one step differ."""
    return (
        TRIGGER_NUMBER[row.trigger],
        STATE_NUMBER[row.source],
        STATE_NUMBER[row.target],
        VERDICT_NUMBER[row.verdict],
        row.at_micros,
        parties.number(row.by),
        parties.number(row.holder),
        row.reason,
        None if row.refusal is None else refusal_text(row.refusal),
    )


def row_values(content: Iterable[Any], parties: Parties) -> dict[str, Any]:
    """Return the attributes of a HistoryRow that these columns of HISTORY_CONTENT hold."""
    trigger, source, target, verdict, at, by, holder, reason, refusal = content
    return {
        "trigger": TRIGGERS[trigger],
        "source": STATES[source],
        "target": STATES[target],
        "verdict": VERDICTS[verdict],
        "at_micros": at,
        "by": parties.party(by),
        "holder": parties.party(holder),
        "reason": reason,
        "refusal": _refusal_from(VERDICTS[verdict], refusal),
    }


def refusal_text(refusal: Refusal) -> str:
    """Return what a row of history says of a refusal, as JSON."""
    parts = {"allowed": refusal.allowed, "guard": refusal.guard, "why": refusal.why}
    return json_text({name: part for name, part in parts.items() if part})


def _refusal_from(verdict: Verdict, text: str | None) -> Refusal | None:
    if text is None:
        return None
    parts = orjson.loads(text)
    return Refusal(verdict, tuple(parts.get("allowed", ())), parts.get("guard"), parts.get("why"))
