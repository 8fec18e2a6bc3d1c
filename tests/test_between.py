"""Differences between two moments: they add up with the feed of changes."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, ORG, deletion, lead, moment
from worlds import NOW, worlds

from lifecycle import LeadStore
from lifecycle.cli import moments as cli_moments
from lifecycle.errors import ArgumentError

SECOND = 1_000_000


def micros(at):
    return int(at.timestamp() * SECOND + 0.5)


class Clock:
    def __init__(self):
        self.now = NOW

    def __call__(self):
        self.now += SECOND
        return self.now


def in_parts(messages, sizes):
    """Return a store that took messages in parts, and the times at which each was stored."""
    store, times, rest = LeadStore(":memory:", clock=Clock()), [NOW], list(messages)
    for size in sizes:
        store.apply_many(rest[:size])
        rest = rest[size:]
        times.append(store._connection.execute("SELECT recorded_at FROM store").fetchone()[0])
    store.apply_many(rest)
    times.append(NOW + 10**9)
    return store, times


def states(store, at):
    return {
        number: (one.state, str(one.holder) if one.holder else None)
        for number, one in known_at(store, at).items()
    }


def known_at(store, at):
    numbers = [n for (n,) in store._connection.execute("SELECT id FROM lead")]
    numbers += [n for (n,) in store._connection.execute("SELECT lead FROM former_lead")]
    with store.snapshot():
        return store._known(at).numbered(numbers)


SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@given(worlds, SIZES, st.data())
def test_a_difference_adds_up_with_the_changes(messages, sizes, data):
    store, times = in_parts(messages, sizes)
    start, end = sorted(data.draw(st.lists(st.sampled_from(times), min_size=2, max_size=2)))
    difference = store.difference(start, end)
    before, after = states(store, start), states(store, end)
    moved = {one.lead_no: one for one in difference.moved}
    expected = {n for n in {*before, *after} if before.get(n) != after.get(n)}
    assert set(moved) == expected
    for number, one in moved.items():
        assert (one.source, one.source_holder) == before.get(number, (None, None))
        assert (one.target, one.target_holder) == after.get(number, (None, None))
    # The feed: rows of before and what came and went in between make the rows of after.
    rows = {}
    for change in store.changes():
        entry = change.entry
        key = (entry.event_id, entry.step, change.lead_no, entry.recorded_at)
        made = entry.superseded_at if change.kind == "superseded" else entry.recorded_at
        rows.setdefault(key, []).append((micros(made), change.kind, entry))
    refused = {"start": 0, "end": 0, "changes": 0}
    for made in rows.values():
        for at, kind, entry in made:
            step = (1 if kind == "recorded" else -1) * entry.refused
            refused["start"] += step * (at <= start)
            refused["end"] += step * (at <= end)
            refused["changes"] += step * (start < at <= end)
    assert refused["start"] + refused["changes"] == refused["end"]
    # Findings: those of before, the new ones, without the settled ones, are those of after.
    known = [len(store.findings(as_known_at=at)) for at in (start, end)]
    assert known[0] + len(difference.found) - len(difference.settled) == known[1]
    invalid = [
        sum(one.code in ("invalid_transition", "after_contact_deleted") for one in some)
        for some in (difference.found, difference.settled)
    ]
    assert invalid[0] - invalid[1] == refused["changes"]
    changed = {(one.lead_no) for one in store.changes(since=start + 1) if one.kind != "erased"}
    touched = {n for n in expected if before.get(n, ("new",))[0] != after.get(n, ("new",))[0]}
    assert touched <= changed


@given(worlds, SIZES)
def test_differences_add_up_with_each_other(messages, sizes):
    store, times = in_parts(messages, sizes)
    for axis in ("as_known_at", "as_of"):
        if axis == "as_of":
            times = [store_time(minute) for minute in (0, 3, 6, 9)]
        known = {}
        for start, end in pairwise(times):
            for one in store.difference(start, end, axis=axis).moved:
                first = known.get(one.lead_no, (one.source, one.source_holder))[:2]
                known[one.lead_no] = (*first, one.target, one.target_holder)
        whole = store.difference(times[0], times[-1], axis=axis).moved
        assert {one.lead_no for one in whole} == {
            number for number, said in known.items() if said[:2] != said[2:]
        }


def store_time(minute):
    return 1_772_359_200 * SECOND + minute * 60 * SECOND


@pytest.fixture
def told(path):
    clock = Clock()
    with LeadStore(path, clock=clock) as store:
        store.apply(lead("add", "10:00", snapshot={"owner": ORG, "recipient": ADA}))
        store.apply(lead("reject", "10:01", agent=ADA))
        store.apply(lead("accept", "10:03", agent=ADA))
        store.apply(lead("update", "10:04", keys="2", contact={"c": "9"}))
        clock.now += 1000 * SECOND
        store.apply(lead("assign", "10:02", agent=ORG, recipient=ADA, id="urn:late"))
        store.apply(lead("assign", "10:05", keys="3", recipient=BOB))
        store.apply(deletion("10:06", {"c": "9"}))
        store.erase("contact:c:9")
        yield store


AFTER = NOW + 500 * SECOND


def test_a_verdict_that_changed_says_why(told):
    found = told.difference(AFTER, NOW + 10**10)
    (one,) = found.reversed
    assert (one.change.lead_id, one.change.trigger, one.change.became) == (
        *("crmleadid:1", "accept", "valid"),
    )
    assert one.why == "came later: assign of 2026-03-01T10:02:00Z (urn:late)"
    assert [(one.lead_id, one.source, one.target) for one in found.moved] == [
        ("crmleadid:1", "rejected", "accepted"),
        ("crmleadid:3", None, "assigned"),
    ]
    assert [one.code for one in found.settled if one.lead_id == "crmleadid:1"] == [
        "invalid_transition"
    ]
    assert found.erased == ("erased:2",)
    with pytest.raises(ArgumentError, match="expected one of as_known_at, as_of"):
        told.difference(0, 1, axis="sideways")


def test_the_command_shows_each_part(told, lifecycle):
    start = ("--from", str(cli_moments.local(AFTER)), "--to", "2031-01-01T00:00:00Z")
    result = lifecycle("diff", told.path, *start)
    text = " ".join(result.stdout.split())
    for words in (
        "leads that moved: 2",
        "crmleadid:1 rejected accepted",
        "verdicts that changed: 1",
        "came later: assign of",
        "new findings:",
        "settled findings: ",
        "erased 1 lead: erased:2",
    ):
        assert words in text
    said = json.loads(lifecycle("diff", told.path, *start, "--format", "json").stdout)
    assert list(said) == ["moved", "verdicts", "found", "settled", "erased"]
    happened = ("--from", moment("10:01"), "--to", moment("10:03"), "--axis", "as-of")
    said = json.loads(lifecycle("diff", told.path, *happened, "--format", "json").stdout)
    assert [(one["lead_id"], one["from"], one["to"]) for one in said["moved"]] == [
        ("crmleadid:1", "rejected", "accepted")
    ]
    future = "2050-01-01T00:00:00Z"
    nothing = lifecycle("diff", told.path, "--from", future, "--to", future)
    assert (nothing.stdout, nothing.stderr) == ("", "nothing differs\n")
    assert lifecycle("diff", told.path).exit_code == 2


@pytest.mark.parametrize("axis", ["as_known_at", "as_of"])
def test_a_difference_backwards_is_refused(axis, told, lifecycle):
    with pytest.raises(
        ArgumentError, match=r"the earlier moment first, got .* and then 1970-01-01"
    ):
        told.difference(NOW, 0, axis=axis)
    more = ("--axis", axis.replace("_", "-"), "--from", "2050-01-01T00:00:00Z")
    for later, words in {
        ("--to", "2049-01-01T00:00:00Z"): "--to 2049-01-01T00:00:00Z",
        (): "now",
    }.items():
        result = lifecycle("diff", told.path, *more, *later)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"--from 2050-01-01T00:00:00Z is later than {words}" in result.stderr


def test_changes_are_filtered(told, lifecycle, monkeypatch):
    def changed(*arguments):
        result = lifecycle("changes", told.path, "--format", "jsonl", *arguments)
        return [json.loads(line) for line in result.stdout.splitlines()]

    every = changed()
    monkeypatch.setattr(cli_moments, "now", lambda: AFTER + 2 * SECOND)
    late = changed("--since", "1s")
    assert late == every[-len(late) :]
    assert {one["kind"] for one in late} == {"recorded", "superseded", "erased"}
    assert [one["change"] for one in every] == sorted(one["change"] for one in every)
    assert changed("--lead", "CRMleadid:3") == [one for one in every if one["lead_no"] == 3]
    assert changed("--state", "assigned") == [one for one in every if one["to"] == "assigned"]
    assert changed("--since", "2050-01-01T00:00:00Z") == []
    assert "did you mean crmleadid:3" in lifecycle("changes", told.path, "--lead", "3").stderr
