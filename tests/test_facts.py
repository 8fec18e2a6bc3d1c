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
    """A field, its new value and what the record says besides."""
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
        assert store.verify(past=True).defects == ()
        store.apply_many(messages)
        assert store_says(store) == wanted
        store.rebuild()
        assert store_says(store) == wanted
        (before,) = store._connection.execute("SELECT count(*) FROM history").fetchone()
        store.rebuild()
        assert store._connection.execute("SELECT count(*) FROM history").fetchone() == (before,)
