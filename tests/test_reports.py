"""What people reported of systems like this one comes out as it should, in any order."""

import json
from pathlib import Path

import pytest
from test_cases import orders
from worlds import NOW

from lifecycle import LeadStore, Rules, decode, fold
from lifecycle.errors import MessageError

REPORTS = sorted((Path(__file__).parent / "reports").glob("*.json"))
READ = [path for path in REPORTS if "messages" in json.loads(path.read_text())]


@pytest.fixture(params=READ, ids=lambda path: path.stem)
def report(request):
    return json.loads(request.param.read_text())


def check(store, expect):
    leads = [lead for lead in store.leads() if lead.state != "new"]
    assert len(leads) == len(expect["leads"])
    assert {name: store.lead(name).state for name in expect["leads"]} == expect["leads"]
    codes = {entry.code for entry in store.findings()}
    assert codes.issuperset(expect.get("findings", ()))
    assert codes.isdisjoint(expect.get("no_findings", ()))
    assert store.verify().sound


def test_there_are_29_reports():
    assert len(REPORTS) == 29


def test_a_store_says_it_one_by_one_and_in_one_batch(report, tmp_path):
    for number, messages in enumerate(orders(report["messages"])):
        with LeadStore(tmp_path / f"{number}.db", clock=lambda: NOW) as store:
            for message in messages:
                store.apply(message)
            check(store, report["expect"])
        with LeadStore(tmp_path / f"{number}-batch.db", clock=lambda: NOW) as store:
            store.apply_many(messages)
            check(store, report["expect"])


def test_the_fold_says_it(report):
    for messages in orders(report["messages"]):
        events = []
        for message in messages:
            try:
                events.append(decode(message))
            except MessageError:
                assert report["expect"]["outcomes"]["quarantined"] == 1
        history = fold(Rules.default(), events)
        states = sorted(one.lead.state for one in history.leads if one.lead.state != "new")
        assert states == sorted(report["expect"]["leads"].values())


def test_the_command_line_says_it_and_counts_it(report, lifecycle, tmp_path, write_log):
    expect = report["expect"]
    for number, messages in enumerate(orders(report["messages"])):
        database = tmp_path / f"{number}.db"
        result = lifecycle("replay", database, write_log(messages), "--json")
        assert result.exit_code == 0, result.output
        counts = json.loads(result.stdout)
        wanted = expect.get("outcomes", {})
        assert {name: counts[name] for name in wanted} == wanted
        for name, state in expect["leads"].items():
            shown = lifecycle("show", database, name, "--format", "json")
            assert json.loads(shown.stdout)["state"] == state


def only(name):
    return json.loads((Path(__file__).parent / "reports" / f"{name}.json").read_text())["messages"]


def test_a_date_of_the_year_1_makes_no_step(store):
    store.apply_many(only("year_one"))
    rows = store.history("crmleadid:1")
    assert [(row.trigger, row.source, row.target) for row in rows] == [
        ("accept", "new", "accepted")
    ]
    assert store.lead("crmleadid:1").since_micros == decode(only("year_one")[0]).time


def test_a_contact_that_a_placeholder_names_deletes_nobody_else(store):
    store.apply_many(only("placeholder_contact_deleted"))
    assert [lead.contact_deleted_at for lead in store.leads()] == [None, None]
