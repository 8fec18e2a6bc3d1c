"""Changes of fields, as CRMs keep them, to messages: in their order, each with what it means."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, TypeAlias

from lifecycle.domain import Trigger
from lifecycle.messages import LAST, canonical
from lifecycle.systems.mapping import Mapping as ValueMapping
from lifecycle.systems.message import Message, Party, derived_id, event_id, lead_message, person
from lifecycle.systems.source import Made, Recall, Tally
from lifecycle.systems.spool import Record

#: A change: ``lead`` and ``contact`` (keys by scheme), ``details`` (of the contact), ``field``,
#: ``old`` (None: not said), ``new``, ``by``, ``assignee`` (parties), ``reason``, ``id``.
Change: TypeAlias = Mapping[str, Any]


def messages_of(
    mapping: ValueMapping, records: list[Record], recall: Recall, tally: Tally
) -> Iterator[Made]:
    """The messages of one lead: a change that was told twice counts once.

    Where changes do not say what was before, the store may know it from an earlier import.
    """
    states_old = all(record.content.get("old") is not None for record in records)
    knows_all = not records or (states_old and not mapping.looks_around)
    before = {} if knows_all else _values_before(recall, records[0])
    for moment, record in in_sequence(_once(records, tally)):
        yield from _message(mapping, moment, record, before, tally)


def _values_before(recall: Recall, record: Record) -> dict[str, str]:
    """The values that a store knows of a lead from before this record."""
    values: dict[str, str] = {}
    for message in recall(record.lead):
        # Of a message that was erased nothing is known.
        data = message.payload.get("data") if isinstance(message.payload, dict) else None
        change = data.get("fieldChange") if isinstance(data, dict) else None
        if message.time < record.time and isinstance(change, dict):
            name, new = change.get("field"), change.get("new")
            if isinstance(name, str) and isinstance(new, str):
                values[name] = new
    return values


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
    """Everything that a record says, but not what it means."""
    change = record.content
    named = change.get("id")
    if named:
        return (named, record.time, change["field"], change.get("old"), change["new"])
    said = (change.get(part) or None for part in ("by", "assignee", "reason", "contact"))
    parts = (canonical(part).decode() for part in said)
    return (record.time, change["field"], change.get("old"), change["new"], *parts)


def _message(
    mapping: ValueMapping, time: int, record: Record, before: dict[str, str], tally: Tally
) -> Iterator[Made]:
    change = record.content
    name, old, new = change["field"], change.get("old"), change["new"]
    trigger = mapping.trigger(name, new, old if old is not None else before.get(name, ""), before)
    before[name] = new
    if trigger is None:
        tally.leave_unmapped(name, new, record.line)
        return
    tally.told += 1
    named = change.get("id")
    # Not what it means: where a mapping changes its mind, that is a conflict, and seen.
    identity = (
        event_id(mapping.name, record.lead, named)
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
    if trigger in ("assign", "retract"):
        named = person(mapping.party, new, change.get("new_name")) if of_people else None
        recipient = change.get("assignee") or named
    if trigger == "retract" and of_people and old:
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


def in_sequence(records: Iterable[Record]) -> list[tuple[int, Record]]:
    """Records, which are in the order of their times, with the moment of each, in their order.

    A system that keeps seconds says of two changes of a field within one only by their values which
    was first: old and new ones make a chain. They are a microsecond apart in the messages, so that
    the fold sees the order, too.
    """
    by_field: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_field[record.content["field"]].append(record)
    sequence: list[tuple[int, Record]] = []
    for its in by_field.values():
        groups = [(time, list(group)) for time, group in groupby(its, lambda one: one.time)]
        value = None
        for (time, group), begin in zip(groups, _begins(groups), strict=True):
            for number, record in enumerate(_chained(group, begin if value is None else value)):
                sequence.append((min(time + number, LAST), record))
                value = record.content["new"]
    return sorted(sequence, key=itemgetter(0))


def _begins(groups: list[tuple[int, list[Record]]]) -> list[str | None]:
    """The value that the changes of each time begin with, as far as they say it themselves.

    More of them leave it than arrive. Where they go round, they begin where they end, which is
    where the next ones begin.
    """
    begins: list[str | None] = []
    begin: str | None = None
    for _, group in reversed(groups):
        balance: Counter[str] = Counter()
        for record in group:
            balance[record.content.get("old") or ""] += 1
            balance[record.content["new"]] -= 1
        begin = min((value for value, more in balance.items() if more > 0), default=begin)
        begins.append(begin)
    return begins[::-1]


def _chained(records: list[Record], begin: str | None) -> Sequence[Record]:
    """Changes of one field at one time: whose old value is the new one of the last comes next.

    Values are places and changes are ways between them: a walk over all ways (Hierholzer's). What
    it cannot reach is walked next.
    """
    if len(records) == 1 or any(record.content.get("old") is None for record in records):
        return records
    ways: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda one: (str(_name_of(one)), -one.line), reverse=True):
        ways[record.content["old"]].append(record)
    places = sorted(ways, key=lambda place: (place != begin, place))
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
