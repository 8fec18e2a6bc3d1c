"""The kind of a file: what its records have, in whatever order they stand."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.errors import InputError
from lifecycle.systems import read_files

VERSIONS = {"hs_lead_status": [{"value": "NEW", "timestamp": "2026-03-02T10:30:00.000Z"}]}
NOW = {"hs_lead_status": "NEW", "lastmodifieddate": "2026-03-02T10:30:00.000Z"}
SAVED = "2026-03-02T10:30:00.000Z"
EVENT = {
    "entityName": "Lead",
    "changeType": "UPDATE",
    "commitTimestamp": 1_772_447_400_000,
    "recordIds": ["00Q0000000Ex01AEAR"],
}
#: Records by source. Some are alike but for what their objects have, some are of no kind.
RECORDS = {
    "hubspot": [
        {"id": "101", "properties": {}, "propertiesWithHistory": {}},
        {"id": "102", "properties": {}, "propertiesWithHistory": VERSIONS},
        {"id": "103", "properties": NOW, "propertiesWithHistory": {}},
        {"id": "104", "properties": None, "propertiesWithHistory": VERSIONS},
        {"vid": 105, "properties": {}},
        {"vid": 106, "properties": {"hs_lead_status": {"value": "", "versions": []}}},
        {"objectId": 107, "property": "hs_lead_status", "value": "NEW", "timestamp": SAVED},
        {"objectId": 108, "property": "hs_lead_status", "value": {}, "timestamp": SAVED},
        {"id": "109", "properties": {"valid_from": SAVED}},
        {"id": "110", "other": {}},
    ],
    "salesforce": [
        {"Id": "00Q0000000Ex01AEAR", "Owner": {}, "LastModifiedDate": SAVED},
        {"Id": "00Q0000000Ex01AEAR", "Owner": {"Id": "0050000000A"}, "LastModifiedDate": SAVED},
        {"Id": "00Q0000000Ex02AEAR", "Owner": None, "LastModifiedDate": SAVED, "Status": "New"},
        {"ChangeEventHeader": {}, "Status": "New"},
        {"ChangeEventHeader": EVENT, "Status": "New"},
        {"ChangeEventHeader": EVENT, "Status": "New", "Name": {}},
    ],
}


def reading_of(folder, source, text):
    """Return the kinds and the facts of a file; that it is refused, where it is."""
    path = folder / "file.json"
    path.write_text(text, "utf-8")
    try:
        with read_files(source, [path]) as reading:
            facts = sorted(json.dumps(fact.message, sort_keys=True) for fact in reading.facts())
            return reading.kinds, facts
    except InputError:
        return "refused"


@pytest.mark.parametrize("source", RECORDS)
@given(st.data())
def test_the_kind_of_a_file_does_not_depend_on_the_order_of_its_records(source, data):
    records = data.draw(st.lists(st.sampled_from(RECORDS[source]), min_size=1, max_size=4))
    others = data.draw(st.permutations(records))
    with tempfile.TemporaryDirectory() as folder:
        assert reading_of(Path(folder), source, json.dumps(records)) == reading_of(
            Path(folder), source, "".join(json.dumps(one) + "\n" for one in others)
        )


@pytest.mark.parametrize("first", [0, 1])
def test_an_object_without_properties_may_come_first(first, path, lifecycle, tmp_path):
    objects = [RECORDS["hubspot"][(number + first) % 2] for number in range(2)]
    file = tmp_path / "h.json"
    file.write_text(json.dumps({"results": objects}))
    result = lifecycle("import", "hubspot", path, file)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 lead: sent 1")
