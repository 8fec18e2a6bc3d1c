"""A schema accepts what the decoder decodes, and nothing else."""

import calendar
import copy
import json
import re
from collections import Counter

import attrs
import jsonschema_rs
import pytest
from changes import change
from conftest import SEEDS
from from_schemas import ANY, TIMES, nearly
from hypothesis import given
from hypothesis import strategies as st
from letters import deletion, lead
from test_limits import values
from worlds import messages

from lifecycle import ArgumentError, decode, parse_time
from lifecycle.errors import MessageError
from lifecycle.messages import TRIGGER_OF_TOPIC, Decoded, message_schema, read_message
from lifecycle.messages import schemas as module
from lifecycle.messages.asyncapi import asyncapi
from lifecycle.messages.patterns import DATE
from lifecycle.messages.topics import plain_topic
from lifecycle.messages.words import ENVELOPE, SUMMARY_OF_TOPIC, WORDS

TOPICS = sorted(TRIGGER_OF_TOPIC)
SCHEMAS = {topic: message_schema(topic) for topic in TOPICS}
CHECKERS = {topic: jsonschema_rs.Draft202012Validator(one) for topic, one in SCHEMAS.items()}


def decodes(message):
    try:
        decode(message)
    except MessageError:
        return False
    return True


def accepts(message, topic):
    return CHECKERS[topic].is_valid(message)


def is_spelt(text, topic):
    return isinstance(text, str) and plain_topic(text) == topic


def agree(message, topic):
    accepted = accepts(message, topic)
    assert accepted == decodes(message), message
    return accepted


# --- equal to the decoder -------------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
def test_what_a_schema_accepts_decodes_and_the_reverse(topic):
    seen = Counter()

    @given(nearly(SCHEMAS[topic]))
    def check(message):
        if isinstance(message, dict) and is_spelt(message.get("topic"), topic):
            seen[agree(message, topic)] += 1

    for _ in range(5):
        check()
        if len(seen) > 1:
            break
    assert set(seen) == {True, False}, "of both sorts"


def places(value, path=()):
    """Every path in a message, but those of its topic, which says whose schema it is."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in items:
        if isinstance(part, (dict, list)):
            yield from places(part, (*path, name))
        elif path or name != "topic":
            yield (*path, name)


@st.composite
def changed(draw, originals):
    """Return a message in which some parts are something else, or gone, or new."""
    message = copy.deepcopy(draw(originals))
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(sorted(places(message), key=str)))
        parent = message
        for step in path[:-1]:
            parent = parent[step]
        action = draw(st.sampled_from(["change", "remove", "add"]))
        if action == "change" or path == ("data",):
            parent[path[-1]] = draw(ANY | TIMES | st.sampled_from(["***", "", None, 5]))
        elif action == "remove":
            del parent[path[-1]]
        elif isinstance(parent, dict):
            name = st.sampled_from(["@id", "id", "sameAs", "identifier", "dateSent", "value"])
            parent[draw(name)] = draw(ANY | TIMES)
    return message


EXAMPLES = [
    json.loads(file.read_text())
    for file in sorted(SEEDS.glob("*.json"))
    if "data" in json.loads(file.read_text())
]


@given(messages() | changed(messages()) | changed(st.sampled_from(EXAMPLES)))
def test_messages_and_changed_messages_decode_when_their_schema_accepts_them(message):
    agree(message, plain_topic(message["topic"]))


def snapshot(**parts):
    return lead("update", "10:00", keys=None, snapshot=parts)


def timed(topic="update", **parts):
    return lead(topic, "10:00") | {"time": None} | parts


AWKWARD = [
    *(snapshot(identifier=one) for one in ("a", "***", "", 7, True, None, [], {}, ["a"], ["***"])),
    *(snapshot(identifier=[one]) for one in (None, True, [], {}, {"x": "1"}, {"x": None}, 5)),
    *(snapshot(identifier={"x": one}) for one in ("1", "***", 0, None, True, [], {}, "²", "_")),
    snapshot(identifier={"type": "Thing", "@type": "x"}),
    snapshot(identifier={"type": [], "x": 1}),
    snapshot(identifier={"name": "x", "value": "1", "more": []}),
    snapshot(identifier={"name": "", "value": "1"}),
    snapshot(identifier={"name": "", "value": "1", "more": []}),
    snapshot(identifier={"propertyID": "", "value": None, "x": "1"}),
    snapshot(identifier={"name": 5, "value": "1"}),
    snapshot(identifier={"propertyID": 5, "name": "x", "value": "1", "more": []}),
    snapshot(identifier={"name": "x", "value": None}),
    snapshot(identifier={"name": "x", "value": []}),
    snapshot(identifier={"name": "x"}),
    snapshot(**{"identifier": {"x": "***"}, "@id": "***", "id": "a"}),
    snapshot(**{"@id": "", "id": 0}),
    snapshot(**{"@id": []}, identifier="a"),
    snapshot(object=None),
    snapshot(object={}),
    snapshot(object={"sameAs": {"x": "1"}}),
    snapshot(object={"sameAs": "a", "identifier": {"x": {}}}),
    snapshot(object={"id": "a"}),
    snapshot(object=5, identifier="a"),
    *(
        lead("assign", "10:00", agent=one)
        for one in (
            "",
            "x",
            5,
            [],
            {},
            {"id": 5},
            {"id": []},
            {"name": True},
            {"@id": {}},
        )
    ),
    *(
        lead("assign", "10:00", agent={"identifier": one})
        for one in ("a", ["a"], [[]], {"x": {}}, None, True)
    ),
    lead("assign", "10:00", agent={"id": "x", "identifier": [[]]}),
    *(lead("assign", "10:00", reason=one) for one in ([], {}, 5, None, True)),
    *(lead("assign", "10:00", type=one) for one in ([], 5, None, True, "string", "Nonsense")),
    *(
        {"id": one} | message | {"id": one}
        for message in (lead("assign", "10:00"), change("Status"))
        for one in (5, True, [], "", None, "x", 1.5)
    ),
    *(lead("assign", "10:00") | {"time": one} for one in (5, True, "", "2026-03-01", "soon")),
    *(
        timed(timestamp=one)
        for one in (0, 0.5, 1, -1, 1.5, -62135596800000, 253402300799999, 253402300800000)
    ),
    *(
        timed(timestamp=number * scale)
        for number in (631151999, 631152000, 99999999999, 100000000000)
        for scale in (1, 1000, 1000000, 1000000000)
        if number * scale < 2**63
    ),
    timed(timestamp=1e30),
    *(timed(timestamp=one) for one in ("0", "00", "631151999", "631152000", "0631152000")),
    *(timed(timestamp="6311519" + "9" * more) for more in range(14)),
    *(timed(timestamp="631152" + "0" * more) for more in range(15)),
    *(
        timed(time=one, timestamp=other)
        for one in ("0001-01-01T00:00:00Z", "1970-01-01", "1989-12-31", "9999-12-31T10:00:00Z")
        for other in (None, 1772359200)
    ),
    *(
        timed() | {"data": {"object": {"id": "a"}, "dateSent": one}}
        for one in ("0001-01-01", "1989-12-31", "1990-01-01", "1970-01-01T00:00Z")
    ),
    *(
        snapshot(identifier={"x": one})
        for one in (
            *(
                "null",
                "NULL",
                " null ",
                "nu ll",
                "N/A",
                "\\N",
                "\\n",
                "0",
                "-1",
                "00",
                "0.0",
                -1,
                0.0,
            ),
            *(
                "false",
                "TRUE",
                "none",
                "\u00a0nil\u2060",
                "un\u212anown",
                "fal\u017fe",
                "tbd",
                "na",
            ),
            "00000000-0000-0000-0000-000000000000",
            "{00000000-0000-0000-0000-000000000000}",
            "URN:uuid:00000000-0000-0000-0000-000000000000",
            "{00000000-0000-0000-0000-000000000000",
        )
    ),
    *(
        snapshot(identifier=one)
        for one in (
            {"@context": {"x": 1}, "ID": "A1"},
            {"@context": "http://vocabulary.example"},
            {"system": "https://crm.example/leads", "value": "1"},
            {"system": "x", "propertyID": {}, "value": "1"},
            {"system": "x"},
            {"name": {}, "propertyID": []},
            {"name": {}, "x": "1"},
            {"value": "1"},
            {"value": "1", "x": None},
            {"value": "1", "type": [], "@type": "PropertyValue"},
            {"value": []},
            {"value": None},
            {"value": True, "x": True},
            {"name": "x", "value": None, "y": "1"},
            [{"value": "1"}, None, True],
            [None],
        )
    ),
    *(
        lead("assign", "10:00", keys=None) | {"data": {"object": {"type": kind, "id": "a", **more}}}
        for kind in (
            "Person",
            "Contact",
            " Contact ",
            ["Person"],
            ["Person", "x"],
            "person",
            "Lead",
        )
        for more in ({}, {"sameAs": {"x": {}}}, {"sameAs": {"x": "1"}, "id": None}, {"object": 5})
    ),
    *(
        lead("assign", "10:00", agent=one)
        for one in (["x"], [None], [[]], ["x", 5], [{"name": []}])
    ),
    *(
        lead("assign", "10:00") | {"topic": one}
        for one in (" LEAD#Assign\u00a0", "REALESTATE/lead#AsssIgn", "\ufefflead#assign")
    ),
    *(timed(timestamp=one) for one in (2**53, 1.5e12)),
    *(
        timed(timestamp=one)
        for one in ("", "5", "-5", "+5", " 5", "9" * 14, "9" * 15, True, [], {})
    ),
    lead("assign", "10:00") | {"timestamp": "nonsense"},
    timed(),
    timed("assign") | {"data": {"object": {"id": "a"}, "dateSent": "2026-03-01"}},
    *(
        timed(topic) | {"data": {"object": {"id": "a", date: "2026-03-01"}}}
        for topic in ("add", "receive", "accept", "reject", "update", "assign")
        for date in ("dateSent", "dateReceived", "dateAccepted", "dateRejected")
    ),
    timed("add") | {"data": {"object": {"id": "a", "dateSent": ""}}},
    deletion("10:00", {"x": "1"}),
    deletion("10:00", {"x": "***"}),
    deletion("10:00", {"x": "1"}, recipient=[], participant=5),
    deletion("10:00", {"x": "1"}, agent=[]),
    deletion("10:00", {"x": "1"}) | {"time": "", "timestamp": 5},
    lead("assign", "10:00") | {"data": 5},
    lead("assign", "10:00") | {"data": None},
    lead("assign", "10:00") | {"data": {}},
    lead("assign", "10:00") | {"data": {"object": None}},
    lead("assign", "10:00") | {"headers": {"id": []}, "payload": {}},
    lead("assign", "10:00") | {"contains": [5]},
    lead("assign", "10:00") | {"topic": "realestate/lead#asssign"},
    lead("assign", "10:00") | {"topic": "lead#asssign"},
]


@pytest.mark.parametrize("message", AWKWARD, ids=lambda one: json.dumps(one)[:160])
def test_awkward_messages_decode_when_their_schema_accepts_them(message):
    agree(message, plain_topic(message["topic"]))


def test_of_the_awkward_messages_many_are_accepted_and_many_are_not():
    seen = Counter(accepts(one, plain_topic(one["topic"])) for one in AWKWARD)
    assert min(seen[True], seen[False]) > 40


@pytest.mark.parametrize("topic", TOPICS)
def test_a_schema_asks_for_its_topic(topic):
    (message,) = [one for one in EXAMPLES_OF_ALL if one["topic"].endswith(topic)]
    assert accepts(message, topic)
    for other in set(TOPICS) - {topic}:
        assert not accepts(message, other)
    assert not accepts({name: part for name, part in message.items() if name != "topic"}, topic)


EXAMPLES_OF_ALL = [
    *(lead(topic.removeprefix("lead#"), "10:00") for topic in TOPICS if topic != "contact#delete"),
    deletion("10:00", {"x": "1"}),
]


@given(values)
def test_a_value_that_is_no_message_is_none_for_every_schema(value):
    for topic in TOPICS:
        if accepts(value, topic):
            assert isinstance(next(read_message(json.dumps(value))), Decoded)


TIME_LIKE = st.from_regex(
    r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]"
    r"([Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,10})?"
    r" ?([Zz]|[+-][0-2][0-9]:?[0-6][0-9])?)?\Z"
)


@given(TIME_LIKE | TIMES | st.text(max_size=5))
def test_the_pattern_of_a_time_is_that_of_the_decoder(text):
    assert bool(matches_time(text)) == reads_as_time(text)


def test_it_knows_how_long_every_month_is():
    for year in (1, 4, 100, 400, 1900, 2000, 2023, 2024, 2100, 9996, 9999):
        for month in range(14):
            for day in range(33):
                text = f"{year:04}-{month:02}-{day:02}"
                assert matches_time(text) == reads_as_time(text), text
    for year in range(10_000):
        leap = year > 0 and calendar.isleap(year)
        assert matches_time(f"{year:04}-02-29") == leap, year


@pytest.mark.parametrize(
    "offset", ["+23:59", "-2359", "+23", " UTC", "+24:00", "-23:60", "+0060", "+1:00", "Z "]
)
def test_it_knows_what_an_offset_is(offset):
    text = f"2026-03-01T10:00:00{offset}"
    good = offset == " UTC" or (offset[1:3] == "23" and "6" not in offset)
    assert matches_time(text) == reads_as_time(text) == good


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "9999-12-31T23:59:60Z",
        "0001-12-31",
    ],
)
def test_on_the_first_and_last_day_every_offset_is_read_as_none(text):
    assert matches_time(text) == reads_as_time(text) is True
    assert parse_time(text).is_null


def matches_time(text):
    return re.search(DATE.replace("$", r"\Z"), text) is not None


def reads_as_time(text):
    if text == "":
        return True
    try:
        parse_time(text)
    except ArgumentError:
        return False
    return True


# --- the schemas themselves -----------------------------------------------------------------------


@pytest.mark.parametrize("topic", TOPICS)
def test_a_schema_is_one_of_2020_12(topic):
    jsonschema_rs.meta.validate(SCHEMAS[topic])
    assert SCHEMAS[topic]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_every_schema_has_an_id_of_its_own():
    assert len({one["$id"] for one in SCHEMAS.values()}) == len(TOPICS) == 10


def test_every_declared_field_has_a_place_in_the_schemas():
    definitions = SCHEMAS["lead#add"]["$defs"]
    data = SCHEMAS["lead#add"]["properties"]["data"]
    for shape, schema in [
        (module.LeadAction, data["else"]),
        (module.PersonAction, data["then"]),
        (module.LeadShape, definitions["lead"]),
        (module.PersonShape, definitions["person"]),
        (module.ContactShape, definitions["contact"]),
        (module.ContactAction, SCHEMAS["contact#delete"]["properties"]["data"]),
    ]:
        names = {module.wire_name(one.name) for one in attrs.fields(shape)}
        assert set(schema["properties"]) == names
        assert set(WORDS[shape.__name__]) <= names | {""}


def test_every_word_is_used():
    assert set(SUMMARY_OF_TOPIC) == set(TRIGGER_OF_TOPIC)
    assert set(ENVELOPE) | {"topic", "data"} == set(SCHEMAS["lead#add"]["properties"])


def references(value):
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "$ref":
                yield part
            else:
                yield from references(part)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def resolved(document, reference):
    found = document
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


@pytest.mark.parametrize("document", [*SCHEMAS.values(), asyncapi()], ids=[*TOPICS, "asyncapi"])
def test_every_reference_leads_somewhere(document):
    found = list(references(document))
    assert found
    assert all(isinstance(resolved(document, one), dict) for one in found)


# --- AsyncAPI -------------------------------------------------------------------------------------


def test_the_asyncapi_document_names_every_message_once():
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {"lead", "contact"}
    named = [
        resolved(document, one["$ref"])["name"]
        for channel in document["channels"].values()
        for one in channel["messages"].values()
    ]
    assert sorted(named) == TOPICS
    of_operations = [
        one["$ref"] for each in document["operations"].values() for one in each["messages"]
    ]
    assert len(of_operations) == len(set(of_operations)) == len(TOPICS)


def test_it_has_what_asyncapi_3_asks_for():
    """The official JSON Schema of AsyncAPI 3 is in no package that we found: the rules by hand."""
    document = asyncapi()
    assert set(document) <= {"asyncapi", "info", "defaultContentType"} | {
        "channels",
        "operations",
        "components",
    }
    assert {"title", "version"} <= set(document["info"])
    for operation in document["operations"].values():
        assert operation["action"] in {"send", "receive"}
        channel = operation["channel"]["$ref"]
        assert set(operation) == {"action", "channel", "messages"}
        assert all(one["$ref"].startswith(f"{channel}/messages/") for one in operation["messages"])
    for kind in document["components"].values():
        assert all(re.fullmatch(r"[\w.-]+", name, re.ASCII) for name in kind)
    for message in document["components"]["messages"].values():
        assert set(message) == {"name", "title", "summary", "contentType", "payload"}


def test_its_schemas_are_those_of_the_messages():
    """In draft 7, which AsyncAPI's dialect extends, they accept the same."""
    document = asyncapi()
    for message in AWKWARD:
        topic = plain_topic(message["topic"])
        schema = document | {"$ref": f"#/components/schemas/{topic.replace('#', '-')}"}
        checker = jsonschema_rs.Draft7Validator(schema, validate_formats=False)
        assert checker.is_valid(message) == accepts(message, topic), message


def test_printing_them(lifecycle):
    for topic in ("lead#accept", "realestate/lead#accept"):
        assert json.loads(lifecycle("schema", topic).output) == SCHEMAS["lead#accept"]
    assert json.loads(lifecycle("schema").output) == asyncapi()
    unknown = lifecycle("schema", "lead#score")
    assert unknown.exit_code == 2
    assert "contact#delete" in unknown.output
