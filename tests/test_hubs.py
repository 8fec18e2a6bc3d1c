"""Leads that share a contact: which of them a message means that names the contact alone."""

import gc
from importlib import import_module
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, lead
from worlds import NOW, decodable

from lifecycle import LeadStore, Refusal, Rules, decode, fold
from lifecycle.domain import SubjectFold, lead_groups, machine_for, subjects_of
from lifecycle.domain.decision import decide

FOLD = import_module("lifecycle.domain.subject")
RULES = Rules.default()
HUB = {"c": "hub"}


def chosen(self, event):
    """Choose as docs/model.md words it: all candidates, one criterion after the other."""
    found = list(self.tracks.items())
    if not self._deleted_before(event):
        legal = [
            one
            for one in found
            if not isinstance(decide(self.machine, one[1].lead, event), Refusal)
        ]
        found = legal or found
    party = event.participant if event.trigger == "retract" else event.agent or event.recipient
    holders = [(one, one[1].lead.holder) for one in found]
    found = [one for one, holder in holders if party and holder and party.matches(holder)] or found
    latest = max(track.position[0] for _, track in found)
    touched_last = [one for one in found if one[1].position[0] == latest]
    group, _ = min(touched_last, key=lambda one: FOLD._smallest_key(one[1]))
    return group, len(found) > 1


@st.composite
def crowds(draw):
    """Messages of several leads of one contact; many name the contact alone."""
    actions = ["add", "assign", "accept", "reject", "retract", "update", "receive", "change"]
    return [
        lead(
            draw(st.sampled_from(actions)),
            f"10:0{draw(st.integers(0, 9))}",
            keys=draw(st.sampled_from([None, None, "1", "2", "3", "4", "5"])),
            contact=HUB,
            **draw(
                st.fixed_dictionaries(
                    {},
                    optional=dict.fromkeys(
                        ("agent", "recipient", "participant"), st.sampled_from([ADA, BOB])
                    ),
                )
            ),
        )
        for _ in range(draw(st.integers(2, 16)))
    ]


@given(crowds(), st.sampled_from(["skip", "force", "stop"]), st.integers(0, 16))
def test_what_names_a_contact_alone_is_bound_as_the_words_say(world, on_invalid, split):
    lazily = list(said(world, on_invalid, split))
    with patch.object(SubjectFold, "_choose", chosen):
        assert list(said(world, on_invalid, split)) == lazily


def said(world, on_invalid, split):
    """To which lead each event is bound, with what verdict, and what is found.

    What comes behind the split is folded on, also where it is earlier than what was folded.
    """
    events = decodable(world)
    later = {event.id for event in events[split:]}
    for members in subjects_of(sorted(events, key=lambda event: event.position)):
        part = SubjectFold(machine_for(RULES), on_invalid=on_invalid)
        for is_later in (False, True):
            some = [event for event in members if (event.id in later) == is_later]
            part.run(some, lead_groups(members))
        yield from ((one, *fate[1:]) for one, fate in sorted(part.fates.items()))
        yield from ((track.lead, track.findings) for track in part.tracks.values())


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "out of order"])
def test_what_names_a_contact_alone_does_not_look_at_every_lead(order):
    leads = 300
    world = [
        message
        for number in range(leads)
        for minute in (f"{10 + number // 60}:{number % 60:02}",)
        for message in (
            lead("add", minute, keys=f"n{number}", contact=HUB),
            lead("update", minute, keys=None, contact=HUB),
        )
    ]
    with patch.object(FOLD, "decide", wraps=decide) as decided:
        fold(RULES, map(decode, world[::order]))
    assert decided.call_count <= 3 * leads


def test_a_store_lets_go_of_its_file_though_nobody_collects_garbage(tmp_path):
    """The other leads of a hub are read one by one: a read that is not ended keeps the file."""
    leads = [lead("add", f"10:{number:02}", keys=f"{number}", contact=HUB) for number in range(9)]
    gc.disable()
    try:
        with LeadStore(tmp_path / "leads.db", clock=lambda: NOW) as store:
            store.apply_many(leads)
            store.apply(lead("accept", "11:00", keys=None, contact=HUB))
        assert [one.name for one in tmp_path.iterdir()] == ["leads.db"]
    finally:
        gc.enable()
