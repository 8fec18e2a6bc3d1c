"""The smallest repair is the smallest: brute force, exhaustive recursion, and a property."""

from functools import cache
from itertools import combinations, count, product

import pytest
from conftest import LOGS
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, ORG, deletion, lead

from lifecycle import Key, LeadEvent, Rules, decode, fold
from lifecycle.auditing.repair import Repair, grouped, repair, repairs_of
from lifecycle.domain import RULED_TRIGGERS, STATES, guard, machine_for

DEFAULT = Rules.default()
EVERY, OPEN = ", ".join(f'"{one}"' for one in STATES), '"sent", "received", "assigned"'
BASE = Rules.loads(
    f"""
    name = "base"
    edge = [
        {{trigger = "send", from = ["new"], to = "sent"}},
        {{trigger = "receive", from = ["sent"], to = "received"}},
        {{trigger = "assign", from = [{OPEN}, "rejected", "retracted"], to = "assigned"}},
        {{trigger = "accept", from = [{OPEN}], to = "accepted"}},
        {{trigger = "reject", from = [{OPEN}], to = "rejected"}},
        {{trigger = "retract", from = [{OPEN}, "accepted"], to = "retracted"}},
        {{trigger = "update", from = [{EVERY}]}},
    ]
    """
)
NAME = Key("lead", "x", "1")


@cache
def bare(trigger, place):
    """An event that names nobody and no date: what it may do depends on the state alone."""
    return LeadEvent(f"urn:{place}", trigger, place, b"", (NAME,))


def bare_events(triggers):
    return [bare(trigger, place) for place, trigger in enumerate(triggers)]


def table_of(rules):
    """What each trigger does in each state, from the rows themselves; guards pass."""
    table = {}
    for edge in rules.edges:
        for state in edge.sources:
            table.setdefault((edge.trigger, state), edge.target or state)
    return table


def is_legal(table, triggers):
    state = "new"
    for trigger in triggers:
        state = table.get((trigger, state))
        if state is None:
            return False
    return True


def scripts(triggers, size):
    """Every sequence that so many edits make of this one."""
    for removed in range(size + 1):
        for places in combinations(range(len(triggers)), removed):
            kept = [one for place, one in enumerate(triggers) if place not in places]
            yield from with_insertions(tuple(kept), size - removed)


def with_insertions(triggers, number):
    if number == 0:
        yield triggers
        return
    for place, trigger in product(range(len(triggers) + 1), RULED_TRIGGERS):
        yield from with_insertions((*triggers[:place], trigger, *triggers[place:]), number - 1)


def brute_force(table, triggers):
    """The fewest edits: all scripts of no edit are tried, then all of one, of two..."""
    return next(
        size for size in count() if any(is_legal(table, one) for one in scripts(triggers, size))
    )


def recursion(rules):
    """The fewest edits by trying, at each message, to remove it or to keep it after insertions."""
    table = table_of(rules)
    steps = {source: set() for source in STATES}
    for (_, source), target in table.items():
        steps[source].add(target)

    @cache
    def distances(source):
        found, front = {source: 0}, [source]
        while front:
            front = [(a, b) for a in front for b in steps[a] if b not in found]
            found |= {b: found[a] + 1 for a, b in front}
            front = list({b for _, b in front})
        return found

    @cache
    def cheapest(triggers, state):
        if not triggers:
            return 0
        first, *rest = triggers
        rest = tuple(rest)
        kept = [
            inserted + cheapest(rest, table[first, there])
            for there, inserted in distances(state).items()
            if (first, there) in table
        ]
        return min([1 + cheapest(rest, state), *kept])

    return lambda triggers: cheapest(triggers, "new")


def edited(triggers, edits):
    """The sequence after these edits."""
    insertions = {}
    for edit in edits:
        if edit.kind == "insert":
            insertions.setdefault(edit.place, []).append(edit.trigger)
    removed = {edit.place for edit in edits if edit.kind == "remove"}
    for place, trigger in enumerate(triggers):
        yield from insertions.get(place, ())
        if place not in removed:
            yield trigger


def refused(table, events):
    """Those that the plain table refuses, and in which state."""
    state, found = "new", {}
    for event in events:
        target = table.get((event.trigger, state))
        if target is None:
            found[event.id] = state
        state = target or state
    return found


def repaired(rules, table, triggers):
    events = bare_events(triggers)
    return repair(machine_for(rules), events, refused(table, events))


@pytest.mark.parametrize("rules", [DEFAULT, BASE], ids=lambda rules: rules.name)
def test_brute_force_finds_no_smaller_repair_of_up_to_three_messages(rules):
    table, cheapest = table_of(rules), recursion(rules)
    for length in range(4):
        for triggers in product(RULED_TRIGGERS, repeat=length):
            fewest = brute_force(table, triggers)
            assert (triggers, len(repaired(rules, table, triggers))) == (triggers, fewest)
            assert cheapest(triggers) == fewest


@pytest.mark.parametrize("first", RULED_TRIGGERS)
@pytest.mark.parametrize(("rules", "length"), [(DEFAULT, 6), (BASE, 5)], ids=["default", "base"])
@pytest.mark.usefixtures("uncovered")
def test_no_sequence_of_up_to_six_messages_has_a_smaller_repair(rules, length, first):
    """Every sequence that begins so is compared with the recursion."""
    cheapest, table = recursion(rules), table_of(rules)
    for more in range(length):
        for rest in product(RULED_TRIGGERS, repeat=more):
            triggers = (first, *rest)
            edits = repaired(rules, table, triggers)
            assert (triggers, len(edits)) == (triggers, cheapest(triggers))
            assert is_legal(table, edited(triggers, edits)), triggers


def texts(rules, messages):
    """The repair of one lead's messages, in words."""
    return [str(edit) for edit in edits_of(rules, [decode(one) for one in messages])]


def edits_of(rules, events):
    """The repair of these events, which are of one lead, in fold order."""
    repairs = list(repairs_of(machine_for(rules), fold(rules, events), events))
    return repairs[0][1].edits if repairs else ()


def test_what_is_missing_is_inserted_before_what_misses_it():
    story = [lead("accept", "10:00"), lead("update", "10:01"), lead("accept", "10:02")]
    assert texts(BASE, story) == [
        "insert send in new, before accept",
        "remove accept in accepted",
    ]
    assert texts(DEFAULT, story) == ["insert assign in accepted, before accept"]


def test_nothing_that_came_is_removed_where_an_insertion_will_do():
    story = [lead("add", "10:00"), lead("reject", "10:01"), lead("accept", "10:02")]
    assert texts(DEFAULT, story) == ["insert assign in rejected, before accept"]


def test_a_guard_is_judged_by_the_parties_that_are_named():
    owned = {"owner": ORG}
    story = [
        lead("assign", "10:00", agent=ORG, recipient=ADA, snapshot=owned),
        lead("accept", "10:01", agent=ADA),
        lead("assign", "10:02", agent=BOB, recipient=BOB),
    ]
    assert texts(DEFAULT, story) == ["insert retract in accepted, before assign"]
    assert texts(DEFAULT, story[:2]) == []
    by_ada = lead("assign", "10:02", agent=ADA, recipient=BOB)
    assert texts(DEFAULT, [*story[:2], by_ada]) == []


def test_who_has_a_lead_after_an_inserted_step_is_anybodys_guess():
    rules = Rules.loads(
        """
        edge = [
            {trigger = "send", from = ["new"], to = "sent"},
            {trigger = "assign", from = ["sent"], to = "assigned"},
            {trigger = "accept", from = ["assigned"], to = "accepted", guards = ["by_holder"]},
        ]
        """
    )
    story = [lead("add", "10:00", recipient=ADA), lead("accept", "10:02", agent=BOB)]
    assert texts(rules, story) == ["insert assign in sent, before accept"]
    given_to_ada = lead("assign", "10:01", recipient=ADA)
    assert texts(rules, [story[0], given_to_ada, story[1]]) == ["remove accept in assigned"]


def test_what_comes_after_a_deletion_can_only_be_removed():
    story = [
        lead("add", "10:00", contact={"c": "1"}),
        deletion("10:01", {"c": "1"}),
        lead("assign", "10:02", contact={"c": "1"}),
        lead("accept", "10:03", contact={"c": "1"}),
    ]
    assert texts(DEFAULT, story) == ["remove assign in sent", "remove accept in sent"]


def test_dates_that_imply_steps_count_as_in_the_fold():
    dated = {"dateSent": "2026-03-01T09:00:00Z"}
    assert texts(BASE, [lead("accept", "10:00", snapshot=dated)]) == []
    assert texts(BASE, [lead("accept", "10:00")]) == ["insert send in new, before accept"]


PARTIES = st.sampled_from([None, ADA, BOB, ORG])


@st.composite
def stories(draw):
    """The messages of one lead, with parties and dates."""
    size = draw(st.integers(1, 6))
    actions = st.sampled_from(["add", "receive", "update", "assign", "accept", "reject", "retract"])
    story = []
    for number in range(size):
        named = {"agent": draw(PARTIES), "recipient": draw(PARTIES), "participant": draw(PARTIES)}
        snapshot = {"owner": draw(PARTIES), "recipient": draw(PARTIES)}
        if draw(st.booleans()):
            snapshot["dateReceived"] = f"2026-03-01T10:0{draw(st.integers(0, 9))}:00Z"
        action = draw(actions)
        named = {name: party for name, party in named.items() if party}
        snapshot = {name: one for name, one in snapshot.items() if one}
        story.append(lead(action, f"10:0{number}", snapshot=snapshot, **named))
    return story


def refusals(rules, events):
    return sum(one.lead.refusals for one in fold(rules, events).leads)


@given(stories())
def test_a_repair_is_empty_exactly_when_nothing_was_refused_and_never_worse_than_removing(story):
    events = [decode(one) for one in story]
    most = refusals(DEFAULT, events)
    edits = edits_of(DEFAULT, events)
    assert bool(edits) == bool(most)
    fewest_removed = next(
        size
        for size in range(len(events) + 1)
        for kept in combinations(events, len(events) - size)
        if not refusals(DEFAULT, kept)
    )
    assert len(edits) <= fewest_removed
    if all(edit.kind == "remove" for edit in edits):
        gone = {edit.event_id for edit in edits}
        assert not refusals(DEFAULT, [one for one in events if one.id not in gone])


def minutes(number):
    return f"2026-03-01T10:{number:02}:00Z"


def test_a_date_of_receipt_is_stale_by_what_was_kept():
    story = [
        lead("add", "10:10", id="urn:first"),
        lead("add", "10:14"),
        lead("update", "10:15", snapshot={"dateReceived": minutes(12)}),
        lead("receive", "10:16"),
    ]
    assert len(texts(BASE, story)) == 1


def test_where_very_many_parties_act_removing_what_was_refused_is_still_a_repair():
    rules = Rules.loads(
        """
        edge = [
            {trigger = "assign", from = ["new"], to = "assigned", guards = ["by_owner"]},
            {trigger = "assign", from = ["assigned"], to = "assigned", guards = ["by_owner"]},
            {trigger = "accept", from = ["assigned"], to = "assigned", guards = ["by_holder"]},
        ]
        """
    )
    story = []
    for number in range(40):
        someone = f"https://p{number % 13}.example.com"
        story.append(lead("assign", f"10:{number:02}", agent=someone, recipient=someone))
        story.append(lead("accept", f"10:{number:02}", agent=f"https://q{number}.example.com"))
        story[-2]["data"]["object"]["owner"] = f"https://p{number % 7}.example.com"
    events = sorted((decode(one) for one in story), key=lambda one: one.position)
    assert 0 < len(edits_of(rules, events)) <= refusals(rules, events)


@guard("first_only")
def first_only(lead, event):  # noqa: ARG001
    return "not the first" if lead.events else None


def test_a_guard_that_looks_at_more_than_parties_is_asked_as_in_the_fold():
    rules = Rules.loads('edge = [{trigger = "update", from = ["new"], guards = ["first_only"]}]')
    story = [lead("update", "10:00"), lead("update", "10:01")]
    assert texts(rules, story) == ["remove update in new"]


def test_equal_edits_are_grouped_over_leads():
    def lead_of(name, *triggers):
        return Repair(name, repaired(BASE, table_of(BASE), triggers))

    groups = grouped(
        [
            lead_of("x:1", "accept"),
            lead_of("x:2", "accept", "accept", "accept"),
            lead_of("x:3", "assign", "accept"),
        ]
    )
    assert [(str(one), one.edits, one.leads) for one in groups] == [
        ("insert send in new, before accept", 2, 2),
        ("remove accept in accepted", 2, 1),
        ("insert send in new, before assign", 1, 1),
    ]


@pytest.mark.skipif(not LOGS.exists(), reason="the real logs are not here")
def test_the_base_rules_of_the_tests_are_those_of_the_real_logs():
    assert Rules.from_toml(LOGS / "base.toml") == BASE
