"""Changes of fields, as CRMs keep them, to messages: in their order, each with what it means."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, TypeAlias

from lifecycle.domain import Trigger
from lifecycle.systems.mapping import Mapping as ValueMapping
from lifecycle.systems.message import Message, Party, derived_id, event_id, lead_message, person
from lifecycle.systems.source import Made, Recall, Tally
from lifecycle.systems.spool import Record

#: A change: ``lead`` and ``contact`` (keys by scheme), ``details`` (of the contact), ``field``,
#: ``old`` (None: not said), ``new``, ``by``, ``assignee`` (parties), ``reason``, ``id``.
Change: TypeAlias = Mapping[str, Any]


def messages_of(
    mapping: ValueMapping, records: list[Record], _: Recall, tally: Tally
) -> Iterator[Made]:
    """The messages of one lead: a change that was told twice counts once."""
    before: dict[str, str] = {}
    for moment, record in in_sequence(_once(records, tally)):
        yield from _message(mapping, moment, record, before, tally)


def _once(records: list[Record], tally: Tally) -> Iterator[Record]:
    seen: set[tuple[Any, ...]] = set()
    for record in records:
        name = _name_of(record)
        if name in seen:
            tally.left_out["told twice"] += 1
        else:
            seen.add(name)
            yield record


def _name_of(record: Record) -> tuple[Any, ...]:
    change = record.content
    return (
        record.time,
        change.get("id"),
        change["field"],
        change.get("old"),
        change["new"],
        str(change.get("by")),
    )


def _message(
    mapping: ValueMapping, time: int, record: Record, before: dict[str, str], tally: Tally
) -> Iterator[Made]:
    change = record.content
    name, old, new = change["field"], change.get("old"), change["new"]
    trigger = mapping.trigger(name, new, old if old is not None else before.get(name, ""))
    before[name] = new
    if trigger is None:
        tally.leave_unmapped(name, new, record.line)
        return
    tally.told += 1
    named = change.get("id")
    # Not what it means: where a mapping changes its mind, that is a conflict, and seen.
    identity = (
        event_id(mapping.name, named)
        if named
        else derived_id(mapping.name, (record.lead, *_name_of(record)))
    )
    yield Made(_letter(mapping, trigger, identity, time, change), record.line)


def _letter(
    mapping: ValueMapping, trigger: Trigger, identity: str, time: int, change: Change
) -> Message:
    of_people = change["field"] in mapping.people
    old, new = change.get("old"), change["new"]
    recipient: Party | None = None
    participant: Party | None = None
    if trigger == "assign":
        recipient = change.get("assignee") or (
            person(mapping.party, new, change.get("new_name")) if of_people else None
        )
    elif trigger == "retract" and of_people and old:
        participant = person(mapping.party, old, change.get("old_name"))
    said = {"field": change["field"], "old": old, "new": new}
    content: dict[str, Any] = {
        "lead": change["lead"],
        "contact": change.get("contact") or {},
        "agent": change.get("by"),
        "recipient": recipient,
        "participant": participant,
        "reason": change.get("reason"),
        "fieldChange": {part: value for part, value in said.items() if value is not None},
    }
    return lead_message(trigger, event_id=identity, time=time, **content)


def in_sequence(records: Iterable[Record]) -> Iterator[tuple[int, Record]]:
    """Records, which are in the order of their times, with the moment of each.

    A system that keeps seconds says of two changes of a field within one only by their values which
    was first: old and new ones make a chain. They are a microsecond apart in the messages, so that
    the fold sees the order, too.
    """
    by_field: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_field[record.content["field"]].append(record)
    for its in by_field.values():
        value: str | None = None
        for time, group in groupby(its, lambda one: one.time):
            for number, record in enumerate(_chained(list(group), value)):
                yield time + number, record
                value = record.content["new"]


def _chained(records: list[Record], value: str | None) -> Sequence[Record]:
    """Changes of one field at one time: whose old value is the new one of the last comes next.

    Values are places and changes are ways between them: a walk over all ways (Hierholzer's), from
    the value before, else from where more ways leave than arrive. What it cannot reach comes next.
    """
    if len(records) == 1 or any(record.content.get("old") is None for record in records):
        return records
    ways: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda one: (str(one.content.get("id")), -one.line)):
        ways[record.content["old"]].append(record)
    arrive = Counter(record.content["new"] for record in records)
    places = sorted(ways, key=lambda one: (one != value, arrive[one] - len(ways[one]), one))
    return [record for place in places for record in _walk(ways, place)]


def _walk(ways: dict[str, list[Record]], place: str) -> list[Record]:
    """A walk from here over all ways that can be reached and were not gone; it uses them up."""
    walk: list[Record] = []
    stack: list[tuple[str, Record | None]] = [(place, None)]
    while stack:
        here = stack[-1][0]
        if ways.get(here):
            way = ways[here].pop()
            stack.append((way.content["new"], way))
        else:
            _, gone = stack.pop()
            if gone is not None:
                walk.append(gone)
    return walk[::-1]
