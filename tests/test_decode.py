"""Every shape of design.md section 3 is decoded; what cannot be says where and why."""

import json

import pytest
from letters import ADA, lead, moment

from lifecycle import Key, MessageError, Party, decode, format_time
from lifecycle.messages import Ignored, read_message


def accept(**changes):
    return lead("accept", "10:00", id="urn:1", agent=ADA) | changes


def identified(identifier, **more):
    return decode(lead("update", "10:00", keys=None, snapshot={"identifier": identifier} | more))


def problems(message, **named):
    with pytest.raises(MessageError) as caught:
        decode(message, **named)
    return [str(problem) for problem in caught.value.problems]


# --- wrappers -------------------------------------------------------------------------------------


def headers_and_payload():
    message = accept()
    payload = {"topic": message["topic"], "data": message["data"]}
    return {"headers": {"time": message["time"], "id": "urn:1", "agent": "x"}, "payload": payload}


def headers_and_bare_payload():
    message = accept()
    data = message["data"] | {"type": "lead#accept"}
    return {"headers": {"time": message["time"], "id": "urn:1"}, "payload": data}


def bare(action_type):
    message = accept()
    return message["data"] | {"type": action_type, "time": message["time"], "id": "urn:1"}


@pytest.mark.parametrize(
    "message",
    [
        accept(),
        accept(topic="lead#accept"),
        headers_and_payload(),
        headers_and_bare_payload(),
        bare("lead#accept"),
        bare("AcceptAction"),
        bare("realestate/lead#accept"),
        {key: value for key, value in accept().items() if key != "topic"},
    ],
)
def test_a_message_means_the_same_in_every_wrapper(message):
    event = decode(message)
    assert (event.id, event.trigger, format_time(event.time)) == (
        "urn:1",
        "accept",
        moment("10:00"),
    )
    assert event.keys == (Key("lead", "crmleadid", "1"),)
    assert str(event.agent) == ADA


@pytest.mark.parametrize("wrap", [list, lambda some: {"contains": some}], ids=["array", "page"])
def test_a_page_holds_several_messages(wrap):
    events = list(read_message(wrap([accept(), accept(id="urn:2")])))
    assert [one.event.id for one in events] == ["urn:1", "urn:2"]


def test_a_problem_in_a_page_says_in_which_message():
    broken = accept(time=5)
    _, second = read_message({"contains": [accept(), broken]})
    assert [str(one) for one in second.problems] == [
        "contains[1].time: expected a time, got a number"
    ]
    assert json.loads(second.raw) == broken


def test_the_misspelt_topic_of_the_documents_is_an_assign():
    assert decode(lead("assign", "10:00") | {"topic": "lead#asssign"}).trigger == "assign"


@pytest.mark.parametrize("topic", ["contact#add", "realestate/lead#score", "website#view"])
def test_other_topics_are_ignored(topic):
    (found,) = read_message({"topic": topic, "data": {}})
    assert found == Ignored(topic.removeprefix("realestate/"))


@pytest.mark.parametrize(
    ("action", "contradicts"),
    [
        ("AcceptAction", False),
        ("lead#accept", False),
        ("string", False),
        (None, False),
        ("RejectAction", True),
        ("lead#reject", True),
        ("Thing", True),
    ],
)
def test_the_topic_decides_and_a_contradicting_type_is_noted(action, contradicts):
    message = accept()
    message["data"]["type"] = action
    event = decode(message)
    assert event.trigger == "accept"
    assert [note.code for note in event.notes] == ["action_mismatch"] * contradicts


def test_types_and_ids_may_have_an_at_sign():
    message = accept()
    message["data"]["@type"] = message["data"].pop("type")
    message["data"]["agent"] = {"@type": "Person", "@id": ADA}
    event = decode(message)
    assert (event.notes, str(event.agent)) == ((), ADA)


# --- identity -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "keys"),
    [
        ({"SalesforceId": "a", "n": 5}, [("n", "5"), ("salesforceid", "a")]),
        ({"n": 5.0}, [("n", "5")]),
        ({"n": 5.5}, [("n", "5.5")]),
        ({"n": None, "m": "1"}, [("m", "1")]),
        ("a", [("id", "a")]),
        (7, [("id", "7")]),
        ([{"name": "X", "value": 1}, {"propertyID": "y", "value": "2"}], [("x", "1"), ("y", "2")]),
        ([{"type": "PropertyValue", "name": "x", "value": "1"}], [("x", "1")]),
        (["a", {"x": "b"}], [("id", "a"), ("x", "b")]),
        ({"x": "***", "y": "1"}, [("y", "1")]),
        ({"x": "*", "y": "--"}, [("id", "https://own.example.com/1")]),
        (None, [("id", "https://own.example.com/1")]),
        ({}, [("id", "https://own.example.com/1")]),
    ],
)
def test_an_identifier_comes_in_many_shapes(identifier, keys):
    event = identified(identifier, **{"@id": "https://own.example.com/1"})
    assert event.lead_keys == tuple(Key("lead", *key) for key in keys)


def test_the_first_of_its_own_ids_that_is_no_mask_names_a_lead():
    assert identified(None, **{"@id": "***", "id": "a"}).keys == (Key("lead", "id", "a"),)
    assert identified({"x": "*"}, **{"@id": "b", "id": "a"}).keys == (Key("lead", "id", "b"),)


@pytest.mark.parametrize("pair", [{"propertyID": 5, "name": "x"}, {"propertyID": "", "name": "x"}])
def test_a_scheme_is_the_first_name_that_is_a_text(pair):
    entry = pair | {"value": "1", "more": []}
    assert identified([entry]).keys == (Key("lead", "x", "1"),)


def test_a_contact_is_known_by_its_identifier_and_what_it_is_the_same_as():
    contact = {"type": "Contact", "identifier": {"a": 1}, "sameAs": [{"name": "b", "value": 2}]}
    event = identified({"x": "1"}, object=contact)
    assert event.contact_keys == (Key("contact", "a", "1"), Key("contact", "b", "2"))


def test_a_message_that_names_nobody_says_so():
    assert problems(lead("update", "10:00", keys={"x": "***"})) == [
        ("data.object: expected an identifier of the lead or its contact that is a name; got none")
    ]


@pytest.mark.parametrize(
    ("value", "party"),
    [
        (ADA, Party(ADA)),
        ({"id": ADA, "name": "Ada"}, Party(ADA, "Ada")),
        ({"@id": ADA}, Party(ADA)),
        ({"name": "Ada"}, Party(None, "Ada")),
        ({"identifier": {"B": 2, "a": 1}}, Party("a:1")),
        ({"identifier": "7"}, Party("id:7")),
        ({"type": "Person"}, None),
        ({}, None),
        ("", None),
        (None, None),
    ],
)
def test_a_party_is_a_uri_or_an_object_with_any_part_missing(value, party):
    assert decode(lead("assign", "10:00", agent=value)).agent == party


# --- time -----------------------------------------------------------------------------------------


def test_the_time_is_that_of_the_message():
    assert format_time(decode(accept()).time) == moment("10:00")


@pytest.mark.parametrize("stamp", [1772359200000, "1772359200000", 1772359200000.0], ids=repr)
def test_else_its_timestamp_in_milliseconds(stamp):
    event = decode(accept(time=None, timestamp=stamp))
    assert (format_time(event.time), event.notes) == (moment("10:00"), ())


@pytest.mark.parametrize(
    "stamp", [True, [], "-5", "+5", " 5", "1_0", "٣", "05", "9" * 20, 10**18 * 1e6], ids=repr
)
def test_a_timestamp_is_a_number_since_1970_or_its_digits(stamp):
    (problem,) = problems(accept(time=None, timestamp=stamp))
    assert problem.startswith("timestamp: expected milliseconds since 1970, got ")


def test_an_empty_timestamp_is_none():
    message = lead("assign", "10:00") | {"time": "", "timestamp": ""}
    assert decode(message, received_at=5).time == 5


@pytest.mark.parametrize(
    ("action", "date"),
    [("add", "Sent"), ("receive", "Received"), ("accept", "Accepted"), ("reject", "Rejected")],
)
def test_else_the_date_of_that_very_step(action, date):
    message = lead(action, "10:00", snapshot={f"date{date}": moment("09:00")})
    event = decode(message | {"time": None})
    assert format_time(event.time) == moment("09:00")
    assert [note.code for note in event.notes] == ["no_event_time"]


def test_else_the_date_the_data_was_sent():
    event = decode(lead("assign", "10:00", dateSent=moment("09:00")) | {"time": None})
    assert format_time(event.time) == moment("09:00")


def test_else_the_moment_of_receipt_and_else_it_has_none():
    message = lead("assign", "10:00") | {"time": None}
    assert decode(message, received_at=5).time == 5
    assert problems(message) == [
        "time: expected a time: none is stated, and no date says when it happened"
    ]


def test_dates_without_an_offset_are_utc_and_noted():
    event = decode(accept(time="2026-03-01T10:00:00"))
    assert format_time(event.time) == moment("10:00")
    assert [(note.code, note.detail) for note in event.notes] == [
        ("no_offset", "taken as UTC: time")
    ]


# --- content --------------------------------------------------------------------------------------


def test_copies_share_their_content_and_differ_in_their_delivery():
    one = decode(accept())
    for other in (
        accept(**{"@id": "https://pod.example.com/1", "originalRecipient": ADA}),
        accept(time="2026-03-01T11:00:00.000+0100"),
        accept(topic="lead#accept"),
        json.dumps(accept(), indent=3, sort_keys=True),
        headers_and_payload(),
    ):
        assert decode(other).digest == one.digest


def test_other_data_is_another_content():
    assert decode(accept()).digest != decode(lead("accept", "10:00", id="urn:1")).digest


def test_a_message_without_an_id_is_known_by_its_content():
    message = accept(id=None)
    assert decode(message).id == f"urn:sha256:{decode(message).digest.hex()}"
    assert decode(accept(id=7)).id == "7"


# --- what cannot be decoded -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"data": 5}, ["data: expected an object, got a number"]),
        ({"topic": 5}, ["topic: expected a text, got a number"]),
        ({"time": "soon"}, ["time: expected a time such as 2026-03-01T10:00:00Z, got 'soon'"]),
        (
            {"time": None, "timestamp": "x"},
            ["timestamp: expected milliseconds since 1970, got 'x'"],
        ),
        ({"id": {}}, ["id: expected a text, got an object"]),
        ({"data": {}}, ["data.object: expected an object, got nothing"]),
        ({"data": {"object": []}}, ["data.object: expected an object, got an array"]),
        (
            {"data": {"object": {"identifier": 5, "object": 5, "dateSent": 5}}},
            [
                "data.object.dateSent: expected a time, got a number",
                "data.object.object: expected an object, got a number",
            ],
        ),
        (
            {"data": {"object": {"identifier": {"x": {"y": 1}}}, "agent": {"name": []}}},
            [
                "data.agent.name: expected a text, got an array",
                "data.object.identifier.x: expected a text or a number, got an object",
            ],
        ),
        (
            {"data": {"object": {"identifier": [{"name": "x", "value": []}]}}},
            ["data.object.identifier[0].value: expected a text or a number, got an array"],
        ),
        (
            {"data": {"object": {"identifier": "1", "owner": [[]]}}},
            ["data.object.owner[0]: expected a URI or an object, got an array"],
        ),
        ({"time": "1989-12-31"}, ["time: expected a time from 1990 on, got 1989-12-31T00:00:00Z"]),
        (
            {"topic": "realestate/lead#accepted"},
            ["topic: expected a topic, got 'lead#accepted': is it lead#accept?"],
        ),
        (
            {"data": {"object": {"identifier": "1", "@id": [], "object": {"sameAs": {"x": {}}}}}},
            [
                "data.object.@id: expected a text, got an array",
                "data.object.object.sameAs.x: expected a text or a number, got an object",
            ],
        ),
    ],
)
def test_every_problem_is_named_with_its_path(change, expected):
    found = problems(accept(**change))
    assert [one for one in found if one in expected] == expected


def test_problems_of_the_delivery_point_into_headers_or_payload():
    apart = headers_and_bare_payload()
    apart["headers"] |= {"time": 5, "id": []}
    assert problems(apart) == [
        "headers.time: expected a time, got a number",
        "headers.id: expected a text, got an array",
    ]
    apart["payload"]["time"] = "soon"
    assert problems(apart)[0].startswith("payload.time: expected a time such as ")
    del apart["headers"]["time"], apart["payload"]["time"], apart["headers"]["id"]
    assert problems(apart)[0].startswith("headers.time: expected a time: none is stated")


def test_what_has_data_is_an_envelope_whatever_else_stands_in_it():
    for more in ({"contains": []}, {"headers": {"id": "urn:2"}, "payload": {}}):
        assert decode(accept(**more)).id == "urn:1"


def test_problems_of_a_bare_message_have_no_data_before_their_path():
    assert problems(bare("lead#accept") | {"object": 5}) == [
        "object: expected an object, got a number"
    ]


@pytest.mark.parametrize("text", ["5", '"x"', "null", "true"])
def test_a_value_that_is_no_object_is_no_message(text):
    assert problems(text)[0].startswith("expected an object, got ")


def test_a_page_is_not_one_message():
    assert problems([accept(), accept()]) == ["expected one message, got 2"]
    assert problems({"topic": "contact#add", "data": {}}) == [
        "topic: 'contact#add' does not concern leads"
    ]


def test_a_value_that_json_does_not_know_is_refused():
    with pytest.raises(TypeError, match=r"a message must be what JSON can say"):
        decode({"data": {1, 2}})
