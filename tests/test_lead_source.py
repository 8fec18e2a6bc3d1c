"""The source of a lead, and its fields in other systems: kept with the lead."""

import json

import pytest
from changes import change
from letters import ADA, lead

from lifecycle import LeadReader, LeadStore, fold
from lifecycle.messages import read_message
from lifecycle.store import lead_dict

NOW = 1_900_000_000_000_000


@pytest.fixture
def store(tmp_path):
    with LeadStore(tmp_path / "leads.db", clock=lambda: NOW) as opened:
        yield opened


def source_of(store, value, number=[0]):  # noqa: B006 - counts the leads of a test
    number[0] += 1
    key = f"s{number[0]}"
    store.apply(lead("add", "10:00", keys=key, snapshot={"leadSource": value}))
    return store.lead(f"crmleadid:{key}").source


@pytest.mark.parametrize(
    ("value", "source"),
    [
        ("Portal", "Portal"),
        ("  Portal ", "Portal"),
        (7, "7"),
        (["Portal", "Other"], "Portal"),
        ([None, {}, [], "Portal"], "Portal"),
        (
            {"type": "WebSite", "name": "portal.example", "url": "https://a.example"},
            "portal.example",
        ),
        ({"type": "WebSite", "url": "https://a.example"}, "https://a.example"),
        ({"type": "WebSite", "@id": "https://a.example/@"}, "https://a.example/@"),
        ({"@type": "MobileApplication"}, "MobileApplication"),
        ([{"type": "AskAction", "object": {"type": "Question", "text": "Why?"}}], "AskAction"),
        ({"type": "AskAction", "id": "https://a.example/q/1", "name": "Form"}, "Form"),
        ({"type": "AskAction", "url": "https://a.example/q/1"}, "AskAction"),
        (None, None),
        ("", None),
        ("***", None),
        (True, None),
        ([], None),
        ({}, None),
        ([{"name": {"deep": 1}}], None),
    ],
)
def test_where_a_lead_came_from_is_said_in_a_few_words(store, value, source):
    assert source_of(store, value) == source


def test_the_last_message_that_names_a_source_counts_and_a_refused_one_changes_nothing(store):
    store.apply(lead("add", "10:00", snapshot={"leadSource": "Portal"}))
    store.apply(lead("accept", "10:01", agent=ADA))
    assert store.lead("crmleadid:1").source == "Portal"
    store.apply(lead("reject", "10:02", agent=ADA, snapshot={"leadSource": "Refused"}))
    assert store.lead("crmleadid:1").source == "Portal"
    store.apply(lead("update", "10:03", snapshot={"leadSource": "Fair"}))
    assert store.lead("crmleadid:1").source == "Fair"


def test_a_lead_keeps_its_fields_in_other_systems(store):
    store.apply(change("created", 0, by="A"))
    store.apply(change("Status", 5, "Working", old="New"))
    store.apply(change("dealstage", 9, "won", source="acme", lead={"salesforceId": "L1"}))
    shown = store.lead("salesforceid:L1")
    assert shown.systems == ("acme", "salesforce")
    assert shown.fields == {
        "acme": {"dealstage": "won"},
        "salesforce": {"created": "", "status": "Working"},
    }
    assert lead_dict(shown)["fields"] == shown.fields


def test_the_newest_value_of_a_field_counts_whatever_object_has_it(store):
    both = {"crmId": "1"}
    for second, record, value in ((0, "A", "old"), (9, "B", "In_Work"), (5, "C", "mid")):
        store.apply(change("stage", second, value, source="acme", lead=both, record=record))
    assert store.lead("crmid:1").fields == {"acme": {"stage": "In_Work"}}


def test_an_erased_lead_keeps_neither(store):
    store.apply(lead("add", "10:00", contact={"c": "9"}, snapshot={"leadSource": "Joe's form"}))
    store.apply(change("stage", 9, "won", source="acme", lead={"crmLeadId": "1"}))
    (sealed,) = store.erase("crmleadid:1").leads
    shown = store.lead(sealed)
    assert (shown.source, shown.fields, shown.systems) == (None, {}, ())
    assert store.verify().sound


def test_copies_of_a_fact_agree_on_the_smallest_source(store):
    said = change("stage", 9, "won", source="acme")
    for source in ("Web", "Fair", None):
        said["data"]["object"]["leadSource"] = source
        store.apply(said)
    assert store.lead("acmeid:L1").source == "Fair"


def test_a_fold_in_memory_says_the_same(store):
    messages = [
        lead("add", "10:00", snapshot={"leadSource": "Portal"}),
        change("stage", 9, "won", source="acme", lead={"crmLeadId": "1"}),
    ]
    store.apply_many(messages)
    events = [one.event for message in messages for one in read_message(message)]
    (told,) = fold(store.rules, events).leads
    assert lead_dict(told.lead) == lead_dict(store.lead("crmleadid:1"))


def imported(lifecycle, tmp_path, system, name, text, *options):
    file = tmp_path / name
    file.write_text(text)
    result = lifecycle("import", system, tmp_path / "crm.db", file, *options)
    assert result.exit_code == 0, result.output
    with LeadReader(tmp_path / "crm.db") as reader:
        return {one.lead_id: one.source for one in reader.leads()}


def test_salesforce_says_where_a_lead_came_from(lifecycle, tmp_path):
    head = "Id,Status,OwnerId,LeadSource,CreatedDate,LastModifiedDate\n"
    row = "{},New,0050000000Ada01AAB,{},2026-03-02T10:00:00Z,2026-03-03T10:00:00Z\n"
    ids = ("00Q0000000Lead1AAA", "00Q0000000Lead2AAA")
    text = head + row.format(ids[0], "Web") + row.format(ids[1], "")
    sources = imported(lifecycle, tmp_path, "salesforce", "Lead.csv", text)
    assert list(sources.values()) == ["Web", None]
    head = "id,status,owner_id,lead_source,created_date,_fivetran_start\n"
    row = (
        "00Q0000000Lead3AAA,New,0050000000Ada01AAB,Fair,2026-03-02T10:00:00Z,2026-03-02T10:00:00Z\n"
    )
    assert "Fair" in imported(lifecycle, tmp_path, "salesforce", "v.csv", head + row).values()


def test_hubspot_says_where_a_contact_came_from(lifecycle, tmp_path):
    contact = {
        "id": "101",
        "properties": {"lifecyclestage": "lead", "hs_analytics_source": "ORGANIC_SEARCH"},
        "updatedAt": "2026-03-02T10:00:00Z",
        "propertiesWithHistory": {
            "lifecyclestage": [{"value": "lead", "timestamp": "2026-03-02T10:00:00Z"}]
        },
    }
    sources = imported(lifecycle, tmp_path, "hubspot", "contacts.json", json.dumps([contact]))
    assert list(sources.values()) == ["ORGANIC_SEARCH"]
