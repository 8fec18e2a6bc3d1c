"""Every JSON example of the source documents works, or fails with one clear error."""

import json

import pytest
from conftest import SEEDS

from lifecycle import MessageError, decode
from lifecycle.messages import parse_time

LEADS = sorted(SEEDS.glob("00[012]_*.json"))


def example(name):
    return (SEEDS / name).read_text()


@pytest.mark.parametrize("file", LEADS, ids=lambda file: file.stem)
def test_an_example_is_decoded_and_applied(file, store):
    outcome = store.apply(file.read_text())
    trigger = file.stem.removeprefix(file.stem[:4])
    assert (outcome.kind, outcome.trigger) == ("applied", {"add": "send"}.get(trigger, trigger))


def test_there_are_eight_of_them():
    assert len(LEADS) == 8


def test_the_examples_end_where_their_messages_say(store):
    ends = {path.stem: store.apply(path.read_text()).state for path in LEADS[:2]}
    assert ends == {"000_reject": "rejected", "001_accept": "rejected"}


def test_the_reject_without_a_time_happened_when_it_was_rejected():
    event = decode(example("000_reject.json"))
    assert event.time == parse_time("2019-08-24T14:15:22Z").micros
    assert event.reason == "duplicate lead: this lead was already in the system"
    assert [note.code for note in event.notes] == ["no_event_time"]
    assert event.id.startswith("urn:sha256:")


def test_the_assign_with_a_placeholder_for_its_type_is_no_contradiction():
    assert decode(example("002_assign.json")).notes == ()


def test_the_retract_reaches_a_lead_that_was_created_under_another_key(store):
    contact = {"redContact_Guid": "bbc1f449-21b3-41d8-a588-2d1c7d43281e", "other": 7}
    add = json.loads(example("002_add.json"))
    add["id"] = "https://instrumentid.example.com/publish/add"
    add["data"]["object"]["object"]["sameAs"] = contact
    created = store.apply(add)
    outcome = store.apply(example("002_retract.json"))
    assert (outcome.kind, outcome.lead_id) == ("applied", created.lead_id)
    assert store.lead("salesforcecontactid:c28834ca-db69-4da8-90ad-75cdc9907298").state == (
        "retracted"
    )


def test_a_deletion_of_a_masked_contact_names_nobody_and_is_kept(store):
    outcome = store.apply(example("004_delete.json"))
    assert outcome.kind == "quarantined"
    assert [problem.code for problem in outcome.problems] == ["no_identity"]
    assert [problem.path for problem in outcome.problems] == ["data.object"]


def test_a_deletion_is_applied_when_its_contact_is_named(store):
    outcome = store.apply(example("004_delete.json").replace("***************", "0031U"))
    assert outcome.kind == "noted"


def test_the_deletion_that_is_commented_out_is_not_valid_json_as_printed(store):
    printed = example("004_delete_commented_out.txt")
    outcome = store.apply(printed)
    assert str(outcome.problems[0]).startswith("not valid JSON: ")
    repaired = printed.replace("}, \n    }", "}\n    }")
    received_at = "2026-03-01T10:00:00Z"
    assert store.apply(repaired, received_at=received_at).kind == "noted"


def test_the_sample_of_the_contact_centre_is_not_valid_json_as_printed():
    with pytest.raises(MessageError, match=r"^not valid JSON: .* at line 7, column \d+$"):
        decode(example("003_notification.txt"))


@pytest.mark.parametrize("text", ['{"operationName": "Reject"}', '{"statusCode": 0}'])
def test_the_bodies_of_the_contact_centre_are_no_messages_of_this_network(text):
    with pytest.raises(MessageError, match=r"^topic: expected a topic such as"):
        decode(text)
