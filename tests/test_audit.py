"""The audit: what was not allowed, in a store and in logs; the same messages, the same audit."""

import csv
import hashlib
import io
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from conftest import LOGS
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, ORG, deletion, lead, moment
from worlds import NOW, copy_of, decodable, worlds

import lifecycle
from lifecycle import ArgumentError, LeadReader, LeadStore, Rules, fold
from lifecycle.auditing import processes
from lifecycle.auditing.overdue import Limit
from lifecycle.auditing.report import LISTS, VERDICTS, report
from lifecycle.auditing.stays import Spread
from lifecycle.auditing.tallies import BY

STRICT = """
name = "strict"
[[edge]]
trigger = "send"
from = ["new"]
to = "sent"
[[edge]]
trigger = "assign"
from = ["sent"]
to = "assigned"
[[edge]]
trigger = "accept"
from = ["assigned"]
to = "accepted"
"""
TOP_LEVEL = {
    "rules", "leads", "conforming", "events", "applied", "refused", "noted", "trace_fitness",
    "event_fitness", "refused_by", "repair", "variants", "findings", "digest",
}  # fmt: skip


@pytest.fixture
def rules_file(tmp_path):
    file = tmp_path / "strict.toml"
    file.write_text(STRICT)
    return file


@pytest.fixture
def log(write_log):
    """Two leads that conform, and two that do not."""
    return write_log(
        [
            lead("add", "10:00", keys="1", agent=ORG, recipient=ADA),
            lead("assign", "10:10", keys="1", agent=ORG, recipient=ADA),
            lead("accept", "10:15", keys="1", agent=ADA),
            lead("add", "10:00", keys="2"),
            lead("assign", "10:10", keys="2", agent=ORG, recipient=BOB),
            lead("add", "10:00", keys="3"),
            lead("reject", "10:20", keys="3", agent=ADA),
            lead("accept", "10:21", keys="3", agent=BOB, id="urn:accept"),
            lead("accept", "10:22", keys="3", agent=BOB),
            lead("accept", "11:00", keys="4"),
            lead("accept", "11:01", keys="4"),
            lead("update", "11:02", keys="4"),
            {"topic": "website#visit", "data": {}},
            "{broken",
        ]
    )


def audited(lifecycle, *arguments):
    """Return the report as data, whatever the exit status."""
    return json.loads(lifecycle("audit", *arguments, "--format", "json").stdout)


# --- totals ---------------------------------------------------------------------------------------


def test_totals_are_as_the_docs_define_them(log, lifecycle):
    found = audited(lifecycle, log)
    assert set(found) >= TOP_LEVEL
    assert {name: found[name] for name in ("leads", "conforming", "trace_fitness")} == {
        "leads": 4,
        "conforming": 2,
        "trace_fitness": 0.5,
    }
    assert {name: found[name] for name in ("events", "applied", "refused", "noted")} == {
        "events": 12,
        "applied": 8,
        "refused": 3,
        "noted": 1,
    }
    assert found["event_fitness"] == 0.75
    assert found["ignored"] == {"website#visit": 1}
    assert found["quarantined"] == {"not_json": 1}
    assert found["rules"] == {"name": "default", "digest": Rules.default().digest}


def test_an_audit_of_nothing_has_no_fitness(write_log, lifecycle):
    found = audited(lifecycle, write_log([]))
    assert (found["leads"], found["trace_fitness"], found["event_fitness"]) == (0, None, None)
    assert lifecycle("audit", write_log([])).exit_code == 0


def test_refusals_are_counted_by_state_and_trigger_and_as_first_deviations(log, lifecycle):
    assert audited(lifecycle, log)["refused_by"] == [
        {"state": "rejected", "trigger": "accept", "events": 2, "leads": 1, "first": 1},
        {"state": "accepted", "trigger": "accept", "events": 1, "leads": 1, "first": 1},
    ]


def test_every_deviation_says_which_message_it_is_and_where_it_stood(log, lifecycle):
    result = lifecycle("audit", log, "--format", "jsonl")
    first, *_ = rows = [json.loads(row) for row in result.stdout.splitlines()]
    assert len(rows) == 3
    assert first == {
        "lead_id": "crmleadid:3",
        "event_id": "urn:accept",
        "source": str(log),
        "line": 8,
        "at": moment("10:21"),
        "state": "rejected",
        "trigger": "accept",
        "by": BOB,
        "first": True,
        "reason": {"kind": "no_edge", "allowed": ["send", "assign", "update"]},
    }


def test_variants_say_where_they_first_deviate_and_how_many_are_left_out(log, lifecycle):
    found = audited(lifecycle, log, "--top", 2)
    assert found["variants"] == [
        {
            "triggers": ["send", "assign", "accept"],
            "leads": 1,
            "conforming": True,
            "deviates_at": None,
            "example": "crmleadid:1",
        },
        {
            "triggers": ["send", "assign"],
            "leads": 1,
            "conforming": True,
            "deviates_at": None,
            "example": "crmleadid:2",
        },
    ]
    assert found["other_variants"] == {"variants": 2, "leads": 2}
    (third,) = [
        one for one in audited(lifecycle, log)["variants"] if one["example"] == "crmleadid:3"
    ]
    assert (third["triggers"], third["deviates_at"]) == (["send", "reject", "accept", "accept"], 2)


def test_repairs_are_grouped_and_marked_as_proposals(log, lifecycle):
    repair = audited(lifecycle, log)["repair"]
    assert (repair["proposal"], repair["cost"], repair["leads"]) == (True, 3, 2)
    assert repair["groups"][0] == {
        "edit": "insert",
        "trigger": "assign",
        "state": "accepted",
        "before": "accept",
        "edits": 2,
        "leads": 2,
    }
    rows = lifecycle("audit", log, "--list", "repairs", "--format", "jsonl").stdout.splitlines()
    assert [json.loads(row)["proposal"] for row in rows] == [
        "insert assign in rejected, before accept",
        "insert assign in accepted, before accept",
        "insert assign in accepted, before accept",
    ]


# --- the same messages, the same audit ------------------------------------------------------------


def whole(audit):
    """All that an audit says but where the messages stood, and how many copies were no event."""
    lists = {
        name: list(listed(audit)) for name, (listed, *_) in LISTS.items() if name != "deviations"
    }
    lists["deviations"] = [one.as_dict() for one in audit.deviations]
    said = {**report(audit, 1000), **lists}
    del said["ignored"], said["quarantined"]
    return json.dumps(said, sort_keys=True)


def write(folder, name, messages):
    file = Path(folder) / name
    file.write_text("".join(json.dumps(one) + "\n" for one in messages))
    return file


STRICT_RULES = Rules.loads(STRICT)
LIMITS = ("assigned>PT1M", "sent>PT2M")


@given(worlds, st.randoms(use_true_random=False))
def test_stores_and_logs_in_any_order_with_any_copies_give_the_same_audit(world, chance):
    arrivals = [*world, *(copy_of(one) for one in world[::2])]
    chance.shuffle(arrivals)
    options = {"against": STRICT_RULES, "overdue": LIMITS, "by": BY}
    with tempfile.TemporaryDirectory() as folder:
        plain = lifecycle.audit(write(folder, "plain.jsonl", world), **options)
        first, second = arrivals[: len(arrivals) // 2], arrivals[len(arrivals) // 2 :]
        logs = [write(folder, "a.jsonl", first), write(folder, "b.jsonl", second)]
        assert whole(lifecycle.audit(*logs, **options)) == whole(plain)
        with LeadStore(Path(folder) / "leads.db", clock=lambda: NOW) as store:
            for one in arrivals:
                store.apply(one)
            assert whole(lifecycle.audit(store, **options)) == whole(plain)


@given(worlds)
def test_an_audit_says_what_the_fold_says(world):
    history = fold(Rules.default(), decodable(world))
    with tempfile.TemporaryDirectory() as folder:
        audit = lifecycle.audit(write(folder, "log.jsonl", world))
    leads = [one.lead for one in history.leads]
    verdicts = Counter(fate.verdict for fate in history.fates.values())
    assert (audit.leads, audit.states) == (len(leads), Counter(one.state for one in leads))
    assert audit.conforming == sum(one.refusals == 0 for one in leads)
    assert (audit.applied, audit.refused, audit.noted) == tuple(
        verdicts[one] for one in ("applied", "refused", "noted")
    )
    assert audit.events == len(history.fates) == audit.applied + audit.refused + audit.noted
    findings = [found for one in history.leads for found in one.findings] + [*history.findings]
    assert Counter(one.code for one in audit.findings) == Counter(one.code for one in findings)
    assert {one.lead_id for one in audit.repairs} == {one.lead_id for one in leads if one.refusals}
    assert sum(one.edits for one in audit.groups) == audit.repair_cost <= audit.refused


@given(worlds)
def test_every_convention_judges_the_first_deviation_alike(world):
    with tempfile.TemporaryDirectory() as folder:
        file = write(folder, "log.jsonl", world)
        skip, force, stop = (
            lifecycle.audit(file, rules=STRICT_RULES, on_invalid=one)
            for one in ("skip", "force", "stop")
        )
    named = {one.lead_id for one in skip.deviations}
    assert len(stop.deviations) == len({one.lead_id for one in stop.deviations})
    for other in (force, stop):
        assert other.events == other.applied + other.refused + other.noted + other.unjudged
        assert other.repair_cost == skip.repair_cost
    # An event that names no lead key is bound by what is legal, which other states change.
    if all(one.lead_keys for one in decodable(world) if one.trigger != "delete"):
        assert {one.lead_id for one in stop.deviations} == named


def test_the_digest_is_that_of_the_set_of_messages(write_log):
    one, two = lead("add", "10:00"), lead("accept", "10:01")
    both = lifecycle.audit(write_log([one, two])).digest
    assert lifecycle.audit(write_log([two, copy_of(one), one])).digest == both
    assert lifecycle.audit(write_log([one])).digest != both
    changed = two | {"time": moment("10:02")}
    assert lifecycle.audit(write_log([one, changed])).digest != both
    assert len({lifecycle.audit(write_log([one, two, changed])).digest, both}) == 2


def test_ignored_and_quarantined_messages_of_a_log_count_once(write_log):
    visit, broken = {"topic": "website#visit", "data": {}}, lead("add", "10:00") | {"data": 5}
    future = lead("add", "10:00") | {"time": "2999-01-01T00:00:00Z"}
    audit = lifecycle.audit(write_log([visit, visit, broken, broken, future, future]))
    assert (audit.ignored, audit.events) == ({"website#visit": 1}, 0)
    assert audit.quarantined == {"invalid": 1, "future_time": 1}


# --- in two processes -----------------------------------------------------------------------------


@pytest.fixture
def in_two(monkeypatch):
    """Let stores of two clusters be audited in two processes; what each of them got back."""
    got = []
    find = processes._found

    def found(process):
        got.append(find(process))
        return got[-1]

    monkeypatch.setattr(processes, "WORTH_IT", 2)
    monkeypatch.setattr(processes, "_found", found)
    return got


def test_a_large_store_is_audited_in_two_processes_and_the_audit_is_the_same(path, log, in_two):
    with LeadStore(path) as store:
        store.apply_many(log.read_text().splitlines())
    options = {"by": BY, "overdue": ["assigned>1s", "sent>PT1M"]}
    halved = whole(lifecycle.audit(path, **options))
    (other,) = in_two
    assert other is not None
    assert halved == whole(lifecycle.audit(log, **options))


@pytest.mark.parametrize("broken", ["executable", "version"])
def test_a_half_that_does_not_come_back_is_audited_here(broken, path, log, in_two, monkeypatch):
    with LeadStore(path) as store:
        store.apply_many(log.read_text().splitlines())
    if broken == "executable":
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
    else:
        # Somebody wrote since: the other process sees another store.
        make = processes._values
        monkeypatch.setattr(processes, "_values", lambda half: make(half) | {"version": "0 0:0"})
    assert whole(lifecycle.audit(path, by=BY)) == whole(lifecycle.audit(log, by=BY))
    assert in_two in ([], [None])


# --- read-only, what if ---------------------------------------------------------------------------


@pytest.fixture
def filled(path, log):
    with LeadStore(path) as store:
        for line in log.read_text().splitlines():
            store.apply(line)
    return path


def test_other_rules_are_tried_without_touching_the_store(filled, rules_file, lifecycle):
    before = hashlib.sha256(filled.read_bytes()).digest()
    found = audited(lifecycle, filled, "--rules", rules_file)
    assert (found["rules"]["name"], found["refused"]) == ("strict", 6)
    assert hashlib.sha256(filled.read_bytes()).digest() == before
    with LeadReader(filled) as store:
        assert store.rules.name == "default"


def test_two_rule_sets_are_compared(filled, rules_file, lifecycle):
    found = audited(lifecycle, filled, "--against", rules_file)["against"]
    assert found["rules"]["name"] == "strict"
    assert found["leads"] == [
        {"lead_id": "crmleadid:3", "here": "rejected", "there": "sent"},
        {"lead_id": "crmleadid:4", "here": "accepted", "there": "new"},
    ]
    assert found["refused_only_here"] == []
    assert [(one["trigger"], one["state"]) for one in found["refused_only_there"]] == [
        ("reject", "sent"),
        ("accept", "new"),
        ("update", "new"),
    ]
    listed = lifecycle("audit", filled, "--against", rules_file, "--list", "differences")
    assert "refused only there" in listed.stdout
    table = lifecycle("audit", filled, "--against", rules_file).stdout
    assert "Against the rules 'strict'  2 leads in another state" in table


def test_the_same_rules_differ_in_nothing(filled):
    comparison = lifecycle.audit(filled, against=Rules.default()).comparison
    assert (comparison.leads, comparison.only_here, comparison.only_there) == ([], [], [])


@pytest.mark.parametrize(
    ("convention", "refused", "unjudged", "state"),
    [("skip", 2, 0, "rejected"), ("force", 2, 0, "accepted"), ("stop", 1, 1, "rejected")],
)
def test_what_becomes_of_a_lead_at_a_refusal(convention, refused, unjudged, state, write_log):
    messages = [lead("add", "10:00"), lead("reject", "10:01")]
    messages += [lead("accept", "10:02"), lead("accept", "10:03")]
    audit = lifecycle.audit(write_log(messages), on_invalid=convention)
    assert (audit.refused, audit.unjudged) == (refused, unjudged)
    assert audit.states == {state: 1}
    assert audit.repair_cost == 2


def test_a_forced_step_moves_the_lead_as_its_row_says(write_log):
    audit = lifecycle.audit(
        write_log(
            [
                lead("accept", "10:00", agent=ADA),
                lead("assign", "10:01", agent=BOB, recipient=BOB),
                lead("retract", "10:02", participant=BOB),
                lead("reject", "10:03"),
                lead("send", "10:04"),
            ]
        ),
        on_invalid="force",
    )
    assert [(one.state, one.trigger) for one in audit.refused_by] == [
        ("accepted", "assign"),
        ("retracted", "reject"),
    ]
    (worst,) = audit.worst
    assert [row.target for row in worst.rows] == [
        "accepted", "assigned", "retracted", "rejected", "sent",
    ]  # fmt: skip
    assert not any(one.code == "wrong_party" for one in audit.findings)


def test_a_deletion_is_not_forced(write_log):
    contact = {"c": "1"}
    messages = [lead("add", "10:00", contact=contact), deletion("10:01", contact)]
    messages.append(lead("accept", "10:02", contact=contact))
    audit = lifecycle.audit(write_log(messages), on_invalid="force")
    assert (audit.states, audit.refused, audit.events) == ({"sent": 1}, 1, 3)


# --- the history of verdicts ----------------------------------------------------------------------


def test_verdicts_that_later_messages_changed_are_told_with_their_times(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("reject", "10:00"))
        store.apply(lead("accept", "10:02", id="urn:accept"))
        store.apply(lead("update", "10:03", id="urn:update"))
        store.apply(lead("assign", "10:01"))
        store.apply(lead("accept", "10:01"))
        store.rebuild(STRICT_RULES)
    rows = lifecycle("audit", path, "--list", "verdicts", "--format", "jsonl").stdout.splitlines()
    changes = [json.loads(row) for row in rows]
    told = [(one["event_id"], one["became"]) for one in changes if "test" not in one["event_id"]]
    assert told == [("urn:accept", "valid"), ("urn:accept", "refused"), ("urn:update", "refused")]
    assert all(one["known_since"] < one["changed_at"] for one in changes)
    first, second = (one for one in changes if one["event_id"] == "urn:accept")
    assert first["changed_at"] == second["known_since"]
    assert "became valid" in lifecycle("audit", path).stdout


def test_a_refusal_from_another_state_is_the_same_verdict(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("accept", "10:00"))
        store.apply(lead("accept", "10:05", id="urn:accept"))
        store.apply(lead("retract", "10:01"))
    result = lifecycle("audit", path, "--list", "verdicts")
    assert (result.stdout, result.stderr.splitlines()[0]) == ("", "no verdict changed")


def test_a_log_has_no_history_of_verdicts(log, lifecycle):
    result = lifecycle("audit", log, "--list", "verdicts")
    assert (result.exit_code, "a log has no history of verdicts" in result.stderr) == (2, True)


# --- time -----------------------------------------------------------------------------------------


def test_quantiles_are_by_nearest_rank():
    assert Spread.of([]) == Spread(0, None, None, None)
    assert Spread.of([7]) == Spread(1, 7, 7, 7)
    assert Spread.of(range(1, 101)) == Spread(100, 50, 90, 99)
    assert Spread.of([4, 1, 3, 2]) == Spread(4, 2, 4, 4)


def test_time_in_state_is_from_step_to_step_and_open_stays_are_counted_apart(log, lifecycle):
    times = audited(lifecycle, log)["times"]
    stays = {one["state"]: (one["count"], one["median"], one["open"]) for one in times["in_state"]}
    assert stays == {
        "sent": (3, 600.0, 0),
        "assigned": (1, 300.0, 1),
        "accepted": (0, None, 2),
        "rejected": (0, None, 1),
    }


def test_speed_to_lead_is_split_where_the_lead_was_handed_over(write_log, lifecycle):
    messages = [
        lead("add", "10:00", keys="1"),
        lead("receive", "10:02", keys="1"),
        lead("assign", "10:10", keys="1"),
        lead("accept", "10:15", keys="1"),
        lead("add", "10:00", keys="2"),
        lead("receive", "10:01", keys="2"),
        lead("accept", "10:03", keys="2"),
        lead("add", "10:00", keys="3"),
        lead("accept", "10:09", keys="3"),
        lead("accept", "10:00", keys="4"),
    ]
    speed = audited(lifecycle, write_log(messages))["times"]["speed_to_lead"]
    assert {name: (one["count"], one["median"], one["p99"]) for name, one in speed.items()} == {
        "total": (3, 540.0, 900.0),
        "network": (2, 60.0, 600.0),
        "human": (2, 120.0, 300.0),
    }


def overdue(lifecycle, log, *options, which="overdue"):
    rows = lifecycle("audit", log, "--list", which, "--format", "jsonl", *options).stdout
    found = map(json.loads, rows.splitlines())
    return [(one["lead_id"], one["duration"], one["until"]) for one in found]


def test_overdue_stays_are_a_function_of_the_messages_and_a_moment(log, lifecycle):
    limit = ("--overdue", "assigned > 3 min")
    assert overdue(lifecycle, log, *limit) == [("crmleadid:2", 52 * 60.0, None)]
    assert overdue(lifecycle, log, *limit, which="were_overdue") == [
        ("crmleadid:1", 300.0, moment("10:15"))
    ]
    assert overdue(lifecycle, log, *limit, "--now", moment("10:14")) == [
        ("crmleadid:1", 240.0, None),
        ("crmleadid:2", 240.0, None),
    ]
    assert overdue(lifecycle, log, *limit, "--now", moment("10:13")) == []
    two = (*limit, "--overdue", "sent>PT15M", "--now", moment("10:30"))
    assert [one[0] for one in overdue(lifecycle, log, *two)] == ["crmleadid:2"]
    ended = overdue(lifecycle, log, *two, which="were_overdue")
    assert [one[0] for one in ended] == ["crmleadid:1", "crmleadid:3"]


def test_a_lead_whose_contact_was_deleted_is_not_overdue(write_log, lifecycle):
    contact = {"c": "1"}
    messages = [lead("assign", "10:00", contact=contact), deletion("10:10", contact)]
    log, limit = write_log([*messages, lead("update", "11:00", keys="2")]), "assigned>5m"
    assert overdue(lifecycle, log, "--overdue", limit) == []
    ended = overdue(lifecycle, log, "--overdue", limit, which="were_overdue")
    assert ended == [("crmleadid:1", 600.0, moment("10:10"))]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("assigned>2h", 7200),
        ("assigned > 2 hours", 7200),
        (" assigned>90 min", 5400),
        ("assigned>1d12h", 129_600),
        ("assigned>1 Day and 2 Hours", 93_600),
        ("assigned>1 day, 2 hours", 93_600),
        ("assigned>1.5h", 5400),
        ("assigned>1 week", 604_800),
        ("assigned>45s", 45),
        ("assigned>PT30M", 1800),
        ("assigned>p1dt12h", 129_600),
    ],
)
def test_a_limit_is_read_as_people_write_it(text, seconds):
    assert Limit.parse(text) == Limit("assigned", seconds * 1_000_000, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("assigned", "a duration such as 2h"),
        ("lost>PT1M", "expected one of sent, received"),
        ("new>PT1M", "expected one of sent, received"),
        ("sent>soon", "a duration such as 2h"),
        ("sent>2 fortnights", "a duration such as 2h"),
        ("sent>2h later", "a duration such as 2h"),
        ("sent>999999999999w", "a duration such as 2h"),
        ("sent>PX", "a duration such as 2h"),
        ("sent>2 months", "months and years have no fixed length"),
        ("sent>P1M", "months and years have no fixed length"),
        ("sent>PT0S", "longer than nothing"),
        ("sent>-PT1S", "longer than nothing"),
        ("sent>P99999999999D", "a duration such as 2h"),
    ],
)
def test_a_limit_that_cannot_be_understood_is_one_error(text, expected, log, lifecycle):
    with pytest.raises(ArgumentError, match=expected):
        lifecycle_audit(log, overdue=[text])
    result = lifecycle("audit", log, "--overdue", text)
    assert (result.exit_code, result.stderr.startswith(f"lifecycle: {text}: ")) == (2, True)


lifecycle_audit = lifecycle.audit


# --- in a pipeline --------------------------------------------------------------------------------


def test_an_open_error_fails_the_audit_and_other_findings_when_asked(log, lifecycle):
    result = lifecycle("audit", log)
    assert result.exit_code == 1
    assert result.stderr == "failed on 3 findings (error): invalid transition 3\n"
    assert lifecycle("audit", log, "--fail-on", "nothing").exit_code == 0
    late = lifecycle("audit", log, "--fail-on", "overdue", "--overdue", "sent>PT5M")
    assert (late.exit_code, late.stderr) == (0, "")
    late = lifecycle("audit", log, "--fail-on", "overdue", "--overdue", "assigned>5 min")
    assert (late.exit_code, late.stderr) == (1, "failed on 1 finding (overdue): overdue 1\n")
    joined = lifecycle("audit", log, "--fail-on", "joined_midway")
    assert joined.stderr == "failed on 1 finding (joined_midway): joined midway 1\n"
    assert "joined midway 1" in lifecycle("audit", log, "--fail-on", "info").stderr


def test_a_file_that_is_no_log_can_fail_and_says_so(write_log, tmp_path, lifecycle):
    text = write_log(["no JSON", "none either"], "README.md")
    result = lifecycle("audit", text)
    assert (result.exit_code, result.stderr) == (
        0,
        "not one of them was a message: is this the right file?\n",
    )
    fails = ("--fail-on", "error", "--fail-on", "quarantined")
    result = lifecycle("audit", text, *fails)
    assert result.exit_code == 1
    assert "failed on 1 finding (error quarantined): quarantined 1\n" in result.stderr
    baseline = tmp_path / "baseline.json"
    baseline.write_text(lifecycle("audit", text, "--format", "json").stdout)
    assert lifecycle("audit", text, *fails, "--baseline", baseline).exit_code == 0
    more = write_log(["no more"], "more.md")
    result = lifecycle("audit", text, more, *fails, "--baseline", baseline)
    assert (result.exit_code, "  quarantined: not_json 3" in result.stderr) == (1, True)


def test_lists_without_rows_have_the_columns_of_those_with_some(write_log, rules_file, lifecycle):
    options = ("--against", rules_file, "--overdue", "sent>PT1M", "--by", "week", "--format", "csv")
    for which, (*_, columns) in LISTS.items():
        result = lifecycle("audit", write_log([]), "--list", which, *options)
        header, *rows = result.stdout.splitlines()
        assert header == ",".join(columns)
        # A funnel has its steps, even if nobody came.
        assert bool(rows) == (which == "funnel")


def test_of_many_new_findings_some_are_named(write_log, tmp_path, lifecycle):
    baseline = tmp_path / "baseline.json"
    baseline.write_text(lifecycle("audit", write_log([]), "--format", "json").stdout)
    accepts = [lead("accept", f"10:0{number}") for number in range(8)]
    result = lifecycle("audit", write_log(accepts), "--baseline", baseline)
    assert result.stderr.splitlines()[-1] == "  and 2 more"


def test_only_what_is_new_since_the_baseline_fails(log, tmp_path, lifecycle, write_log):
    baseline = tmp_path / "baseline.json"
    baseline.write_text(lifecycle("audit", log, "--format", "json").stdout)
    assert lifecycle("audit", log, "--baseline", baseline).exit_code == 0
    # The known refusal is one from another state now, and still the same.
    more = write_log([lead("retract", "11:00", keys="4")], "more.jsonl")
    assert lifecycle("audit", log, more, "--baseline", baseline).exit_code == 0
    more = write_log([lead("accept", "10:40", keys="1")], "more.jsonl")
    result = lifecycle("audit", log, more, "--baseline", baseline)
    assert result.exit_code == 1
    first, new = result.stderr.splitlines()
    assert first == "failed on 1 new finding (error): invalid transition 1"
    assert new.startswith("  invalid transition: crmleadid:1: accept from accepted: urn:test:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"findings": [], "quarantined": 5}',
        '{"findings": [5]}',
        '{"findings": 5}',
        "\xff",
    ],
)
def test_a_baseline_that_is_none_is_one_error(text, log, tmp_path, lifecycle):
    baseline = tmp_path / "baseline.json"
    baseline.write_bytes(text.encode("latin-1"))
    result = lifecycle("audit", log, "--baseline", baseline)
    expected = f"{baseline}: expected an audit as `lifecycle audit --format json` writes it"
    assert (result.exit_code, result.stderr) == (3, f"lifecycle: {expected}\n")


# --- formats and errors ---------------------------------------------------------------------------


@pytest.mark.parametrize("which", [*LISTS, "verdicts"])
@pytest.mark.parametrize("style", ["table", "json", "jsonl", "csv", "tsv"])
def test_every_list_comes_in_every_format(which, style, filled, rules_file, lifecycle):
    options = ("--against", rules_file, "--overdue", "sent>PT1M", "--by", "holder")
    result = lifecycle("audit", filled, "--list", which, "--format", style, *options)
    assert result.exit_code == 0, result.output
    with LeadReader(filled) as store:
        audit = lifecycle_audit(
            store, against=Rules.from_toml(rules_file), overdue=["sent>PT1M"], by=["holder"]
        )
    expected = 0 if which == "verdicts" else len(list(LISTS[which][0](audit)))
    match style:
        case "json":
            assert len(json.loads(result.stdout)) == expected
        case "jsonl":
            assert len([json.loads(row) for row in result.stdout.splitlines()]) == expected
        case "csv" | "tsv":
            delimiter = "," if style == "csv" else "\t"
            rows = list(csv.reader(io.StringIO(result.stdout), delimiter=delimiter))
            assert len(rows) == expected + 1
            assert tuple(rows[0]) == (VERDICTS if which == "verdicts" else LISTS[which][2])
            assert {len(row) for row in rows} == {len(rows[0])}
        case _:
            assert bool(result.stdout) == bool(expected)


def test_the_report_on_a_terminal_tells_all_of_it(filled, lifecycle):
    text = " ".join(lifecycle("audit", filled, "--overdue", "sent>PT1M", "--top", 1).stdout.split())
    for part in (
        "leads 4 assigned 1, accepted 2, rejected 1",
        "trace fitness 50.00%",
        "event fitness 75.00%",
        "Refused by state and trigger",
        "and 1 step more: --list refused_by",
        "Smallest repair 3 edits in 2 leads; a proposal, nothing is applied",
        "Variants 4 sequences",
        "and 3 variants more",
        "Time in state",
        "Speed to lead",
        "Funnel of the leads that were sent",
        "Overdue 0 leads at 2026-03-01 11:02:00; 3 had been: --list were_overdue",
        "error invalid transition 3",
    ):
        assert part in text


def test_an_audit_that_cannot_be_made_is_one_error(log, filled, tmp_path, lifecycle):
    before, other = log.read_bytes(), tmp_path / "other"
    notes = tmp_path / "notes.txt"
    notes.write_text("somebody's work")
    for arguments, status, message in (
        ([filled, log], 2, "a store is audited alone; expected one store, or logs"),
        ([tmp_path / "none"], 3, "cannot be read: No such file"),
        ([tmp_path], 3, "is a directory, expected a log"),
        ([log, "--rules", log], 2, "not valid TOML"),
        ([log, "--against", tmp_path / "none"], 3, "cannot be read: No such file"),
        ([log, "--html", tmp_path / "no" / "page.html"], 3, "cannot be written"),
        ([log, "--ocel", tmp_path / "no" / "log.sqlite"], 3, "cannot be written"),
        ([log, "--html", tmp_path], 3, "cannot be written: it is there, and is no file"),
        ([log, "--html", notes], 3, "it is there, and no audit wrote it"),
        ([log, "--html", filled], 3, "it is there, and no audit wrote it"),
        ([log, "--ocel", filled], 3, "it is there, and no audit wrote it"),
        ([log, "--html", f"{filled}-wal", "--rules", filled], 2, "is named twice"),
        ([log, "--html", "."], 3, "cannot be written: it is there, and is no file"),
        ([".", "--html", "/"], 3, "cannot be written: it is there, and is no file"),
        ([log, "--html", tmp_path / ("x" * 300)], 3, "cannot be written"),
        ([log, "--fail-on", "overdue"], 2, "--fail-on overdue needs --overdue"),
        ([log, "--html", log], 2, "is named twice, and would be written over"),
        ([filled, "--ocel", filled], 2, "is named twice, and would be written over"),
        ([log, "--ocel", other, "--html", other], 2, "is named twice"),
        ([log, "--ocel", "/proc/log.sqlite"], 3, "/proc/log.sqlite: cannot be written"),
        ([log, "--list", "overdue"], 2, "--list overdue needs --overdue"),
        ([log, "--list", "were_overdue"], 2, "--list were_overdue needs --overdue"),
        ([log, "--list", "figures"], 2, "--list figures needs --by"),
        ([log, "--list", "differences"], 2, "--list differences needs --against"),
        (["-", "-"], 2, "standard input can be read only once"),
        ([log, "--now", "soon"], 2, "expected a time such as"),
        ([], 2, "Missing argument"),
    ):
        result = lifecycle("audit", *arguments)
        assert (result.exit_code, message in result.stderr) == (status, True), result.output
        assert not [one for one in tmp_path.iterdir() if one.name.endswith("unfinished")]
    assert (log.read_bytes(), other.exists()) == (before, False)
    with pytest.raises(ArgumentError, match="audited alone"):
        lifecycle_audit(filled, log)


def test_a_log_may_come_from_standard_input(log, lifecycle):
    result = lifecycle("audit", "-", "--format", "jsonl", stdin=log.read_text())
    assert [json.loads(row)["source"] for row in result.stdout.splitlines()] == ["-"] * 3


def test_a_store_that_is_open_can_be_audited(filled):
    with LeadReader(filled) as store:
        assert lifecycle_audit(store, now=moment("12:00")).leads == 4
        assert store.lead_count() == 4


@pytest.mark.parametrize("wrong", [{"on_invalid": "bogus"}, {"top": 0}, {"by": ["luck"]}])
def test_arguments_that_cannot_be_are_the_callers_mistake(wrong, log):
    with pytest.raises(ValueError, match="expected"):
        lifecycle_audit(log, **wrong)


def test_leads_of_one_id_are_told_apart(write_log, path, tmp_path, lifecycle):
    """Where schemes hold colons, ``a:b`` with ``c`` and ``a`` with ``b:c`` look the same."""
    messages = []
    for names in ({"a:b": "c"}, {"a": "b:c"}):
        for minute in range(2):
            one = lead("accept", f"10:0{minute}", keys=names, contact={"k": "1"})
            messages.append(one)
    log = write_log(messages)
    options = ("--top", 1, "--ocel", tmp_path / "log.sqlite", "--against", rules_of(tmp_path))
    found = audited(lifecycle, log, *options)
    assert (found["leads"], found["conforming"], found["refused"]) == (2, 0, 2)
    assert found["repair"]["cost"] == 2
    assert found["variants"][0]["leads"] == 2
    lifecycle("replay", path, log)
    assert audited(lifecycle, path)["repair"]["cost"] == 2


def rules_of(folder):
    file = folder / "rules.toml"
    file.write_text(STRICT)
    return file


def test_without_a_moment_it_is_that_of_the_latest_event_whenever_that_was(write_log):
    old = [lead("add", "10:00") | {"time": f"199{year}-01-01T00:00:00Z"} for year in (2, 3)]
    audit = lifecycle_audit(write_log(old), overdue=["sent>P30D"])
    assert [one.micros // 86_400_000_000 for one in audit.overdue] == [366]


def test_a_copy_that_came_to_count_does_not_change_the_verdict(path, lifecycle):
    with LeadStore(path) as store:
        store.apply(lead("accept", "10:00"))
        for number in range(8):
            store.apply(lead("accept", "10:05", agent=f"https://{number}.example", id="urn:copies"))
    rows = lifecycle("audit", path, "--list", "verdicts", "--format", "jsonl").stdout
    assert rows == ""


def test_several_logs_are_one_set_of_messages(write_log):
    first = write_log([lead("add", "10:00"), lead("accept", "10:05")], "first.jsonl")
    second = write_log([lead("reject", "10:03", id="urn:reject")], "second.jsonl")
    (refused,) = lifecycle_audit(first, second).deviations
    audit = lifecycle_audit(second, first)
    assert (refused.trigger, refused.state) == ("accept", "rejected")
    assert audit.origins[refused.event_id].source == str(first)
    assert audit.origins[refused.event_id].line == 2


# --- the real logs --------------------------------------------------------------------------------


@pytest.mark.skipif(not LOGS.exists(), reason="the real logs are not here")
@pytest.mark.parametrize(
    ("rules", "conforming", "refused", "cost", "kinds"),
    [
        (
            ("--rules", LOGS / "base.toml"),
            100,
            9753,
            5237,
            {
                ("new", "accept"): 4921,
                ("new", "assign"): 4801,
                ("accepted", "accept"): 26,
                ("new", "reject"): 3,
                ("accepted", "assign"): 2,
            },
        ),
        ((), 3957, 776, 776, {("accepted", "accept"): 773, ("accepted", "reject"): 3}),
    ],
    ids=["base", "default"],
)
@pytest.mark.usefixtures("uncovered")
def test_the_help_desk_is_audited_as_computed(rules, conforming, refused, cost, kinds, lifecycle):
    found = audited(lifecycle, LOGS / "helpdesk.jsonl.gz", *rules)
    assert (found["leads"], found["events"]) == (4580, 21348)
    assert (found["conforming"], found["refused"]) == (conforming, refused)
    assert found["repair"]["cost"] == cost
    assert {(one["state"], one["trigger"]): one["events"] for one in found["refused_by"]} == kinds
    assert sum(one["first"] for one in found["refused_by"]) == 4580 - conforming
