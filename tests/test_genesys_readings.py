"""Each record of Genesys Web Services makes at most one field change, by itself."""

import json
import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from conftest import SEEDS
from hypothesis import given
from hypothesis import strategies as st

from lifecycle import InputError
from lifecycle.systems.genesys import KINDS, kind_of, read_records
from lifecycle.systems.tally import Tally

TIME = "2016-03-15 23:38:01.000+1000"
RECEIVED = 1_457_000_000_000_000
AT_ONCE = {"time": TIME}


def party(agent):
    return {"type": "Person", "identifier": {"genesysAgentId": agent}}


def notification(state="Invited", medium="email", kind="StatusChange", agent="Ada", **data):
    user_data = {"ContactId": "C-1", "RTargetAgentSelected": agent, **data}
    body = {"id": "I-1", "state": state, "capabilities": [], "userData": user_data}
    return {"notificationType": kind, "messageType": "StateChangeMessage", medium: body, **AT_ONCE}


def operation(name="Accept", uri="/api/v2/me/emails/I-1", **more):
    return {"operationName": name, "uri": uri, "statusCode": 0, "user": "Ada", **AT_ONCE, **more}


def asked(name="Accept", uri="/api/v2/me/emails/I-1", status=0, **body):
    """Return an operation as request and response."""
    request = {"method": "POST", "uri": uri, "body": {"operationName": name, **body}}
    return {"request": request, "response": {"statusCode": status}, "user": "Ada", **AT_ONCE}


def interaction(state="Invited", **more):
    """Return an interaction as the v3 Workspace API writes it."""
    pairs = {"ContactId": "C-1", "RTargetAgentSelected": "Ada", "EmailAddress": "joe@example.com"}
    user_data = [{"key": key, "type": "str", "value": value} for key, value in pairs.items()]
    return {
        "id": "I-1",
        "mediatype": "email",
        "interactionType": "Inbound",
        "state": state,
        "capabilities": ["accept", "reject"],
        "email": {"from": "joe@example.com", "to": ["info@example.com"]},
        "submittedAt": "2016-03-15T13:00:00Z",
        "userData": user_data,
        **more,
    }


def changed(state="Invited", **more):
    data = {"interaction": interaction(state), "messageType": "InteractionStateChanged", **more}
    return {"channel": "/workspace/v3/media/email", "data": data, **AT_ONCE}


def without_time(record):
    return {name: part for name, part in record.items() if name != "time"}


def read(path, records, received_at=None):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    tally = Tally()
    found = list(read_records(path, received_at, tally, {}))
    assert (tally.records, tally.facts) == (len(records), len(found))
    assert tally.records == tally.facts + sum(tally.left_out.values())
    return found, dict(tally.left_out)


@pytest.fixture
def message_of(tmp_path):
    def message_of(record, received_at=None):
        (found,), _ = read(tmp_path / "genesys.jsonl", [record], received_at)
        return found.content

    return message_of


@pytest.fixture
def reason_of(tmp_path):
    def reason_of(record, received_at=None):
        found, left_out = read(tmp_path / "genesys.jsonl", [record], received_at)
        assert not found
        (reason,) = left_out
        return reason

    return reason_of


def test_a_record_is_a_field_change_of_its_interaction(tmp_path):
    record = notification(FromPersonal="Joe Example", EmailAddress="joe@example.com")
    (found,), _ = read(tmp_path / "genesys.jsonl", [record])
    assert (found.lead, found.time, found.line) == (
        "genesysInteractionId:I-1",
        1_458_049_081_000_000,
        1,
    )
    contact = {"type": "Contact", "name": "Joe Example", "email": "joe@example.com"}
    assert found.content == {
        "topic": "realestate/lead#change",
        "time": "2016-03-15T13:38:01Z",
        "data": {
            "type": "ChangeAction",
            "source": "genesys",
            "field": "state",
            "new": "Invited",
            "agent": party("Ada"),
            "recipient": party("Ada"),
            "object": {
                "type": "Lead",
                "identifier": {"genesysInteractionId": "I-1"},
                "object": contact | {"identifier": {"genesysContactId": "C-1"}},
            },
        },
    }


TO_BOB = "https://gws.example.com/api/v2/users/bob"
TO_SALES = "https://gws.example.com/api/v2/queues/sales"
# A record, and the field, the new value and the recipient that it tells.
READINGS = {
    "an offer": (notification(), "state", "Invited", "Ada"),
    "work": (notification("Processing"), "state", "Processing", None),
    "a chat": (notification("Chatting", "chat"), "state", "Chatting", None),
    "a work item": (notification("InWorkbin", "workitem"), "state", "InWorkbin", None),
    "a call": (notification("Ringing", "call"), "state", "Ringing", None),
    "an end": (notification("Completed"), "state", "Completed", None),
    "taken away": (notification("Revoked"), "state", "Revoked", None),
    "another notification": (
        notification(kind="PropertiesUpdated"),
        "notification",
        "PropertiesUpdated",
        None,
    ),
    "a change without a state": (notification(None), "notification", "StatusChange", None),
    "a wrapper": ({"channel": "/v2/me/emails", "data": notification()}, "state", "Invited", "Ada"),
    "accept": (operation(), "operation", "Accept", None),
    "accept, asked": (asked(), "operation", "Accept", None),
    "a status as text": (operation(statusCode="0"), "operation", "Accept", None),
    "reject": (operation("Reject"), "operation", "Reject", None),
    "complete": (operation("Complete"), "operation", "Complete", None),
    "complete to a queue": (
        asked("Complete", queueName="Sales"),
        "operation",
        "Complete to queue",
        None,
    ),
    "complete to the queue of a URI": (
        asked("Complete", targetUri=TO_SALES),
        "operation",
        "Complete to queue",
        None,
    ),
    "to a user": (asked("Transfer", userUri=TO_BOB), "operation", "Transfer to user", "bob"),
    "to the user of a URI": (
        operation("Transfer", targetUri=TO_BOB),
        "operation",
        "Transfer to user",
        "bob",
    ),
    "to the user of an object": (
        operation("Transfer", targetUser={"uri": "/users/bob"}),
        "operation",
        "Transfer to user",
        "bob",
    ),
    "to a queue": (asked("Transfer", queueName="Sales"), "operation", "Transfer to queue", None),
    "to the queue of a URI": (
        operation("Transfer", targetUri=TO_SALES),
        "operation",
        "Transfer to queue",
        None,
    ),
    "into a queue": (
        operation("PlaceInQueue", queue="Sales"),
        "operation",
        "PlaceInQueue",
        None,
    ),
    "out of a workbin": (
        asked("PullEmail", "/api/v2/me/workbins/W-1?agentGroup=A", id="I-1"),
        "operation",
        "PullEmail",
        None,
    ),
    "out of a workbin, flat": (
        operation("PullFromWorkbin", "/api/v2/workbins/W-1", id="I-1"),
        "operation",
        "PullFromWorkbin",
        None,
    ),
    "any other operation": (operation("SetInFocus"), "operation", "SetInFocus", None),
    "a change of version 3": (
        changed(notificationType="StatusChange"),
        "state",
        "Invited",
        "Ada",
    ),
    "a change of version 3 without its type": (changed("Processing"), "state", "Processing", None),
    "news of version 3": (
        changed(notificationType="PropertiesUpdated"),
        "notification",
        "PropertiesUpdated",
        None,
    ),
    "an interaction by its name": (
        {"interaction": interaction(), **AT_ONCE},
        "state",
        "Invited",
        "Ada",
    ),
    "an interaction": (interaction("Completed", **AT_ONCE), "state", "Completed", None),
    "an interaction by its other id": (
        interaction(id=None, interactionId="I-1", **AT_ONCE),
        "state",
        "Invited",
        "Ada",
    ),
}


@pytest.mark.parametrize("row", READINGS.values(), ids=READINGS)
def test_what_a_record_tells(row, message_of):
    record, field, new, recipient = row
    message = message_of(record)
    data = message["data"]
    assert (data["field"], data["new"], data["agent"]) == (field, new, party("Ada"))
    assert data.get("recipient") == (recipient and party(recipient))
    assert data["object"]["identifier"] == {"genesysInteractionId": "I-1"}
    assert message["time"] == "2016-03-15T13:38:01Z"


@pytest.mark.parametrize(
    "uri",
    ["I-1", "api/v2/me/emails/I-1", "https://gws.example.com/api/v2/me/chats/I-1/?a=b", "/x/I-1#y"],
)
def test_an_operation_names_its_interaction_by_a_uri_of_any_form(uri, message_of):
    assert message_of(operation(uri=uri)) == message_of(operation())


def test_an_interaction_of_version_3_tells_its_contact(message_of):
    contact = message_of(changed())["data"]["object"]["object"]
    assert contact["identifier"] == {"genesysContactId": "C-1"}
    assert contact["email"] == "joe@example.com"


def test_who_has_it_is_known_without_user_data_too(message_of):
    record = {"notificationType": "StatusChange", "email": {"id": "I-1", "state": "Processing"}}
    record["email"] |= {"assignedTo": "Ada", "contactId": "C-1"}
    data = message_of(record | AT_ONCE)["data"]
    assert data["agent"] == party("Ada")
    assert data["object"]["object"]["identifier"] == {"genesysContactId": "C-1"}


LEFT_OUT = {
    "operation that failed (statusCode 2)": operation(statusCode=2),
    "operation that failed (statusCode 7)": asked(status="7"),
    "operation that failed (statusCode None)": operation(statusCode=None),
    "operation on no interaction": operation("Ready", "/api/v2/me"),
    "notification of an error": {"notificationType": "Error", "errorCode": 7},
    "no email, chat or workitem": {"messageType": "DeviceStateChangeMessage", "devices": []},
    "CometD's own": {"channel": "/meta/connect", "successful": True},
    "no time": without_time(notification()),
}


@pytest.mark.parametrize(("reason", "record"), LEFT_OUT.items(), ids=LEFT_OUT)
def test_what_tells_nothing_is_counted(reason, record, reason_of):
    assert reason_of(record) == reason


def test_a_time_that_is_not_the_records_own_is_told_apart(message_of):
    record = without_time(notification())
    received = message_of(record, RECEIVED)
    assert (received.get("time"), received["data"]["dateSent"]) == (None, "2016-03-03T10:13:20Z")
    undated = without_time(notification(Header_Date="Tue, 99 Mar 2014 14:05:09 +0200"))
    assert message_of(undated, RECEIVED) == received
    mailed = without_time(notification(Header_Date="Tue,\n11Mar2014 14: 05: 09+0200"))
    for received_at in (None, RECEIVED):
        message = message_of(mailed, received_at)
        assert (message.get("time"), message["data"]["dateSent"]) == (None, "2014-03-11T12:05:09Z")


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (notification(), "notifications"),
        (notification("Ringing", "call"), "notifications"),
        ({"channel": "/meta/connect"}, "notifications"),
        (operation(), "operations"),
        (asked(), "operations"),
        (changed(), "interactions"),
        (interaction(), "interactions"),
        ({"statusCode": 0}, None),
        ([1], None),
    ],
)
def test_a_kind_is_recognised_by_its_fields(record, kind):
    assert kind_of(record) == kind
    assert kind is None or KINDS[kind].endswith(".")


# --- any split, any order ---------------------------------------------------------------------

IDS = st.sampled_from(["I-1", "I-2"])
AGENTS = st.sampled_from(["ada", "Ada", "bob", ""])
TIMES = st.sampled_from([TIME, "2016-03-15T13:38:02Z", 1_458_049_083_000, None])


@st.composite
def records(draw):
    """Draw any record, with or without a time."""
    name, agent = draw(IDS), draw(AGENTS)
    record = draw(st.sampled_from([row[0] for row in READINGS.values()] + [*LEFT_OUT.values()]))
    text = json.dumps(record).replace("I-1", name).replace("Ada", agent)
    drawn = without_time(json.loads(text))
    time = draw(TIMES)
    return drawn if time is None else drawn | {"time": time}


def messages(parts, received_at):
    with TemporaryDirectory() as folder:
        path = Path(folder, "genesys.jsonl")
        found = [record for part in parts if part for record in read(path, part, received_at)[0]]
    return Counter(json.dumps([record[:2], record.content]) for record in found)


@given(
    st.lists(records(), max_size=12),
    st.integers(min_value=1, max_value=5),
    st.sampled_from([None, RECEIVED]),
    st.randoms(use_true_random=False),
)
def test_any_split_into_files_tells_the_same(drawn, files, received_at, chance):
    whole = messages([drawn], received_at)
    parts = [[] for _ in range(files)]
    for record in chance.sample(drawn, len(drawn)):
        chance.choice(parts).append(record)
    assert messages(parts, received_at) == whole


# --- the sample that is printed in seed 003 ---------------------------------------------------


def printed():
    return (SEEDS / "003_notification.txt").read_text()


def repaired():
    text = printed()
    text = text.replace('boundary="=====2061846951===="', 'boundary=\\"=====2061846951====\\""')
    text = text.replace("Tue,\n11Mar2014", "Tue, 11Mar2014").replace("None", "null")
    return text.replace('00012a9HEEG033EC"\n}', '00012a9HEEG033EC"\n  }\n}')


def test_a_repaired_copy_of_the_printed_sample_is_read(message_of):
    message = message_of(json.loads(repaired()))
    data = message["data"]
    assert (data["field"], data["new"], data["agent"]) == ("state", "Completed", party("12345"))
    assert data["object"]["identifier"] == {"genesysInteractionId": "00012a9HEEG033EC"}
    assert data["object"]["object"]["email"] == "qwerty@hpe-voicevm-34-23.genesyslab.com"
    assert data["dateSent"] == "2014-03-11T12:05:09Z"


# --- what is no record --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", r"is empty, expected JSON"),
        (printed(), r"line 7, column \d+: not valid JSON"),
        ("[1]", r"line 1, \[0\]: expected an operation or a notification"),
        ('{"statusCode": 0}', r"line 1: expected an operation \(operationName\) or a notif"),
        (json.dumps(notification()) + "\n{]", r"line 2, column 2: not valid JSON"),
        ('{"operationName": "Reject", "statusCode": 0, "time": 1}', "expected the id of an inter"),
        (json.dumps(notification() | {"email": {}}), "line 1: expected the id of an interaction"),
        (json.dumps(notification() | {"time": "soon"}), "line 1: time: expected a time such as"),
        (json.dumps(notification() | {"time": 1772442000}), "time: expected milliseconds since"),
        (json.dumps(notification() | {"time": -(10**18)}), "time: expected milliseconds since"),
    ],
)
def test_what_is_something_else_is_one_sentence(content, expected, tmp_path):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"^{path}: .*{expected}[^\n]*$"):
        list(read_records(path, None, Tally(), {}))


ODD = [None, True, -1, 0.5, "", " ", "/", "?", [], [[]], {}, {"id": {}}, [{"key": []}], "x/y"]


def spoilt(record, chance):
    """Return a copy of a record with an odd value somewhere."""
    copy = json.loads(json.dumps(record))
    place = copy
    while isinstance(inner := place[name := chance.choice(list(place))], dict) and inner:
        if chance.random() < 0.4:
            break
        place = inner
    place[name] = chance.choice(ODD)
    return copy


def outcome(path, record):
    """Return the lead that a record tells of, why it is left out, or what is wrong with it."""
    try:
        found, left_out = read(path, [record])
    except InputError as error:
        return str(error).removeprefix(f"{path}: ")
    return found[0].lead if found else next(iter(left_out))


def test_odd_values_anywhere_are_an_error_or_a_reason_and_never_a_crash(tmp_path):
    chance = random.Random(3)
    path = tmp_path / "odd.jsonl"
    drawn = [spoilt(row[0], chance) for row in READINGS.values() for _ in range(60)]
    outcomes = {outcome(path, record) for record in drawn}
    expected = ("line 1: ", "genesysInteractionId:", "operation that failed", *LEFT_OUT)
    assert all(text.startswith(expected) for text in outcomes)
    assert "genesysInteractionId:" not in outcomes
