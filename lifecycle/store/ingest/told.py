"""The arrivals of a plain lead, its course so far from its row, and the rows of what it tells."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from operator import itemgetter
from typing import Any, Final, TypeAlias

import orjson
from attrs import define, field

from lifecycle.domain import (
    HUB_SIZE,
    STATES,
    TRIGGERS,
    Course,
    Key,
    LeadMachine,
    PlainRow,
    Position,
    Verdict,
    Verdicts,
    are_several,
)
from lifecycle.store.db.codec import TRIGGER_NUMBER
from lifecycle.store.db.lookups import KeyRow
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
LEAD_ID, CLUSTER, STATE, SINCE, HOLDER, CONTACT = 1, 2, 3, 4, 5, 9
SOURCE, EVENTS, REFUSALS = 10, 11, 12
POSITION: Final = slice(13, 16)
DECISIONS, MEMORY, DOUBTS, CONTACT_ONLY, KEYS, DELETED_AT = 16, 17, 18, 19, 20, 21
KEPT_HOLDER, KNOWN_SINCE = 22, 23
#: What a lead on its plain course has none of.
IS_SAID: Final = itemgetter(MEMORY, DOUBTS, CONTACT_ONLY, DELETED_AT)


class Names:
    """The names of a lead as its messages bring them, each linked to those before.

    Attributes:
        lead_id: That of the first message.
        keys: All keys so far.
    """

    def __init__(self) -> None:
        self._own: dict[str, Key] = {}
        self.lead_id = ""
        self.keys: set[Key] = set()

    def take(self, own: Collection[Key], contact: Collection[Key]) -> bool:
        """Take the names of a message; False where they are not plainly more of the same lead."""
        known = self._own.values()
        if not own or (known and not any(key in known for key in own)):
            return False
        for key in own:
            if self._own.setdefault(key.scheme, key) != key:
                return False
        self.lead_id = self.lead_id or min(own).lead_id
        self.keys.update(own, contact)
        return True


@define(eq=False)
class Story:
    """Arrivals of one lead, in their order, and the keys that they name it by.

    Attributes:
        rows: The rows of these keys.
        has_several_names: Whether not all of them have the same keys.
        lead: The number of the lead, where it is in the store.
        cluster: That of its keys, where one is in the store.
        keys_text: All keys that the lead has from now on, as its row has them.
        is_left: Whether it is left to the general way.
    """

    arrivals: list[Arrival]
    rows: dict[Key, KeyRow]
    has_several_names: bool
    lead: int | None = field(init=False, default=None)
    cluster: int | None = field(init=False, default=None)
    keys_text: str = field(init=False, default="")
    is_left: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        if len(self.arrivals) > 1:
            self.arrivals.sort(key=_in_order)
        for row in self.rows.values():
            if row.stored is not None:
                self.cluster = row.cluster
                self.lead = self.lead or row.lead

    def is_one_lead(self) -> bool:
        """Return whether the keys are all new, or all of one lead, or of a new one's contact."""
        stored = [row for row in self.rows.values() if row.stored is not None]
        own = [row for row in stored if row.key.kind == "lead"]
        if not stored:
            return not are_several(self.rows)
        if not own:
            contacts = [key for key in self.rows if key.kind == "contact"]
            return len(contacts) == 1 and stored[0].leads < HUB_SIZE
        return all(row.lead == self.lead for row in own) and all(
            row.stored is not None and row.cluster == self.cluster
            for key, row in self.rows.items()
            if key.kind == "contact" or row.stored is not None
        )

    def takes_names_of(self, row: Row | None) -> bool:
        """Add the keys that the lead has; return whether those that arrive are plainly its own."""
        text = keys_text(self.rows)
        self.keys_text = text if row is None else row[KEYS]
        if self.keys_text == text and not (row is None and self.has_several_names):
            return True
        known = set() if row is None else {Key(*key) for key in orjson.loads(row[KEYS])}
        new = self.rows.keys() - known
        if not new:
            return True
        names = Names()
        if known and not names.take([key for key in known if key.kind == "lead"], ()):
            return False
        self.keys_text = keys_text(known | new)
        return (row is None or all(key.kind == "lead" for key in new)) and all(
            names.take(*one.packed.keys) for one in self.arrivals
        )

    def belong(self, lead: int, cluster: int) -> None:
        """Let new keys name the lead, or its contact."""
        for row in self.rows.values():
            if row.key.kind == "contact" and self.lead is None:
                row.leads += 1
            elif row.key.kind == "lead":
                row.lead = lead
            row.cluster = cluster


def _in_order(arrival: Arrival) -> Position:
    return arrival.position


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
        course.source,
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
