"""The bench: its log is what it promises, all of it runs, and the page is what it found."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from lifecycle import LeadStore
from lifecycle.replay import replay

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "scripts" / "benchmarks"
PAGE = ROOT / "docs" / "benchmarks.md"

#: Every row of the table: what is measured, and against what.
ROWS = [
    ("replay into a new store", "the floor"),
    ("replay into a new store", "eventsourcing, a save an event"),
    ("replay into a new store", "eventsourcing, saves of 500"),
    ("size of the store", "bytes of the log"),
    ("replay into a new store", "itself on one core, without a second process"),
    ("rebuild: everything folded again", "eventsourcing, all aggregates rebuilt"),
    ("verify of a store", "its replay"),
    ("audit of a store", "its replay"),
    ("apply, one durable commit a message: p50", "a bare durable commit of the same bytes"),
    ("apply_group of 32, a message: p50", "a bare durable commit of the same bytes"),
    ("apply with 5,000 leads in the store: p50", "itself with 500 leads"),
    ("replay of 5,000 messages", "itself at 2,000 messages"),
    ("peak memory of replay, 2,000 messages", "96 MB"),
    ("peak memory of replay, 5,000 messages", "96 MB"),
    ("peak memory of replay, 5,000 messages", "itself at 2,000 messages"),
    ("replay of 8,000 messages, once", "itself at 2,000 messages"),
    ("conformance of a log, no store", "pm4py, the log as XES"),
    ("conformance of a log, no store", "pm4py, the log as CSV"),
    ("audit of a log, no store", "reading and decoding it twice"),
    ("`import lifecycle`", "`import sqlite_utils`"),
    ("`from lifecycle import LeadStore`", "`import sqlite_utils`"),
    ("`lifecycle --help`", "`sqlite-utils --help`"),
    ("machine: one trigger", "`transitions.Machine`, same rules"),
    ("requests to the service, 1 client", "itself, one commit a request"),
    ("requests to the service, 16 clients", "itself, one commit a request"),
    ("requests to the service, 64 clients", "itself, one commit a request"),
]
#: Against these nothing is measured where they are not installed.
PEERS = ("eventsourcing", "pm4py")


@pytest.fixture
def part(monkeypatch):
    """Return a module of the bench, by its name."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module


def test_the_same_seed_gives_the_same_bytes(part, tmp_path):
    generator = part("generator")
    once, again, longer = (tmp_path / name for name in ("once", "again", "longer"))
    generator.write_log(once, 300)
    generator.write_log(again, 300)
    generator.write_log(longer, 500)
    assert once.read_bytes() == again.read_bytes()
    assert longer.read_bytes().startswith(once.read_bytes())


def test_of_its_messages_as_many_are_refused_and_copied_as_it_promises(part, tmp_path):
    generator = part("generator")
    log = tmp_path / "log.jsonl"
    generator.write_log(log, 4_000)
    with LeadStore(tmp_path / "leads.db") as store:
        store.session().relax()
        found = replay(store, [log])
    assert found.read == 4_000
    assert found.refused / found.read == pytest.approx(generator.INVALID, abs=0.008)
    assert found.duplicate / found.read == pytest.approx(generator.DUPLICATE, abs=0.006)
    assert found.conflict == found.ignored == found.quarantined == 0
    assert log.stat().st_size / found.read == pytest.approx(1_500, rel=0.1)


def test_of_its_messages_as_many_come_late_as_it_promises(part):
    generator = part("generator")
    last, seen, late = {}, set(), 0
    messages = 60_000
    for message, _ in zip(generator.deliveries(), range(messages), strict=False):
        lead = message["data"]["object"]["identifier"]["salesforceid"]
        if message["id"] not in seen:
            late += message["time"] < last.get(lead, "")
            last[lead] = max(message["time"], last.get(lead, ""))
            seen.add(message["id"])
    assert late / messages == pytest.approx(generator.LATE, abs=0.006)
    assert messages / len(last) == pytest.approx(generator.EVENTS_PER_LEAD, rel=0.1)


def test_a_store_of_leads_can_be_made_with_more_messages_of_some(part, tmp_path):
    generator = part("generator")
    generator.write_leads(tmp_path / "firsts", 200, tmp_path / "seconds", 30)

    def leads(name):
        messages = map(orjson.loads, (tmp_path / name).read_bytes().splitlines())
        return [message["data"]["object"]["identifier"]["salesforceid"] for message in messages]

    assert len(leads("firsts")) == len(set(leads("firsts"))) == 200
    assert len(leads("seconds")) == 30
    assert set(leads("seconds")) < set(leads("firsts"))


def test_the_stages_of_the_profile_name_code_that_exists(part):
    stages = part("stages")
    for name, stage in stages._STAGE_OF.items():
        assert pkgutil.resolve_name(name)
        assert stage in (*stages.STAGES, None)


def test_the_stages_of_the_profile_are_explained(part):
    words = part("tomllib").loads((BENCHMARKS / "words.toml").read_text("utf-8"))
    assert tuple(words["stages"]) == part("stages").STAGES


@pytest.mark.usefixtures("uncovered")
def test_a_measure_runs_and_is_printed_as_a_row():
    command = [sys.executable, ROOT / "scripts" / "bench", "--here", "--quick", "--only", "trigger"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    rows = [_cells(line) for line in done.stdout.splitlines()]
    assert rows[0][:2] == ["measure", "against"]
    (row,) = rows[2:]
    assert tuple(row[:2]) in ROWS
    assert float(row[4].removesuffix(" x")) > 0


@pytest.mark.long
@pytest.mark.usefixtures("uncovered")
def test_every_measure_runs_and_is_in_the_table(tmp_path):
    page = tmp_path / "benchmarks.md"
    command = [sys.executable, ROOT / "scripts" / "bench", "--here", "--quick", "--out", page]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    _, _, text = page.read_text("utf-8").partition("## The measures")
    rows = [_cells(line) for line in text.partition("Ours and theirs")[0].splitlines()]
    measures = [cells for cells in rows if cells][2:]
    assert [(measure, against) for measure, against, *_ in measures] == ROWS
    for _, against, _, theirs, ratio, *_ in measures:
        if theirs == "not installed":
            assert against.startswith(PEERS)
        else:
            assert float(ratio.removesuffix(" x")) > 0


@pytest.mark.skipif(not PAGE.exists(), reason="nothing was measured yet")
def test_the_page_is_what_was_found_and_says_why_what_falls_short_does(part):
    found = part("result").Result.from_json((BENCHMARKS / "result.json").read_text("utf-8"))
    page = PAGE.read_text("utf-8")
    assert page == part("page").render(found), "scripts/bench --page writes it again"
    assert "not explained yet" not in page


def _cells(line):
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_a_cluster_of_one_hub_is_folded_in_pieces_and_whole(part, tmp_path):
    whole, pieces = part("backfill")._hubs(tmp_path, ((60, 60), (60, 7)))
    assert (whole["leads"], pieces["leads"]) == (12, 12)


def test_what_a_backfill_takes_is_told_by_size_and_planned_by_its_rates(part):
    backfill = part("backfill")
    sizes = {"memory_mb": 100, "log_bytes": 3e6, "kept_bytes": 1e6, "disk_bytes": 4e6}
    runs = [
        {"way": way, "messages": size, "seconds": size / 100, "stages": {"contents": 1.5}, **sizes}
        for size in (1000, 10_000)
        for way in ("replay", "spark", "load")
    ]
    measured = {"runs": runs}
    assert "| 10,000 | `lifecycle replay` | 100 s | 100 | 100 MB | 4 MB | 1 MB |" in (
        backfill.rows(measured)
    )
    assert backfill.growth(measured).count("10 times the messages take 10.0 times the time") == 3
    assert "| contents | 1.5 s | 1.5 s |" in backfill.stages(measured)
    first, *_ = backfill.plan(measured).splitlines()[2:]
    assert first == (
        "| 10,000,000 | 3.0 GB | 1.0 GB | 4.0 GB | 56 | 6.9 h on 8 cores | 27.8 h | 1.0 GB |"
    )
    measured["hubs"] = [
        {"events": events, "piece": 500, "leads": 100, "seconds": events / 100, "memory_mb": 40}
        for events in (500, 1000)
    ]
    assert backfill.hubs(measured).splitlines()[2:] == [
        "| 500 | 100 | whole | 5.0 s | 40 MB |",
        "| 1,000 | 100 | pieces of 500 | 10.0 s | 40 MB |",
    ]
    assert [backfill.hub_hours(measured, 10**power) for power in (4, 6)] == ["2 min", "2.8 h"]
    assert backfill.kept()["runs"]
