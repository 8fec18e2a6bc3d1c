"""Erasing: nothing of the person is left, everything of the others is, and what happened stays."""

import json
import random
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import ADA, BOB, deletion, lead
from worlds import NOW, copy_of, store_says

from lifecycle import (
    AmbiguousLeadError,
    LeadReader,
    LeadStore,
    UnknownLeadError,
    UnpurgedError,
)
from lifecycle.store import erasing
from lifecycle.store.payload import decompress

chances = st.randoms(use_true_random=False)


# --- persons --------------------------------------------------------------------------------------


def personal_of(number):
    """What must not be found of a person."""
    return {
        "name": f"Given{number}xq Family{number}xq",
        "email": f"mail{number}xq@example.org",
        "telephone": f"+49 30 7700{number:03}",
    }


def texts_of(number):
    """How it may stand in a file."""
    personal = personal_of(number)
    digits = personal["telephone"].replace(" ", "")
    return [
        f"Given{number}xq",
        f"Family{number}xq",
        f"mail{number}xq",
        personal["telephone"],
        digits,
    ]


def contact_of(number, *, named=True):
    contact = {"type": "Contact", "identifier": {"cid": f"c-{number}"}}
    return contact | personal_of(number) if named else contact


@st.composite
def person_messages(draw, number):
    """A message about one of the few leads of a person, by one of several names."""
    personal = personal_of(number)
    action = draw(st.sampled_from(["add", "update", "assign", "accept", "reject", "retract"]))
    keys = draw(
        st.sampled_from(
            [
                {"crm": f"{number}-1"},
                {"crm": f"{number}-2"},
                {"crm": f"{number}-1", "email": personal["email"]},
                {"email": personal["email"]},
                None,
            ]
        )
    )
    contact = contact_of(number, named=draw(st.booleans()))
    if draw(st.booleans()):
        contact["sameAs"] = {"email": personal["email"]}
    more = {}
    if draw(st.booleans()):
        more["reason"] = f"{personal['name']} hung up"
    if not draw(st.integers(0, 3)):
        more["fieldChange"] = {"field": "Phone", "old": "none", "new": personal["telephone"]}
    if draw(st.booleans()):
        more["agent"] = draw(st.sampled_from([ADA, BOB, {"name": personal["name"]}]))
    at = f"10:{draw(st.integers(0, 59)):02}"
    message = lead(action, at, keys=keys, snapshot={"object": contact}, **more)
    message["id"] = f"urn:{number}:{draw(st.integers(0, 30))}"
    if not draw(st.integers(0, 7)):
        message["id"] += f":{personal['email']}"
    if not draw(st.integers(0, 9)):
        message |= {"time": "03/02/2026"}
    if not draw(st.integers(0, 9)):
        del message["id"]
    return message


@st.composite
def worlds_of_three(draw):
    world = [
        message
        for number in range(3)
        for message in draw(st.lists(person_messages(number), max_size=6))
    ]
    # Somebody must have said whose name, address and number these are.
    world += [
        lead("add", "10:00", keys={"crm": f"{number}-1"}, snapshot={"object": contact_of(number)})
        for number in range(3)
    ]
    if draw(st.booleans()):
        world.append(deletion("10:30", {"cid": "c-0", "email": personal_of(0)["email"]}))
    return draw(st.permutations(world))


def everything_in(store):
    """All bytes of a store and its companions, and every message in it."""
    path = store.path
    files = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    found = b"".join(one.read_bytes() for one in files if one.exists())
    for table in ("event", "copy"):
        for (body,) in store._connection.execute(f"SELECT body FROM {table} WHERE body <> x''"):
            found += decompress(body)
    return found


def traces(store, number):
    """What is found of a person."""
    found = everything_in(store).lower()
    return [text for text in texts_of(number) if text.lower().encode() in found]


def what_happened(store, number):
    """States, times and triggers of a person's leads, as rows that stand and as they were."""
    pks = {
        pk
        for pk, keys in store._connection.execute("SELECT id, keys FROM lead")
        if f'"{number}-' in keys or f'"c-{number}"' in keys
    }
    rows = store._connection.execute(
        "SELECT lead, event, step, trigger, source, target, verdict, at, recorded_at,"
        " superseded_at FROM history ORDER BY id"
    ).fetchall()
    states = store._connection.execute(
        "SELECT id, state, since, events, refusals FROM lead ORDER BY id"
    ).fetchall()
    return [row for row in states if row[0] in pks], [row for row in rows if row[0] in pks]


def others_say(store, number):
    """All that is said of the others."""
    rows = store._connection.execute(
        "SELECT * FROM event WHERE id NOT LIKE ? AND content LIKE '%c-%' ORDER BY seq",
        (f"urn:{number}:%",),
    ).fetchall()
    leads = [
        row
        for row in store._connection.execute("SELECT * FROM lead ORDER BY id")
        if f'"c-{number}"' not in row[-1] and f'"{number}-' not in row[-1]
    ]
    return leads, [row for row in rows if f'"c-{number}"' not in row[-2]]


def filled(path, world, chance):
    store = LeadStore(path, clock=lambda: NOW)
    while world:
        size = chance.randint(1, 6)
        store.apply_many(world[:size])
        world = world[size:]
    return store


@settings(max_examples=60)
@given(worlds_of_three(), chances)
def test_nothing_of_the_person_is_left_and_all_else_is(tmp_path_factory, world, chance):
    path = tmp_path_factory.mktemp("erase") / "leads.db"
    with filled(path, world, chance) as store:
        happened, others = what_happened(store, 0), others_say(store, 0)
        head = store.head()
        erasure = store.erase("contact:cid:c-0")
        assert erasure.events > 0
        assert traces(store, 0) == []
        assert what_happened(store, 0) == happened
        assert others_say(store, 0) == others
        found = store.verify(head, past=True)
        assert (found.defects, found.erased) == ((), erasure.events + erasure.copies)
        store_says(store)


@settings(max_examples=40)
@given(worlds_of_three(), chances)
def test_later_copies_are_kept_out_and_leave_nothing_behind(tmp_path_factory, world, chance):
    path = tmp_path_factory.mktemp("erase") / "leads.db"
    with filled(path, world, chance) as store:
        store.erase("contact:cid:c-0")
        said, head = store_says(store), store.head()
        again = [one for one in world if '"c-0"' in json.dumps(one)]
        outcomes = store.apply_many(again)
        assert {one.kind for one in outcomes} <= {"duplicate", "quarantined"}
        decodable = [copy_of(one) for one in again if "/" not in one["time"]]
        assert {one.kind for one in store.apply_many(decodable)} == {"duplicate"}
        assert traces(store, 0) == []
        assert (store_says(store), store.head()) == (said, head)


@settings(max_examples=30)
@given(worlds_of_three(), chances)
def test_erasing_twice_and_folding_again_change_nothing(tmp_path_factory, world, chance):
    path = tmp_path_factory.mktemp("erase") / "leads.db"
    with filled(path, world, chance) as store:
        store.erase("contact:cid:c-0")
        dump = list(store._connection.iterdump())
        assert store.erase("contact:cid:c-0").removed == 0
        assert list(store._connection.iterdump()) == dump
        said, change = store_says(store), store.last_change()
        store.rebuild()
        assert (store_says(store), store.last_change()) == (said, change)
        assert store.verify().defects == ()
