"""What a store knew at a past moment: told by rows, and equal to a fold of the events of then."""

from itertools import count

import pytest
from changes import change
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, deletion, lead, moment, rows_of
from worlds import NOW, copy_of, decodable, worlds

from lifecycle import (
    AmbiguousLeadError,
    LeadStore,
    NotFoundError,
    Rules,
    audit,
    explain,
    fold,
)
from lifecycle.messages import as_micros

RULES = Rules.default()
STRICT = Rules("strict", tuple(edge for edge in RULES.edges if edge.trigger != "accept"))
SECOND = 1_000_000
JOE = {"c": "9"}


def new_store():
    seconds = count(NOW, SECOND)
    return LeadStore(":memory:", clock=lambda: next(seconds))


def last_moment(store):
    return store._connection.execute("SELECT recorded_at FROM store").fetchone()[0]


def known(store, at):
    """Return what a store says that it knew at a moment."""
    leads = list(store.leads(as_known_at=at))
    for one in leads:
        assert store.lead(one.lead_id, as_known_at=at) == one
        assert one.events == 0
    histories = {one.lead_id: store.history(one.lead_id, as_known_at=at) for one in leads}
    for entries in histories.values():
        assert all(
            as_micros(entry.recorded_at) <= at and entry.superseded_at is None for entry in entries
        )
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    findings = store.findings(as_known_at=at)
    for one in leads:
        its = [entry for entry in findings if entry.lead_id == one.lead_id]
        assert store.findings(one.lead_id, as_known_at=at) == its
    return {
        "leads": [as_row(one) for one in leads],
        "rows": {name: rows_of(some) for name, some in histories.items()},
        "findings": sorted((*as_pair(one), one.lead_id or "") for one in findings),
    }


def folded(rules, messages):
    """Return what the events of these messages say."""
    history = fold(rules, decodable(messages))
    of_leads = [(*as_pair(f), one.lead.lead_id) for one in history.leads for f in one.findings]
    return {
        "leads": [as_row(one.lead) for one in history.leads],
        "rows": {one.lead.lead_id: list(one.rows) for one in history.leads},
        "findings": sorted(of_leads + [(*as_pair(one), "") for one in history.findings]),
    }


def as_row(one):
    marks = (one.holder, one.refusals, one.contact_deleted_at)
    return (one.lead_id, one.state, one.since, *marks)


def as_pair(finding):
    return (finding.code, finding.event_id or "", finding.detail)


def arrived_by(store, world, chance):
    """Apply a world with copies, some at a time; yield the moments with what had arrived."""
    rest = [*world, *(copy_of(message) for message in world[::3])]
    chance.shuffle(rest)
    arrived = []
    while rest:
        size = chance.randint(1, 4)
        store.apply_many(rest[:size])
        arrived, rest = arrived + rest[:size], rest[size:]
        yield last_moment(store), list(arrived)


@given(worlds, st.randoms(use_true_random=False))
def test_at_every_moment_it_knew_what_a_fold_of_what_had_come_says(world, chance):
    with new_store() as store:
        moments = list(arrived_by(store, world, chance))
        assert known(store, moments[0][0] - 1) == folded(RULES, [])
        for at, arrived in moments:
            expected = folded(RULES, arrived)
            assert known(store, at) == expected
            assert known(store, at + SECOND // 2) == expected


people = st.sampled_from([None, "005A", "005B", "Ann"])
field_changes = st.lists(
    st.builds(
        change,
        st.sampled_from(["Status", "OwnerId", "Owner"]),
        st.integers(0, 5),
        st.sampled_from(["New", "Working", "Unqualified", "005A", "005B", "Ann"]),
        lead=st.sampled_from(["L1", "L2"]),
        by=people,
        to=people,
    ),
    min_size=1,
    max_size=12,
)


@given(field_changes, st.randoms(use_true_random=False))
def test_changes_of_holder_without_a_move_are_known_too(world, chance):
    with new_store() as store:
        for at, arrived in list(arrived_by(store, world, chance)):
            assert known(store, at) == folded(RULES, arrived)


@given(worlds, worlds, st.randoms(use_true_random=False))
def test_what_was_known_is_what_the_rules_of_then_say(world, later, chance):
    with new_store() as store:
        moments = [(at, some, RULES) for at, some in arrived_by(store, world, chance)]
        store.rebuild(STRICT)
        moments.append((last_moment(store), world, STRICT))
        for at, some in arrived_by(store, later, chance):
            moments.append((at, world + some, STRICT))
        for at, some, rules in moments:
            assert known(store, at) == folded(rules, some)


@given(worlds, st.randoms(use_true_random=False), st.integers(-1, 10))
def test_both_moments_together_leave_out_what_happened_later(world, chance, minute):
    as_of = as_micros(moment("10:00")) + minute * 60 * SECOND
    with new_store() as store:
        for at, arrived in list(arrived_by(store, world, chance)):
            leads = {one.lead_id: one for one in store.leads(as_of=as_of, as_known_at=at)}
            for name, rows in folded(RULES, arrived)["rows"].items():
                its = [row for row in rows if row.at_micros <= as_of]
                entries = store.history(name, as_of=as_of, as_known_at=at)
                assert rows_of(entries) == its
                last = next((row for row in reversed(its) if not row.refused), None)
                found = store.lead(name, as_of=as_of, as_known_at=at)
                assert (found.state, found.since, found.holder, found.refusals) == (
                    last.target if last else "new",
                    last and last.at,
                    last and last.holder,
                    sum(row.refused for row in its),
                )
                assert leads.get(name) == (found if last else None)


@given(worlds)
def test_as_of_the_end_of_time_leads_are_those_of_now(world):
    end = as_micros("2100-01-01T00:00:00Z")
    with new_store() as store:
        store.apply_many(world)
        now = [(as_row(one)[:3], one.refusals, one.events, one.keys) for one in store.leads()]
        then = store.leads(as_of=end)
        assert [(as_row(one)[:3], one.refusals, one.events, one.keys) for one in then] == now


@pytest.fixture
def store():
    with new_store() as opened:
        yield opened


def test_a_name_means_the_lead_that_had_it_then(store):
    store.apply(lead("add", "10:00", keys=None, contact=JOE))
    before = last_moment(store)
    store.apply(lead("update", "10:01", keys={"x": "1"}, contact=JOE))
    assert store.lead("contact:c:9").lead_id == "x:1"
    # The lead of the name of then, and that of the events that the lead of a name of now has.
    for name in ("contact:c:9", "x:1"):
        assert store.lead(name, as_known_at=before).lead_id == "contact:c:9"
        assert [one.lead_id for one in store.history(name, as_known_at=before)] == ["contact:c:9"]


def test_what_is_one_lead_now_may_have_been_several(store):
    contacts = [{"c": "8"}, {"c": "9"}]
    store.apply_many([lead("add", "10:00", keys=None, contact=one) for one in contacts])
    before = last_moment(store)
    store.apply_many([lead("update", "10:01", keys={"x": "1"}, contact=one) for one in contacts])
    assert [one.lead_id for one in store.leads()] == ["x:1"]
    with pytest.raises(AmbiguousLeadError) as caught:
        store.lead("x:1", as_known_at=before)
    assert caught.value.lead_ids == ("contact:c:8", "contact:c:9")
    assert [one.lead_id for one in store.leads(as_known_at=before)] == [
        "contact:c:8",
        "contact:c:9",
    ]


def test_findings_bear_the_name_that_their_lead_had(store):
    store.apply(lead("update", "10:00", keys=None, contact=JOE))
    before = last_moment(store)
    store.apply(lead("update", "10:01", keys={"x": "1"}, contact=JOE))
    assert {one.lead_id for one in store.findings(as_known_at=before)} == {"contact:c:9"}
    assert {one.lead_id for one in store.findings()} == {"x:1"}


def test_the_mark_of_a_deletion_is_known_since_it_came(store):
    store.apply(lead("add", "10:00", contact=JOE))
    before = last_moment(store)
    store.apply(deletion("10:01", JOE))
    now = last_moment(store)
    assert store.lead("crmleadid:1", as_known_at=before).contact_deleted_at is None
    then = store.lead("crmleadid:1", as_known_at=now)
    assert then.contact_deleted_micros == as_micros(moment("10:01"))
    earlier = store.lead("crmleadid:1", as_of=moment("10:00"), as_known_at=now)
    assert earlier.contact_deleted_at is None


def test_owner_and_keys_are_those_of_now_and_of_a_lead_that_is_gone_none(store):
    store.apply(lead("add", "10:00", keys={"b": "2"}, snapshot={"owner": ADA}))
    store.apply(lead("add", "10:00", keys=None, contact=JOE, snapshot={"owner": ADA}))
    first = last_moment(store)
    store.apply(lead("update", "10:01", keys={"b": "2"}, snapshot={"owner": BOB}))
    store.apply(lead("update", "10:01", keys={"x": "1"}, contact=JOE, snapshot={"owner": BOB}))
    assert str(store.lead("b:2", as_known_at=first).owner) == BOB
    gone = store.lead("x:1", as_known_at=first)
    assert (gone.lead_id, gone.owner, gone.keys) == ("contact:c:9", None, ())


def test_nobody_is_known_before_he_came(store):
    store.apply(lead("add", "10:00"))
    with pytest.raises(NotFoundError, match=r"at that moment"):
        store.lead("crmleadid:1", as_known_at=NOW - 1)
    assert list(store.leads(as_known_at=NOW - 1)) == []


def test_a_sealed_lead_is_read_by_its_new_name_now_and_then(store):
    for one in (lead("add", "10:00", contact=JOE), lead("accept", "10:01", agent=ADA, contact=JOE)):
        store.apply(one)
    store.apply(deletion("10:02", JOE))
    store.apply(lead("add", "10:00", keys={"b": "2"}))
    before, number = last_moment(store), store.last_change()
    told = [(entry.trigger, entry.target) for entry in store.history("crmleadid:1")]
    (name,) = store.erase("crmleadid:1").leads
    for moments in ({}, {"as_known_at": before}, {"as_of": moment("10:09")}):
        assert store.lead(name, **moments).state == "accepted"
        assert name in [one.lead_id for one in store.leads(**moments)]
    for moments in ({}, {"as_known_at": before}):
        entries = store.history(name, **moments)
        assert [(entry.trigger, entry.target) for entry in entries] == told
    with pytest.raises(NotFoundError):
        store.lead("crmleadid:1", as_known_at=before)
    (change,) = store.changes(after=number)
    assert (change.kind, change.lead_id, change.entry) == ("erased", name, None)
    assert change.lead_no in {one.lead_no for one in store.changes() if one.kind == "recorded"}
    assert [list(one.as_dict()) for one in store.changes()].count(list(change.as_dict())) > 1
    erased = store.messages(name)
    assert {(one.payload, as_micros(one.erased_at)) for one in erased} == {
        (None, last_moment(store))
    }
    with store.snapshot():
        events = list(store.listing().events())
        assert [one.erased_at is None for one in events] == [False, False, False, True]
    assert explain(store, name).repair is None
    assert audit(store).leads == 1
