"""The lean machine is the stock machine of transitions, without what it does not need."""

import pytest
import transitions
from hypothesis import given
from hypothesis import strategies as st
from letters import lead

from lifecycle import STATES, Edge, Lead, Rules, decode
from lifecycle.domain import RULED_TRIGGERS, find_guard, machine_for

GUARDS = ("by_holder", "by_owner", "by_holder_or_owner", "from_holder")
edges = st.builds(
    Edge,
    st.sampled_from(RULED_TRIGGERS),
    st.lists(st.sampled_from(STATES), min_size=1, max_size=4, unique=True).map(tuple),
    st.none() | st.sampled_from(STATES[1:]),
    st.lists(st.sampled_from(GUARDS), max_size=2, unique=True).map(tuple),
)
tables = st.builds(Rules, st.just("generated"), st.lists(edges, min_size=1).map(tuple))
PARTIES = (None, "https://ada.example.com/#me", "https://bob.example.com/#me")


def stock_machine(rules):
    """Return a stock Machine of the same rules, with their guards as its conditions."""
    machine = transitions.Machine(
        model=None, states=list(STATES), initial="new", auto_transitions=False
    )
    for edge in rules.edges:
        for source in edge.sources:
            machine.add_transition(
                edge.trigger,
                source,
                edge.target,
                conditions=[passes(find_guard(name)) for name in edge.guards],
            )
    return machine


def passes(guard):
    return lambda lead, event: guard(lead, event) is None


def stock_says(machine, trigger, one, event):
    """Whether it moved, and where to; a trigger without an edge is an error of the stock one."""
    if trigger not in machine.events:
        return False, one.state
    try:
        moved = machine.events[trigger].trigger(one, one, event)
    except transitions.MachineError:
        moved = False
    return moved, one.state


def lean_says(machine, trigger, one, event):
    moved = trigger in machine.events and machine.events[trigger].trigger(one, event)
    return moved, one.state


def leads_and_events():
    """Every combination of who holds, owns, acts and is named."""
    for holder in PARTIES:
        for owner in PARTIES:
            for agent in PARTIES:
                named = {} if agent is None else {"agent": agent, "participant": agent}
                event = decode(lead("assign", "10:00", **named))
                yield holder, owner, event


def assert_equal_machines(rules, cases):
    lean, stock = machine_for(rules), stock_machine(rules)
    for holder, owner, event in cases:
        for state in STATES:
            for trigger in RULED_TRIGGERS:
                leads = [Lead("x:1", state=state) for _ in range(2)]
                for one in leads:
                    one.holder = None if holder is None else decode_party(holder)
                    one.owner = None if owner is None else decode_party(owner)
                said = lean_says(lean, trigger, leads[0], event)
                assert said == stock_says(stock, trigger, leads[1], event)


def decode_party(uri):
    return decode(lead("add", "10:00", agent=uri)).agent


def test_it_equals_a_stock_machine_of_the_default_rules():
    assert_equal_machines(Rules.default(), list(leads_and_events()))


@given(tables, st.sampled_from(list(leads_and_events())))
def test_it_equals_a_stock_machine_of_any_rules(rules, one):
    assert_equal_machines(rules, [one])


def test_messages_cannot_name_a_state_as_a_trigger():
    machine = machine_for(Rules.default())
    assert not [name for name in machine.events if name.startswith("to_")]
    assert machine.models == []


@pytest.mark.parametrize("trigger", RULED_TRIGGERS)
def test_a_refusal_says_what_would_have_been_allowed(trigger):
    machine = machine_for(Rules.default())
    event = decode(lead("add", "10:00"))
    for state in STATES:
        decision = machine.decide(trigger, state, Lead("x:1", state=state), event)
        if trigger not in machine.allowed(state):
            assert decision.allowed == machine.allowed(state)
