"""The fold on Spark says what a store says, however the work is cut."""

import gzip
import json
import os
import pickle
import random
import re
import shutil
from collections import Counter
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import LOGS
from hypothesis import Phase, given, settings
from letters import lead
from test_logs import EXPECTED
from worlds import NOW, worlds

from lifecycle import LeadStore, Rules
from lifecycle import audit as audit_logs
from lifecycle.auditing.report import report
from lifecycle.domain import DatasetDigest
from lifecycle.engine import name_clusters
from lifecycle.errors import ArgumentError, InputError
from lifecycle.exporting import TABLES, plain_rows
from lifecycle.replay import replay
from lifecycle.store import problems_text

pytestmark = [
    pytest.mark.skipif(not find_spec("pyspark"), reason="needs the extra spark"),
    pytest.mark.skipif(not shutil.which("java"), reason="needs a Java runtime"),
    pytest.mark.filterwarnings("ignore"),  # what Spark warns of is Spark's
    pytest.mark.xdist_group("spark"),  # one Java machine serves all of them
]

SAMPLE = Path(__file__).parents[1] / "docs" / "sample.jsonl"
LETTERS = Path(__file__).parent / "letters.py"
TABLES_WRITTEN = ("contents", "leads", "history", "findings", "quarantine", "ignored")
WORLDS = 120
#: Compiling, and planning anew, take longer than so few rows: half of the time went to it. The
#: tortures run jobs that plan anew.
SMALL = {
    "spark.sql.adaptive.enabled": "false",
    "spark.ui.enabled": "false",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "1g",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.shuffle.partitions": "2",
}
HUB = 120


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    from lifecycle.spark import open_session  # noqa: PLC0415 - an extra

    room = str(tmp_path_factory.mktemp("spark"))
    with pytest.MonkeyPatch.context() as patch:
        # Coverage would slow the workers down; what they do is called here, too.
        for name in [name for name in os.environ if "COVERAGE" in name]:
            patch.delenv(name)
        with open_session("local[2]", **SMALL, **{"spark.local.dir": room}) as session:
            yield session


def generated(count):
    """So many worlds, the same every time."""
    made = []

    @settings(max_examples=count, database=None, derandomize=True, phases=[Phase.generate])
    @given(worlds)
    def collect(world):
        made.append(world)

    collect()
    return made


def apart(value, number):
    """Return the world with this number, whose names are not those of others."""
    if isinstance(value, list):
        return [apart(one, number) for one in value]
    if not isinstance(value, dict):
        if isinstance(value, str) and value.startswith("{"):
            return json.dumps(apart(json.loads(value), number))
        return re.sub(r"^(urn:event:|[aB]$| A $)", rf"\g<1>{number}:", value) if value else value
    return {
        re.sub(r"^(\s*[aAB])(\s*)$", rf"\g<1>{number}\2", name): apart(one, number)
        if isinstance(one, (dict, list)) or name in ("id", "propertyID", "system", "Message")
        else one
        for name, one in value.items()
    }


def lines():
    """Many worlds, a hub, and what is odd, in no order."""
    worlds = generated(WORLDS)
    messages = [apart(one, number) for number, world in enumerate(worlds) for one in world]
    texts = [json.dumps(one).encode() for one in messages]
    for number in range(HUB):
        keys, contact = f"hub{number}", {"crmContactId": "everybody"}
        for action in ("add", "accept", "assign"):
            one = lead(action, f"10:{number % 60:02}", keys=keys, contact=contact)
            texts.append(json.dumps(one).encode())
    texts += random.Random(1).sample(texts, len(texts) // 10)
    other = lead("update", "11:00", keys="hub1")
    copies = [other, other | {"time": "2026-03-01T11:05:00Z"}]
    texts += [json.dumps(copies).encode(), b" ".join(json.dumps(one).encode() for one in copies)]
    ahead = lead("accept", "11:00", keys="hub1") | {"time": "2999-01-01T00:00:00Z"}
    topic = {"topic": "weather", "id": "w", "time": "2026-03-01T11:05:00Z", "data": {}}
    texts += [json.dumps(ahead).encode(), *[json.dumps(topic).encode()] * 3]
    texts += [
        b"{",
        b"\xff\xfe",
        b'{"topic": "lead#add"}',
        b"",
        b"  \r",
        b"null",
        b"[1, {]",
        b"\x1f",
    ]
    random.Random(2).shuffle(texts)
    return [text + b"\r" * (number % 7 == 0) for number, text in enumerate(texts)]


@pytest.fixture(scope="session")
def logs(tmp_path_factory):
    """Return the lines in a folder: in a log, in one that is packed, and in one further below."""
    room = tmp_path_factory.mktemp("logs")
    texts = lines()
    third = len(texts) // 3
    parts = [b"\n".join(texts[start : start + third]) + b"\n" for start in (0, third)]
    parts.append(b"\n".join(texts[2 * third :]))
    (room / "below").mkdir()
    (room / "one.jsonl").write_bytes(parts[0])
    (room / "two.jsonl.gz").write_bytes(gzip.compress(parts[1]))
    (room / "below" / "three.jsonl").write_bytes(parts[2])
    return room


@pytest.fixture(scope="session")
def replayed(logs, tmp_path_factory):
    """Return what a store says that replayed the logs."""
    path = tmp_path_factory.mktemp("replayed") / "leads.db"
    with LeadStore(path, clock=lambda: NOW) as store:
        summary = replay(store, sorted(one for one in logs.rglob("*") if one.is_file()))
        return {
            "counts": {name: getattr(summary, name) for name in COUNTS},
            "digest": store.digest(),
            **said_by(store),
        }


def said_by(store):
    """Leads, history and findings of a store, and what it set aside."""
    listing = store.listing()
    with store.snapshot():
        rows = [TABLES["history"].row(one)[:-3] for one in listing.history()]
        leads = [TABLES["leads"].row(one) for one in listing.leads()]
        quarantine = [store.quarantined(number) for number in store.quarantine_numbers()]
    return {
        "leads": as_text(TABLES["leads"], leads),
        "history": sorted(map(as_plain, rows)),
        "findings": Counter(
            (one.severity, one.code, one.lead_id, one.event_id, one.detail)
            for one in store.findings()
        ),
        "quarantine": sorted((one.raw, problems_text(one.problems)) for one in quarantine),
        "ignored": dict(store.evidence().ignored),
    }


COUNTS = (
    *("read", "applied", "refused", "noted", "duplicate", "conflict", "ignored", "quarantined"),
    "leads",
)


def as_plain(row):
    return str([one.isoformat() if isinstance(one, datetime) else one for one in row])


def as_text(table, rows):
    return sorted(json.dumps(row) for row in plain_rows(table, rows))


def written(folder):
    """Return what a job wrote, as ``replayed`` has it."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    tables = {
        name: pq.read_table(folder / name).to_pylist()
        for name in ("leads", "history", "findings", "quarantine", "ignored")
    }
    summary = json.loads((folder / "summary.json").read_text())
    rows = []
    for row in tables["history"]:
        del row["step"], row["holder"]
        if row["reason"] and row["verdict"] in ("no_edge", "guard", "contact_deleted"):
            row["reason"] = json.loads(row["reason"])
        rows.append(as_plain(row.values()))
    return {
        "counts": {name: summary[name] for name in COUNTS},
        "leads": as_text(TABLES["leads"], [tuple(row.values()) for row in tables["leads"]]),
        "history": sorted(rows),
        "findings": Counter(tuple(row.values()) for row in tables["findings"]),
        "quarantine": sorted((row["raw"], row["problems"]) for row in tables["quarantine"]),
        "ignored": {row["topic"]: row["messages"] for row in tables["ignored"]},
        "digest": summary["digest"],
    }


@pytest.fixture(scope="session")
def folded(spark, logs, tmp_path_factory):
    """Return the folder of a job over the logs."""
    from lifecycle.spark import fold  # noqa: PLC0415 - an extra

    out = tmp_path_factory.mktemp("folded") / "out"
    fold(spark, logs, out=out, now=NOW, partitions=3)
    return out


def check(folder, replayed):
    said = written(folder)
    for name, expected in replayed.items():
        assert said[name] == expected, name
    assert said["counts"]["read"] == sum(said["counts"][name] for name in COUNTS[1:-1])


def test_spark_says_what_a_store_says(folded, replayed):
    check(folded, replayed)


def test_clusters_that_are_found_in_rounds_are_the_same(spark, folded):
    from lifecycle.spark.components import clusters_of, edges_of  # noqa: PLC0415 - an extra

    contents = spark.read.parquet(str(folded / "contents")).where("is_canonical")
    edges = edges_of(contents).localCheckpoint()
    found = clusters_of(spark, edges, "rounds", lambda _, make: make().localCheckpoint())
    rounds = {row["key"]: row["cluster"] for row in found.collect()}
    rows = contents.select("keys", "cluster").collect()
    assert {row["cluster"] for row in rows} > set(rounds.values())
    for row in rows:
        for key in row["keys"]:
            assert rounds.get(key, key) == row["cluster"]


def test_what_workers_do_can_be_called_without_a_cluster(logs, replayed):
    """Arrow batches in and out, one after the other, as Spark hands them around."""
    import pyarrow as pa  # noqa: PLC0415 - an extra

    from lifecycle.exporting.parquet import schema_of  # noqa: PLC0415
    from lifecycle.spark import workers  # noqa: PLC0415

    plan = workers.Plan(Rules.default().to_toml(), NOW)

    def done(work, names, rows):
        arrays = {name: [row[name] for row in rows] for name in names}
        return [row for batch in work(iter([pa.record_batch(arrays)])) for row in batch.to_pylist()]

    packed = gzip.decompress((logs / "two.jsonl.gz").read_bytes())
    plain = [(logs / name).read_bytes() for name in ("one.jsonl", "below/three.jsonl")]
    texts = [line for part in (packed, *plain) for line in part.split(b"\n")]
    raw = [{"raw": line, "log": "a log"} for line in texts] + [{"raw": None, "log": None}]
    messages = done(workers.reading(plan), ("raw", "log"), raw)
    names = ("id", "digest", "trigger", "time", "content", "body", "keys")
    events = sorted(
        (row for row in messages if row["kind"] == "event"),
        key=lambda row: (row["id"], row["digest"], row["time"], row["body"]),
    )
    chosen = done(workers.choosing(plan), names, events)
    digest = DatasetDigest.from_bytes(
        done(workers.digesting, ("id", "digest", "time"), chosen)[0]["lanes"]
    )
    assert digest.hexdigest() == replayed["digest"]
    assert schema_of(workers.VERDICTS).names == ["applied", "refused", "noted"]
    events = [row for row in chosen if row["is_canonical"]]
    clusters = dict(name_clusters((row["keys"][0], key) for row in events for key in row["keys"]))
    for row in events:
        row["cluster"] = clusters[row["keys"][0]]
        row["content"] = row["merged"] or row["content"]
    events.sort(key=lambda row: (row["cluster"], row["time"], row["trigger"], row["id"]))
    names = ("cluster", "id", "digest", "trigger", "time", "content", "conflicts")
    folded = done(workers.folding(plan), names, events)
    leads = [tuple(row["leads"].values()) for row in folded if row["leads"]]
    assert as_text(TABLES["leads"], leads) == replayed["leads"]
    verdicts = Counter()
    for row in folded:
        verdicts.update(row["verdicts"] or {})
    assert verdicts == {name: replayed["counts"][name] for name in verdicts}
    (audited,) = done(workers.auditing(plan, "skip", (), (), 5), names, events)
    assert pickle.loads(audited["auditor"])  # noqa: S301 - our own


@pytest.mark.skipif(not LOGS.exists(), reason="the real logs are not here")
@pytest.mark.parametrize("rules", ["default", "base"])
def test_the_real_logs_come_out_as_computed(rules, spark, tmp_path):
    """Both in one job, as they share no name; the figures are those of their README, added up."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    from lifecycle.spark import fold  # noqa: PLC0415 - an extra

    logs = [LOGS / f"{log}.jsonl.gz" for log in ("olist_leads", "helpdesk")]
    own = Rules.from_toml(LOGS / "base.toml") if rules == "base" else None
    summary = fold(spark, logs, out=tmp_path / "out", rules=own, partitions=2)
    leads = pq.read_table(tmp_path / "out" / "leads").to_pylist()
    history = pq.read_table(tmp_path / "out" / "history").to_pylist()
    expected = [EXPECTED[log, rules] for log in ("olist_leads", "helpdesk")]
    assert summary.read == sum(one["read"] for one in expected)
    assert summary.leads == len(leads) == sum(one["leads"] for one in expected)
    assert sum(one["refusals"] == 0 for one in leads) == sum(one["clean"] for one in expected)
    refused = [one for one in history if one["verdict"] == "no_edge"]
    kinds = Counter(f"{one['trigger']} from {one['from']}" for one in refused)
    assert kinds == sum((Counter(one["kinds"]) for one in expected), Counter())
    assert len(refused) == summary.refused
    states = Counter(one["state"] for one in leads)
    assert states == sum((Counter(one["states"]) for one in expected), Counter())


def test_the_audit_of_a_job_is_that_of_the_logs(spark, logs, folded):
    from lifecycle.spark import audit  # noqa: PLC0415 - an extra

    files = sorted(one for one in logs.rglob("*") if one.is_file())
    asked = {"overdue": ["assigned>PT1M"], "top": 5}
    expected = report(audit_logs(*files, **asked), 5)
    assert report(audit(spark, folded, **asked), 5) == expected


def test_a_job_that_failed_goes_on_where_it_was(spark, tmp_path, monkeypatch):
    from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra

    from lifecycle.spark import fold, job  # noqa: PLC0415 - an extra

    def fail(*_):
        raise PySparkException(message="No space left on device")

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(job, "in_fold_order", fail)
        with pytest.raises(InputError, match=r"folded: .* the disk is full; .* goes on"):
            fold(spark, SAMPLE, out=out)
    before = stamps(out / "contents")
    summary = fold(spark, SAMPLE, out=out)
    assert stamps(out / "contents") == before
    assert fold(spark, SAMPLE, out=out) == summary
    assert sorted(one.name for one in out.iterdir() if not one.name.startswith(".")) == sorted(
        [*TABLES_WRITTEN, "job.json", "summary.json"]
    )
    with pytest.raises(InputError, match="another job was begun there"):
        fold(spark, [SAMPLE, LETTERS], out=out)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(InputError, match="it is there already"):
        fold(spark, SAMPLE, out=tmp_path / "other")


def stamps(folder):
    return {one.name: one.stat().st_mtime_ns for one in folder.iterdir()}


def test_the_commands_print_what_the_functions_say(spark, tmp_path, lifecycle):
    assert spark is not None
    rules, guards, out = tmp_path / "rules.toml", tmp_path / "our_guards.py", tmp_path / "out"
    rules.write_text(
        Rules.default().to_toml().replace('to = "accepted"', 'to = "accepted"\nguards = ["never"]')
    )
    guards.write_text(
        "from lifecycle import guard\n\n\n"
        "@guard('never')\ndef never(lead, event):\n    return 'never'\n"
    )
    job = ("spark", "fold", SAMPLE, "--out", out, "--rules", rules, "--guards", guards)
    result = lifecycle(*job, "--partitions", 1, "--json")
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert lifecycle("replay", tmp_path / "a.db", SAMPLE, "--rules", rules).exit_code == 0
    with LeadStore(tmp_path / "a.db") as store:
        assert summary["digest"] == store.digest()
        assert summary["refused"] == sum(lead.refusals for lead in store.leads())
    assert summary["refused"] > 10
    asked = ("--guards", guards, "--format", "json")
    there = lifecycle("spark", "audit", out, *asked)
    assert there.exit_code == 0, there.output
    here = lifecycle("audit", SAMPLE, "--rules", rules, "--format", "json")
    assert json.loads(there.stdout) == json.loads(here.stdout)


def test_what_is_wrong_is_said_in_a_sentence(spark, tmp_path, lifecycle, monkeypatch):
    out = tmp_path / "out"
    for arguments, status, words in [
        (["fold", tmp_path / "none", "--out", out], 3, "expected a log, a folder of logs"),
        (["fold", SAMPLE, "--out", out, "--guards", "nobodys"], 3, "nobodys: cannot be imported"),
        (["fold", SAMPLE, "--out", out, "--guards", "none.py"], 3, "none.py: no such file"),
        (["fold", SAMPLE, "--out", out, "--conf", "x"], 2, "expected NAME=VALUE"),
        (["audit", tmp_path], 3, "expected the folder of a finished"),
    ]:
        result = lifecycle("spark", *arguments)
        assert (result.exit_code, words in result.output) == (status, True), result.output
    from lifecycle.spark import fold, session  # noqa: PLC0415 - an extra

    with pytest.raises(ArgumentError, match="expected one of auto, driver, rounds"):
        fold(spark, SAMPLE, out=out, components="none")
    with pytest.raises(ArgumentError, match="at least 1 partition"):
        fold(spark, SAMPLE, out=out, partitions=0)
    with pytest.raises(InputError, match="with a column 'raw', got line"):
        fold(spark, spark.createDataFrame([("{}",)], "line string"), out=out)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"Spark needs a Java runtime.*JAVA_HOME .* has none"):
        session.check_java()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="none is on the PATH"):
        session.check_java()


def test_a_store_that_is_made_of_a_job_goes_on_as_one_that_replayed(
    folded, replayed, tmp_path, lifecycle
):
    path = tmp_path / "loaded.db"
    result = lifecycle("load", path, folded)
    assert result.exit_code == 0, result.output
    with LeadStore(path, clock=lambda: NOW, accept_clock=True) as store:
        assert store.digest() == replayed["digest"]
        assert result.stdout == f"head {store.verify().head}\n"
        assert said_by(store) == {name: replayed[name] for name in said_by(store)}
        late = lead("accept", "09:00", keys="hub1", id="urn:late")
        assert store.apply(late).kind == "applied"
        assert store.verify().sound
    (tmp_path / "changed").mkdir()
    for name in ("job.json", "summary.json"):
        text = (folded / name).read_text().replace(replayed["digest"], "0")
        (tmp_path / "changed" / name).write_text(text)
    for folder, words in (("changed", "do not give the digest"), (".", "job.json is missing")):
        result = lifecycle("load", tmp_path / "other.db", tmp_path / folder)
        assert (result.exit_code, words in result.output) == (3, True), result.output
        assert not (tmp_path / "other.db").exists()
