"""Rows of the store from the course of a lead, and the course so far from its row."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import orjson

from lifecycle.domain import STATES, Course, LeadMachine
from lifecycle.store.db.codec import TRIGGER_NUMBER
from lifecycle.store.db.rows import STATE_NUMBER, VERDICT_NUMBER, Parties, json_text

Row: TypeAlias = tuple[Any, ...]
# Columns of a lead's row.
LEAD_ID, CLUSTER, STATE, SINCE, HOLDER, CONTACT = 1, 2, 3, 4, 5, 9
SOURCE, EVENTS, REFUSALS = 10, 11, 12
POSITION: Final = slice(13, 16)
DECISIONS, MEMORY, DOUBTS, CONTACT_ONLY, KEYS, DELETED_AT = 16, 17, 18, 19, 20, 21
KEPT_HOLDER, KNOWN_SINCE = 22, 23


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
        source=row[SOURCE],
        events=row[EVENTS],
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
    if course.rows:
        kept_holder = None if course.rows[-1].holder == course.holder else holder
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
        course.source,
        course.events,
        0 if before is None else before[REFUSALS],
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
            VERDICT_NUMBER["implied" if row.implied else "stated"],
            row.at_micros,
            number(row.by),
            number(row.holder),
            row.reason,
            None,
        )
        for row in course.rows
    ]


def findings_of(course: Course, seqs: dict[str, int]) -> list[tuple[str, int, str]]:
    """Return code, event and detail of the findings that the course added."""
    found = [
        ("unwitnessed_decision", seqs[event_id], decision)
        for decision, event_id in sorted(course.decisions.items())
        if event_id is not None
    ]
    if course.joined is not None:
        event_id, trigger = course.joined
        found.append(("joined_midway", seqs[event_id], f"began with {trigger}"))
    return found


def keys_text(keys: Any) -> str:
    """Return the keys of a lead as its row has them."""
    return json_text([tuple(key) for key in sorted(set(keys))])
