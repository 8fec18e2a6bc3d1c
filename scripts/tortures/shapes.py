"""Logs that tempt a program to take more time than n log n: texts, hubs, keys, copies, delays."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from stories import TYPES, Message, deletion, letter, moment

Line: TypeAlias = bytes

#: What all shapes have: somebody to be asked for, and to be erased.
_JOE: Final = "joe@bloggs.example"
#: What a text consists of, again and again; the first ten are those that tempted most.
PATTERNS: Final = (
    *("@", "a@", "+1 ", "((((", " ", "\x00", "joe@bloggs.example, ", "\\u0040", '"', '{"a":'),
    *("@a.", "a.", "+", "(1) ", "1-", "1", "0", "\t\n", "\x85", "\u3000", "\ufeff"),
    *("\u0130", "e\u0301", "\U0001f600", "<a@b.c>; ", "Joe ", "bloggs ", "mailto:", "tel:"),
    *("http://", "/", "%41", "%", ":", "\\", "{", "[", "a=1&", "#", "_", "erased-", "T0:"),
)
_MOST_TEMPTING: Final = 10
#: So many characters a text has for each message that another shape has.
CHARACTERS: Final = 16


class Shape(NamedTuple):
    """A shape: its lines for a size, and a lead in the midst of it.

    ``is_late``: each transaction writes again what was written, as events are late, or a lead has
    ever more names: only one batch of all is not to be slow.
    ``tables`` are what other systems export, by the name of the command that imports it.
    """

    lines: Callable[[int], Iterable[Line]]
    lead: str = "a:1"
    is_late: bool = False
    tables: dict[str, Callable[[int], Iterable[Line]]] = {}  # noqa: RUF012


def _line(message: Any) -> Line:
    return json.dumps(message).encode()


def _joe() -> Iterator[Line]:
    contact = {"type": "Contact", "name": "Joe Bloggs", "telephone": "+44 20 7946 0123"}
    contact["identifier"] = {"c": "joe", "email": _JOE}  # type: ignore[assignment]
    message = letter("add", 0, 0, keys={"a": "1"}, contact={})
    message["data"]["object"]["object"] = contact
    yield _line(message | {"id": "urn:joe"})


def _text(pattern: str, number: int, length: int) -> Iterator[Line]:
    """Put a text at each place of a message, and into a line that is none."""
    text = (pattern * length)[:length]
    joe = {"c": "joe"}

    def event(step: int, keys: dict[str, str] | None = None, **data: Any) -> Message:
        at = number * 20 + step
        return letter("update", at, at, keys=keys or {"a": "1"}, contact=joe, **data)

    yield _line(event(1, reason=text, comment=f"{text}x"))
    named = event(2)
    named["data"]["object"]["object"] |= {"name": text, "email": text, "telephone": text}
    yield _line(named)
    yield _line(event(3, keys={"a": "1", "b": f"{number}{text}"}))
    yield _line(event(4, keys={"a": "1", text: "1"}))
    yield _line(event(5, agent=text, recipient=f"https://{text}"))
    yield _line(event(6) | {"id": text})
    yield _line(event(7) | {"topic": text})
    yield _line(event(8) | {"time": text})
    yield _line(event(9, type=text))
    change = event(10) | {"topic": "realestate/lead#change"}
    change["data"] |= {"type": "ChangeAction", "source": "crm", "field": "Status", "new": text}
    yield _line(change)
    yield _line({"id": _JOE, "data": text})
    yield f'{{"id": "{_JOE}", "{text}'.encode().replace(b"\n", b" ")
    yield json.dumps({"id": _JOE, "data": text}).encode("utf-16").replace(b"\n", b" ")
    yield text.encode().replace(b"\n", b" ")


def _texts(size: int) -> Iterator[Line]:
    for number, pattern in enumerate(PATTERNS[:_MOST_TEMPTING]):
        yield from _text(pattern, number, size * CHARACTERS)


def _of(pattern: str) -> Callable[[int], Iterable[Line]]:
    return lambda size: _text(pattern, 1, size * CHARACTERS)


def _hub(size: int) -> Iterator[Line]:
    """Every lead has the same contact."""
    for number in range(size):
        yield _line(letter("add", number, number, keys={"h": f"{number}"}, contact={"c": "hub"}))


def _shuffled_hub(size: int) -> Iterator[Line]:
    lines = list(_hub(size))
    Random(size).shuffle(lines)
    yield from lines


def _hub_by_turns(size: int) -> Iterator[Line]:
    """Messages of leads and of the contact alone by turns."""
    for number in range(size):
        keys = {"t": f"{number}"} if number % 2 else {}
        action = "add" if number % 2 else "update"
        yield _line(letter(action, number, number, keys=keys, contact={"c": "turns"}))


def _deletions(size: int) -> Iterator[Line]:
    """Delete the contact of all leads, again and again."""
    for number in range(size):
        if number % 2:
            yield _line(deletion(number, number, {"c": "deleted"}))
        else:
            keys = {"d": f"{number}"}
            yield _line(letter("add", number, number, keys=keys, contact={"c": "deleted"}))


def _keys(size: int) -> Iterator[Line]:
    """Each message brings another key of one lead; the last one has all of them."""
    keys = {f"k{number}": f"{number}" for number in range(size)}
    for number, (scheme, value) in enumerate(keys.items()):
        yield _line(
            letter("update", number, number, keys={"k": "1", scheme: value}, contact={"c": "k"})
        )
    yield _line(letter("update", size, size, keys=keys, contact={"c": "k"}))


def _values(size: int) -> Iterator[Line]:
    """Each message has another value of the contact's scheme."""
    for number in range(size):
        contact = {"c": "v", "email": f"v{number}@v.example"}
        yield _line(letter("update", number, number, keys={"v": "1"}, contact=contact))


def _copies(size: int) -> Iterator[Line]:
    """All of them have one id, half of them the same content."""
    for number in range(size):
        reason = f"{number}" if number % 2 else "same"
        yield _line(letter("add", 1, -1, keys={"i": "1"}, contact={"c": "i"}, reason=reason))


def _long_lead(size: int) -> Iterator[Line]:
    actions = list(TYPES)
    for number in range(size):
        action = actions[number * 7 % len(actions)]
        yield _line(letter(action, number, number, keys={"l": "1"}, contact={"c": "l"}))


def _late(size: int) -> Iterator[Line]:
    """Yield a long lead, backwards."""
    yield from reversed(list(_long_lead(size)))


def _at_one_time(size: int) -> Iterator[Line]:
    for number in range(size):
        message = letter("update", 1, number, keys={"o": "1"}, contact={"c": "o"})
        yield _line(message | {"id": f"urn:one:{number:09}"})


def _chain(size: int) -> Iterator[Line]:
    """Each lead is linked to the next one, in an order by chance."""
    links = list(range(size))
    Random(size).shuffle(links)
    for number in links:
        keys = {"m": f"{number}", "n": f"{number + 1}"}
        yield _line(letter("update", number, number, keys=keys, contact={}))
        keys = {"m": f"{number + 1}"}
        yield _line(letter("update", number, size + number, keys=keys, contact={}))


def _changes(size: int) -> Iterator[Line]:
    """Yield changes of ever other fields and values."""
    for number in range(size):
        change = letter("add", number, number, keys={"f": "1"}, contact={"c": "f"})
        fields = {"source": f"s{number % 9}", "field": f"F{number}", "new": f"{number}"}
        change["data"] |= fields | {"type": "ChangeAction"}
        yield _line(change | {"topic": "realestate/lead#change"})


def _parties(size: int) -> Iterator[Line]:
    for number in range(size):
        agent = f"https://p{number}.example.com/#me"
        keys = {"p": f"{number % 9}"}
        yield _line(letter("assign", number, number, keys=keys, contact={}, recipient=agent))


def _broken(size: int) -> Iterator[Line]:
    """Lines that nobody can decode, and such as are due later."""
    for number in range(size):
        yield f'{{"id": {number}, "email": "{_JOE}"'.encode()
        yield _line({"id": f"urn:{number}", "topic": "realestate/lead#add", "data": {}})
        late = letter("add", number, number, keys={"q": f"{number}"}, contact={"c": "q"})
        yield _line(late | {"time": f"2999{moment(number)[4:]}"})


def _brackets(size: int) -> Iterator[Line]:
    """Documents over many lines that never end."""
    yield from [b"{", b"["] * size
    yield from [b'{"a":', b'"'] * size
    yield from [b"]", b"}", b","] * size


def _one_page(size: int) -> Iterator[Line]:
    """One array over many lines."""
    lines = [b"[", *chain.from_iterable((line, b",") for line in _hub(size))]
    yield from [*lines[:-1], b"]"]


def _all(size: int) -> Iterator[Line]:
    """All that have whole messages and are not late."""
    for name, shape in _STRUCTURES.items():
        if name not in ("brackets", "one page") and not shape.is_late:
            for line in shape.lines(size):
                yield line.replace(b"urn:torture:", f"urn:{name}:".encode())


_STRUCTURES: Final = {
    "hub": Shape(_hub, "h:1"),
    "hub out of order": Shape(_shuffled_hub, "h:1", is_late=True),
    "leads and their contact by turns": Shape(_hub_by_turns, "t:1"),
    "deletions of a hub": Shape(_deletions, "d:0"),
    "keys of a lead": Shape(_keys, "k:1", is_late=True),
    "values of a scheme": Shape(_values, "v:1", is_late=True),
    "copies of an id": Shape(_copies, "i:1", is_late=True),
    "events of a lead": Shape(_long_lead, "l:1"),
    "late events of a lead": Shape(_late, "l:1", is_late=True),
    "events of one time": Shape(_at_one_time, "o:1"),
    "links out of order": Shape(_chain, "m:1", is_late=True),
    "changes of fields": Shape(_changes, "f:1"),
    "parties": Shape(_parties, "p:1"),
    "undecodable": Shape(_broken),
    "brackets": Shape(_brackets),
    "one page": Shape(_one_page, "h:1"),
}


def _cells(size: int) -> Iterator[tuple[str, int, str, str]]:
    """Yield rows of a table: a lead, when, and two texts, of which a few are long."""
    for number in range(size):
        yield f"{number % 99}", number, "New", f"{number}"
    for number, pattern in enumerate(PATTERNS[:_MOST_TEMPTING]):
        text = f"x{pattern * size * CHARACTERS}"[: size * CHARACTERS + 1].replace("\x00", " ") + "x"
        yield from ((f"{number}", size, text, "x"), (text, size, "New", text))


def _csv(header: str, size: int) -> Iterator[Line]:
    yield header.encode()
    for lead, second, text, other in _cells(size):
        cells = (lead, moment(second), text, other, "Status")
        yield ",".join('"' + cell.replace('"', '""') + '"' for cell in cells).encode()


def _hubspot(size: int) -> Iterator[Line]:
    """Yield changes as webhooks tell of them, all in one document."""
    rows = [
        {"eventId": number, "subscriptionType": "contact.propertyChange", "objectId": lead}
        | {"propertyName": "hs_lead_status", "propertyValue": text, "sourceId": other}
        | {"occurredAt": 1_772_539_200_000 + second}
        for number, (lead, second, text, other) in enumerate(_cells(size))
    ]
    yield _line(rows)


def _genesys(size: int) -> Iterator[Line]:
    for lead, second, text, other in _cells(size):
        data = {"ContactId": lead, "RTargetAgentSelected": other, "EmailAddress": text}
        email = {"id": lead, "state": "Invited", "capabilities": ["Accept"], "userData": data}
        kinds = {"notificationType": "StatusChange", "messageType": "EmailStateChangeMessage"}
        body = kinds | {"timestamp": 1_772_442_000_000 + second, "email": email}
        yield _line({"channel": "/v2/me/emails", "data": body})


_TABLES: Final = {
    "csv": partial(_csv, "Lead,Changed at,Status,Assigned to,Field"),
    "salesforce": partial(_csv, "LeadId,CreatedDate,NewValue,CreatedById,Field"),
    "hubspot": _hubspot,
    "genesys": _genesys,
}
#: Two that have many of them, for the quick form; then each alone.
SHAPES: Final = {
    "texts": Shape(_texts, is_late=True),
    "structures": Shape(_all, "t:1", is_late=True, tables=_TABLES),
    **_STRUCTURES,
    **{f"text {pattern!a}": Shape(_of(pattern), is_late=True) for pattern in PATTERNS},
}


#: What the columns of the table are, whose values need no meaning.
MAP: Final = """
name = "calls"
party = "callsUser"
[lead]
callsLeadId = "Lead"
[columns]
new = "Status"
time = "Changed at"
by = "Assigned to"
[[meaning]]
source = "calls"
field = "Status"
value = "New"
trigger = "send"
"""


def lines_of(shape: Shape, size: int) -> Iterator[Line]:
    """Return the lines of a log of this shape."""
    yield from _joe()
    if size:
        yield from shape.lines(size)
