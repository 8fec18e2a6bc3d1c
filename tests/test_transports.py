"""A message is the same in the envelope of every transport, and several in one are several."""

import base64
import json

import pytest
from changes import change
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, deletion, lead
from worlds import NOW

from lifecycle import Key, LeadStore, MessageError, decode
from lifecycle.domain import TRIGGERS
from lifecycle.messages import Decoded, Ignored, Undecodable, read_message, validate
from lifecycle.messages.topics import TRIGGER_OF_TOPIC
from lifecycle.messages.transports import MAX_ENVELOPES, TRANSPORTS

MESSAGE = lead("accept", "10:00", id="urn:1", agent=ADA)


def text(message):
    return json.dumps(message)


def packed(message):
    return base64.b64encode(text(message).encode()).decode()


def event_of(message):
    """Return what a CloudEvent says of a message in its own attributes."""
    return {
        "specversion": "1.0",
        "id": message["id"],
        "source": "https://crm.example",
        "type": message["topic"],
        "time": message["time"],
        "data": message["data"],
    }


WRAPPERS = {
    "published": lambda one: {"type": "ReflexPublishAction", "@to": "x", "object": one},
    "notified": lambda one: {"@type": "Notification", "object": one},
    "sns": lambda one: {"Type": "Notification", "TopicArn": "arn", "Message": text(one)},
    "sqs": lambda one: {"Records": [{"messageId": "1", "body": text(one)}]},
    "sns to a function": lambda one: {"Records": [{"Sns": {"Message": text(one)}}]},
    "sqs, received": lambda one: {"Messages": [{"MessageId": "1", "Body": text(one)}]},
    "sqs, one": lambda one: {"MessageId": "1", "ReceiptHandle": "x", "Body": text(one)},
    "eventbridge": lambda one: {
        "version": "0",
        "detail-type": "lead",
        "source": "x",
        "detail": one,
    },
    "cloudevents": lambda one: {"specversion": "1.0", "id": "x", "type": "lead", "data": one},
    "cloudevents, text": lambda one: {"specversion": "1.0", "type": "x", "data": text(one)},
    "cloudevents, base64": lambda one: {
        "specversion": "1",
        "type": "x",
        "data_base64": packed(one),
    },
    "kafka connect": lambda one: {"schema": {"type": "string"}, "payload": text(one)},
    "kafka connect, schemaless": lambda one: {"schema": None, "payload": one},
    "kcat": lambda one: {"topic": "leads", "partition": 0, "offset": 7, "payload": text(one)},
    "pub/sub": lambda one: {
        "subscription": "x",
        "message": {"data": packed(one), "messageId": "1"},
    },
    "debezium": lambda one: {"op": "c", "after": {"id": "1", "payload": text(one)}},
    "debezium, connect": lambda one: {
        "schema": {},
        "payload": {"op": "c", "after": {"payload": text(one)}},
    },
    "array": lambda one: [one],
    "page": lambda one: {"contains": [one]},
}
IN_ENVELOPES = {
    "cloudevent": event_of,
    "eventbridge, by its type": lambda one: {
        "detail-type": one["topic"],
        "id": one["id"],
        "time": one["time"],
        "detail": one["data"],
    },
    "json text in data": lambda one: one | {"data": text(one["data"])},
    "json text in payload": lambda one: {
        "headers": {"id": one["id"]},
        "payload": text({"topic": one["topic"], "time": one["time"], "data": one["data"]}),
    },
}


def same(event, other):
    return (event.id, event.digest, event.keys) == (other.id, other.digest, other.keys)


@pytest.mark.parametrize("name", [*WRAPPERS, *IN_ENVELOPES])
def test_a_message_is_the_same_in_every_envelope(name):
    wrapped = (WRAPPERS | IN_ENVELOPES)[name](MESSAGE)
    assert same(decode(wrapped), decode(MESSAGE))
    assert validate(wrapped) == validate(MESSAGE)


@given(st.lists(st.sampled_from(sorted(WRAPPERS)), min_size=1, max_size=3))
def test_envelopes_stand_in_each_other(names):
    wrapped = MESSAGE
    for name in names:
        wrapped = WRAPPERS[name](wrapped)
    assert same(decode(wrapped), decode(MESSAGE))


def test_envelopes_within_envelopes_have_an_end():
    wrapped = MESSAGE
    for _ in range(MAX_ENVELOPES + 1):
        wrapped = WRAPPERS["published"](wrapped)
    (found,) = read_message(wrapped)
    assert [problem.code for problem in found.problems] == ["too_deep"]


REMOVAL = "Debezium, a row removed"


def test_a_row_that_left_an_outbox_is_ignored():
    change = {"op": "d", "before": {"id": "1", "payload": "{}"}, "after": None, "source": {}}
    for value in (change, {"schema": None, "payload": change}):
        assert list(read_message(value)) == [Ignored("debezium, op d")]


def test_every_row_of_the_table_is_tried():
    names = {transport.name for transport in TRANSPORTS}
    assert len(names) == len(TRANSPORTS)
    for transport in TRANSPORTS:
        if transport.name == REMOVAL:
            continue  # it carries no message
        some = [
            wrapped
            for make in (WRAPPERS | IN_ENVELOPES).values()
            if isinstance(wrapped := make(MESSAGE), dict) and transport.recognises(wrapped)
        ]
        assert some, transport.name


def test_several_in_one_envelope_are_several_messages(store):
    other = lead("add", "09:00", id="urn:2")
    broken = '{"topic": '
    records = [{"body": text(MESSAGE)}, {"body": broken}, {"body": text(other)}, {"x": 1}]
    outcomes = store.apply_many([{"Records": records}])
    assert [one.kind for one in outcomes] == ["applied", "quarantined", "applied", "quarantined"]
    found = list(store.quarantine())
    assert [one.raw for one in found] == [broken.encode(), b'{"x":1}']
    assert [str(one.problems[0]).partition(":")[0] for one in found] == [
        "Records[1].body",
        "Records[3]",
    ]


def test_a_problem_inside_an_envelope_says_where_it_stands():
    wrapped = WRAPPERS["sns"](MESSAGE | {"time": 5})
    with pytest.raises(MessageError) as caught:
        decode(wrapped)
    assert str(caught.value) == "Message.time: expected a time, got a number"
    (found,) = read_message(WRAPPERS["sns"](MESSAGE) | {"Message": "{"})
    assert str(found.problems[0]).startswith("Message: not valid JSON")
    assert json.loads(found.raw)["TopicArn"] == "arn"


@pytest.mark.parametrize(
    "wrapped",
    [
        {"subscription": "x", "message": {"data": "no base 64", "messageId": "1"}},
        {"subscription": "x", "message": {}},
        {"specversion": "1.0", "type": "x", "data_base64": 5},
        {"op": "d", "after": {"id": 1}},
        {"Records": 5},
        {"Messages": [[]]},
    ],
)
def test_what_holds_no_message_is_kept_and_says_so(wrapped):
    (found,) = read_message(wrapped)
    assert isinstance(found, Undecodable)
    assert found.problems[0].code in ("no_message", "not_base64")


MORE = {"contains", "type", "Type", "body", "Sns", "data_base64", "id"}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted({name for one in TRANSPORTS for name in one.fields} | MORE)),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JUNK)
def test_whatever_an_envelope_holds_it_is_read_or_kept(value):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        for outcome in store.apply_many([json.dumps(value)]):
            assert outcome.kind in ("ignored", "quarantined")
    validate(json.dumps(value))


@pytest.mark.parametrize(
    "message",
    [
        {"Type": "SubscriptionConfirmation", "TopicArn": "x", "Message": "confirm", "Token": "x"},
        {"type": "SubscribeAction", "object": {"id": "https://crm.example/inbox"}},
        {"@type": "ReflexHandshake", "challenge": "x"},
    ],
)
def test_the_handshake_of_a_subscription_is_ignored(message):
    (found,) = read_message(message)
    assert isinstance(found, Ignored)


def test_a_page_of_links_is_one_sentence(store):
    page = {"contains": [f"https://crm.example/inbox/{number}" for number in range(50)]}
    (outcome,) = store.apply_many([page])
    assert [str(problem) for problem in outcome.problems] == [
        "contains: expected messages, got 50 links: fetch what they lead to"
    ]
    assert len(store.quarantine_numbers()) == 1


# --- topics ---------------------------------------------------------------------------------------


@given(st.sampled_from(sorted(TRIGGER_OF_TOPIC)), st.data())
def test_topics_are_read_without_case_and_white_space(topic, data):
    written = "".join(data.draw(st.sampled_from([one, one.upper()])) for one in topic)
    prefix = data.draw(st.sampled_from(["", "realestate/", "RealEstate/"]))
    blank = data.draw(st.sampled_from(["", " ", "\t", "\u00a0"]))
    named = f"{blank}{prefix}{written}{blank}"
    message = deletion("10:00", {"x": "1"}) if topic == "contact#delete" else lead("add", "10:00")
    if topic == "lead#change":
        message = change("Status", 0, "New")
    for spelt in (named, [named]):
        event = decode(message | {"topic": spelt})
        assert event.trigger == TRIGGER_OF_TOPIC[topic]
        assert event.digest == decode(message | {"topic": topic}).digest


NEARLY = {
    "lead#accepted": "lead#accept",
    "lead#adds": "lead#add",
    "lead#assigning": "lead#assign",
    "lead#updated": "lead#update",
    "lead#acept": "lead#accept",
    "lead#acecpt": "lead#accept",
    "leads#accept": "lead#accept",
    "lead.retract": "lead#retract",
    "realstate/lead#reject": "lead#reject",
    "contact#deleted": "contact#delete",
    "LEAD#Sent": "lead#send",
}


@pytest.mark.parametrize("topic", NEARLY)
def test_a_topic_that_is_nearly_one_of_ours_is_kept_with_the_nearest(topic):
    for message in (MESSAGE | {"topic": topic}, MESSAGE["data"] | {"type": topic}):
        if "#" not in topic and "topic" not in message:
            continue
        (found,) = read_message(message)
        assert [problem.code for problem in found.problems] == ["unknown_topic"]
        assert str(found.problems[0]).endswith(f"is it {NEARLY[topic]}?")


@given(st.text(alphabet="lead#contactdelete", max_size=20))
def test_other_topics_are_ignored_and_long_ones_too(topic):
    for long in (topic + "#x", topic * 1000 + "#y"):
        (found,) = read_message({"topic": long, "data": {}})
        assert isinstance(found, (Ignored, Undecodable))


@pytest.mark.parametrize(
    ("topic", "action", "trigger"),
    [
        ("lead", "AcceptAction", "accept"),
        ("realestate/lead", "lead#assign", "assign"),
        (" LEAD ", ["AddAction"], "send"),
        ("contact", "DeleteAction", "delete"),
    ],
)
def test_a_kind_alone_goes_by_the_type_of_the_action(topic, action, trigger):
    message = deletion("10:00", {"x": "1"}) if trigger == "delete" else lead("add", "10:00")
    message["data"]["type"] = action
    assert decode(message | {"topic": topic}).trigger == trigger
    message["data"]["type"] = None
    (found,) = read_message(message | {"topic": topic})
    assert [problem.code for problem in found.problems] == ["no_topic"]


def test_a_bare_action_on_a_contact_is_about_the_contact():
    contact = {"type": "Contact", "identifier": {"x": "1"}}
    bare = {"time": "2026-03-01T10:00:00Z", "object": contact}
    (found,) = read_message(bare | {"type": "AddAction"})
    assert found == Ignored("contact#add")
    assert decode(bare | {"type": "DeleteAction"}).trigger == "delete"
    (found,) = read_message(bare | {"type": "DeleteAction", "object": {"type": "Lead"}})
    assert found == Ignored("lead#delete")


@pytest.mark.parametrize("kind", ["Person", "Contact"])
def test_an_action_on_a_lead_whose_object_is_a_person_names_the_contact(kind, store):
    store.apply(lead("add", "10:00", contact={"cid": "7"}))
    thing = {"type": kind, "identifier": {"cid": "7"}, "name": "Joe", "recipient": ADA}
    message = lead("assign", "10:01", agent=ADA) | {"data": {"object": thing}}
    event = decode(message)
    assert (event.lead_keys, event.contact_keys) == ((), (Key("contact", "cid", "7"),))
    assert (event.snapshot.contact.name, str(event.snapshot.recipient)) == ("Joe", ADA)
    assert store.apply(message).lead_id == "crmleadid:1"


# --- content --------------------------------------------------------------------------------------


def test_a_known_content_is_a_duplicate_whether_it_counts_or_not(store):
    one, other = (lead("add", "10:00", id="urn:1", keys=key) for key in "12")
    kinds = [store.apply(message).kind for message in (one, other, one, other, other, one)]
    assert kinds == ["applied", "conflict", *["duplicate"] * 4]
    many = [outcome.kind for outcome in store.apply_many([one, other] * 3)]
    assert many == ["duplicate"] * 6


def test_known_contents_are_duplicates_within_one_batch(store):
    one, other = (lead("add", "10:00", id="urn:1", keys=key) for key in "12")
    kinds = [outcome.kind for outcome in store.apply_many([one, other, other, one])]
    assert kinds == ["applied", "conflict", "duplicate", "duplicate"]


def test_every_trigger_has_a_topic():
    assert set(TRIGGER_OF_TOPIC.values()) <= set(TRIGGERS)


@pytest.mark.parametrize("change", [{"price": 100.0}, {"note": None}])
def test_equal_numbers_and_null_members_are_one_content(change, store):
    plain = lead("add", "10:00", id="urn:1", snapshot={"price": 100})
    relayed = lead("add", "10:00", id="urn:1", snapshot={"price": 100} | change)
    assert [store.apply(one).kind for one in (plain, relayed)] == ["applied", "duplicate"]


def test_a_finding_that_the_decoder_makes_is_part_of_the_content(store):
    seconds = lead("add", "10:00", id="urn:1") | {"time": None, "timestamp": 1772359200}
    millis = seconds | {"timestamp": 1772359200000}
    assert [store.apply(one).kind for one in (millis, seconds)] == ["applied", "conflict"]
    assert isinstance(next(read_message(seconds)), Decoded)


# --- times ----------------------------------------------------------------------------------------


def test_an_implausible_time_is_quarantined_and_an_implausible_date_not_used(store):
    (problem,) = store.apply(lead("add", "10:00") | {"time": "1989-12-31"}).problems
    assert problem.code == "implausible_time"
    dates = {"dateSent": "1989-12-31T00:00:00Z", "dateReceived": "1970-01-01"}
    store.apply(lead("accept", "10:00", snapshot=dates))
    rows = store.history("crmleadid:1")
    assert [(row.trigger, row.source) for row in rows] == [("accept", "new")]
    details = [one.detail for one in store.findings() if one.code == "odd_dates"]
    assert details == ["not used: object.dateSent is 1989-12-31T00:00:00Z"]


def test_a_null_date_for_a_time_is_none(store):
    message = lead("add", "10:00") | {"time": "0001-01-01T00:00:00Z"}
    assert [one.code for one in store.apply(message).problems] == ["no_time"]
    assert decode(message | {"timestamp": 1772359200000}).time == 1772359200000000
