"""Operations and notifications of the contact centre become steps of a lead (issue 5's table)."""

import json
import random

import pytest
from conftest import SEEDS

from lifecycle import InputError, LeadStore
from lifecycle.systems import load, read_genesys

DAY = "2016-03-15 23:38:"


def notification(state, second, agent="ada", media="email", *, capabilities=(), kind=None, **more):
    body = {
        "id": "I-1",
        "state": state,
        "capabilities": list(capabilities),
        "userData": {"ContactId": "C-1", "RTargetAgentSelected": agent, **more},
    }
    time = f"{DAY}{second:02}.000+1000"
    return {"notificationType": kind or "StatusChange", media: body, "time": time}


def operation(name, second, status=0, **more):
    uri = "/api/v2/me/emails/I-1"
    time = f"{DAY}{second:02}.500+1000"
    return {"operationName": name, "uri": uri, "statusCode": status, "time": time, **more}


INVITED = notification("Invited", 1, capabilities=["Accept", "Reject"])
PROCESSING = notification("Processing", 2)


@pytest.fixture
def told(tmp_path):
    """The triggers that records tell, and what became of the others."""

    def tell(*records):
        path = tmp_path / "genesys.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in records))
        with read_genesys(path) as source:
            messages = [made.message for made in source.messages()]
        tally = source.tally
        assert tally.records == tally.told + sum(tally.left_out.values())
        return messages, dict(tally.left_out)

    return tell


def triggers(messages):
    return [message["topic"].removeprefix("realestate/lead#") for message in messages]


# Each row of the table: what came before, what comes, and the triggers of all of them.
ROWS = {
    "an invitation assigns": ([], INVITED, ["assign"]),
    "an invitation assigns in any state": (
        [PROCESSING],
        notification("Invited", 3),
        ["update", "assign"],
    ),
    "processing an invitation accepts it": ([INVITED], PROCESSING, ["assign", "accept"]),
    "chatting accepts it, too": (
        [notification("Invited", 1, media="chat")],
        notification("Chatting", 2, media="chat"),
        ["assign", "accept"],
    ),
    "so does processing a work item": (
        [notification("Invited", 1, media="workitem")],
        notification("Processing", 2, media="workitem"),
        ["assign", "accept"],
    ),
    "processing on is an update": (
        [INVITED, PROCESSING],
        notification("Processing", 3),
        ["assign", "accept", "update"],
    ),
    "an invitation that ends without capabilities was rejected": (
        [INVITED],
        notification("Completed", 2),
        ["assign", "reject"],
    ),
    "what ends with capabilities is an update": (
        [INVITED],
        notification("Completed", 2, capabilities=["Complete"]),
        ["assign", "update"],
    ),
    "work that ends is an update": (
        [INVITED, PROCESSING],
        notification("Completed", 3),
        ["assign", "accept", "update"],
    ),
    "a chat that ends is an update": (
        [notification("Invited", 1, media="chat"), notification("Chatting", 2, media="chat")],
        notification("Completed", 3, media="chat"),
        ["assign", "accept", "update"],
    ),
    "work that ends because a queue took it is a retract": (
        [INVITED, PROCESSING, operation("PlaceInQueue", 2, queue="Sales")],
        notification("Completed", 3),
        ["assign", "accept", "retract"],
    ),
    "a workbin takes it": ([INVITED], notification("InWorkbin", 2), ["assign", "retract"]),
    "revoked takes it, in any state": ([], notification("Revoked", 2), ["retract"]),
    "an accept that was answered with 0 accepts": (
        [INVITED],
        operation("Accept", 2),
        ["assign", "accept"],
    ),
    "what follows an accept is the same step": (
        [INVITED, operation("Accept", 2)],
        notification("Processing", 3),
        ["assign", "accept"],
    ),
    "a reject that was answered with 0 rejects": (
        [INVITED],
        operation("Reject", 2),
        ["assign", "reject"],
    ),
    "what follows a reject is the same step": (
        [INVITED, operation("Reject", 2)],
        notification("Completed", 3),
        ["assign", "reject"],
    ),
    "an accept told after its notification is the same step": (
        [INVITED, PROCESSING],
        operation("Accept", 2),
        ["assign", "accept"],
    ),
    "a transfer to a user retracts and assigns": (
        [INVITED, PROCESSING],
        operation("Transfer", 3, targetUserUri="https://gws.example.com/users/bob"),
        ["assign", "accept", "retract", "assign"],
    ),
    "the invitation that follows a transfer is the same step": (
        [INVITED, PROCESSING, operation("Transfer", 3, targetUserUri="/users/bob")],
        notification("Invited", 4, "bob"),
        ["assign", "accept", "retract", "assign"],
    ),
    "a transfer to a queue retracts": (
        [INVITED, PROCESSING],
        operation("Transfer", 3, queueUri="/queues/sales"),
        ["assign", "accept", "retract"],
    ),
    "placing it in a queue retracts": (
        [INVITED, PROCESSING],
        operation("PlaceInQueue", 3, queue="Sales"),
        ["assign", "accept", "retract"],
    ),
    "an operation that was not valid tells nothing": (
        [INVITED],
        operation("Accept", 2, status=2),
        ["assign"],
    ),
    "an error tells nothing": (
        [INVITED],
        {"notificationType": "Error", "errorCode": 7, "time": DAY + "02.000+1000"},
        ["assign"],
    ),
    "any other notification is an update": (
        [INVITED],
        notification("Invited", 2, kind="PropertiesUpdated"),
        ["assign", "update"],
    ),
    "so is an attachment, whatever came before": (
        [],
        notification("Processing", 2, kind="AttachmentAdded"),
        ["update"],
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_row_of_the_table(row, told):
    before, comes, expected = row
    messages, _ = told(*before, comes)
    assert triggers(messages) == expected


def test_what_tells_nothing_is_counted(told):
    _, left_out = told(INVITED, operation("Accept", 2, status=2), PROCESSING | {"email": None})
    assert left_out == {
        "operation that failed (statusCode 2)": 1,
        "no email, chat or workitem": 1,
    }


@pytest.mark.parametrize("operations", [True, False], ids=["with operations", "without"])
def test_rejected_by_one_agent_and_accepted_by_the_next(operations, tmp_path, store):
    records = [
        INVITED,
        operation("Reject", 2, user="ada"),
        notification("Completed", 3),
        notification("Invited", 4, "bob"),
        operation("Accept", 5, user="bob"),
        notification("Processing", 6, "bob"),
    ]
    if not operations:
        records = [one for one in records if "operationName" not in one]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    with read_genesys(path) as source:
        imported = load(store, source)
    assert (imported.outcomes["applied"], imported.outcomes["refused"]) == (4, 0)
    lead = store.lead("genesysInteractionId:I-1")
    assert (lead.state, str(lead.holder)) == ("accepted", "genesysagentid:bob")
    rows = [one.row for one in store.history(lead.lead_id)]
    assert [row.trigger for row in rows] == ["assign", "reject", "assign", "accept"]
    assert [str(row.holder) for row in rows] == [
        "genesysagentid:ada",
        "genesysagentid:ada",
        "genesysagentid:bob",
        "genesysagentid:bob",
    ]
    assert [str(row.by) for row in rows if row.by] == ["genesysagentid:ada", "genesysagentid:bob"]
    assert str(lead.keys[1]) == "contact:genesyscontactid:C-1"


def whole_story():
    return [
        INVITED,
        operation("Reject", 2, user="ada"),
        notification("Completed", 3),
        notification("Invited", 4, "bob"),
        notification("Processing", 5, "bob"),
        operation("Accept", 5, user="bob"),
        notification("Processing", 6, "bob"),
        operation("Transfer", 7, user="bob", targetUserUri="/users/eve"),
        notification("Completed", 8, "bob"),
        notification("Invited", 9, "eve"),
        notification("Processing", 10, "eve"),
        notification("InWorkbin", 11, "eve"),
    ]


STORY = ["assign", "reject", "assign", "accept", "update", "retract", "assign", "accept", "retract"]


def test_the_order_of_the_file_does_not_matter(told):
    records = whole_story()
    messages, _ = told(*records)
    assert triggers(messages) == STORY
    for seed in range(20):
        random.Random(seed).shuffle(records)
        assert told(*records)[0] == messages


@pytest.mark.parametrize("cut", range(1, 12))
def test_an_interaction_goes_on_where_an_earlier_import_left_it(cut, tmp_path, store):
    records = whole_story()
    for number, part in enumerate((records[:cut], records[cut:])):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("\n".join(map(json.dumps, part)))
        for _ in range(2):
            with read_genesys(path) as source:
                last = load(store, source)
        assert last.outcomes["duplicate"] == last.messages
    lead = store.lead("genesysInteractionId:I-1")
    triggers_applied = [one.row.trigger for one in store.history(lead.lead_id)]
    assert triggers_applied == [one for one in STORY if one != "update"]


def test_what_was_told_twice_counts_once(told):
    messages, left_out = told(INVITED, INVITED)
    assert (triggers(messages), left_out) == (["assign"], {"told twice": 1})


def test_the_agent_of_a_transfer_is_told_apart_from_the_next_one(told):
    transfer = operation("Transfer", 3, targetUserUri="/users/bob")
    invited, rejected = notification("Invited", 4, "bob"), notification("Completed", 5, "bob")
    messages, _ = told(INVITED, PROCESSING, transfer, invited, rejected)
    assert triggers(messages)[-1] == "reject"


def test_an_operation_tells_what_its_notification_left_unclear(told):
    for first, name, trigger in (
        (notification("Completed", 1), "Reject", "reject"),
        (notification("Processing", 1), "Accept", "accept"),
    ):
        messages, _ = told(first, operation(name, 2))
        assert triggers(messages) == ["update", trigger]
    offered = [INVITED, notification("Completed", 2, capabilities=["Complete"])]
    assert triggers(told(*offered, operation("Reject", 3))[0]) == ["assign", "update", "reject"]


def test_a_late_operation_of_a_former_agent_is_not_that_of_the_next(told):
    rejected = [INVITED, notification("Completed", 2), notification("Invited", 3, "bob")]
    messages, left_out = told(*rejected, operation("Reject", 4, user="ada"))
    assert triggers(messages) == ["assign", "reject", "assign"]
    assert left_out == {"operation of an agent who had it before, and told by then": 1}


def test_one_notification_in_two_wrappers_counts_once(told):
    wrapped = {"channel": "/v2/me/emails", "id": "5", "data": INVITED}
    messages, left_out = told(INVITED, wrapped, {"channel": "/meta/connect", "successful": True})
    assert (triggers(messages), left_out) == (["assign"], {"told twice": 1, "CometD's own": 1})


def test_records_without_times_are_in_the_order_of_the_file(tmp_path, store):
    records = [
        INVITED,
        operation("Reject", 2, user="ada"),
        notification("Completed", 3),
        notification("Invited", 4, "bob"),
    ]
    records = [{name: part for name, part in one.items() if name != "time"} for one in records]
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    for _ in range(2):
        with read_genesys(path, received_at=1_457_000_000_000_000) as source:
            imported = load(store, source)
    assert imported.outcomes["duplicate"] == imported.messages == 3
    lead = store.lead("genesysInteractionId:I-1")
    assert (lead.state, str(lead.holder)) == ("assigned", "genesysagentid:bob")


@pytest.mark.parametrize("extra", [[1], {"genesys": {"after": {"foo": 1}}}, {"genesys": 5}])
def test_what_others_say_of_an_interaction_does_not_stop_an_import(extra, tmp_path, store):
    thing = {"type": "Lead", "identifier": {"genesysInteractionId": "I-1"}}
    time = "2016-03-15T00:00:00Z"
    said = {"type": "UpdateAction", "object": thing, "additionalProperty": extra}
    store.apply({"topic": "lead#update", "time": time, "id": "1", "data": said})
    bare = {"type": "lead#update", "object": thing | {"dateSent": time}}
    store.apply(bare, received_at=time)
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(INVITED))
    with read_genesys(path) as source:
        assert load(store, source).outcomes["applied"] == 1


@pytest.mark.parametrize(
    ("target", "recipient"),
    [
        ({"targetUri": "https://gws.example.com/api/v2/users/bob"}, "bob"),
        ({"targetUser": {"uri": "/users/bob"}}, "bob"),
        ({"targetUserId": "bob"}, "bob"),
        ({"targetUri": "https://gws.example.com/api/v2/queues/sales"}, None),
    ],
)
def test_whom_a_transfer_names(target, recipient, told):
    messages, _ = told(INVITED, PROCESSING, operation("Transfer", 3, **target))
    last = messages[-1]["data"]
    assert last.get("recipient", {}).get("identifier", {}).get("genesysAgentId") == recipient


@pytest.mark.parametrize("wrapped", [False, True])
def test_bare_or_wrapped_it_says_the_same(wrapped, told):
    record = {"channel": "/v2/me/emails", "data": INVITED} if wrapped else INVITED
    (message,), _ = told(record)
    assert message["data"]["recipient"]["identifier"] == {"genesysAgentId": "ada"}
    assert message["time"] == "2016-03-15T13:38:01Z"
    assert message["data"]["object"]["identifier"] == {"genesysInteractionId": "I-1"}


# --- the sample that is printed in seed 003 ---------------------------------------------------


def printed():
    return (SEEDS / "003_notification.txt").read_text()


def repaired():
    text = printed()
    text = text.replace('boundary="=====2061846951===="', 'boundary=\\"=====2061846951====\\""')
    text = text.replace("Tue,\n11Mar2014", "Tue, 11Mar2014").replace("None", "null")
    return text.replace('00012a9HEEG033EC"\n}', '00012a9HEEG033EC"\n  }\n}')


def test_the_printed_sample_is_one_error_with_line_and_column(tmp_path):
    path = tmp_path / "printed.json"
    path.write_text(printed())
    with pytest.raises(InputError, match=rf"^{path}: line 7, column \d+: not valid JSON: [^\n]*$"):
        read_genesys(path)


def test_a_repaired_copy_of_it_works(tmp_path, store):
    path = tmp_path / "repaired.json"
    path.write_text(repaired())
    with read_genesys(path) as source:
        assert load(store, source).outcomes["applied"] == 1
    lead = store.lead("genesysInteractionId:00012a9HEEG033EC")
    assert lead.contact.email == "qwerty@hpe-voicevm-34-23.genesyslab.com"
    (row,) = (one.row for one in store.history(lead.lead_id))
    assert (row.trigger, row.target) == ("update", "sent")
    assert "no_event_time" in [one.finding.code for one in store.findings(lead.lead_id)]


def test_after_the_operation_that_it_answers_it_is_a_reject(told):
    reject = operation("Reject", 1) | {"uri": "api/v2/me/emails/00012a9HEEG033EC"}
    reject["time"] = "2014-03-11T12:05:00Z"
    messages, left_out = told(reject, json.loads(repaired()))
    assert triggers(messages) == ["reject"]
    assert left_out == {"the same step, told by an operation and a notification": 1}


def test_records_without_a_time_take_the_moment_that_is_given(tmp_path):
    path = tmp_path / "log.jsonl"
    without = [{name: part for name, part in INVITED.items() if name != "time"}]
    path.write_text(json.dumps(without))
    with pytest.raises(InputError, match=r"line 1, \[0\]: no time: expected time or timestamp"):
        read_genesys(path)
    with read_genesys(path, received_at=5_000_000) as source:
        (made,) = source.messages()
    assert made.message["data"]["dateSent"] == "1970-01-01T00:00:05Z"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", r"is empty, expected JSON"),
        ("[1]", r"line 1, \[0\]: expected an operation or a notification"),
        ('{"statusCode": 0}', r"line 1: expected an operation \(operationName\) or a notif"),
        (json.dumps(INVITED) + "\n{]", r"line 2, column 2: not valid JSON"),
        (json.dumps(INVITED) + '\n{"a": 1, "a": 2}', r"line 2: the key 'a' stands twice"),
        ('{"operationName": "Reject", "statusCode": 0, "time": 1}', "expected the id of an inter"),
        (json.dumps(INVITED | {"time": "soon"}), "line 1: time: expected a time such as"),
        (json.dumps(INVITED | {"time": 10**30}), "line 1: .* 64 bits"),
        (json.dumps(INVITED | {"time": 1772442000}), "line 1: time: expected milliseconds since"),
        (json.dumps(INVITED | {"time": -(10**18)}), "line 1: time: expected milliseconds since"),
        ("PK\x03\x04", "line 1, column 1: this is a ZIP archive or a spread-sheet"),
    ],
)
def test_what_is_something_else_is_one_sentence_and_nothing_is_written(
    content, expected, tmp_path, lifecycle
):
    path, store = tmp_path / "file", tmp_path / "leads.db"
    path.write_text(content)
    with pytest.raises(InputError, match=rf"^{path}: .*{expected}"):
        read_genesys(path)
    result = lifecycle("import", "genesys", store, path)
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)
    assert not store.exists()


def test_the_messages_keep_the_record_and_say_where_it_stood(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text("\n" + json.dumps(INVITED))
    with LeadStore(":memory:") as store, read_genesys(path) as source:
        load(store, source)
        (message,) = store.messages("genesysInteractionId:I-1")
    assert (message.log, message.line) == (str(path.resolve()), 2)
    assert message.payload["data"]["additionalProperty"]["genesys"]["record"] == INVITED
