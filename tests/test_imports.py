"""Exports of CRMs become messages: in their order, by a mapping, each record accounted for."""

import csv
import io
import itertools
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle import InputError, LeadStore, MappingError, decode
from lifecycle.store import lead_dict
from lifecycle.systems import (
    Mapping,
    default_text,
    load,
    read_csv,
    read_hubspot,
    read_salesforce,
)
from lifecycle.systems.salesforce import full_id

MAP = '[[map]]\nvalue = "New"\ntrigger = "send"\n'
SAMPLES = Path(__file__).parent.parent / "docs" / "samples"
CALLS = (SAMPLES / "calls.toml").read_text()
HISTORY = ("Id", "LeadId", "Field", "OldValue", "NewValue", "CreatedDate", "CreatedById")
LEAD = full_id("00Q0000000Ex01A")
ADA, BOB, BOSS = (full_id(f"0050000000{name}01A"[:15]) for name in ("Ada0", "Bob0", "Mgr0"))
QUEUE = full_id("00G0000000Web01")
OPEN, WORKING, LOST = "Open - Not Contacted", "Working - Contacted", "Closed - Not Converted"
WORKED = ("Status", OPEN, WORKING)


def table(columns, rows, **options):
    out = io.StringIO()
    writer = csv.writer(out, **options)
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()


def change(number, name, old, new, at, by=ADA, lead=LEAD):
    return (f"017{number:015}", lead, name, old, new, f"2026-03-02T{at}.000+0000", by)


@pytest.fixture
def history(tmp_path):
    """Write a LeadHistory.csv."""

    def write(rows, name="LeadHistory.csv"):
        path = tmp_path / name
        path.write_text(table(HISTORY, rows))
        return path

    return write


def imported(source, store):
    with source:
        found = load(store, source)
    tally = found.tally
    unmapped = sum(one.records for one in tally.unmapped.values())
    assert tally.records == tally.told + sum(tally.left_out.values()) + unmapped
    assert found.messages == sum(found.outcomes.values())
    return found


def rows_of(store, lead=LEAD):
    return [
        (one.row.trigger, one.row.source, one.row.target)
        for one in store.history(f"salesforceid:{lead}")
    ]


def found_codes(store):
    return [one.finding.code for one in store.findings() if one.finding.severity != "info"]


# --- salesforce -------------------------------------------------------------------------------


def test_a_history_of_salesforce_is_a_history_of_a_lead(history, store):
    path = history([
        change(1, "created", "", "", "09:00:00", BOSS),
        change(2, "Owner", full_id("00G0000000Web01"), ADA, "09:01:00", BOSS),
        change(3, "Status", OPEN, WORKING, "09:30:00"),
        change(4, "Status", WORKING, LOST, "10:00:00"),
        change(5, "Owner", ADA, BOB, "11:00:00", BOSS),
    ])  # fmt: skip
    found = imported(read_salesforce(path), store)
    assert (found.outcomes["applied"], found.outcomes["refused"]) == (5, 0)
    assert [row[0] for row in rows_of(store)] == ["send", "assign", "accept", "retract", "assign"]
    lead = store.lead(f"salesforceid:{LEAD}")
    assert (lead.state, str(lead.holder)) == ("assigned", f"salesforceuserid:{BOB}")
    assert found_codes(store) == []


def test_importing_twice_changes_nothing(store):
    for _ in range(2):
        source = read_salesforce(SAMPLES / "LeadHistory.csv", leads=SAMPLES / "Lead.csv")
        last = imported(source, store)
        says = [lead_dict(lead) for lead in store.leads()], store.last_change()
    assert last.outcomes["duplicate"] == last.messages > 0
    assert says[1] == store.last_change()


@pytest.mark.parametrize(
    ("read", "file", "name"),
    [
        (read_hubspot, "hubspot.json", "hubspotid:101"),
        (read_salesforce, "LeadHistory.csv", "salesforceid:00Q0000000Ex01AEAR"),
    ],
)
def test_who_was_erased_does_not_come_back_with_the_next_import(read, file, name, store):
    imported(read(SAMPLES / file), store)
    assert store.erase(name).events > 0
    leads = {one.lead_id: one.state for one in store.leads()}
    again = imported(read(SAMPLES / file), store)
    assert (again.outcomes["duplicate"], again.outcomes["applied"]) == (again.messages, 0)
    assert {one.lead_id: one.state for one in store.leads()} == leads


@given(
    st.lists(st.sampled_from([OPEN, WORKING, LOST, "Nurturing"]), min_size=2, max_size=9),
    st.lists(st.integers(0, 1), min_size=8, max_size=8),
    st.randoms(use_true_random=False),
)
def test_changes_within_one_second_are_in_the_order_of_their_values(tmp_path, values, later, rng):
    steps = [(old, new) for old, new in itertools.pairwise(values) if old != new]
    seconds = [0, *itertools.accumulate(later, initial=1)]  # the first one is alone
    numbers = rng.sample(range(len(steps)), len(steps))  # ids that say nothing of the order
    rows = [
        change(numbers[n], "Status", *step, f"09:00:0{seconds[n]}") for n, step in enumerate(steps)
    ]
    rng.shuffle(rows)
    path = tmp_path / "LeadHistory.csv"
    path.write_text(table(HISTORY, rows))
    with LeadStore(":memory:") as store:
        imported(read_salesforce(path), store)
        messages = store.messages(f"salesforceid:{LEAD}") if rows else []
        told = [one.payload["data"]["fieldChange"] for one in messages]
        assert sorted((one["old"], one["new"]) for one in told) == sorted(steps)
        assert [one["new"] for one in told[:-1]] == [one["old"] for one in told[1:]]
        assert "contradiction" not in found_codes(store)


def test_no_order_is_promised(history, store):
    rows = list(csv.reader((SAMPLES / "LeadHistory.csv").read_text().splitlines()))[1:]
    imported(read_salesforce(SAMPLES / "LeadHistory.csv"), store)
    expected = [lead_dict(lead) for lead in store.leads()]
    for seed in range(10):
        random.Random(seed).shuffle(rows)
        with LeadStore(":memory:") as other:
            imported(read_salesforce(history(rows)), other)
            assert [lead_dict(lead) for lead in other.leads()] == expected


def test_a_gap_in_the_history_is_a_finding_that_the_missing_row_removes(history, store):
    rows = [
        change(1, "Status", OPEN, WORKING, "09:00:00"),
        change(2, "Status", WORKING, "Nurturing", "10:00:00"),
        change(3, "Status", "Nurturing", LOST, "11:00:00"),
    ]
    imported(read_salesforce(history([rows[0], rows[2]])), store)
    (found,) = (one for one in store.findings() if one.finding.code == "contradiction")
    detail = f"Status was {WORKING!r} before, and 'Nurturing' by this message"
    assert (found.finding.detail, found.finding.severity) == (detail, "warning")
    imported(read_salesforce(history(rows)), store)
    assert found_codes(store) == []
    kept = [one for one in store.findings(superseded=True) if one.superseded_at]
    assert [one.finding.code for one in kept] == ["contradiction"]


def test_a_lead_whose_status_is_not_where_its_history_led_is_a_finding(history, tmp_path, store):
    path = history([change(1, "Status", OPEN, WORKING, "09:00:00")])
    leads = tmp_path / "Lead.csv"
    columns = ("Id", "CreatedDate", "LastModifiedDate", "Status", "Name", "Email", "CreatedById")
    day = "2026-03-02T"
    row = (LEAD[:15], f"{day}08:00:00Z", f"{day}09:00:00Z", WORKING, "Ann", "ann@example.com", BOSS)
    leads.write_text(table(columns, [row]))
    imported(read_salesforce(path, leads=leads), store)
    assert found_codes(store) == []
    lead = store.lead(f"salesforceid:{LEAD}")
    assert (lead.contact.name, lead.contact.email) == ("Ann", "ann@example.com")
    leads.write_text(table(columns, [(*row[:2], f"{day}10:00:00Z", LOST, *row[4:])]))
    imported(read_salesforce(path, leads=leads), store)
    assert found_codes(store) == ["contradiction"]


def test_two_rows_of_one_change_of_owner_are_one_step(history, store):
    queue = full_id("00G0000000Web01")
    found = imported(
        read_salesforce(
            history(
                [
                    change(1, "Owner", "Web leads", "Ada Agent", "09:00:00", BOSS),
                    change(2, "Owner", queue, ADA, "09:00:00", BOSS),
                ]
            )
        ),
        store,
    )
    assert dict(found.tally.left_out) == {"owner by name, beside the id": 1}
    holder = store.lead(f"salesforceid:{LEAD}").holder
    assert (holder.id, holder.name) == (f"salesforceuserid:{ADA}", "Ada Agent")


def test_ids_of_15_and_of_18_characters_name_one_lead(history, store):
    # The id that the network's own documents print.
    assert full_id("0031U00002XW1QW") == "0031U00002XW1QWQA1"
    short = [change(1, "Status", OPEN, WORKING, "09:00:00", ADA[:15], LEAD[:15])]
    imported(read_salesforce(history(short)), store)
    imported(
        read_salesforce(history([change(2, "Status", WORKING, LOST, "10:00:00")])),
        store,
    )
    assert [row[2] for row in rows_of(store)] == ["accepted", "retracted"]


def test_a_value_without_a_mapping_is_reported_and_not_guessed(history, lifecycle, path):
    rows = [change(1, "Status", OPEN, WORKING, "09:00:00")]
    rows += [change(2, "Status", WORKING, "Parked", "10:00:00")]
    result = lifecycle("import", "salesforce", path, history(rows), "--json")
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    expected = {"field": "Status", "value": "Parked", "records": 1, "line": 3}
    assert summary["unmapped"] == [expected]
    assert "Status 'Parked': 1 record, first on line 3" in result.stderr
    mine = path.with_name("map.toml")
    row = '[[map]]\nfield = "Status"\nvalue = "Parked"\ntrigger = "update"\n'
    mine.write_text(default_text("salesforce") + row)
    result = lifecycle("import", "salesforce", path, history(rows), "--map", mine, "--json")
    summary = json.loads(result.stdout)
    assert (result.exit_code, summary["noted"], summary["duplicate"]) == (0, 1, 1)


def test_names_of_15_letters_are_no_ids(history, store):
    queue = full_id("00G0000000Web01")
    rows = [
        change(1, "Owner", ADA, queue, "09:00:00", BOSS),
        change(2, "Owner", "ChristopherLong", "InboundWebLeads", "09:00:00", BOSS),
    ]
    found = imported(read_salesforce(history(rows)), store)
    assert dict(found.tally.left_out) == {"owner by name, beside the id": 1}
    assert store.lead(f"salesforceid:{LEAD}").state == "retracted"
    assert full_id("ChristopherLong") == "ChristopherLong"


@pytest.mark.parametrize(
    ("rows", "states"),
    [
        # Won at once; recycled after it was closed; into a queue when it is new.
        ([("Status", OPEN, "Closed - Converted")], ["accepted"]),
        ([("Status", OPEN, LOST), ("Owner", ADA, QUEUE)], ["rejected"]),
        ([WORKED, ("Status", WORKING, LOST), ("Owner", ADA, QUEUE)], ["accepted", "retracted"]),
        ([("Owner", "", QUEUE)], []),
        ([("Owner", QUEUE, ADA), ("Owner", ADA, QUEUE)], ["assigned", "retracted"]),
    ],
)  # fmt: skip
def test_an_everyday_story_of_salesforce_has_no_refusals(rows, states, history, store):
    told = [
        change(n, *row, f"09:0{n}:00", BOSS if row[0] == "Owner" else ADA)
        for n, row in enumerate([("created", "", ""), *rows])
    ]
    for part in (told[:-1], told):
        imported(read_salesforce(history(part)), store)
    assert [row[2] for row in rows_of(store)] == ["sent", *states]
    assert found_codes(store) == []
    if states[-1:] == ["retracted"] and rows[-1][0] == "Owner" and len(rows) == 2:
        assert str(store.lead(f"salesforceid:{LEAD}").holder) == f"salesforceuserid:{QUEUE}"


def test_a_report_says_the_same_in_other_words(tmp_path, store):
    columns = ("Lead ID", "Field / Event", "Old Value", "New Value", "Edit Date", "Edited By")
    day = "2026-03-02T"
    rows = [
        (LEAD[:15], "Created.", "", "", f"{day}09:00:00Z", "Boss"),
        (LEAD[:15], "Lead Owner", "Web leads", "Ada Agent", f"{day}09:01:00Z", "Boss"),
        (LEAD[:15], "Lead Status", OPEN, WORKING, f"{day}09:02:00Z", "Ada Agent"),
    ]
    path = tmp_path / "report.csv"
    footer = '\n\n"Lead History Report"\n"Copyright (c) Example Inc."\n'
    path.write_text(table(columns, rows) + footer)
    imported(read_salesforce(path), store)
    assert [row[0] for row in rows_of(store)] == ["send", "assign", "accept"]
    assert str(store.lead(f"salesforceid:{LEAD}").holder) == "salesforceuserid:Ada Agent"


def test_a_history_that_is_split_between_two_seconds_says_the_same(history, store):
    rows = [
        change(1, "created", "", "", "09:00:00", BOSS),
        change(2, "Status", OPEN, WORKING, "09:00:01"),
        change(3, "Status", WORKING, OPEN, "09:00:01"),
        change(4, "Status", OPEN, LOST, "09:00:02"),
    ]
    imported(read_salesforce(history(rows)), store)
    expected = [lead_dict(lead) for lead in store.leads()]
    assert found_codes(store) == ["invalid_transition"]  # closed, and nobody had it
    for cut in (1, 3):
        with LeadStore(":memory:") as other:
            for part in (rows[cut:], rows[:cut], rows):
                last = imported(read_salesforce(history(part)), other)
            assert last.outcomes["duplicate"] == last.messages
            assert [lead_dict(lead) for lead in other.leads()] == expected


def test_an_import_of_which_nothing_was_told_is_found_wanting(history, lifecycle, path):
    result = lifecycle(
        "import", "salesforce", path, history([change(1, "Email", "", "x", "09:00:00")])
    )
    assert result.exit_code == 1
    assert "not one record says what happened to a lead: is the mapping right?" in result.stderr


def test_dates_at_the_end_of_time_are_no_failure(history, tmp_path, lifecycle, path):
    last = "9999-12-31T23:59:59.999Z"
    rows = [(*change(1, "Status", OPEN, WORKING, "09:00:00")[:5], last, ADA)]
    leads = tmp_path / "Lead.csv"
    columns = ("Id", "CreatedDate", "LastModifiedDate", "CreatedById", "Email")
    leads.write_text(table(columns, [(LEAD, last, last, ADA, "ann@example.com")]))
    result = lifecycle("import", "salesforce", path, history(rows), "--leads", leads, "--json")
    summary = json.loads(result.stdout)
    assert (result.exit_code, summary["quarantined"]) == (0, 3)  # ahead of the clock


def test_a_source_can_be_loaded_twice(store):
    with read_salesforce(SAMPLES / "LeadHistory.csv") as source:
        tallies = [load(store, source).tally for _ in range(2)]
    assert tallies[0] == tallies[1]


def test_an_unwanted_field_is_left_out_and_counted(history, store):
    found = imported(read_salesforce(history([change(1, "Email", "", "x", "09:00:00")])), store)
    assert (dict(found.tally.left_out), found.messages) == ({"field Email": 1}, 0)


# --- hubspot ----------------------------------------------------------------------------------


def test_a_history_of_hubspot_is_a_history_of_a_lead(store):
    found = imported(read_hubspot(SAMPLES / "hubspot.json"), store)
    assert (found.outcomes["refused"], found.tally.records) == (0, 10)
    rows = [one.row for one in store.history("hubspotid:101")]
    assert [row.trigger for row in rows] == ["send", "assign", "accept"]
    assert [str(row.by) for row in rows] == [
        "hubspotsource:FORM:contact-us",
        "hubspotsource:AUTOMATION_PLATFORM:enrollmentId:1",
        "hubspotuserid:7",
    ]
    lead = store.lead("hubspotid:101")
    assert (lead.contact.name, lead.contact.email) == ("Ann Example", "ann@example.com")
    assert store.lead("hubspotid:102").state == "rejected"


def shapes():
    """The same history in other shapes: rows of a table, rows of a list, objects one a line."""
    objects = json.loads((SAMPLES / "hubspot.json").read_text())["results"]
    for one in objects:
        del one["properties"]
    columns = ("objectId", "property", "value", "timestamp", "sourceType", "sourceId")
    rows = [
        (one["id"], name, *(version[column] for column in columns[2:]))
        for one in objects
        for name, found in one["propertiesWithHistory"].items()
        for version in found
    ]
    yield "table.csv", table(columns, rows)
    yield "table.tsv", table(columns, rows, delimiter="\t")
    yield "list.json", json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
    yield "lines.jsonl", "\n".join(map(json.dumps, objects))
    yield "page.json", json.dumps({"results": objects}, indent=1)
    yield "one-line.json", json.dumps(objects)


SHAPES = dict(shapes())


@pytest.mark.parametrize(("name", "text"), SHAPES.items(), ids=SHAPES)
def test_every_shape_of_a_history_of_hubspot_says_the_same(name, text, tmp_path):
    expected = tmp_path / "page.json"
    expected.write_text(SHAPES["page.json"])
    path = tmp_path / f"x-{name}"
    path.write_text(text)
    with read_hubspot(expected) as one, read_hubspot(path) as other:
        assert [made.message for made in other.messages()] == [
            made.message for made in one.messages()
        ]


@pytest.mark.parametrize("cut", range(1, 4))
def test_a_history_of_hubspot_goes_on_where_an_earlier_import_left_it(cut, tmp_path, store):
    columns = ("objectId", "property", "value", "timestamp")
    values = ("NEW", "CONNECTED", "OPEN_DEAL", "UNQUALIFIED")
    rows = [
        ("1", "hs_lead_status", value, f"2026-03-02T09:0{n}:00Z") for n, value in enumerate(values)
    ]
    path = tmp_path / "history.csv"
    for part in (rows[:cut], rows[cut:], rows, rows[cut:]):
        path.write_text(table(columns, part))
        last = imported(read_hubspot(path), store)
    assert (last.outcomes["conflict"], last.outcomes["refused"]) == (0, 0)
    told = [one.row.trigger for one in store.history("hubspotid:1")]
    assert told == ["send", "accept", "retract"]


def test_versions_of_one_time_come_the_newest_first(tmp_path, store):
    versions = [
        {"value": value, "timestamp": "2026-03-02T09:00:00Z"} for value in ("OPEN_DEAL", "NEW")
    ]
    path = tmp_path / "history.json"
    path.write_text(json.dumps({"id": "1", "propertiesWithHistory": {"hs_lead_status": versions}}))
    imported(read_hubspot(path), store)
    assert store.lead("hubspotid:1").state == "accepted"


def test_pages_may_be_longer_than_a_message(tmp_path, store):
    page = json.loads((SAMPLES / "hubspot.json").read_text())
    page["padding"] = "x" * 2**20
    path = tmp_path / "pages.jsonl"
    path.write_text(f"{json.dumps(page)}\n{json.dumps(page)}\n")
    found = imported(read_hubspot(path), store)
    assert found.tally.left_out["told twice"] == 8


def test_times_of_hubspot_may_be_milliseconds(tmp_path, store):
    row = {"id": 7, "property": "hs_lead_status", "value": "NEW", "timestamp": 1772442000123}
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]))
    imported(read_hubspot(path), store)
    assert store.lead("hubspotid:7").since == 1772442000123000


# --- a table of one's own ---------------------------------------------------------------------


def calls(store, path=SAMPLES / "calls.csv"):
    return imported(read_csv(path, Mapping.from_toml(SAMPLES / "calls.toml")), store)


def test_standard_input_is_read(path):
    command = [sys.executable, "-m", "lifecycle", "import"]
    for arguments, sample in (
        (["csv", path, "-", "--map", SAMPLES / "calls.toml"], "calls.csv"),
        (["hubspot", path, "-"], "hubspot.json"),
        (["genesys", path, "-"], "genesys.jsonl"),
        (["salesforce", path, "-"], "LeadHistory.csv"),
    ):
        with (SAMPLES / sample).open("rb") as file:
            done = subprocess.run(
                [*command, *arguments, "--json"], stdin=file, capture_output=True, check=False
            )
        assert json.loads(done.stdout)["applied"] > 0, done.stderr


def test_rows_that_differ_in_anything_are_two(store, tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text(
        "Lead;Changed at;Status;Assigned to\n"
        "L-1;02.03.2026 09:10;Assigned;ada\nL-1;02.03.2026 09:10;Assigned;bob\n"
        "L-1;02.03.2026 09:10;Assigned;bob\n"
    )
    found = calls(store, path)
    assert (found.outcomes["applied"], found.tally.left_out["told twice"]) == (2, 1)


def test_one_row_number_may_be_that_of_two_leads(store, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("Lead,Changed at,Status,Row\nL-1,2026-03-02,New,1\nL-2,2026-03-02,New,1\n")
    mapping = Mapping.loads(CALLS.partition("[time]")[0].replace('by = "User"', 'id = "Row"') + MAP)
    assert imported(read_csv(path, mapping), store).outcomes["applied"] == 2


@pytest.mark.parametrize("header", ["Status", "STATUS"])
def test_a_field_is_called_as_the_mapping_calls_it(header, store, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(f"Lead,Changed at,{header}\nL-1,2026-03-02,New\n")
    mapping = Mapping.loads(
        CALLS.partition("[time]")[0] + MAP.replace("[[map]]", '[[map]]\nfield = "Status"')
    )
    imported(read_csv(path, mapping), store)
    (message,) = store.messages("callsleadid:L-1")
    assert message.payload["data"]["fieldChange"]["field"] == "Status"


@pytest.mark.parametrize(
    "text", ["20260302", "1772442000", "2016-12-31T23:59:60", "12345678901234567"]
)
def test_a_number_is_milliseconds_only_if_it_can_be(text, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(f"Lead,Changed at,Status\nL-1,{text},New\n")
    mapping = Mapping.loads(CALLS.partition("[time]")[0] + '[time]\nzone = "Europe/Berlin"\n' + MAP)
    if text.startswith("2016"):
        with read_csv(path, mapping) as source:
            assert [made.message["time"] for made in source.messages()] == ["2016-12-31T23:00:00Z"]
    else:
        with pytest.raises(
            InputError, match="line 2, column 'Changed at': expected a time such as"
        ):
            read_csv(path, mapping)


def test_a_table_of_ones_own_is_a_history_of_a_lead(store):
    found = calls(store)
    assert found.outcomes["applied"] == 6
    rows = [one.row for one in store.history("callsleadid:L-1")]
    assert [row.trigger for row in rows] == ["send", "assign", "reject", "assign", "accept"]
    assert str(rows[-1].by) == "callsuser:bob"
    # 09:00 in Berlin, before summer time.
    assert (
        rows[0].at
        == decode(
            {"topic": "lead#add", "time": "2026-03-02T08:00:00Z", "data": {"object": {"id": "x"}}}
        ).time
    )


@pytest.mark.parametrize(
    "remake",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: text.replace("\n", "\r\n", 3).encode(),
        lambda text: text.replace(";", ",").encode(),
        lambda text: text.replace(";", "\t").encode(),
        lambda text: (text + "\n;;;;;\n").encode(),
        lambda text: text.replace("web", '"web"').encode(),
        lambda text: f"sep=;\n{text}".encode(),
        lambda text: f"\n\n{text}".encode(),
    ],
    ids=[
        "mark",
        "crlf",
        "cr",
        "mixed",
        "comma",
        "tab",
        "blank rows",
        "quoted",
        "sep",
        "blank first",
    ],
)
def test_what_loses_nothing_is_read_as_it_comes(remake, tmp_path, store):
    path = tmp_path / "calls.csv"
    path.write_bytes(remake((SAMPLES / "calls.csv").read_text()))
    calls(store, path)
    with LeadStore(":memory:") as other:
        calls(other)
        assert [lead_dict(one) for one in store.leads()] == [
            lead_dict(one) for one in other.leads()
        ]


BAD = {
    "empty": (b"", "is empty, expected a CSV file with a header"),
    "blank": (b"\n\n", "is empty, expected a CSV file with a header"),
    "another column": (b"Lead;When;Status\n", "line 1: expected a column 'Changed at', found "),
    "no lead": (b"Changed at;Status\n", "line 1: expected a column 'Lead', found 'Changed at'"),
    "twice": (b"Lead;Lead;Status\n", "line 1: two columns have the same name"),
    "too few": (b"Lead;Changed at;Status\nL-1;x\n", "line 2: expected 3 columns, got 2"),
    "no id": (
        b"Lead;Changed at;Status\n;02.03.2026 09:00;New\n",
        "line 2, column 'Lead': expected the id of a lead, got nothing",
    ),
    "no time": (
        b"Lead;Changed at;Status\nL-1;02.03.2026 09:00;New\nL-1;soon;New\n",
        "line 3, column 'Changed at': expected a time as '%d.%m.%Y %H:%M', got 'soon'",
    ),
    "latin": (
        "Lead;Changed at;Status\nL-1;02.03.2026 09:00;Später\n".encode("latin-1"),
        "line 2, column 24: not UTF-8, expected a CSV file in UTF-8",
    ),
    "utf-16": ("Lead;Status\n".encode("utf-16"), "line 1, column 1: this is UTF-16"),
    "spread-sheet": (b"PK\x03\x04zip", "line 1, column 1: this is a ZIP archive"),
    "database": (b"SQLite format 3\0", "is a SQLite database, expected a file of text"),
    "nul": (b"Lead;Changed at;Status\nL\0;x;y\n", "line 2, column 2: a NUL character"),
    "quote": (b'Lead;Changed at;Status\n"L;x;y\n', "line 2: not valid CSV: unexpected end"),
    "json": (b'{"a": 1}\n', "line 1: expected a column 'Status', found '{\"a\": 1}'"),
    "one cell": (b"Lead;Changed at;Status\n" + b"x" * 2**21, "line 2: not valid CSV: field larger"),
}


@pytest.mark.parametrize(("content", "expected"), BAD.values(), ids=BAD)
def test_a_table_that_is_wrong_is_one_sentence_and_nothing_is_written(
    content, expected, tmp_path, lifecycle
):
    path, store = tmp_path / "file.csv", tmp_path / "leads.db"
    path.write_bytes(content)
    result = lifecycle("import", "csv", store, path, "--map", SAMPLES / "calls.toml")
    assert result.exit_code == 3
    assert result.stderr.startswith(f"lifecycle: {path}: {expected}")
    assert len(result.stderr.splitlines()) == 1
    assert not store.exists()


@pytest.mark.parametrize("command", ["salesforce", "hubspot"])
def test_a_missing_column_is_named(command, tmp_path, lifecycle):
    path = tmp_path / "file.csv"
    path.write_text("LeadId,Field\n1,Status\n")
    result = lifecycle("import", command, tmp_path / "leads.db", path)
    assert result.exit_code == 3
    assert "line 1: expected a column 'NewValue' or 'New Value'" in result.stderr or (
        "line 1: expected a column 'value'" in result.stderr
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[1]", "line 1, [0]: expected an object of HubSpot"),
        ('{"id": 1, "propertiesWithHistory": 5}', "line 1, propertiesWithHistory: expected an obj"),
        (
            '{"id": 1, "propertiesWithHistory": {"hs_lead_status": [{"value": "NEW"}]}}',
            "line 1, propertiesWithHistory.hs_lead_status[0].timestamp: expected a time",
        ),
        (
            '{"propertiesWithHistory": {}}',
            "line 1: expected the object's id as objectId or Object ID or Record ID or id or vid",
        ),
        ('{"id": 1,\n "x"}', "line 2, column 5: not valid JSON: Expecting ':' delimiter"),
        ('{"a": 1}\n{', "line 1: expected propertiesWithHistory, or a property as property or "),
        ('{"id": 1, "properties": {}}', "line 1: expected propertiesWithHistory, or a property"),
        ('[\n{"id": 1, "x": "\xe9"}]'.encode("latin-1"), "line 2, column 17: not valid UTF-8"),
        ('\n{"id": 1,\n "a": 1, "a": 2}', "the key 'a' stands twice in one object"),
    ],
)
def test_a_history_of_hubspot_that_is_wrong_is_one_sentence(content, expected, tmp_path):
    path = tmp_path / "history.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_hubspot(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


# --- mappings ---------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["salesforce", "hubspot", "csv"])
def test_the_mapping_that_is_shown_is_the_one_that_is_used(system, lifecycle):
    shown = lifecycle("import", system, "--show-map")
    assert shown.exit_code == 0
    assert Mapping.loads(shown.stdout) == Mapping.default(system)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CALLS.replace('"accept"', '"acept"'), "line 28, map 3, trigger: expected one of send, "),
        (CALLS.replace("[columns]\nnew", "[columns]\nnwe"), "line 8, columns, nwe: unknown field"),
        (CALLS.replace('new = "Status"\n', ""), "columns: expected a column for 'new', got none"),
        (CALLS.replace("Europe/Berlin", "Mars"), "line 16, time, zone: expected a time zone such"),
        (CALLS.replace("[lead]", "[lead"), "not valid TOML: Expected ']' at the end of a table"),
        (CALLS.replace('value = "Rejected"\n', ""), "line 30, map 4, value: expected a text or"),
        ("", "columns: expected a table, got nothing"),
        ("a = " + "[" * 5000, "nested too deep, expected a mapping"),
        (CALLS.replace('"%d.%m.%Y %H:%M"', '"%d.%d"'), "line 15, time, format: expected a format"),
        (
            CALLS.replace('callsLeadId = "Lead"', "callsLeadId = []"),
            "line 5, lead, callsLeadId: exp",
        ),
        (CALLS.replace('name = "calls"', 'name = ""'), "line 1, name: expected a text, got ''"),
    ],
)
def test_a_mapping_that_is_wrong_is_one_sentence_and_nothing_is_written(
    text, expected, tmp_path, lifecycle
):
    path, store = tmp_path / "map.toml", tmp_path / "leads.db"
    path.write_text(text)
    with pytest.raises(MappingError):
        Mapping.from_toml(path)
    result = lifecycle("import", "csv", store, SAMPLES / "calls.csv", "--map", path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"lifecycle: {path}: {expected}")
    assert len(result.stderr.splitlines()) == 1
    assert not store.exists()


def test_a_mapping_that_changes_its_mind_is_a_conflict(store, tmp_path):
    calls(store)
    path = tmp_path / "map.toml"
    path.write_text(CALLS.replace('trigger = "accept"', 'trigger = "update"'))
    found = imported(read_csv(SAMPLES / "calls.csv", Mapping.from_toml(path)), store)
    assert (found.outcomes["conflict"], found.outcomes["duplicate"]) == (1, 5)


def test_what_is_not_as_it_should_be_is_said_and_what_to_do(path, tmp_path, lifecycle):
    mapping = tmp_path / "map.toml"
    mapping.write_text(CALLS.replace('"Assigned to"', '"Given to"') + MAP.replace("New", "On hold"))
    result = lifecycle("import", "csv", path, SAMPLES / "calls.csv", "--map", mapping)
    assert result.exit_code == 0
    assert "columns that the mapping names, and the file has not: 'Given to'" in result.stderr
    mapping.write_text(CALLS.replace('trigger = "accept"', 'trigger = "update"'))
    result = lifecycle("import", "csv", path, SAMPLES / "calls.csv", "--map", mapping, "--json")
    assert result.exit_code == 1
    result = lifecycle("import", "csv", path, SAMPLES / "calls.csv")
    assert result.exit_code == 2
    assert "begin with `lifecycle import csv --show-map > map.toml`" in result.stderr


def test_a_value_with_an_asterisk_stands_for_anything_and_nothing_else_does():
    mapping = Mapping.loads(CALLS.replace('"Accepted"', '"Acc*[a]"'))
    assert mapping.trigger("Status", "Acc. by [a]", "") == "accept"
    assert mapping.trigger("Status", "Acc. by a", "") is None
    stars = Mapping.loads(CALLS.replace('"Accepted"', '"*a*a*a*a*a*a*a*a*a*b"'))
    assert stars.trigger("Status", "a" * 5000, "") is None
