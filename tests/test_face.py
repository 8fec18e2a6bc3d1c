"""The library as its callers meet it: arguments checked at the call, errors to raise, fixtures."""

from datetime import datetime, timedelta, timezone

import pytest
from letters import ADA, BOB, deletion, lead

import lifecycle
from lifecycle import (
    Applied,
    Conflict,
    Duplicate,
    Ignored,
    LeadStore,
    MessageError,
    Noted,
    Quarantined,
    Refused,
    Rules,
    decode,
    fold,
    format_time,
    message_schema,
)
from lifecycle.errors import ArgumentError, NotFoundError
from lifecycle.messages import as_micros
from lifecycle.testing import TestClock

pytest_plugins = ["pytester"]


BAD_CALLS = [
    ("apply", ("{}",), {"received_at": "yesterday"}, ArgumentError),
    ("apply", ([{}, {}],), {}, ArgumentError),
    ("apply_many", ([],), {"received_at": "yesterday"}, ArgumentError),
    ("apply_many", (["{}"],), {"batch": 0}, ArgumentError),
    ("apply_many", ("{}",), {}, TypeError),
    ("apply_group", ("{}",), {}, TypeError),
    ("apply_group", (["{}"],), {}, TypeError),
    ("changes", (), {"after": "10"}, TypeError),
    ("changes", (), {"after": -1}, ArgumentError),
    ("changes", (), {"after": 2**63}, ArgumentError),
    ("erase", ("nobody:1",), {}, NotFoundError),
    ("findings", ("nobody:1",), {}, NotFoundError),
    ("findings", (), {"as_known_at": "yesterday"}, ArgumentError),
    ("history", ("nobody:1",), {}, NotFoundError),
    ("history", ("crmleadid:1",), {"as_of": datetime(2026, 3, 1)}, ArgumentError),  # noqa: DTZ001
    ("lead", (7,), {}, TypeError),
    ("lead", ("nobody:1",), {}, NotFoundError),
    ("leads", (), {"state": "nonsense"}, ArgumentError),
    ("leads", (), {"as_of": "nonsense"}, ArgumentError),
    ("leads", (), {"as_known_at": "yesterday"}, ArgumentError),
    ("leads", (), {"as_of": 10.5}, TypeError),
    ("leads", (), {"as_of": True}, TypeError),
    ("leads", (), {"as_of": 2**63}, ArgumentError),
    ("messages", ("nobody:1",), {}, NotFoundError),
    ("copies", ("nobody:1",), {}, NotFoundError),
    ("quarantined", (1,), {}, NotFoundError),
    ("quarantined", (2**63,), {}, NotFoundError),
    ("quarantined", ("1",), {}, TypeError),
    ("dismiss", (1,), {}, NotFoundError),
    ("rebuild", ("rules.toml",), {}, TypeError),
    ("rebuild", ("",), {}, TypeError),
    ("restore", (1,), {}, NotFoundError),
    ("retry", (1,), {}, NotFoundError),
    ("state_at", ("crmleadid:1", None), {}, TypeError),
    ("state_at", ("crmleadid:1", "yesterday"), {}, ArgumentError),
    ("verify", ("no head",), {}, ArgumentError),
    ("verify", (7,), {}, ArgumentError),
]


@pytest.mark.parametrize(("method", "args", "named", "error"), BAD_CALLS, ids=str)
def test_arguments_are_checked_at_the_call(method, args, named, error, store):
    store.apply(lead("add", "10:00"))
    with pytest.raises(error):
        getattr(store, method)(*args, **named)


@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({"now": "yesterday"}, ArgumentError),
        ({"overdue": ["assigned"]}, ArgumentError),
        ({"on_invalid": "nonsense"}, ArgumentError),
        ({"top": 0}, ArgumentError),
    ],
    ids=str,
)
def test_arguments_of_an_audit_are_checked_before_anything_is_read(named, error):
    with pytest.raises(error, match="expected"):
        lifecycle.audit("there is no such file", **named)


def test_a_store_is_not_begun_with_what_are_no_rules(tmp_path):
    with pytest.raises(TypeError, match=r"expected Rules, got str: Rules\.from_toml reads a file"):
        LeadStore(tmp_path / "leads.db", rules="rules.toml")
    LeadStore(tmp_path / "leads.db").close()


def test_what_is_folded_are_events_under_rules():
    with pytest.raises(TypeError, match="expected a LeadEvent, got dict: decode makes one of a"):
        fold(Rules.default(), [lead("add", "10:00")])
    with pytest.raises(TypeError, match="expected Rules, got NoneType"):
        fold(None, [])


def test_a_schema_is_found_by_a_topic_in_any_spelling():
    assert message_schema("realestate/Lead#Add") == message_schema("lead#add")
    with pytest.raises(ArgumentError, match="'lead#bogus' is none of lead#add, "):
        message_schema("lead#bogus")


def test_a_lead_that_is_not_there_cannot_be_explained(store):
    with pytest.raises(NotFoundError, match="no lead is known as 'nobody:1'"):
        lifecycle.explain(store, "nobody:1")


def test_what_is_wrong_with_a_message_can_be_raised(store):
    store.apply(lead("add", "10:00")).raise_for_problems()
    with pytest.raises(MessageError, match="time") as caught:
        store.apply({"type": "lead#add", "object": {}}).raise_for_problems()
    assert caught.value.problems


def test_what_callers_annotate_with_is_exported():
    assert lifecycle.State is lifecycle.domain.State
    assert lifecycle.Verdict is lifecycle.domain.Verdict
    assert {"State", "Trigger", "Verdict", "Message", "Moment"} <= set(lifecycle.__all__)


def test_a_clock_of_a_test_stands_still():
    clock = TestClock()
    assert clock() == clock()
    clock.move_to("1970-01-01T00:00:01Z")
    assert clock() == 1_000_000


def test_the_fixtures_are_found_by_pytest(pytester):
    pytester.makeconftest('pytest_plugins = ["lifecycle.testing"]')
    message = lead("accept", "10:00", agent=ADA)
    pytester.makepyfile(
        f"""
        def test_store(lead_store, lead_clock):
            lead_clock.move_to("2026-03-05T10:00:00Z")
            assert lead_store.apply({message!r}).state == "accepted"
            lead_clock.move_to("2026-03-01T10:00:00Z")
            assert lead_store.apply({message!r}).kind == "duplicate"
            assert lead_store.lead("crmleadid:1").state == "accepted"
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_each_outcome_is_of_a_class_of_its_own(store):
    outcomes = store.apply_many(
        [
            lead("add", "10:00", id="urn:1"),
            lead("update", "10:01"),
            lead("reject", "10:02"),
            lead("accept", "10:03"),
            lead("add", "10:00", id="urn:1"),
            lead("add", "10:00", id="urn:1", keys="2"),
            {"topic": "website#visit", "data": {}},
            "{",
        ]
    )
    classes = [Applied, Noted, Applied, Refused, Duplicate, Conflict, Ignored, Quarantined]
    assert [type(one) for one in outcomes] == classes
    assert [one.kind for one in outcomes] == [one.__name__.lower() for one in classes]
    for one in outcomes:
        assert sum(isinstance(one, of) for of in set(classes)) == 1
        assert one.as_dict()["outcome"] == one.kind


TIMES = ("at", "now", "since", "time", "until")


def times_of(thing):
    """Attributes of a result that are named as times, each with its value."""
    names = [
        name for name in dir(thing) if not name.startswith("_") and name.rpartition("_")[2] in TIMES
    ]
    return {name: getattr(thing, name) for name in names}


def test_every_time_that_a_store_tells_is_an_aware_datetime(store):
    for message in (
        lead("assign", "10:00", id="urn:1", recipient=ADA),
        lead("assign", "10:00", id="urn:1", recipient=BOB),
        lead("accept", "10:01", agent=ADA),
        lead("accept", "10:03", agent=BOB),
        lead("assign", "10:02", agent=ADA, recipient=BOB),
        deletion("10:08", {"c": "9"}),
        lead("accept", "10:09", contact={"c": "9"}, agent=ADA),
        "{",
    ):
        store.apply(message)
    store.dismiss(1)
    told = [store.lead("crmleadid:1"), *store.history("crmleadid:1", superseded=True)]
    told += [*store.findings(superseded=True), *store.quarantine(left=True)]
    told += [*store.messages("crmleadid:1"), *store.copies("crmleadid:1")]
    told += [one.entry for one in store.changes()]
    told += [*store.evidence().verdict_changes(), *store.listing().events()]
    told += [audit := lifecycle.audit(store, overdue=["accepted>PT1S"]), *audit.deviations]
    told += [
        *audit.overdue,
        *audit.were_overdue,
        *lifecycle.explain(store, "crmleadid:1").corrections,
    ]
    told.append(store.erase("crmleadid:1"))
    assert len({type(one) for one in told}) == 13
    for one in told:
        assert times_of(one)
        for moment in times_of(one).values():
            assert moment is None or moment.utcoffset() == timedelta(0)


def test_rows_of_history_and_findings_are_flat(store):
    store.apply(lead("reject", "10:00", agent=ADA, reason="no time"))
    (row,) = store.history("crmleadid:1")
    assert (row.seq, row.trigger, row.source, row.target) == (1, "reject", "new", "rejected")
    assert (row.verdict, str(row.by), row.reason) == ("stated", ADA, "no time")
    assert (row.lead_id, row.refusal, row.late) == ("crmleadid:1", None, False)
    assert row.superseded_at is None
    (finding,) = store.findings()
    assert (finding.severity, finding.code, finding.lead_id) == (
        *("info", "joined_midway"),
        "crmleadid:1",
    )
    assert finding.event_id == row.event_id


def test_a_moment_is_a_text_a_datetime_or_microseconds(store):
    store.apply(lead("add", "10:00"))
    since = store.lead("crmleadid:1").since
    behind = since.astimezone(timezone(timedelta(hours=5)))
    for moment in (since, behind, since.isoformat(), as_micros(since)):
        assert store.state_at("crmleadid:1", moment) == "sent"
    before = since - timedelta(microseconds=1)
    assert store.state_at("crmleadid:1", before) == "new"
    assert format_time(behind) == "2026-03-01T10:00:00Z"
    for moment in (since, behind, since.isoformat(), as_micros(since)):
        message = lead("add", "10:00") | {"time": None}
        assert decode(message, received_at=moment).time == as_micros(since)
