"""Values to rows and back: events, leads being folded, rows of history."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

from attrs import astuple, define, frozen

from lifecycle.domain import (
    STATES,
    TRIGGERS,
    VERDICTS,
    Contact,
    HistoryRow,
    Key,
    KeyKind,
    Lead,
    LeadEvent,
    Note,
    Party,
    Position,
    Refusal,
    Snapshot,
    State,
    Track,
    Trigger,
    Verdict,
    Verdicts,
)
from lifecycle.store.schema import OUTCOMES

STATE_NUMBER: Final = {name: number for number, name in enumerate(STATES)}
TRIGGER_NUMBER: Final = {name: number for number, name in enumerate(TRIGGERS)}
VERDICT_NUMBER: Final = {name: number for number, name in enumerate(VERDICTS)}
OUTCOME_NUMBER: Final = {name: number for number, name in enumerate(OUTCOMES)}

_CHUNK: Final = 500
_MANY_PARTIES: Final = 100_000


def id_hash(event_id: str) -> bytes:
    """What events are found by: 16 bytes of BLAKE2b of the id."""
    return hashlib.blake2b(event_id.encode(), digest_size=16).digest()


def select_in(
    connection: sqlite3.Connection, select: str, values: Iterable[int]
) -> Iterator[tuple[Any, ...]]:
    """The rows of a select that ends in ``IN``, for any number of values, in their order."""
    numbers = list(values)
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        yield from connection.execute(f"{select} ({','.join('?' * len(chunk))})", chunk)


class Parties:
    """The parties by number, kept between transactions: their rows never change."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.forget()

    def forget(self) -> None:
        """Forget all: after a rollback what was added is not there."""
        self._numbers: dict[tuple[str, str], int] = {}
        self._parties: dict[int, Party] = {}

    def number(self, party: Party | None) -> int | None:
        """The number of a party, which is added where it is new."""
        if party is None:
            return None
        names = (party.id or "", party.name or "")
        number = self._numbers.get(names)
        if number is None:
            number = self._find(names) or self._add(names)
            if len(self._numbers) > _MANY_PARTIES:
                self.forget()
            self._numbers[names] = number
        return number

    def party(self, number: int | None) -> Party | None:
        """The party of this number."""
        if number is None:
            return None
        party = self._parties.get(number)
        if party is None:
            row = self._connection.execute(
                "SELECT uri, name FROM party WHERE id = ?", (number,)
            ).fetchone()
            party = self._parties[number] = Party(row[0] or None, row[1] or None)
        return party

    def _find(self, names: tuple[str, str]) -> int | None:
        row = self._connection.execute(
            "SELECT id FROM party WHERE uri = ? AND name = ?", names
        ).fetchone()
        return row[0] if row else None

    def _add(self, names: tuple[str, str]) -> int:
        cursor = self._connection.execute("INSERT INTO party (uri, name) VALUES (?, ?)", names)
        return cast("int", cursor.lastrowid)


# --- events ---------------------------------------------------------------------------------

EVENT_CONTENT: Final = (
    "id, digest, trigger, time, keys, agent, recipient, participant, lead_owner, lead_sender,"
    " lead_recipient, date_sent, date_received, date_accepted, date_rejected, contact, reason,"
    " notes"
)
_EVENT_COLUMNS: Final = f"seq, lead, subject, outcome, recorded_at, {EVENT_CONTENT}"
SELECT_EVENTS: Final = f"SELECT {_EVENT_COLUMNS} FROM event"


@frozen
class StoredEvent:
    """An event as it stands in the store: with its number, its lead, and what became of it."""

    seq: int
    lead: int | None
    subject: int | None
    outcome: Verdicts
    recorded_at: int
    event: LeadEvent


def event_content(event: LeadEvent, keys: Iterable[int], parties: Parties) -> tuple[Any, ...]:
    """The columns of EVENT_CONTENT."""
    snapshot = event.snapshot
    number = parties.number
    return (
        event.id,
        event.digest,
        TRIGGER_NUMBER[event.trigger],
        event.time,
        json.dumps(list(keys), separators=(",", ":")),
        number(event.agent),
        number(event.recipient),
        number(event.participant),
        number(snapshot.owner),
        number(snapshot.sender),
        number(snapshot.recipient),
        snapshot.date_sent,
        snapshot.date_received,
        snapshot.date_accepted,
        snapshot.date_rejected,
        contact_text(snapshot.contact),
        event.reason,
        json.dumps([astuple(note) for note in event.notes]) if event.notes else None,
    )


def contact_text(contact: Contact | None) -> str | None:
    """A contact as JSON; None when nothing is known."""
    if contact is None or contact == Contact():
        return None
    return json.dumps(astuple(contact), ensure_ascii=False, separators=(",", ":"))


def contact_from(text: str | None) -> Contact | None:
    """A contact from its JSON."""
    return Contact(*json.loads(text)) if text else None


class Keys:
    """The keys by number, as far as they were looked up."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._keys: dict[int, Key] = {}

    def key(self, number: int) -> Key:
        """The key of this number."""
        key = self._keys.get(number)
        if key is None:
            row = self._connection.execute(
                "SELECT kind, scheme, value FROM key WHERE id = ?", (number,)
            ).fetchone()
            key = self._keys[number] = Key(*row)
        return key

    def of_kind(self, numbers: Iterable[int], kind: KeyKind) -> tuple[Key, ...]:
        """Those of this kind, sorted."""
        return tuple(sorted(key for key in map(self.key, numbers) if key.kind == kind))


def stored_event(row: tuple[Any, ...], keys: Keys, parties: Parties) -> StoredEvent:
    """The event of a row of SELECT_EVENTS."""
    seq, lead, subject, outcome, recorded_at, *content = row
    (event_id, digest, trigger, time, numbers, agent, recipient, participant, *rest) = content
    (owner, sender, lead_recipient, sent, received, accepted, rejected, *texts) = rest
    contact, reason, notes = texts
    key_numbers = json.loads(numbers)
    party = parties.party
    event = LeadEvent(
        id=event_id,
        trigger=TRIGGERS[trigger],
        time=time,
        digest=digest,
        lead_keys=keys.of_kind(key_numbers, "lead"),
        contact_keys=keys.of_kind(key_numbers, "contact"),
        agent=party(agent),
        recipient=party(recipient),
        participant=party(participant),
        snapshot=Snapshot(
            party(owner),
            party(sender),
            party(lead_recipient),
            sent,
            received,
            accepted,
            rejected,
            contact_from(contact),
        ),
        reason=reason,
        notes=tuple(Note(*note) for note in json.loads(notes)) if notes else (),
    )
    return StoredEvent(seq, lead, subject, OUTCOMES[outcome], recorded_at, event)


# --- leads ----------------------------------------------------------------------------------

LEAD_COLUMNS: Final = (
    "id, lead_id, subject, state, since, holder, owner, sender, recipient, contact, events,"
    " refusals, last_event, decisions, contact_only"
)
SELECT_LEADS: Final = (
    "SELECT lead.id, lead.lead_id, lead.subject, lead.state, lead.since, lead.holder, lead.owner,"
    " lead.sender, lead.recipient, lead.contact, lead.events, lead.refusals, lead.decisions,"
    " lead.contact_only, event.time, event.trigger, event.id"
    " FROM lead JOIN event ON event.seq = lead.last_event"
)


@define
class StoredLead:
    """A lead as it stands in the store, ready to be folded on.

    ``claims``: whether a decision is stated for it, so far, that no event witnessed.
    """

    pk: int
    subject: int
    track: Track
    claims: bool


def stored_lead(row: tuple[Any, ...], parties: Parties) -> StoredLead:
    """The lead of a row of SELECT_LEADS."""
    pk, lead_id, subject, state, since, *numbers = row[:9]
    contact, events, refusals, decisions, contact_only, time, trigger, event_id = row[9:]
    holder, owner, sender, recipient = map(parties.party, numbers)
    lead = Lead(
        lead_id=lead_id,
        state=STATES[state],
        since=since,
        holder=holder,
        owner=owner,
        sender=sender,
        recipient=recipient,
        contact=contact_from(contact) or Contact(),
        events=events,
        refusals=refusals,
    )
    position: Position = (time, trigger, event_id)
    known = json.loads(decisions) if decisions else {}
    claims = any(event_id is not None for event_id in known.values())
    return StoredLead(pk, subject, Track(lead, position, known, contact_only), claims)


def lead_row(
    pk: int, subject: int, track: Track, last_event: int, parties: Parties
) -> tuple[Any, ...]:
    """The columns of LEAD_COLUMNS."""
    lead, number = track.lead, parties.number
    return (
        pk,
        lead.lead_id,
        subject,
        STATE_NUMBER[lead.state],
        lead.since,
        number(lead.holder),
        number(lead.owner),
        number(lead.sender),
        number(lead.recipient),
        contact_text(lead.contact),
        lead.events,
        lead.refusals,
        last_event,
        json.dumps(track.decisions) if track.decisions else None,
        track.contact_only,
    )


# --- history --------------------------------------------------------------------------------

HISTORY_CONTENT: Final = "trigger, source, target, verdict, at, by, holder, reason, refusal"


def history_content(row: HistoryRow, parties: Parties) -> tuple[Any, ...]:
    """The columns of HISTORY_CONTENT: what makes two rows of one step differ."""
    return (
        TRIGGER_NUMBER[row.trigger],
        STATE_NUMBER[row.source],
        STATE_NUMBER[row.target],
        VERDICT_NUMBER[row.verdict],
        row.at,
        parties.number(row.by),
        parties.number(row.holder),
        row.reason,
        _refusal_text(row.refusal),
    )


def history_row(content: Iterable[Any], event_id: str, step: int, parties: Parties) -> HistoryRow:
    """The row of these columns of HISTORY_CONTENT."""
    trigger, source, target, verdict, at, by, holder, reason, refusal = content
    return HistoryRow(
        trigger=cast("Trigger", TRIGGERS[trigger]),
        source=cast("State", STATES[source]),
        target=cast("State", STATES[target]),
        verdict=cast("Verdict", VERDICTS[verdict]),
        at=at,
        event_id=event_id,
        step=step,
        by=parties.party(by),
        holder=parties.party(holder),
        reason=reason,
        refusal=_refusal_from(VERDICTS[verdict], refusal),
    )


def _refusal_text(refusal: Refusal | None) -> str | None:
    if refusal is None:
        return None
    parts = {"allowed": refusal.allowed, "guard": refusal.guard, "why": refusal.why}
    return json.dumps({name: part for name, part in parts.items() if part}, ensure_ascii=False)


def _refusal_from(verdict: Verdict, text: str | None) -> Refusal | None:
    if text is None:
        return None
    parts = json.loads(text)
    return Refusal(verdict, tuple(parts.get("allowed", ())), parts.get("guard"), parts.get("why"))
