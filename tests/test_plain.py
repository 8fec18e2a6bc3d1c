"""The fast path of decoding says what the shapes say, or leaves it to them."""

import json
from copy import deepcopy
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.domain import Identity
from lifecycle.errors import MessageError
from lifecycle.messages.event import event_of
from lifecycle.messages.parse import canonical, parse_message
from lifecycle.messages.plain import plain_event
from lifecycle.messages.transports import is_envelope
from lifecycle.messages.wrappers import unwrap
from lifecycle.mocking import Plan, stories

_HERE = Path(__file__).parent
ODD = (
    *(None, True, False, 0, 1, -1, 1.5, 2**53, "", " ", "***", "0", "null", [], {}, [[]], ["a"]),
    *("2026-03-01T10:00:00Z", "2026-03-01", "1970-01-01T00:00:00Z", "1985-01-01T00:00:00Z"),
    *("2026-03-01T10:00:00.123+02:00", "0001-01-01T00:00:00Z", "Zoë", "Lead", "Contact", "a:b"),
    *({"@id": "urn:x"}, {"id": 5}, {"name": "Ada"}, {"identifier": {"a": "b"}}, {"value": "x"}),
    *([{"name": "Ada"}, "x"], {"propertyID": "a", "value": 7}, [None], {"": ""}, {"a": None}),
)
NAMES = (
    *("id", "@id", "type", "@type", "Type", "topic", "time", "timestamp", "data", "object"),
    *("identifier", "sameAs", "name", "givenName", "familyName", "email", "telephone", "agent"),
    *("recipient", "participant", "owner", "sender", "dateSent", "dateReceived", "dateAccepted"),
    *("dateRejected", "reason", "comment", "value", "headers", "payload", "source"),
)


def corpus():
    found = [json.loads(path.read_text()) for path in sorted((_HERE / "seeds").glob("*.json"))]
    found += [one.message for one in stories(Plan(leads=30, seed=7))]
    return [one for one in found if is_envelope(one)]


CORPUS = corpus()


def objects(value):
    """All objects in a value."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from objects(part)


@st.composite
def messages(draw):
    message = deepcopy(draw(st.sampled_from(CORPUS)))
    for _ in range(draw(st.integers(0, 4))):
        thing = draw(st.sampled_from(list(objects(message))))
        name = draw(st.sampled_from([*thing, *NAMES]))
        if draw(st.booleans()):
            thing.pop(name, None)
        else:
            thing[name] = deepcopy(draw(st.sampled_from(ODD)))
    return message


def by_shapes(message, identity):
    """Return what the shapes say; nothing where they refuse it."""
    envelope = unwrap(message)
    try:
        return event_of(envelope, None, identity)
    except (MessageError, AttributeError):
        return None


def parts(event):
    return {one.name: getattr(event, one.name) for one in attrs.fields(type(event))}


@given(messages(), st.sampled_from((None, Identity())))
def test_what_the_fast_path_takes_the_shapes_read_alike(message, identity):
    message = parse_message(canonical(message))
    if not is_envelope(message):
        return
    event = plain_event(message, identity)
    if event is not None:
        expected = by_shapes(message, identity)
        assert expected is not None
        assert parts(event) == parts(expected)


def test_the_fast_path_takes_almost_all_plain_messages():
    taken = [plain_event(parse_message(canonical(one)), None) for one in CORPUS]
    assert sum(one is not None for one in taken) > len(taken) * 0.6
