"""Datasette on a store: what it shows without a file of settings, and where its links lead."""

import html
import json
import re
import sqlite3
from contextlib import closing
from itertools import count
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from letters import ADA, BOB, ORG, lead, moment

from lifecycle import LeadStore, audit
from lifecycle.messages import as_micros, format_time

EVENT = "https://x.example/?a=1&b=2"
HOSTILE = "<b>&\"'?#x"


@pytest.fixture
def told(path):
    """Leads in three states; one of them with a correction and a refusal, one with an odd name."""
    seconds = count(as_micros(moment("11:00")), 1_000_000)
    with LeadStore(path, clock=lambda: next(seconds)) as store:
        store.apply(lead("accept", "10:03", agent=ADA))
        store.apply(lead("assign", "10:02", agent=ORG, recipient=ADA, id=EVENT))
        store.apply(lead("accept", "10:04", agent=BOB))
        store.apply(lead("add", "10:00", keys="2"))
        store.apply(lead("add", "10:00", keys="3"))
        store.apply(lead("reject", "10:00", keys=HOSTILE))
        yield store


@pytest.fixture
def get(told):
    """Fetch a page of Datasette by its command, in this process and without a server."""
    from datasette.cli import cli as datasette  # noqa: PLC0415 - it takes long to import

    def fetch(page, *options, database=told.path):
        done = CliRunner().invoke(datasette, [str(database), "--get", page, *options])
        assert done.exit_code == 0, done.output
        return done.stdout

    return fetch


def data(page):
    """Return the rows of a page in JSON."""
    found = json.loads(page)
    return [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]


def links(page, text):
    """Where the links with this text lead."""
    found = re.findall(r'<a href="([^"]*)">([^<]*)</a>', page)
    return {html.unescape(target) for target, words in found if html.unescape(words) == text}


def as_json(target):
    return target.replace("?", ".json?", 1)


def test_leads_are_counted_by_state(get, told):
    page = json.loads(get("/leads/lead_list.json?_facet=state"))
    counts = {one["value"]: one["count"] for one in page["facet_results"]["state"]["results"]}
    assert counts == told.states()


@pytest.mark.parametrize("lead_id", ["crmleadid:1", f"crmleadid:{HOSTILE}"])
def test_a_lead_leads_to_its_history_and_back(lead_id, get, told):
    (target,) = links(get("/leads/lead_list"), lead_id)
    rows = data(get(as_json(target)))
    assert {row["lead_id"] for row in rows} == {lead_id}
    shown = [(row["trigger"], row["to"], row["verdict"]) for row in rows]
    history = told.history(lead_id)
    assert shown == [(row.trigger, row.target, row.verdict) for row in history]
    (back,) = links(get(target), lead_id)
    assert [row["lead_id"] for row in data(get(as_json(back)))] == [lead_id]


def test_an_event_leads_to_its_message(get):
    (target,) = links(get("/leads/event_list"), EVENT)
    assert links(get("/leads/lead_history"), EVENT) == {target}
    (row,) = data(get(as_json(target)))
    assert json.loads(row["message"])["data"]["recipient"] == ADA


def test_the_first_page_shows_the_views_and_hides_the_tables(get, told):
    page = json.loads(get("/leads.json"))
    select = "SELECT name FROM sqlite_master WHERE type = 'view'"
    views = [name for (name,) in told._connection.execute(select)]
    assert sorted(one["name"] for one in page["views"]) == sorted(views)
    assert not [one["name"] for one in page["tables"] if not one["hidden"]]
    assert [one["name"] for one in page["queries"]] == [
        "contacts", "durations", "overdue", "feed", "refusals", "known_at", "message",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("view", "facets"),
    [
        ("lead_list", {"state"}),
        ("lead_history", {"trigger", "verdict"}),
        ("finding_list", {"severity", "code"}),
        ("event_list", {"trigger", "outcome"}),
    ],
)
def test_each_view_has_facets(view, facets, get):
    assert set(json.loads(get(f"/leads/{view}.json"))["facet_results"]) == facets


def test_durations_are_those_of_the_audit(get, told):
    expected = [
        (state, spread.count, spread.median and round(spread.median / 3.6e9, 2), still_open)
        for state, spread, still_open in audit(told).times.by_state()
    ]
    rows = data(get("/leads/durations.json"))
    assert [(row["state"], row["stays"], row["median"], row["open"]) for row in rows] == expected


def test_overdue_leads_are_those_of_the_audit(get, told):
    for now in ("", moment("10:30")):
        limits = {"overdue": ["sent>15 min"], "now": now or None}
        expected = [
            (one.stay.lead_id, format_time(one.since), round(one.micros / 3.6e9, 2))
            for one in audit(told, **limits).overdue
        ]
        rows = data(get(f"/leads/overdue.json?state=sent&hours=0.25&now={now}"))
        assert [(row["lead_id"], row["since"], row["hours"]) for row in rows] == expected
    assert len(expected) == 2


def test_leads_are_found_with_the_people_behind_them(get, told):
    person = {"object": {"name": "Joe Doe", "email": "joe@mail.example", "telephone": "+49 1"}}
    told.apply(lead("add", "10:30", keys="9", snapshot=person))
    (row,) = data(get("/leads/contacts.json?text=JOE"))
    assert (row["lead_id"], row["contact_name"]) == ("crmleadid:9", "Joe Doe")
    assert (row["contact_email"], row["contact_telephone"]) == ("joe@mail.example", "+49 1")
    assert len(data(get("/leads/contacts.json?text="))) == told.lead_count()


def test_the_feed_has_the_changes_of_the_library(get, told):
    changes = list(told.changes())
    rows = data(get("/leads/feed.json?after=0"))
    assert [(row["number"], row["kind"], row["lead_id"]) for row in rows] == [
        (one.number, one.kind, one.lead_id) for one in changes
    ]
    assert [(row["trigger"], row["to"], row["event_id"]) for row in rows] == [
        (one.entry.trigger, one.entry.target, one.entry.event_id) for one in changes
    ]
    last = changes[-3].number
    assert [row["number"] for row in data(get(f"/leads/feed.json?after={last}"))] == [
        one.number for one in changes[-2:]
    ]


def test_refusals_are_counted_by_state_and_trigger(get):
    (row,) = data(get("/leads/refusals.json"))
    assert (row["state"], row["trigger"], row["refusals"], row["leads"]) == (
        "accepted",
        "accept",
        1,
        1,
    )


def test_what_was_known_of_a_lead_at_a_moment(get, told):
    (correction,) = {as_micros(one.recorded_at) for one in told.history("crmleadid:1") if one.late}
    moments = (correction, correction - 1_000_000, as_micros(moment("10:00")))
    for micros, triggers in zip(moments, (["assign", "accept"], ["accept"], []), strict=True):
        time = quote(format_time(micros))
        rows = data(get(f"/leads/known_at.json?lead_id=crmleadid:1&moment={time}"))
        assert [row["trigger"] for row in rows] == triggers


def test_a_metadata_file_has_the_last_word(get, tmp_path):
    file = tmp_path / "metadata.json"
    own = {"tables": {"lead_list": {"facets": ["holder"], "title": "Ours"}}}
    file.write_text(json.dumps({"databases": {"leads": own}}))
    page = get("/leads/lead_list", "--metadata", str(file))
    assert "Ours" in page
    assert "Each lead in the state it is in" in page
    found = json.loads(get("/leads/lead_list.json", "--metadata", str(file)))
    assert set(found["facet_results"]) == {"holder"}


def test_another_programs_database_is_left_alone(get, tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE lead_list (lead_id TEXT)")
        connection.execute("INSERT INTO lead_list VALUES ('crmleadid:1')")
        connection.commit()
    assert not links(get("/other/lead_list", database=other), "crmleadid:1")
    page = json.loads(get("/other.json", database=other))
    assert [one["hidden"] for one in page["tables"]] == [False]
    assert page["queries"] == []
