"""Files of other systems become facts: each kind by its own fields, each record accounted for."""

import gzip
import json

import pytest

from lifecycle import InputError, RulesError
from lifecycle.systems import KINDS, Layout, default_text, read_files

LEAD, OTHER = "00Q0000000Ex01AEAR", "00Q0000000Ex02AEAR"
ADA, QUEUE = "0050000000Ada01AAB", "00G0000000Que01AAB"
HISTORY = "Id,LeadId,CreatedById,CreatedDate,Field,OldValue,NewValue"
TIME = "2026-03-02T09:00:00Z"
OWN = """
name = "crm"
party = "crmUserId"
[lead]
crmLeadId = "Lead"
[columns]
new = "Status"
time = "At"
"""


@pytest.fixture
def read(tmp_path):
    """Read files of these texts (or JSON values) and give what was read with its messages."""

    def run(source, *contents, **options):
        paths = []
        for number, content in enumerate(contents):
            path = tmp_path / f"file{number}"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            paths.append(path)
        if "own" in options:
            options["layout"] = Layout.loads(options.pop("own"))
        with read_files(source, paths, **options) as reading:
            return reading, [fact.message for fact in reading.facts()]

    return run


@pytest.fixture
def problem(read, tmp_path):
    """Read files that cannot be read, and give the sentence that says why, without the folder."""

    def run(source, *contents, **options):
        with pytest.raises(InputError) as caught:
            read(source, *contents, **options)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    return run


def lines(*values):
    return "".join(json.dumps(value) + "\n" for value in values)


def told(messages, *parts):
    """Return what messages say: time, field and new value, and what is asked for besides."""
    rows = []
    for message in messages:
        data = message["data"]
        row = [message["time"], data["field"], data.get("new")]
        rows.append((*row, *(data.get(part) for part in parts)))
    return rows


def keys(message):
    """Return the identifiers of a message; of a list all values of each scheme."""
    found = message["data"]["object"]["identifier"]
    if isinstance(found, dict):
        return found
    schemes = dict.fromkeys(one["propertyID"] for one in found)
    return {name: [one["value"] for one in found if one["propertyID"] == name] for name in schemes}


def only_kind(reading):
    assert not reading.tally.left_out
    return next(iter(reading.kinds.values()))


def sums_up(reading):
    return reading.tally.records, reading.tally.facts, dict(reading.tally.left_out)


# --- Salesforce: LeadHistory ------------------------------------------------------------------


def test_a_row_of_lead_history_is_one_message(read):
    row = f"017000000000001AAA,{LEAD},{ADA},2026-03-02T10:00:00.000Z,Status,New,Working"
    reading, [message] = read("salesforce", f"{HISTORY}\n{row}\n")
    assert message == {
        "topic": "realestate/lead#change",
        "time": "2026-03-02T10:00:00.000Z",
        "data": {
            "type": "ChangeAction",
            "source": "salesforce",
            "field": "Status",
            "old": "New",
            "new": "Working",
            "agent": {"type": "Person", "identifier": {"salesforceUserId": ADA}},
            "object": {"type": "Lead", "identifier": {"salesforceId": LEAD}},
        },
    }
    assert reading.source == "salesforce"
    assert only_kind(reading) == "history"
    assert sums_up(reading) == (1, 1, {})


def test_facts_know_their_file_and_line_and_come_lead_by_lead_in_the_order_of_time(tmp_path):
    first, second = tmp_path / "a.csv", tmp_path / "b.csv.gz"
    row = "x,{},{},2026-03-02T{}:00:00.000Z,Status,,{}\n".format
    first.write_text(f"{HISTORY}\n{row(OTHER, ADA, '09', 'a')}{row(LEAD, ADA, '11', 'b')}")
    second.write_bytes(gzip.compress(f"{HISTORY}\n{row(LEAD, ADA, '10', 'c')}".encode()))
    with read_files("salesforce", [first, second]) as reading:
        facts = [(fact.message["data"]["new"], fact.file, fact.line) for fact in reading.facts()]
        assert facts == [("c", second, 2), ("b", first, 3), ("a", first, 2)]
        assert len(list(reading.facts())) == 3
        assert reading.kinds == {first: "history", second: "history"}


def test_an_owner_is_a_recipient_and_a_queue_is_none(read):
    rows = [
        f"1,{LEAD},,2026-03-02T09:00:00Z,Owner,{QUEUE},{ADA}",
        f"2,{LEAD},,2026-03-02T10:00:00Z,Owner,Web leads,Ada Agent",
        f"3,{LEAD},,2026-03-02T11:00:00Z,Owner,{ADA},{QUEUE}",
        f"4,{LEAD},,2026-03-02T12:00:00Z,created,x,y",
    ]
    _, messages = read("salesforce", "\n".join([HISTORY, *rows]))
    by_id = {"type": "Person", "identifier": {"salesforceUserId": ADA}}
    by_name = {"type": "Person", "identifier": {"salesforceUserId": "Ada Agent"}}
    assert told(messages, "old", "recipient", "agent") == [
        ("2026-03-02T09:00:00Z", "Owner", ADA, QUEUE, by_id, None),
        ("2026-03-02T10:00:00Z", "Owner", "Ada Agent", "Web leads", by_name, None),
        ("2026-03-02T11:00:00Z", "Owner", QUEUE, ADA, None, None),
        ("2026-03-02T12:00:00Z", "created", "", None, None, None),
    ]


@pytest.mark.parametrize(
    ("head", "fields", "time"),
    [
        ("Lead ID,Edit Date,Field / Event,Old Value,New Value,Edited By", "Lead Status", "Z"),
        ("lead_id,created_date,field,old_value,new_value,created_by_id", "Status", "+00"),
        ("LEAD_ID,CREATED_DATE,FIELD,OLD_VALUE,NEW_VALUE,CREATED_BY_ID", "Status", " UTC"),
        ("Lead.Id,CreatedDate,Field,OldValue,NewValue,CreatedBy.Name", "Status", "+0000"),
    ],
    ids=["report", "dlt or Fivetran", "Snowflake", "relationships"],
)
def test_lead_history_is_recognised_by_the_names_of_every_export(read, head, fields, time):
    row = f"{LEAD},2026-03-02 10:00:00{time},{fields},New,Working,Ada"
    reading, messages = read("salesforce", f"{head}\n{row}\n")
    agent = {"type": "Person", "identifier": {"salesforceUserId": "Ada"}}
    expected = (f"2026-03-02 10:00:00{time}", "Status", "Working", "New", agent)
    assert told(messages, "old", "agent") == [expected]
    assert only_kind(reading) == "history"


REST = {
    "attributes": {"type": "LeadHistory", "url": "/services"},
    "Lead": {"attributes": {"type": "Lead"}, "Id": LEAD},
    "CreatedBy": {"Name": "Ada"},
    "CreatedDate": "2026-03-02T09:00:00.000+0000",
    "Field": "Status",
    "OldValue": None,
    "NewValue": None,
}


@pytest.mark.parametrize(
    "answer",
    [
        {"totalSize": 1, "done": True, "records": [REST]},
        {"status": 0, "result": {"totalSize": 1, "done": True, "records": [REST]}},
        [REST],
    ],
    ids=["REST", "CLI", "array"],
)
def test_answers_of_rest_and_the_command_line_are_unwrapped_and_null_is_empty(read, answer):
    reading, [message] = read("salesforce", answer)
    assert told([message], "old") == [("2026-03-02T09:00:00.000+0000", "Status", "", "")]
    assert keys(message) == {"salesforceId": LEAD}
    assert not reading.incomplete


def test_records_of_other_objects_are_left_out(read):
    case = {"attributes": {"type": "Case"}, "Id": "500", "Status": "New", "SystemModstamp": "?"}
    reading, messages = read("salesforce", {"records": [case, REST], "done": True})
    assert len(messages) == 1
    assert sums_up(reading) == (2, 1, {"records of Case": 1})


@pytest.mark.parametrize(
    "answer",
    [
        {"done": False, "records": [REST]},
        {"nextRecordsUrl": "/query/01g-2000", "records": [REST]},
        {"status": 0, "result": {"done": False, "records": [REST]}},
    ],
)
def test_an_answer_with_a_next_page_is_incomplete(read, answer, tmp_path):
    reading, messages = read("salesforce", answer)
    assert len(messages) == 1
    expected = f"{tmp_path}/file0: line 1: more records follow on a next page: import it, too"
    assert reading.incomplete == [expected]


@pytest.mark.parametrize(
    ("source", "answer", "said"),
    [
        ("salesforce", [{"message": "expired", "errorCode": "INVALID"}], "INVALID: expired"),
        ("salesforce", {"status": 1, "name": "ERR", "message": "no org"}, "ERR: no org"),
        ("hubspot", {"status": "error", "message": "x", "category": "RATE"}, "RATE: x"),
    ],
)
def test_an_error_page_is_said_to_be_one(problem, source, answer, said):
    assert f"this is an error that the API answered ({said}), no records" in problem(source, answer)


# --- Salesforce: change events ----------------------------------------------------------------


def change_event(kind="UPDATE", changed=("Status", "LastModifiedDate"), **fields):
    header = {
        "entityName": "Lead",
        "recordIds": [LEAD],
        "changeType": kind,
        "changedFields": list(changed),
        "commitTimestamp": 1772445600000,
        "commitUser": ADA,
    }
    return {"ChangeEventHeader": header, "LastModifiedDate": "2026-03-02T10:00:00Z", **fields}


NAMED = {"created", "Status", "Owner", "deleted", "leadConverted"}


def is_named(_, field):
    return field in NAMED


@pytest.mark.parametrize(
    "wrap",
    [
        lambda event: event,
        lambda event: {"channel": "/data/LeadChangeEvent", "data": {"payload": event}},
        lambda event: {"schema": "x", "payload": event, "event": {"replayId": 1}},
    ],
    ids=["bare", "channel", "payload"],
)
def test_a_change_event_says_the_fields_that_changed(read, wrap):
    event = change_event(changed=["Status", "OwnerId", "Name.LastName"], Status="A", OwnerId=ADA)
    reading, messages = read("salesforce", wrap(event), names_field=is_named)
    person = {"type": "Person", "identifier": {"salesforceUserId": ADA}}
    assert told(messages, "agent", "recipient") == [
        ("2026-03-02T10:00:00Z", "Status", "A", person, None),
        ("2026-03-02T10:00:00Z", "Owner", ADA, person, person),
    ]
    assert only_kind(reading) == "events"


def test_change_events_create_delete_undelete_and_convert(read):
    converted = {"IsConverted": True, "ConvertedContactId": "003x"}
    events = [
        change_event("CREATE", (), Status="New", OwnerId=None),
        change_event("DELETE", ()),
        change_event("UNDELETE", ()),
        change_event(changed=["IsConverted"], **converted),
    ]
    _, messages = read("salesforce", lines(*events), names_field=is_named)
    facts = [(field, new) for _, field, new in told(messages)]
    assert facts == [
        ("created", ""),
        ("Status", "New"),
        ("deleted", "true"),
        ("deleted", "false"),
        ("leadConverted", ""),
    ]
    contact = messages[-1]["data"]["object"]["object"]
    assert contact["identifier"] == {"salesforceContactId": "003x"}


def test_a_gap_event_makes_the_import_incomplete(read):
    reading, messages = read("salesforce", lines(change_event("GAP_UPDATE", ())))
    assert not messages
    [sentence] = reading.incomplete
    assert "file0: line 1: Salesforce could not say what changed (GAP_UPDATE)" in sentence
    assert sums_up(reading) == (1, 0, {"change event GAP_UPDATE": 1})


def test_a_change_event_without_the_value_that_changed_is_an_error(problem):
    sentence = problem("salesforce", lines(change_event(Status="A"), change_event()))
    assert sentence == "file0: line 2, Status: expected the field that changed, got nothing"


# --- Salesforce: Lead ---------------------------------------------------------------------------


def test_a_lead_says_its_creation_and_how_it_is_now(read):
    head = "Id,FirstName,LastName,Email,Phone,Status,OwnerId,CreatedDate,CreatedById,SystemModstamp"
    row = f"{LEAD},Ann,Lee,a@x.example,1,New,{ADA},2026-03-02T09:00:00Z,{ADA},2026-03-03T09:00:00Z"
    reading, messages = read("salesforce", f"{head}\n{row}")
    agent = {"type": "Person", "identifier": {"salesforceUserId": ADA}}
    assert told(messages, "current", "agent") == [
        ("2026-03-02T09:00:00Z", "created", "", None, agent),
        ("2026-03-03T09:00:00Z", "Status", None, "New", None),
        ("2026-03-03T09:00:00Z", "Owner", None, ADA, None),
    ]
    contact = {"type": "Contact", "name": "Ann Lee", "email": "a@x.example", "telephone": "1"}
    assert [message["data"]["object"].get("object") for message in messages] == [
        None,
        contact,
        contact,
    ]
    assert only_kind(reading) == "leads"


def test_a_lead_that_was_merged_deleted_and_converted(read):
    lead = {
        "Id": OTHER,
        "IsDeleted": True,
        "MasterRecordId": LEAD,
        "IsConverted": True,
        "ConvertedDate": "2026-03-02",
        "ConvertedContactId": "003x",
        "LastModifiedDate": "2026-03-03T09:00:00Z",
    }
    _, messages = read("salesforce", [lead])
    assert told(messages, "record") == [
        ("2026-03-03T09:00:00Z", "merged", LEAD, OTHER),
        ("2026-03-03T09:00:00Z", "deleted", "true", None),
        ("2026-03-03T09:00:00Z", "leadConverted", "", None),
    ]
    contact = messages[2]["data"]["object"]["object"]["identifier"]
    assert contact == {"salesforceContactId": "003x"}
    assert keys(messages[0]) == {"salesforceId": [LEAD, OTHER]}


# --- snapshots ----------------------------------------------------------------------------------


@pytest.mark.parametrize("begin", ["_fivetran_start", "dbt_valid_from", "valid_from"])
def test_a_snapshot_of_leads_says_what_each_row_says(read, begin):
    head = f"id,status,owner_id,stage_c,is_deleted,created_date,{begin}"
    rows = [
        f"{LEAD},Working,{ADA},b,true,2026-03-01T00:00:00Z,2026-03-03T00:00:00Z",
        f"{LEAD},New,{ADA},b,false,2026-03-01T00:00:00Z,2026-03-02T00:00:00Z",
    ]
    named = NAMED | {"Stage__c"}
    reading, messages = read(
        "salesforce", "\n".join([head, *rows]), names_field=lambda _, field: field in named
    )
    assert told(messages, "old") == [
        ("2026-03-01T00:00:00Z", "created", "", None),
        ("2026-03-01T00:00:00Z", "created", "", None),
        ("2026-03-02T00:00:00Z", "Status", "New", None),
        ("2026-03-02T00:00:00Z", "Owner", ADA, None),
        ("2026-03-02T00:00:00Z", "Stage__c", "b", None),
        ("2026-03-03T00:00:00Z", "Status", "Working", None),
        ("2026-03-03T00:00:00Z", "Owner", ADA, None),
        ("2026-03-03T00:00:00Z", "deleted", "true", None),
        ("2026-03-03T00:00:00Z", "Stage__c", "b", None),
    ]
    assert only_kind(reading) == "snapshot"


def test_a_snapshot_of_contacts_in_two_files(read):
    head = "id,property_hs_lead_status,property_email,_fivetran_start,_fivetran_end"
    first = "501,NEW,a@x.example,2026-03-02T00:00:00Z,2026-03-02T23:59:59Z"
    second = "501,CONNECTED,b@x.example,2026-03-03T00:00:00Z,9999-12-31"
    third = "501,CONNECTED,c@x.example,2026-03-04T00:00:00Z,9999-12-31"
    reading, messages = read("hubspot", f"{head}\n{second}\n{third}\n", f"{head}\n{first}\n")
    assert told(messages, "old") == [
        ("2026-03-02T00:00:00Z", "hs_lead_status", "NEW", None),
        ("2026-03-03T00:00:00Z", "hs_lead_status", "CONNECTED", None),
        ("2026-03-04T00:00:00Z", "hs_lead_status", "CONNECTED", None),
    ]
    assert set(reading.kinds.values()) == {"snapshot"}
    assert sums_up(reading) == (3, 3, {})


# --- HubSpot: the API -----------------------------------------------------------------------------


def hubspot_object(**more):
    versions = [
        {"value": "CONNECTED", "timestamp": "2026-03-02T10:00:00Z", "updatedByUserId": 9},
        {"value": "NEW", "timestamp": "2026-03-02T09:00:00Z", "sourceType": "FORM"},
    ]
    return {"id": "501", "propertiesWithHistory": {"hs_lead_status": versions}, **more}


def test_versions_of_properties_are_facts_with_who_set_them(read):
    reading, messages = read("hubspot", {"results": [hubspot_object()]})
    form = {"type": "SoftwareApplication", "identifier": {"hubspotSource": "FORM"}}
    user = {"type": "Person", "identifier": {"hubspotUserId": "9"}}
    assert told(messages, "old", "agent") == [
        ("2026-03-02T09:00:00Z", "hs_lead_status", "NEW", None, form),
        ("2026-03-02T10:00:00Z", "hs_lead_status", "CONNECTED", None, user),
    ]
    assert keys(messages[0]) == {"hubspotId": "501"}
    assert only_kind(reading) == "objects"


def test_the_python_client_writes_names_in_snake_case(read):
    version = {"value": "77", "timestamp": "2026-03-02 09:00:00+00:00", "source_id": "userId:7"}
    value = {
        "id": "501",
        "properties": None,
        "properties_with_history": {"hubspot_owner_id": [version]},
        "updated_at": "2026-03-03 09:00:00+00:00",
    }
    _, messages = read("hubspot", {"results": [value]})
    owner = {"type": "Person", "identifier": {"hubspotOwnerId": "77"}}
    user = {"type": "Person", "identifier": {"hubspotUserId": "7"}}
    assert told(messages, "recipient", "agent") == [
        ("2026-03-02 09:00:00+00:00", "hubspot_owner_id", "77", owner, user)
    ]


def test_properties_beside_the_history_are_statements_with_the_contact(read):
    properties = {"firstname": "Ann", "email": "a@x.example", "hs_lead_status": "CONNECTED"}
    value = hubspot_object(properties=properties, updatedAt="2026-03-03T00:00:00Z")
    _, messages = read("hubspot", [value])
    assert told(messages[2:], "current") == [
        ("2026-03-03T00:00:00Z", "hs_lead_status", None, "CONNECTED")
    ]
    contact = messages[2]["data"]["object"]["object"]
    assert contact == {"type": "Contact", "name": "Ann", "email": "a@x.example"}


def test_a_statement_without_a_time_of_its_own_is_as_of_the_newest_change(read):
    _, messages = read("hubspot", [hubspot_object(properties={"hs_lead_status": None, "x": "y"})])
    assert told(messages[2:], "current") == [("2026-03-02T10:00:00Z", "hs_lead_status", None, "")]


def test_an_archived_object_is_deleted_and_merged_ids_are_mergers(read):
    merged = [{"value": "1;2", "timestamp": "2026-03-03T00:00:00Z"}]
    value = {
        "id": "501",
        "propertiesWithHistory": {"hs_merged_object_ids": merged},
        "archived": True,
        "archivedAt": "2026-03-04T00:00:00Z",
    }
    _, messages = read("hubspot", [value])
    facts = [
        (*row, keys(message))
        for row, message in zip(told(messages, "record"), messages, strict=True)
    ]
    assert sorted(facts, key=str) == [
        ("2026-03-03T00:00:00Z", "merged", "501", "1", {"hubspotId": ["501", "1"]}),
        ("2026-03-03T00:00:00Z", "merged", "501", "2", {"hubspotId": ["501", "2"]}),
        ("2026-03-04T00:00:00Z", "deleted", "true", None, {"hubspotId": "501"}),
    ]


def test_api_v1_has_versions_in_its_properties(read):
    versions = [{"value": "NEW", "timestamp": 1772442000000, "source-type": "CRM", "source-id": ""}]
    status = {"value": "NEW", "versions": versions}
    modified = {"value": "1772445600000"}
    contact = {"vid": 501, "properties": {"hs_lead_status": status, "lastmodifieddate": modified}}
    reading, messages = read("hubspot", {"contacts": [contact], "has-more": True})
    assert told(messages, "current") == [
        ("2026-03-02T09:00:00Z", "hs_lead_status", "NEW", None),
        ("2026-03-02T10:00:00Z", "hs_lead_status", None, "NEW"),
    ]
    assert only_kind(reading) == "v1"
    assert len(reading.incomplete) == 1


def test_pages_and_errors_of_hubspot_make_the_import_incomplete(read):
    page = {"results": [hubspot_object()], "paging": {"next": {"after": "100"}}, "numErrors": 2}
    reading, _ = read("hubspot", page)
    assert [sentence.split(": ", 2)[2] for sentence in reading.incomplete] == [
        "more records follow on a next page: import it, too",
        "the API could not read 2 of the objects: ask for them again",
    ]


def test_the_lead_object_has_a_pipeline_stage(read):
    version = {"value": "new-stage-id", "timestamp": "2026-03-02T09:00:00Z"}
    value = {"id": "9", "propertiesWithHistory": {"hs_pipeline_stage": [version]}}
    _, messages = read("hubspot", [value])
    assert told(messages) == [("2026-03-02T09:00:00Z", "hs_pipeline_stage", "new-stage-id")]


# --- HubSpot: rows and webhooks -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "source"),
    [
        ("objectId,property,value,timestamp,sourceType,sourceId", "CRM_UI,userId:7"),
        ("contact_id,name,value,timestamp,source,source_id", "CRM_UI,userId:7"),
        ("Object ID,Property,Value,Timestamp,Source type,Source ID", "CRM_UI,userId:7"),
    ],
    ids=["list", "Fivetran", "export"],
)
def test_a_version_a_row(read, head, source):
    row = f"501,hs_lead_status,NEW,2026-03-02 09:00:00+00,{source}"
    reading, messages = read("hubspot", f"{head}\n{row}")
    user = {"type": "Person", "identifier": {"hubspotUserId": "7"}}
    assert told(messages, "agent") == [("2026-03-02 09:00:00+00", "hs_lead_status", "NEW", user)]
    assert only_kind(reading) == "rows"


def test_merged_ids_are_mergers_whether_they_have_a_meaning_or_not(read):
    row = {"objectId": 3, "property": "hs_merged_object_ids", "value": "1;2;3", "timestamp": TIME}
    _, messages = read("hubspot", [row], names_field=is_named)
    assert [(keys(one)["hubspotId"], one["data"]["record"]) for one in messages] == [
        (["3", "1"], "1"),
        (["3", "2"], "2"),
    ]


def test_an_id_that_a_program_turned_into_a_fraction_is_whole(read):
    row = {"property": "p", "value": 2.5, "timestamp": "2026-03-02T09:00:00Z"}
    _, messages = read("hubspot", json.dumps([row | {"objectId": 501.0}]))
    assert (keys(messages[0]), messages[0]["data"]["new"]) == ({"hubspotId": "501"}, "2.5")


def webhook(subscription, **more):
    return {"eventId": 1, "occurredAt": 1772442000000, "subscriptionType": subscription, **more}


def test_webhooks_are_read_as_they_come(read):
    said = {"propertyName": "hs_lead_status", "propertyValue": "NEW", "changeSource": "CRM_UI"}
    merger = {"primaryObjectId": 1, "mergedObjectIds": [2], "newObjectId": 3}
    reading, messages = read(
        "hubspot",
        [
            webhook("contact.creation", objectId=501),
            webhook("contact.propertyChange", objectId=501, sourceId="userId:7", **said),
            webhook("object.propertyChange", objectTypeId="0-136", objectId=9, **said),
            webhook("contact.privacyDeletion", objectId=501),
            webhook("contact.merge", objectId=3, **merger),
            webhook("company.creation", objectId=7),
            webhook("object.creation", objectTypeId="0-3", objectId=7),
            webhook("contact.associationChange", fromObjectId=7),
        ],
    )
    facts = sorted(
        (str(keys(one)), field, new)
        for one, (_, field, new) in zip(messages, told(messages), strict=True)
    )
    assert facts == [
        ("{'hubspotId': '501'}", "created", ""),
        ("{'hubspotId': '501'}", "deleted", "true"),
        ("{'hubspotId': '501'}", "hs_lead_status", "NEW"),
        ("{'hubspotId': '9'}", "hs_lead_status", "NEW"),
        ("{'hubspotId': ['3', '1']}", "merged", "3"),
        ("{'hubspotId': ['3', '2']}", "merged", "3"),
    ]
    assert reading.kinds.popitem()[1] == "webhooks"
    assert reading.tally.records == 8
    assert dict(reading.tally.left_out) == {
        "webhook company.creation": 1,
        "webhook object.creation 0-3": 1,
        "webhook contact.associationChange": 1,
    }


def test_webhooks_of_properties_without_a_meaning_are_left_out(read):
    said = {"objectId": 1, "propertyName": "city", "propertyValue": "Rome"}
    reading, messages = read(
        "hubspot", [webhook("contact.propertyChange", **said)], names_field=is_named
    )
    assert not messages
    assert sums_up(reading) == (1, 0, {"field city": 1})


# --- wrappers -------------------------------------------------------------------------------------


ROW = {"lead_id": LEAD, "field": "Status", "new_value": "A", "created_date": "2026-03-02T09:00:00Z"}


def test_lines_of_singer_are_unwrapped_and_others_counted(read):
    reading, messages = read(
        "salesforce",
        lines(
            {"type": "SCHEMA", "stream": "LeadHistory", "schema": {}},
            {"type": "RECORD", "stream": "LeadHistory", "record": ROW},
            {"type": "RECORD", "stream": "Account", "record": {"Id": "1"}},
            {"type": "STATE", "value": {}},
        ),
    )
    assert told(messages) == [("2026-03-02T09:00:00Z", "Status", "A")]
    left_out = {"SCHEMA line": 1, "STATE line": 1, "records of Account": 1}
    assert sums_up(reading) == (4, 1, left_out)


def test_lines_and_raw_tables_of_airbyte_are_unwrapped(read):
    record = {"stream": "LeadHistory", "data": ROW, "emitted_at": 1}
    messages = lines({"type": "LOG", "log": {}}, {"type": "RECORD", "record": record})
    reading, facts = read("salesforce", messages)
    assert len(facts) == 1
    assert dict(reading.tally.left_out) == {"LOG line": 1}
    quoted = json.dumps(ROW).replace('"', '""')
    table = f'_airbyte_raw_id,_airbyte_emitted_at,_airbyte_data\nx,y,"{quoted}"\n'
    assert read("salesforce", table)[1] == facts
    assert read("salesforce", lines({"_airbyte_data": ROW}))[1] == facts


# --- layouts of one's own -------------------------------------------------------------------------


def test_a_table_of_ones_own_is_read_by_its_layout(read):
    own = OWN + 'old = "Before"\nassignee = "To"\nname = "Name"\n[contact]\ncrmContactId = "C"\n'
    text = "Lead;At;Status;Before;To;Name;C\nL-1;2026-03-02T09:00;New;;ada;Ann;7\n"
    reading, [message] = read("csv", text, own=own)
    assert message["data"] == {
        "type": "ChangeAction",
        "source": "crm",
        "field": "Status",
        "old": "",
        "new": "New",
        "recipient": {"type": "Person", "identifier": {"crmUserId": "ada"}},
        "record": "L-1",
        "object": {
            "type": "Lead",
            "identifier": {"crmLeadId": "L-1"},
            "object": {"type": "Contact", "name": "Ann", "identifier": {"crmContactId": "7"}},
        },
    }
    assert (reading.source, only_kind(reading)) == ("crm", "rows")
    assert message["time"] == "2026-03-02T09:00"


def test_json_lines_of_ones_own_have_members_inside_others(read):
    own = OWN.replace('"Lead"', '"lead.id"').replace('"At"', '"meta.at"')
    value = {"lead": {"id": 7}, "meta": {"at": 1772442000000}, "Status": "New"}
    _, messages = read("csv", lines(value), own=own)
    assert told(messages, "record") == [("2026-03-02T09:00:00Z", "Status", "New", "7")]


def test_a_record_of_ones_own_may_look_like_a_line_of_a_wrapper(read):
    value = {"Lead": "L-1", "At": TIME, "Status": "New", "type": "LOG", "records": [], "data": {}}
    reading, messages = read("csv", lines(value), own=OWN)
    assert told(messages) == [(TIME, "Status", "New")]
    assert sums_up(reading) == (1, 1, {})


def test_columns_that_no_file_has_are_named(read):
    own = OWN + 'by = "User"\nreason = "Why"\n'
    head = "Lead,At,Status"
    reading, _ = read("csv", f"{head},User\n", f"{head}\n", own=own)
    assert reading.tally.absent == ["Why"]


def test_a_layout_passes_over_the_tables_of_the_rules():
    layout = Layout.loads(default_text("csv") + '[facts]\nfollow = ["crm"]\n')
    assert (layout.name, layout.scheme) == ("crm", "crmLeadId")
    with pytest.raises(RulesError, match="line 10, map: unknown field"):
        Layout.loads(OWN + '\n[[map]]\nvalue = "x"\n')


def test_fields_without_a_meaning_are_left_out_and_counted(read):
    rows = [f"1,{LEAD},,2026-03-02T09:00:00Z,{name},," for name in ("Status", "Rating", "Rating")]
    reading, messages = read("salesforce", "\n".join([HISTORY, *rows]), names_field=is_named)
    assert len(messages) == 1
    assert sums_up(reading) == (3, 1, {"field Rating": 2})


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "written", "time"),
    [
        ("", "2026-03-02 09:00:00.5 UTC", "2026-03-02 09:00:00.5 UTC"),
        ("", "2026-03-02T09:00:00", "2026-03-02T09:00:00"),
        ("", "1772442000000", "2026-03-02T09:00:00Z"),
        ("format = '%d.%m.%Y %H:%M'", "02.03.2026 09:00", "2026-03-02T09:00:00"),
        ("format = '%d.%m.%Y %H:%M %z'", "02.03.2026 10:00 +0100", "2026-03-02T09:00:00Z"),
        (
            "format = '%d.%m.%Y %H:%M'\nzone = 'Europe/Berlin'",
            "02.03.2026 10:00",
            "2026-03-02T09:00:00Z",
        ),
        ("zone = 'Europe/Berlin'", "2026-03-02 10:00", "2026-03-02T09:00:00Z"),
        ("zone = 'Europe/Berlin'", "2026-03-02 10:00Z", "2026-03-02 10:00Z"),
    ],
)
def test_times_stay_as_written_unless_only_the_layout_can_read_them(read, times, written, time):
    own = OWN + (f"[time]\n{times}\n" if times else "")
    _, messages = read("csv", f"Lead,At,Status\nL-1,{written},New\n", own=own)
    assert [message["time"] for message in messages] == [time]


@pytest.mark.parametrize(
    ("written", "said"),
    [("2026-10-25 02:30", "exists twice"), ("2026-03-29 02:30", "does not exist")],
)
def test_a_local_time_that_is_not_one_moment_is_an_error(problem, written, said):
    own = OWN + "[time]\nzone = 'Europe/Berlin'\n"
    sentence = problem("csv", f"Lead,At,Status\nL-1,{written},New\n", own=own)
    assert sentence == (
        f"file0: line 2, column 'At': {written}:00 {said} in Europe/Berlin (the clocks change):"
        " give such times with their offset, or in UTC"
    )


VERSION = {"objectId": 1, "property": "p", "timestamp": "2026-03-02T09:00:00Z"}
NO_SUCH_DAY = (
    "no such time: '2026-02-30' (day is out of range for month);"
    " [time] in a map names another format"
)


# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "content", "sentence"),
    [
        (
            "hubspot",
            [VERSION | {"value": "v"}, VERSION],
            "file0: line 1, [1]: expected 'value' or 'propertyValue', got nothing",
        ),
        (
            "hubspot",
            {"results": [{"id": 1, "propertiesWithHistory": {"p": [{"timestamp": "x"}]}}]},
            "file0: line 1, results[0].propertiesWithHistory.p[0]: expected 'value', got nothing",
        ),
        (
            "hubspot",
            [webhook("contact.propertyChange", objectId=1, propertyName="p")],
            "file0: line 1, [0]: expected 'propertyValue', got nothing",
        ),
        (
            "salesforce",
            lines(ROW, {**ROW, "created_date": "2026-02-30"}),
            f"file0: line 2, created_date: {NO_SUCH_DAY}",
        ),
        (
            "salesforce",
            f"{HISTORY}\n1,,,2026-03-02T09:00:00Z,Status,,x\n",
            "file0: line 2, column 'LeadId': expected a value, got nothing",
        ),
        (
            "salesforce",
            lines({**ROW, "new_value": {"a": [1]}}),
            "file0: line 1, new_value: expected a text, got an object",
        ),
    ],
    ids=["row", "version", "webhook", "time", "lead", "object"],
)
def test_what_is_missing_or_wrong_is_said_with_its_place(problem, source, content, sentence):
    assert problem(source, content) == sentence


def test_a_file_that_nobody_knows_is_told_the_kinds_that_were_tried(problem):
    assert problem("salesforce", "\nName,City\nAnn,Rome\n") == (
        "file0: line 2: expected one of these kinds: history (LeadId, Field, NewValue,"
        " CreatedDate); events (ChangeEventHeader); snapshot (Id, _fivetran_start, Status); leads"
        " (Id, Status, LastModifiedDate); got the fields Name, City"
    )


def test_a_table_of_ones_own_names_the_column_that_is_not_there(problem):
    sentence = "file0: line 1: expected a column 'Status', found 'Lead', 'At'"
    assert problem("csv", "Lead,At\n", own=OWN) == sentence


def test_a_kind_can_be_forced_and_an_unknown_one_names_all(read, problem):
    leads = f"Id,Status,LastModifiedDate\n{LEAD},New,2026-03-02T09:00:00Z\n"
    expected = "file0: line 1: expected a column 'LeadId' or 'Lead ID', found"
    assert problem("salesforce", leads, kind="history").startswith(expected)
    assert only_kind(read("salesforce", leads, kind="leads")[0]) == "leads"
    names = "history, events, snapshot, leads"
    assert problem("salesforce", leads, kind="x") == f"unknown kind 'x', expected one of {names}"


def test_every_kind_says_how_it_is_recognised():
    assert set(KINDS) == {"salesforce", "hubspot", "genesys", "csv"}
    assert all(sentence.endswith(".") for own in KINDS.values() for sentence in own.values())


def test_an_object_in_the_place_of_a_value_is_an_error(read):
    row = {"LeadId": LEAD, "Field": "Status", "NewValue": "New", "OldValue": {"a": 1}}
    with pytest.raises(InputError, match=r"'?OldValue'?.*expected a text, got an object"):
        read("salesforce", [row | {"CreatedDate": "2026-03-02T00:00:00Z"}])


# --- what is said of a file as a whole ------------------------------------------------------------


def test_times_without_a_zone_are_counted(read):
    times = ("2026-03-02T09:00:00", "2026-03-02T09:01:00")
    rows = [f"1,{LEAD},{ADA},{at},Status,New,Working" for at in times]
    reading, _ = read("salesforce", "\n".join([HISTORY, *rows]))
    assert reading.tally.zoneless == len(rows)
    reading, _ = read("salesforce", f"{HISTORY}\n{rows[0].replace(':00:00,', ':00:00Z,')}")
    assert reading.tally.zoneless == 0


def test_columns_of_a_table_that_were_not_read_are_named(read):
    head = "Id,Rating,Status,OwnerId,City,SystemModstamp"
    reading, _ = read("salesforce", f"{head}\n{LEAD},hot,New,{ADA},Rome,2026-03-03T09:00:00Z")
    assert reading.tally.unread == ["Rating", "City"]


def test_a_place_in_one_value_over_several_lines_is_no_line(problem):
    versions = {"p": [{"timestamp": "2026-03-02T09:00:00Z"}]}
    text = json.dumps({"results": [{"id": 1, "propertiesWithHistory": versions}]}, indent=2)
    assert problem("hubspot", text) == (
        "file0: the document, results[0].propertiesWithHistory.p[0]: expected 'value', got nothing"
    )
