"""Rows of the store from the course of a lead, and the course so far from its row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any, Final, TypeAlias

import orjson

from lifecycle.domain import (
    STATES,
    TRIGGERS,
    Course,
    LeadMachine,
    PlainRow,
    Verdict,
    Verdicts,
)
from lifecycle.store.db.codec import TRIGGER_NUMBER
from lifecycle.store.db.rows import (
    OUTCOME_NUMBER,
    STATE_NUMBER,
    VERDICT_NUMBER,
    Parties,
    json_text,
    refusal_text,
)
from lifecycle.store.ingest.identify import Arrival
from lifecycle.store.ingest.item import Applied, Noted, Outcome, Refused

Row: TypeAlias = tuple[Any, ...]
# Columns of a lead's row.
LEAD_ID, CLUSTER, STATE, SINCE, HOLDER, CONTACT, EVENTS, REFUSALS = 1, 2, 3, 4, 5, 9, 10, 11
POSITION: Final = slice(12, 15)
DECISIONS, MEMORY, DOUBTS, CONTACT_ONLY, KEYS, DELETED_AT = 15, 16, 17, 18, 19, 20
KEPT_HOLDER, KNOWN_SINCE = 21, 22
#: What a lead on its plain course has none of.
IS_SAID: Final = itemgetter(MEMORY, DOUBTS, CONTACT_ONLY, DELETED_AT)


def course_of(machine: LeadMachine, row: Row | None, parties: Parties) -> Course:
    """Return the course of a lead so far, by its row; a new one where there is none."""
    if row is None:
        return Course(machine)
    holder, owner, sender, recipient = map(parties.value_of, row[HOLDER:CONTACT])
    return Course(
        machine,
        STATES[row[STATE]],
        row[SINCE],
        holder,
        owner,
        sender,
        recipient,
        contact=orjson.loads(row[CONTACT] or "[null,null,null]"),
        events=row[EVENTS],
        refusals=row[REFUSALS],
        position=row[POSITION],
        decisions=orjson.loads(row[DECISIONS]) if row[DECISIONS] else {},
    )


def lead_of(course: Course, about: Row, parties: Parties, before: Row | None = None) -> Row:
    """Return the row of a lead after its course; ``before`` is that from which it went on.

    ``about``: its number, name, cluster and keys, and since when its name and marks are known.
    """
    *where, keys, known_since = about
    number = parties.number_of
    kept_holder = holder = number(course.holder)
    moved = next((one for one in reversed(course.rows) if one.refusal is None), None)
    if moved is not None:
        kept_holder = None if moved.holder == course.holder else holder
    elif before is not None and before[HOLDER] == holder:
        kept_holder = before[KEPT_HOLDER]
    return (
        *where,
        STATE_NUMBER[course.state],
        course.since,
        holder,
        number(course.owner),
        number(course.sender),
        number(course.recipient),
        json_text(course.contact) if any(course.contact) else None,
        course.events,
        course.refusals,
        *(course.position or ()),
        json_text(course.decisions) if course.decisions else None,
        *(None, None, 0, keys, None),
        *(kept_holder, known_since, None),
    )


def history_of(course: Course, seqs: dict[str, int], parties: Parties) -> list[Row]:
    """Return event, step and content (HISTORY_CONTENT) of the rows that the course added."""
    number = parties.number_of
    return [
        (
            seqs[row.event_id],
            row.step,
            TRIGGER_NUMBER[row.trigger],
            STATE_NUMBER[row.source],
            STATE_NUMBER[row.target],
            VERDICT_NUMBER[_verdict(row)],
            row.at_micros,
            number(row.by),
            number(row.holder),
            row.reason,
            None if row.refusal is None else refusal_text(row.refusal),
        )
        for row in course.rows
    ]


def _verdict(row: PlainRow) -> Verdict:
    if row.refusal is not None:
        return row.refusal.kind
    return "implied" if row.implied else "stated"


def findings_of(course: Course, seqs: dict[str, int]) -> list[tuple[str, int, str]]:
    """Return code, event and detail of the findings that the course added."""
    found = [
        ("unwitnessed_decision", seqs[event_id], decision)
        for decision, event_id in sorted(course.decisions.items())
        if event_id is not None
    ]
    found += [
        ("invalid_transition", seqs[row.event_id], f"{row.trigger} from {row.source}")
        for row in course.rows
        if row.refusal is not None
    ]
    if course.joined is not None:
        event_id, trigger = course.joined
        found.append(("joined_midway", seqs[event_id], f"began with {trigger}"))
    return found


def event_of(
    arrival: Arrival, lead: int, verdict: Verdicts, recorded_at: int, *, is_late: bool = False
) -> Row:
    """Return the row of an event that arrived."""
    packed, place = arrival.packed, arrival.place
    about = (arrival.seq, arrival.entry, arrival.hash, packed.id, packed.trigger, packed.time)
    result = (lead, None, OUTCOME_NUMBER[verdict], is_late)
    return (*about, *result, recorded_at, place.log, place.line)


def outcomes_of(
    course: Course, its: list[Arrival], verdicts: Iterable[Verdicts], lead_id: str
) -> Iterator[tuple[str, Outcome]]:
    """Yield what became of each arrival, by its id."""
    refused = {row.event_id: row for row in course.rows if row.refusal is not None}
    for one, verdict in zip(its, verdicts, strict=True):
        event_id = one.packed.id
        about = (event_id, TRIGGERS[one.packed.trigger], lead_id, course.state)
        row = refused.get(event_id)
        if row is not None and row.refusal is not None:
            yield event_id, Refused(*about, row.refusal, row.source)
        else:
            yield event_id, (Applied if verdict == "applied" else Noted)(*about)


def keys_text(keys: Any) -> str:
    """Return the keys of a lead as its row has them."""
    return json_text([tuple(key) for key in sorted(set(keys))])
