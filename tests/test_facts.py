"""Changes of fields: their identity, their copies, what they mean, and that no order matters."""

import random

import pytest
from changes import LIVES, change, messages_of
from hypothesis import given
from hypothesis import strategies as st
from letters import deletion, lead
from worlds import NOW, history_says, store_says

from lifecycle import LeadStore, Rules, decode, fold

ADA, BOB, QUEUE = "0050000000Ada01AAB", "0050000000Bob01AAB", "00G0000000Que01AAB"
STATUSES = ["New", "Working", "working ", "Unqualified", "Parked", "Closed - Converted", ""]


def folded(messages, rules=None):
    return fold(rules or Rules.default(), map(decode, messages))


def only_lead(messages, rules=None):
    (one,) = folded(messages, rules).leads
    return one


def codes(one):
    return [finding.code for finding in one.findings]


def steps(one):
    return [(row.trigger, row.target, row.verdict) for row in one.rows]


# --- typical lives ------------------------------------------------------------------------------


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life["name"])
def test_typical_lives_come_out_as_they_should_in_any_order(life):
    messages = messages_of(life)
    for seed in range(4):
        one = only_lead(random.Random(seed).sample(messages, len(messages)))
        assert one.lead.state in life["state"]
        if life["holder"]:
            assert str(one.lead.holder).endswith(life["holder"])


# --- any order, any batches, any copies ---------------------------------------------------------


@st.composite
def facts(draw):
    """One message: mostly a change, of few objects, fields, values and moments."""
    minute = f"10:0{draw(st.integers(0, 3))}"
    kind = draw(st.integers(0, 11))
    if kind == 0:
        topic = draw(st.sampled_from(["add", "assign", "accept", "reject", "retract"]))
        return lead(topic, minute, keys={"salesforceId": "L1"}, contact={"c": "1"}, agent=ADA)
    if kind == 1 and not draw(st.integers(0, 3)):
        return deletion(minute, {"c": "1"})
    source = draw(st.sampled_from(["salesforce", "salesforce", "hubspot", "genesys", "acme"]))
    at = draw(st.integers(0, 3)) + draw(st.sampled_from([0, 0, 0.25]))
    thing = draw(st.sampled_from(["L1", "L2"]))
    names = {"salesforceId": thing} if source != "hubspot" else {"hubspotId": "9"}
    if draw(st.booleans()):
        names["crm"] = draw(st.sampled_from(["1", "2"]))
    field, new, more = draw(values(source))
    if draw(st.booleans()):
        more["by"] = draw(st.sampled_from([ADA, BOB, "ada"]))
    if not draw(st.integers(0, 9)):
        more["record"] = draw(st.sampled_from(["L1", "L2"]))
    message = change(field, at, new, source=source, lead=names, **more)
    if not draw(st.integers(0, 4)):
        contact = {"type": "Contact", "identifier": {"c": "1"}, "name": draw(NAMES)}
        message["data"]["object"]["object"] = contact
        if not draw(st.integers(0, 3)):
            del message["data"]["object"]["identifier"]
    return message


NAMES = st.sampled_from(["Joe", "Joe Bloggs"])


@st.composite
def values(draw, source):
    """Return a field, its new value and what the record says besides."""
    if source == "genesys":
        states = ["Invited", "Processing", "Completed", "InWorkbin"]
        return "state", draw(st.sampled_from(states)), {"to": draw(st.sampled_from([None, "bob"]))}
    if source == "hubspot":
        if draw(st.booleans()):
            owner = draw(st.sampled_from(["77", "88", ""]))
            return "hubspot_owner_id", owner, {"to": owner or None}
        return "hs_lead_status", draw(st.sampled_from(["NEW", "CONNECTED", "UNQUALIFIED"])), {}
    return draw(salesforce_values)


@st.composite
def owners(draw):
    owner = draw(st.sampled_from([ADA, BOB, QUEUE, "Ada Lovelace"]))
    old = draw(st.sampled_from([None, ADA, QUEUE, "Ada Lovelace"]))
    return "Owner", owner, {"to": None if owner == QUEUE else owner, "old": old}


statuses = st.builds(
    lambda old, new: ("Status", new, {"old": old}),
    st.sampled_from([None, None, *STATUSES]),
    st.sampled_from(STATUSES),
)
statements = st.builds(
    lambda value: ("Status", None, {"current": value}), st.sampled_from(STATUSES)
)
others = st.sampled_from([("created", "", {}), ("merged", "L1", {}), ("deleted", "true", {})])
salesforce_values = st.one_of(statuses, statuses, owners(), owners(), statements, others)


@given(st.lists(facts(), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_a_store_says_what_the_fold_says_whatever_the_order_and_the_batches(messages, chance):
    wanted = history_says(folded(messages))
    chance.shuffle(messages)
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        rest, known = list(messages), []
        while rest:
            size = chance.choice([1, 1, 2, 5])
            store.apply_many(rest[:size])
            known += rest[:size]
            del rest[:size]
            assert store_says(store) == history_says(folded(known))
        assert store_says(store) == wanted
        assert store.verify().defects == ()
        store.apply_many(messages)
        assert store_says(store) == wanted
        store.rebuild()
        assert store_says(store) == wanted
        (before,) = store._connection.execute("SELECT count(*) FROM history").fetchone()
        store.rebuild()
        assert store._connection.execute("SELECT count(*) FROM history").fetchone() == (before,)


# --- found by attacks -----------------------------------------------------------------------------


def diverging():
    """Return sets of messages that a store once folded otherwise than the fold."""
    named = {"salesforceId": "L1"}
    contact = {"type": "Contact", "identifier": {"c": "1"}}
    several = [
        change("Status", 0, "New", lead=named),
        change("Status", 0, "New", lead={"salesforceId": "L2"}),
        change("Status", 60, "Working", record="L9"),
        change("merged", 120, "L1", record="L3", lead=named),
    ]
    for message in several[:3]:
        message["data"]["object"]["object"] = contact
    del several[2]["data"]["object"]["identifier"]
    yield several
    for second in range(6):
        status = change("Status", second, "Working", old="New", lead=named)
        owner = change("Owner", second, ADA, to=ADA, lead=named)
        for number, message in enumerate((status, owner)):
            keys = {"crmContact": str(number), "email": "x@y.example"}
            message["data"]["object"]["object"] = {"type": "Contact", "identifier": keys}
        yield [status, owner]


def test_what_attacks_found_is_folded_alike():
    for messages in diverging():
        for order in (messages, messages[::-1]):
            with LeadStore(":memory:", clock=lambda: NOW) as store:
                for message in order:
                    store.apply(message)
                assert store_says(store) == history_says(folded(messages))
                assert store.verify().defects == ()


def test_a_name_is_paired_with_the_id_of_its_own_object():
    names = {"salesforceId": "L1"}, [{"propertyID": "salesforceId", "value": one} for one in "12"]
    one = only_lead(
        [
            change("Owner", 0, ADA, lead=names[0], record="L1", to=ADA),
            change("Owner", 0, "Bob Builder", lead=names[0], record="L2", to="Bob Builder"),
            change("Owner", 60, QUEUE, lead=names[0], record="L1"),
            change("Owner", 120, "Bob Builder", lead=names[0], record="L1", to="Bob Builder"),
        ]
    )
    assert str(one.lead.holder) == "salesforceuserid:Bob Builder"


def test_the_old_names_of_a_pair_stand_for_the_old_ids_too():
    one = only_lead(
        [
            change("Owner", 0, BOB, old=ADA, to=BOB),
            change("Owner", 0, "Bob", old="Ada", to="Bob"),
            change("Owner", 60, "Ada", old="Bob", to="Ada"),
        ]
    )
    assert str(one.lead.holder) == f"salesforceuserid:{ADA}"
    assert codes(one) == ["joined_midway"]


def test_a_field_of_people_names_the_holder_without_a_recipient():
    one = only_lead([change("created", 0, "", by=ADA), change("Owner", 10, BOB)])
    assert (one.lead.state, str(one.lead.holder)) == ("assigned", f"salesforceuserid:{BOB}")


def test_two_sources_that_move_one_lead_are_said_and_can_be_followed():
    names = {"salesforceId": "L1", "hubspotId": "9"}
    messages = [
        change("Status", 0, "Working", lead=names),
        change("hs_lead_status", 60, "UNQUALIFIED", source="hubspot", lead=names),
    ]
    assert "two_sources" in codes(only_lead(messages))
    assert only_lead(messages).lead.state == "retracted"
    rules = Rules.loads('[facts]\nfollow = ["salesforce"]')
    followed = only_lead(messages, rules)
    assert (followed.lead.state, "two_sources" in codes(followed)) == ("accepted", False)
