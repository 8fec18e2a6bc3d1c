"""Lists of leads: one declaration of filters and orders, in SQL and of a lead in memory alike."""

import json
import sys
import zipfile
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest
from changes import change
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, FEED, ORG, lead, moment
from worlds import NOW, worlds

from lifecycle import LeadReader, LeadStore
from lifecycle.cli import moments
from lifecycle.domain import STATES
from lifecycle.errors import ArgumentError
from lifecycle.exporting import sheet
from lifecycle.messages import as_micros
from lifecycle.store import FILTERS, SORTS, LeadFilter
from lifecycle.store.query.filters import in_order

TEXTS = st.sampled_from(["", "1", "Joe", "PORTAL", "portal", "portal.example", "7", "é", "x"])
MOMENTS = st.integers(0, 9).map(lambda minute: as_micros(f"2026-03-01T10:0{minute}:00Z"))
ASKED = st.builds(
    LeadFilter,
    state=st.none() | st.sampled_from(STATES),
    holder=st.none() | st.sampled_from(["https://a.example", "A.example", "ada", "Ada", "", "x"]),
    owner=st.none() | st.sampled_from(["https://a.example", "a.example", "ada", "x"]),
    since=st.none() | MOMENTS,
    text=st.none() | TEXTS,
    source=st.none() | TEXTS,
    system=st.none() | st.sampled_from(["Salesforce", "acme", "x"]),
    field=st.none()
    | st.tuples(
        st.sampled_from(["Status", "salesforce.status", "acme.owner", "x"]),
        st.sampled_from(["working", "UNQUALIFIED", "B", ""]),
    ),
    until=st.none() | MOMENTS,
)


@given(worlds, ASKED, st.sampled_from([*SORTS, *(f"-{one}" for one in SORTS)]))
def test_a_filter_and_an_order_say_in_sql_what_they_say_of_a_lead(messages, asked, sort):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply_many(messages)
        every = list(store.leads())
        expected = in_order(filter(asked.matches, every), sort)
        assert list(store.leads(asked=asked, sort=sort)) == expected
        assert store.listing().count(asked) == len(expected)
        page = store.listing().pages().leads(None, 1000, asked)
        assert sorted(one.lead_id for _, one in page) == sorted(one.lead_id for one in expected)


@given(worlds)
def test_a_lead_says_when_it_last_came_into_each_state(messages):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply_many(messages)
        for one in store.leads():
            assert one.reached.get(one.state) == one.since_micros
            history = store.history(one.lead_id) if one.keys[0].kind == "lead" else []
            moves = [row for row in history if not row.refused]
            if history:
                assert one.reached == {row.target: row.at_micros for row in moves}
                assert one.reason == (moves[-1].reason if moves else None)


@pytest.fixture
def told(path):
    with LeadStore(path, clock=lambda: NOW) as store:
        for number, source in enumerate(["Portal", "portal", "Fair", None], 1):
            snapshot = {"owner": ORG, "sender": FEED, "leadSource": source, "recipient": ADA}
            store.apply(lead("add", f"10:0{number}", keys=str(number), snapshot=snapshot))
        store.apply(lead("assign", "10:10", keys="1", agent=ORG, recipient=BOB))
        store.apply(lead("reject", "10:20", keys="2", agent=ADA, reason="=cmd|' /C calc'!A0"))
        store.apply(change("Status", 5, "Working - Contacted", lead={"crmLeadId": "3"}))
    return path


def listed(lifecycle, path, *arguments):
    result = lifecycle("leads", path, "--format", "jsonl", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line)["lead_id"][-1] for line in result.stdout.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "leads"),
    [
        (["--source", "PORTAL"], "12"),
        (["--holder", "bob.example.com"], "1"),
        (["--owner", ORG, "--state", "sent"], "4"),
        (["--system", "Salesforce"], "3"),
        (["--field", "status=working_-_contacted"], "3"),
        (["--field", "salesforce.Status=New"], ""),
        (["--since", moment("10:10"), "--source", "portal"], "12"),
        (["--older-than", "1d", "--limit", "2"], "12"),
        (["--sort", "-since", "--limit", "1"], "3"),
        (["--sort", "source", "--source", "portal"], "12"),
        (["--as-of", moment("10:15"), "--holder", "bob.example.com"], "1"),
        (["--as-of", moment("10:05"), "--sort", "-since"], "4321"),
    ],
)
def test_leads_are_filtered_and_sorted(told, lifecycle, monkeypatch, arguments, leads):
    monkeypatch.setattr(moments, "now", lambda: NOW)
    assert "".join(listed(lifecycle, told, *arguments)) == leads


def test_wrong_filters_are_one_sentence(told, lifecycle):
    for option, value, words in (
        ("--sort", "age", "expected one of lead_id, state"),
        ("--field", "status", "expected NAME=VALUE"),
        ("--older-than", "soon", "expected a time span such as 3d"),
        ("--since", "soonish", "expected a time such as"),
        ("--zone", "Nowhere/Land", "no time zone 'Nowhere/Land'"),
    ):
        result = lifecycle("leads", told, option, value)
        assert result.exit_code == 2
        assert words in " ".join(result.stderr.replace("│", " ").split())
    with pytest.raises(ArgumentError, match="to sort by"), LeadReader(told) as store:
        store.leads(sort="age")
    with pytest.raises(ArgumentError, match="expected one of"):
        LeadFilter(state="asleep")


def test_every_filter_is_an_attribute_and_an_option(lifecycle):
    text = lifecycle("leads", "--help").output
    for one in FILTERS:
        assert hasattr(LeadFilter(), one.attribute)
        assert f"--{one.name.replace('_', '-')} " in text
        assert f"--{one.name.replace('_', '-')} " in lifecycle("export", "--help").output


# --- times --------------------------------------------------------------------------------------


def test_the_zone_of_a_time_without_one_is_said_and_can_be_chosen(told, lifecycle, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    moments.clock.tzset()
    try:
        local = lifecycle("leads", told, "--as-of", "2026-03-01 05:03", "--format", "jsonl")
        assert "'2026-03-01 05:03' is taken as EST" in local.stderr.replace("EDT", "EST")
        assert len(local.stdout.splitlines()) == 3
    finally:
        monkeypatch.undo()
        moments.clock.tzset()
    chosen = ("--as-of", "2026-03-01 11:03", "--zone", "Europe/Berlin")
    result = lifecycle("leads", told, *chosen, "--format", "jsonl")
    assert result.stderr == (
        "'2026-03-01 11:03' is taken as Europe/Berlin; --zone or LIFECYCLE_ZONE names another\n"
    )
    assert len(result.stdout.splitlines()) == 3
    monkeypatch.setenv("LIFECYCLE_ZONE", "UTC")
    result = lifecycle("leads", told, "--as-of", "2026-03-01T10:03", "--format", "jsonl")
    assert "is taken as UTC;" in result.stderr
    assert len(result.stdout.splitlines()) == 3
    assert lifecycle("leads", told, "--as-of", moment("10:03")).stderr == ""


def test_times_are_said_as_people_say_them(monkeypatch):
    monkeypatch.setattr(moments, "now", lambda: as_micros("2026-03-10T15:30:00Z"))
    monkeypatch.setenv("LIFECYCLE_ZONE", "Europe/Berlin")
    for text, said in (
        ("now", "2026-03-10T15:30:00Z"),
        ("today", "2026-03-09T23:00:00Z"),
        ("Yesterday", "2026-03-08T23:00:00Z"),
        ("7d", "2026-03-03T15:30:00Z"),
        ("2 hours ago", "2026-03-10T13:30:00Z"),
        ("90 min", "2026-03-10T14:00:00Z"),
        ("2026-07-01", "2026-06-30T22:00:00Z"),
        ("2026-07-01T00:00:00+00", "2026-07-01T00:00:00Z"),
    ):
        assert moments.moment_of(text) == as_micros(said), text
    with pytest.raises(ArgumentError):
        moments.moment_of("9999-12-32")
    with pytest.raises(ArgumentError, match="within the years"):
        moments.moment_of("0001-01-01T00:00:00")


# --- files --------------------------------------------------------------------------------------


def test_a_file_is_written_as_its_ending_says(told, tmp_path, lifecycle):
    begins = {
        "csv": b"lead_id,state",
        "tsv": b"lead_id\tstate",
        "json": b"[\n  {",
        "jsonl": b'{"lead_id"',
        "parquet": b"PAR1",
        "xlsx": b"PK",
    }
    for ending, head in begins.items():
        file = tmp_path / f"leads.{ending.upper()}"
        assert lifecycle("export", told, "leads", "-o", file).exit_code == 0
        assert file.read_bytes().startswith(head)
    for name in ("leads.xls", "leads", "leads.csv.gz"):
        result = lifecycle("export", told, "leads", "-o", tmp_path / name)
        assert result.exit_code == 2
        assert "no format is known by this ending" in result.stderr
        assert not (tmp_path / name).exists()
    assert (
        lifecycle("export", told, "leads", "-o", tmp_path / "a", "--format", "csv").exit_code == 0
    )


def test_json_is_one_array_and_filters_hold_for_every_table(told, lifecycle):
    for which in ("leads", "history", "events"):
        result = lifecycle("export", told, which, "--format", "json", "--source", "portal")
        rows = json.loads(result.stdout)
        assert {row["lead_id"] for row in rows} == {"crmleadid:1", "crmleadid:2"}
    nothing = lifecycle("export", told, "leads", "--format", "json", "--source", "nobody")
    assert json.loads(nothing.stdout) == []
    limited = lifecycle(
        "export", told, "leads", "--format", "json", "--limit", "1", "--sort", "-since"
    )
    assert [row["lead_id"] for row in json.loads(limited.stdout)] == ["crmleadid:3"]
    assert lifecycle("export", told).exit_code == 2
    assert lifecycle("export", told, "events", "--sort", "since").exit_code == 2


def test_history_with_superseded_rows_can_be_filtered(told, lifecycle):
    rows = lifecycle("export", told, "history", "--all", "--state", "rejected", "--format", "json")
    assert {row["lead_id"] for row in json.loads(rows.stdout)} == {"crmleadid:2"}


def test_excel_gets_a_mark_local_times_and_no_formula(told, tmp_path, lifecycle):
    file = tmp_path / "leads.csv"
    result = lifecycle(
        *("export", told, "leads", "-o", file, "--excel", "--zone", "Europe/Berlin"),
        *("--state", "rejected"),
    )
    assert "times are in Europe/Berlin" in result.stderr
    text = file.read_bytes().decode("utf-8")
    assert text.startswith("\ufefflead_id,")
    assert "2026-03-01 11:20:00" in text
    assert "'=cmd|" in text
    assert text.endswith("\r\n")
    assert lifecycle("export", told, "leads", "--excel", "--format", "json").exit_code == 2


def test_a_workbook_has_types_and_no_formula(told, tmp_path, lifecycle):
    file = tmp_path / "leads.xlsx"
    assert lifecycle("export", told, "leads", "-o", file, "--zone", "Europe/Berlin").exit_code == 0
    table = openpyxl.load_workbook(file)["leads"]
    head, *rows = [[cell.value for cell in row] for row in table.iter_rows()]
    rejected = dict(zip(head, rows[1], strict=True))
    assert rejected["rejected_at"] == datetime(2026, 3, 1, 11, 20)  # noqa: DTZ001 - Excel's own
    assert rejected["reason"] == "=cmd|' /C calc'!A0"
    assert (rejected["source"], rejected["events"], rejected["holder"]) == ("portal", 2, ORG)
    with zipfile.ZipFile(file) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


def test_a_workbook_says_what_it_cuts_and_what_it_cannot_hold(
    told, tmp_path, lifecycle, monkeypatch
):
    monkeypatch.setattr(sheet, "MOST_CHARACTERS", 20)
    file = tmp_path / "events.xlsx"
    result = lifecycle("export", told, "events", "-o", file)
    assert "more text than Excel holds, and was cut" in result.stderr
    monkeypatch.setattr(sheet, "MOST_ROWS", 2)
    result = lifecycle("export", told, "events", "-o", tmp_path / "more.xlsx")
    assert result.exit_code == 2
    assert "a sheet of Excel holds 2 rows" in result.stderr
    assert not (tmp_path / "more.xlsx").exists()


def test_a_missing_library_of_workbooks_is_one_sentence(told, tmp_path, lifecycle, monkeypatch):
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    monkeypatch.delitem(sys.modules, "lifecycle.exporting.sheet")
    result = lifecycle("export", told, "leads", "-o", tmp_path / "leads.xlsx")
    assert "Excel workbooks need XlsxWriter: pip install 'lead-lifecycle[xlsx]'" in result.stderr


def test_the_times_of_a_lead_are_aware():
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
        one = store.lead("crmleadid:1")
        assert one.sent_at == datetime(2026, 3, 1, 10, tzinfo=UTC)
        assert one.sent_at.utcoffset() == timedelta(0)
        later = (one.received_at, one.assigned_at, one.accepted_at, one.rejected_at)
        assert (*later, one.retracted_at) == (None,) * 5
