"""The steps that engines call, without an engine; and what is said where Spark is not installed."""

import json
import random
import sys
from collections import Counter
from importlib.util import find_spec

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import lead
from worlds import NOW, worlds

from lifecycle import Rules, decode, fold
from lifecycle.domain import DatasetDigest, dataset_digest, machine_for
from lifecycle.engine import (
    GIANT,
    ClusterRows,
    ContentEvent,
    contents_by_id,
    fold_clusters,
    message_rows,
    name_clusters,
)
from lifecycle.store import problems_text

RULES = Rules.default()


def rows_of(world):
    lines = (json.dumps(one).encode() for one in world)
    return [row for line in lines for row in message_rows(line, RULES.identity, NOW)]


def contents_of(world):
    events = [ContentEvent(*row[1:8]) for row in rows_of(world) if row.kind == "event"]
    events.sort(key=lambda one: (one.id, one.digest, one.time, one.body))
    return list(contents_by_id(events, RULES.identity))


@given(worlds, st.randoms(), st.integers(0, 4))
def test_the_steps_together_are_the_fold(world, chance, pieces):
    chance.shuffle(world)
    contents = contents_of(world)
    events = [one for one in contents if one.is_canonical]
    clusters = dict(name_clusters((one.keys[0], key) for one in events for key in one.keys))
    rows = sorted(
        (
            (clusters[one.keys[0]], *one[:4], one.merged or one.content, one.conflicts)
            for one in events
        ),
        key=lambda row: (row[0], row[4], row[3], row[1]),
    )
    giant = pieces or GIANT
    parts = list(fold_clusters(machine_for(RULES), rows, RULES.identity, size=3, giant=giant))
    expected = ClusterRows()
    expected.add(fold(RULES, [decode(one.body) for one in contents]))
    for table in ("leads", "history", "findings"):
        rows = [row for part in parts for row in getattr(part, table)]
        assert sorted(map(str, rows)) == sorted(map(str, getattr(expected, table)))
    verdicts = sum((part.verdicts for part in parts), Counter())
    assert verdicts == expected.verdicts


@given(worlds, st.integers(1, 4))
def test_digests_of_parts_add_up(world, parts):
    contents = contents_of(world)
    sums = DatasetDigest()
    for number in range(parts):
        part = DatasetDigest()
        for one in contents[number::parts]:
            part.add(one.id, one.digest, one.time)
        sums.join(DatasetDigest.from_bytes(part.to_bytes()))
    assert sums.hexdigest() == dataset_digest(decode(one.body) for one in contents)


def test_a_cluster_is_called_as_its_smallest_key():
    edges = [("b", "d"), ("c", "e"), ("a", "d"), ("f", "f")]
    random.Random(3).shuffle(edges)
    assert dict(name_clusters(edges)) == {
        "a": "a", "b": "a", "d": "a", "c": "c", "e": "c", "f": "f",
    }  # fmt: skip


def test_a_line_may_hold_several_messages_and_none():
    one, other = lead("add", "10:00"), lead("accept", "10:01")
    text = json.dumps(one) + json.dumps(other)
    assert [row.kind for row in message_rows(text.encode(), RULES.identity, NOW)] == ["event"] * 2
    assert list(message_rows(b" \r", RULES.identity, NOW)) == []


def test_a_store_an_audit_and_an_engine_set_the_same_aside(store, write_log, lifecycle):
    """A message without a name that is from the future, too, has one reason everywhere."""
    ahead = {"time": "2999-01-01T00:00:00Z"}
    messages = [
        lead("add", "10:00", keys="null") | ahead,
        lead("add", "10:00") | ahead,
        lead("add", "10:00", keys="null"),
        {"topic": "weather"},
        {"topic": "weather"},
        lead("add", "10:00"),
    ]
    rows = rows_of(messages)
    store.apply_many([json.dumps(one) for one in messages])
    kept = [store.quarantined(number) for number in store.quarantine_numbers()]
    aside = [row for row in rows if row.kind == "quarantined"]
    assert [(one.raw, problems_text(one.problems)) for one in kept] == [
        (row.body, row.problems) for row in aside
    ]
    assert [row.due_at is None for row in aside] == [False, False, True]
    log = write_log(messages)
    audits = [
        json.loads(lifecycle("audit", one, "--format", "json").stdout) for one in (log, store.path)
    ]
    codes = {"future_time": 2, "no_identity": 1}
    assert [one["quarantined"] for one in audits] == [codes, codes]
    assert (
        len({row.digest for row in rows if row.kind == "ignored"})
        == audits[0]["ignored"]["weather"]
    )


def test_without_the_extra_it_is_said_what_to_install(lifecycle, monkeypatch):
    for name in [one for one in sys.modules if one.startswith(("lifecycle.spark", "pyspark"))]:
        monkeypatch.delitem(sys.modules, name)
    import lifecycle as package  # noqa: PLC0415

    monkeypatch.delattr(package, "spark", raising=False)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    if not find_spec("pyarrow"):
        pytest.skip("needs pyarrow")
    result = lifecycle("spark", "audit", "out")
    assert result.exit_code == 2
    assert "Jobs on Spark need pyspark: pip install 'lead-lifecycle[spark]'" in result.output
