"""Erasing: nothing of the person is left, everything of the others is, and what happened stays."""

import json
import os
import pty
import re
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from itertools import count

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import ADA, BOB, ORG, deletion, lead
from worlds import NOW, copy_of, store_says

from lifecycle import (
    AmbiguousLeadError,
    HubError,
    LeadReader,
    LeadStore,
    UnknownLeadError,
    UnpurgedError,
    decode,
)
from lifecycle.auditing.words import moment
from lifecycle.messages import format_time
from lifecycle.store.db.codec import hashed
from lifecycle.store.db.compression import decompress
from lifecycle.store.db.erased import is_pseudonym
from lifecycle.store.erasure import erase as erasing
from lifecycle.store.ledger.chain import Entry, commitment_of

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
    topics = ["add", "update", "assign", "accept", "reject", "retract", "change", "change"]
    action = draw(st.sampled_from(topics))
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
    if action == "change":
        more["source"] = draw(st.sampled_from(["salesforce", "acme"]))
        more["field"] = draw(st.sampled_from(["Phone", "Status"]))
        texts = ["Working", "Unqualified", personal["telephone"], f"with {personal['name']}"]
        more["new"] = draw(st.sampled_from(texts))
        if draw(st.booleans()):
            more["old"] = draw(st.sampled_from(texts))
    if draw(st.booleans()):
        more["reason"] = f"{personal['name']} hung up"
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


def what_stays(erasure):
    return erasure.kept_keys, erasure.kept_parties, erasure.kept_ids


@settings(max_examples=60)
@given(worlds_of_three(), chances)
def test_nothing_of_the_person_is_left_and_all_else_is(tmp_path_factory, world, chance):
    path = tmp_path_factory.mktemp("erase") / "leads.db"
    with filled(path, world, chance) as store:
        happened, others = what_happened(store, 0), others_say(store, 0)
        head = store.head()
        rehearsed = store.erase("contact:cid:c-0", dry_run=True)
        erasure = store.erase("contact:cid:c-0")
        assert erasure.events > 0
        assert what_stays(erasure) == what_stays(rehearsed)
        names = {str(key) for one in erasure.leads for key in store.lead(one).keys}
        assert {name for name in names if not is_pseudonym(name)} <= set(erasure.kept_keys)
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


# --- what is a person's ---------------------------------------------------------------------------

JOE = {
    "type": "Contact",
    "identifier": {"cid": "c-77"},
    "name": "Joe Bloggs",
    "email": "joe@bloggs.example",
    "telephone": "+49 (30) 555-0101",
}


@pytest.fixture
def joe(store):
    """A store with a lead of a person, and one of somebody else."""
    store.apply(lead("add", "10:00", keys="1", id="urn:first", snapshot={"object": JOE}))
    store.apply(lead("reject", "10:02", keys="1", reason="Joe Bloggs: no time", agent=ADA))
    store.apply(lead("accept", "10:01", keys="1", agent=BOB))
    store.apply(lead("add", "10:00", keys="2", contact={"cid": "c-8"}))
    return store


def found_of_joe(store):
    found = everything_in(store).lower()
    return [text for text in (b"joe@", b"bloggs", b"555-0101") if text in found]


def values_of_keys(store):
    return {value for (value,) in store._connection.execute("SELECT value FROM key")}


def is_gone(store, value, *, keys="1", kind="contact", scheme="x"):
    """Whether a key of this value is, after erasing."""
    named = {"keys": {scheme: value, "crmLeadId": keys}}
    if kind == "contact":
        named = {"keys": keys, "contact": {scheme: value}}
    store.apply(lead("update", "10:09", **named))
    store.erase("crmleadid:1")
    return value not in values_of_keys(store)


@pytest.mark.parametrize(
    "value",
    [
        "joe@other.example",
        "mailto:someone@other.example",
        "+1 555 010 0123",
        "(030) 555 01 99",
        "https://joe.example/card#me",
        "Joe Bloggs",
        "lead of joe bloggs",
        "493055-50101",
    ],
)
def test_a_key_that_names_a_person_to_everybody_is_replaced(value, joe):
    assert is_gone(joe, value)


@pytest.mark.parametrize("scheme", ["Email", "workPhone", "mobile", "displayName", "tel"])
def test_a_key_whose_scheme_says_so_is_replaced(scheme, joe):
    assert is_gone(joe, "7", scheme=scheme.lower(), kind="lead")


@pytest.mark.parametrize(
    "value", ["129810925", "2026-000123", "0031U00002XW1QWQA1", "4930555010199"]
)
def test_an_id_that_a_system_made_up_stays(value, joe):
    assert not is_gone(joe, value)


def test_a_web_address_of_a_lead_stays(joe):
    assert not is_gone(joe, "https://crm.example/leads/1", kind="lead")


def test_an_erased_lead_still_has_its_history_and_nothing_personal(joe):
    before = joe.history("crmleadid:1", superseded=True)
    erasure = joe.erase("contact:cid:c-77")
    assert (erasure.leads, erasure.events) == (("crmleadid:1",), 3)
    after = joe.history("crmleadid:1", superseded=True)
    assert [(one.row.at, one.row.verdict, one.row.by, one.recorded_at) for one in after] == [
        (one.row.at, one.row.verdict, one.row.by, one.recorded_at) for one in before
    ]
    assert {one.row.reason for one in after} == {None}
    assert [one.payload for one in joe.messages("crmleadid:1")] == [None] * 3
    assert found_of_joe(joe) == []
    assert joe.lead("crmleadid:2").state == "sent"


def test_what_an_erasure_changed_is_told_as_such(store, lifecycle):
    """A pseudonym cannot always keep the order of two assigns of one time."""
    store.apply(lead("add", "10:00", snapshot={"object": JOE}))
    for event_id, recipient in (("urn:g", ADA), ("urn:joe@bloggs.example", BOB)):
        store.apply(lead("assign", "10:01", agent=ORG, recipient=recipient, id=event_id))
    store.apply(lead("accept", "10:02", agent=BOB))
    store.erase("crmleadid:1")
    told = lifecycle("explain", store.path, "crmleadid:1").output
    assert "  an erasure: changed it" in told
    assert "keys that were linked" not in told


def test_an_erasure_tells_when_it_was(joe, lifecycle):
    assert joe.erase("crmleadid:1", dry_run=True).as_dict()["erased_at"] is None
    erasure = joe.erase("crmleadid:1")
    assert erasure.erased_at == joe.messages("crmleadid:1")[0].erased_at
    assert f"last at {format_time(erasure.erased_at)}" in lifecycle("doctor", joe.path).output


def test_an_explanation_says_when_what_a_message_said_was_erased(joe, lifecycle):
    told = lifecycle("explain", joe.path, "crmleadid:1").output
    assert "erased" not in told
    joe.erase("crmleadid:1")
    (one, *_), (other,) = joe.messages("crmleadid:1"), joe.messages("crmleadid:2")
    assert (one.erased_at is not None, other.erased_at) == (True, None)
    exported = [(event.payload is None, event.erased_at) for event in joe.listing().events()]
    assert exported == [(True, one.erased_at)] * 3 + [(False, None)]
    told = lifecycle("explain", joe.path, "crmleadid:1").output
    assert f"message urn:first, content erased {moment(one.erased_at)}; allowed: anybody" in told


def test_an_id_that_holds_a_name_is_replaced_and_recognised(joe):
    message = lead("update", "10:09", id="urn:of:joe@bloggs.example", keys="1")
    joe.apply(message)
    joe.erase("crmleadid:1")
    assert found_of_joe(joe) == []
    assert joe.apply(message).kind == "duplicate"
    assert joe.verify().defects == ()


def test_events_of_one_time_keep_their_order_where_their_ids_are_replaced(store):
    keys = {"keys": "1", "snapshot": {"object": JOE}}
    ids = ["urn:a", "urn:joe@bloggs.example:1", "urn:joe@bloggs.example:2", "urn:z", "zzz"]
    for number, name in enumerate(ids):
        store.apply(lead("assign", "10:00", id=name, recipient=[ADA, BOB][number % 2], **keys))
    before = [(one.row.by, one.row.holder, one.row.at) for one in store.history("crmleadid:1")]
    change = store.last_change()
    store.erase("crmleadid:1")
    after = [(one.row.by, one.row.holder, one.row.at) for one in store.history("crmleadid:1")]
    assert (after, store.last_change()) == (before, change)


def test_a_message_under_the_id_of_an_erased_one_is_kept_out_whatever_it_says(joe):
    joe.erase("crmleadid:1")
    head = joe.head()
    other = lead("accept", "10:30", id="urn:first", keys="1", snapshot={"object": JOE})
    assert joe.apply(other).kind == "duplicate"
    assert joe.apply(other | {"time": "2100-01-01T00:00:00Z"}).kind == "duplicate"
    assert (joe.head(), found_of_joe(joe), joe.quarantine_numbers()) == (head, [], [])


def test_a_new_message_is_an_ordinary_one(joe):
    joe.erase("crmleadid:1")
    again = lead(
        "add", "11:00", keys="9", snapshot={"object": JOE | {"identifier": {"cid": "c-99"}}}
    )
    assert joe.apply(again).kind == "applied"
    kept = lead("update", "11:00", keys="1", snapshot={"object": JOE})
    assert joe.apply(kept).kind == "noted"
    assert joe.lead("crmleadid:1").contact.name == "Joe Bloggs"
    assert joe.erase("crmleadid:1").events == 1
    assert joe.lead("crmleadid:9").contact.name == "Joe Bloggs"
    assert joe.erase("crmleadid:9").events == 1
    assert found_of_joe(joe) == []
    assert joe.verify().defects == ()


def test_who_acted_stays_unless_it_is_the_person(joe):
    self_service = {"id": "https://joe.bloggs.example/joe-bloggs#me", "name": "Joe Bloggs"}
    joe.apply(lead("assign", "10:03", keys="1", agent=BOB, recipient=self_service))
    joe.apply(lead("accept", "10:04", keys="1", agent=self_service))
    joe.erase("crmleadid:1")
    by = [str(one.row.by) for one in joe.history("crmleadid:1")]
    assert BOB in by
    assert by[-1].startswith("https:erased-")
    assert joe.lead("crmleadid:1").holder == joe.history("crmleadid:1")[-1].row.by
    assert found_of_joe(joe) == []
    assert joe.verify(past=True).defects == ()


def test_a_short_name_goes_where_it_was_and_nowhere_else(store):
    """Parties in words of guards; no letters of other words, and no keys that a system made."""
    person = {"type": "Contact", "identifier": {"cid": "c-1"}, "name": "Al"}
    keys = {"crm": "5", "phone": "5"}
    store.apply(lead("add", "10:00", keys=keys, snapshot={"object": person, "owner": ADA}))
    store.apply(lead("accept", "10:01", keys=keys, agent={"name": "Bo"}))
    for at, agent in (("10:02", {"name": "Al"}), ("10:03", {"name": "al"})):
        store.apply(lead("assign", at, keys=keys, agent=agent, recipient=BOB))
        store.apply(lead("accept", at, keys=keys, agent=agent, id=f"urn:{at}"))
    before = store.history("crm:5", superseded=True)
    changes = store.last_change()
    store.erase("crm:5")
    assert store.last_change() == changes
    after = store.history("crm:5", superseded=True)
    refusals = [
        (one.row.refusal, other.row.refusal) for one, other in zip(before, after, strict=True)
    ]
    for was, now in refusals:
        assert (was is None) == (now is None)
        if was and now:
            assert (was.kind, was.allowed, was.guard) == (now.kind, now.allowed, now.guard)
    assert {str(key) for key in store.lead("crm:5").keys if key.scheme == "crm"} == {"lead:crm:5"}
    assert re.search(rb"\bal\b", everything_in(store), re.IGNORECASE) is None
    assert store.verify().defects == ()


@pytest.mark.parametrize(
    ("contact", "agent"),
    [
        ({"email": "Joe <joe@x.example>; j@work.example"}, "mailto:j@work.example"),
        ({"email": "Joe <joe@x.example>; j@work.example"}, "mailto:joe@x.example"),
        ({"@id": "https://joe.example/card#me"}, "https://joe.example/card#me"),
        ({"email": "joe@x.example"}, {"id": "mailto:joe@x.example", "name": "Jo B."}),
    ],
)
def test_a_party_that_is_the_person_goes_with_its_name(contact, agent, store):
    contact = {"type": "Contact", "identifier": {"cid": "c-1"}} | contact
    store.apply(lead("add", "10:00", snapshot={"object": contact}))
    store.apply(lead("accept", "10:01", agent=agent))
    store.erase("contact:cid:c-1")
    found = everything_in(store).lower()
    assert [text for text in (b"joe", b"jo b", b"j@work") if text in found] == []
    assert "erased-" in str(store.lead("crmleadid:1").holder)


def test_a_namesake_who_acts_elsewhere_stays_there(joe):
    namesake = {"name": "Joe Bloggs"}
    joe.apply(lead("assign", "10:03", keys="1", agent=BOB, recipient=namesake))
    joe.apply(lead("accept", "10:03", keys="2", agent=namesake))
    joe.erase("crmleadid:1")
    assert str(joe.lead("crmleadid:2").holder) == "Joe Bloggs"
    assert str(joe.lead("crmleadid:1").holder).startswith("erased-")
    assert joe.verify().defects == ()


def test_another_process_does_not_bring_a_party_back(joe):
    with LeadStore(joe.path, clock=lambda: NOW) as other:
        person = {"name": "Joe Bloggs"}
        other.apply(lead("accept", "10:03", keys="1", agent=person))
        joe.erase("crmleadid:1")
        other.apply(lead("accept", "10:03", keys="2", agent=person))
        assert str(other.lead("crmleadid:2").holder) == "Joe Bloggs"
        assert other.verify().defects == ()


def test_the_whole_person_is_erased_by_a_name_of_several_leads(joe):
    joe.apply(lead("add", "10:00", keys="3", snapshot={"object": JOE}))
    assert joe.erase("contact:cid:c-77").leads == ("crmleadid:1", "crmleadid:3")
    assert found_of_joe(joe) == []


def test_a_lead_named_by_an_address_gets_a_pseudonym(store):
    store.apply(lead("add", "10:00", keys={"email": "joe@bloggs.example"}, contact={"cid": "c-77"}))
    (lead_id,) = store.erase("email:joe@bloggs.example").leads
    assert lead_id.startswith("email:erased-")
    assert store.lead(lead_id).state == "sent"
    with pytest.raises(UnknownLeadError):
        store.lead("email:joe@bloggs.example")
    with pytest.raises(UnknownLeadError):
        store.erase("email:joe@bloggs.example")


def test_a_name_of_two_persons_erases_neither(store):
    store.apply(lead("add", "10:00", keys={"a": "b:c"}))
    store.apply(lead("add", "10:00", keys={"a:b": "c"}))
    with pytest.raises(AmbiguousLeadError):
        store.erase("a:b:c")
    assert store.verify().erased == 0


def test_a_name_of_a_lead_and_of_somebody_elses_contact_erases_neither(store):
    store.apply(lead("add", "10:00", keys="1", contact={"pc": "129"}))
    store.apply(lead("add", "10:00", keys={"pc": "129"}))
    with pytest.raises(AmbiguousLeadError, match=r"contact:pc:129, lead:pc:129"):
        store.erase("pc:129")
    assert store.erase("contact:pc:129").leads == ("crmleadid:1",)


def test_what_was_removed_before_is_not_in_free_pages_either(joe):
    joe._connection.execute("PRAGMA secure_delete = OFF")
    joe.apply("bloggs, joe " * 2000)
    joe._connection.execute("DELETE FROM quarantine")
    joe._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert found_of_joe(joe) != []
    joe.erase("crmleadid:1")
    assert found_of_joe(joe) == []


def test_values_of_fields_are_not_in_findings_either(joe):
    for at, old, new in (("10:05", "seen", "secretly"), ("10:06", "otherwise", "gone")):
        joe.apply(lead("change", at, keys="1", field="Mood", old=old, new=new))
    assert "contradiction" in {one.finding.code for one in joe.findings("crmleadid:1")}
    joe.erase("crmleadid:1")
    assert b"secretly" not in everything_in(joe)
    assert joe.verify(past=True).defects == ()


# --- the quarantine -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "JOE@bloggs.example",
        "bloggs, joe",
        "Jo\\u0065 Bloggs",
        "0049 30 5550101, +49305550101",
        '{"CID": "c-77"}',
        "joe%40bloggs.example",
        "mail to:\\njoe@bloggs.example",
        "Hello\\tJoe\\r\\nBloggs",
    ],
)
def test_what_is_the_persons_in_the_quarantine_is_emptied_and_does_not_come_back(text, joe):
    raw = f'{{"topic": "lead#add", "x": {text}'
    joe.apply(raw)
    assert joe.erase("crmleadid:1").quarantined == 1
    assert joe.apply(raw).kind == "quarantined"
    assert (joe.quarantine_numbers(), found_of_joe(joe)) == ([], [])


@pytest.mark.parametrize("text", ["annjoe@bloggs.example", "Joe Smith", "xc-77", '{"id": "c-77"}'])
def test_what_is_not_stays_in_the_quarantine(text, joe):
    joe.apply(f'{{"topic": "lead#add", "x": {text}')
    assert joe.erase("crmleadid:1").quarantined == 0
    assert len(joe.quarantine_numbers()) == 1


def test_other_encodings_are_read_too(store):
    contact = {"type": "Contact", "identifier": {"cid": "c-1"}, "name": "Zoltán Quixley"}
    store.apply(lead("add", "10:00", snapshot={"object": contact}))
    for encoding in ("latin-1", "utf-8"):
        store.apply(b'\xff {"x": "' + "Zoltán Quixley".encode(encoding))
    assert store.erase("contact:cid:c-1").quarantined == 2
    assert b"Quixley" not in everything_in(store)


def test_what_others_have_scheduled_is_theirs(joe):
    """It can be decoded: keys and addresses tell whose it is, and no word in its text does."""
    contact = {"type": "Contact", "identifier": {"cid": "c-9"}, "name": "Bea Other"}
    kind, text = {"cid": "c-77"}, "is it for Joe Bloggs, id c-77?"
    ahead = {"time": "2040-01-01T00:00:00Z"}
    others = [
        lead("add", "10:00", keys=kind, id="urn:kind", snapshot={"object": contact}) | ahead,
        lead("add", "10:00", keys="9", id="urn:text", comment=text) | ahead,
    ]
    mail = {"object": {"type": "Contact", "email": JOE["email"]}}
    theirs = [
        lead("update", "10:00", keys="7", contact={"cid": "c-77"}, id="urn:key") | ahead,
        lead("update", "10:00", keys="8", id="urn:mail", snapshot=mail) | ahead,
    ]
    joe.apply_many(others + theirs)
    assert joe.erase("crmleadid:1").quarantined == 2
    with LeadStore(joe.path, clock=lambda: 2 * NOW, accept_clock=True) as later:
        kinds = [later.apply(one).kind for one in others + theirs]
        assert kinds == ["duplicate"] * 4
        found = {one.lead_id for one in later.leads()}
        assert found == {"crmleadid:1", "crmleadid:2", "cid:c-77", "crmleadid:9"}


def test_a_message_of_the_future_is_kept_out_when_it_is_due(joe):
    message = lead("accept", "10:00", keys="1", snapshot={"object": JOE})
    message["time"] = "2040-01-01T00:00:00Z"
    assert joe.apply(message).kind == "quarantined"
    assert joe.erase("crmleadid:1").quarantined == 1
    with LeadStore(joe.path, clock=lambda: 2 * NOW, accept_clock=True) as later:
        assert later.apply(message).kind == "duplicate"
        assert found_of_joe(later) == []


# --- a deletion of the contact --------------------------------------------------------------------


@settings(max_examples=40)
@given(worlds_of_three(), chances)
def test_what_belongs_to_a_deleted_contact_is_erased_in_whatever_order(
    tmp_path_factory, world, chance
):
    """Where a kept id ties them, and it is not the person who acts, and no contents conflict."""
    world = [one for one in world if '"c-0"' not in json.dumps(one) or "email" not in _keys(one)]
    world = list({one.get("id", number): one for number, one in enumerate(world)}.values())
    for message in world:
        if "agent" in message["data"]:
            message["data"]["agent"] = ADA
    world.append(deletion("10:30", {"cid": "c-0"}))
    found = []
    for _ in range(2):
        chance.shuffle(world)
        path = tmp_path_factory.mktemp("erase") / "leads.db"
        with LeadStore(path, clock=lambda: NOW, on_contact_delete="erase") as store:
            rest = list(world)
            while rest:
                size = chance.randint(1, 6)
                store.apply_many(rest[:size])
                rest = rest[size:]
            store.purge()
            assert store.verify(past=True).defects == ()
            found.append(
                store._connection.execute(
                    "SELECT state, since, events, refusals FROM lead"
                    " WHERE keys LIKE '%c-0%' ORDER BY 1, 2, 3, 4"
                ).fetchall()
            )
            erased = store._connection.execute(
                "SELECT count(*), total(seq IN (SELECT event FROM erased)) FROM event"
                " WHERE content LIKE '%\"c-0\"%'"
            ).fetchone()
            assert erased[0] == erased[1]
    assert found[0] == found[1]


def _keys(message):
    lead_object = message["data"]["object"]
    contact = lead_object.get("object", {})
    return [*lead_object.get("identifier", {}), *contact.get("sameAs", {})]


def test_a_deletion_keeps_everything_unless_asked(joe):
    joe.apply(deletion("10:30", {"cid": "c-77"}))
    assert joe.verify().erased == 0
    assert joe.lead("crmleadid:1").contact.name == "Joe Bloggs"


def test_what_else_takes_messages_in_can_erase_too(joe, lifecycle, write_log):
    """Of a person whose contact is deleted: what was quarantined, and what another system has."""
    late = lead("update", "10:05", keys="1", snapshot={"object": JOE})
    broken = joe.apply(late | {"topic": "realestate/lead#update", "time": "soon"})
    assert broken.kind == "quarantined"
    joe.apply(deletion("10:30", {"cid": "c-77"}))
    corrected = write_log([late])
    result = lifecycle(
        *("quarantine", "retry", joe.path, "1", "--with", corrected),
        *("--on-contact-delete", "erase", "--accept-clock"),
    )
    assert (result.exit_code, json.loads(result.stdout)["outcome"]) == (0, "noted")
    assert found_of_joe(joe) == []


# --- rehearsed, and refused -----------------------------------------------------------------------


def test_a_rehearsal_tells_what_would_be_erased_and_leaves_everything(joe, lifecycle):
    dump = list(joe._connection.iterdump())
    rehearsed = joe.erase("crmleadid:1", dry_run=True)
    result = lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock", "--dry-run")
    assert result.stdout.startswith("would erase 3 messages of 1 lead,")
    assert list(joe._connection.iterdump()) == dump
    assert found_of_joe(joe) != []
    assert evolve(joe.erase("crmleadid:1"), erased_at=None) == rehearsed


HUB = {"mail": "none@none.example"}


def make_hub(store):
    """Very many leads that share a placeholder, and one person who does not."""
    store.apply_many(
        [
            lead("add", "10:00", keys=f"n{number}", contact={"cid": f"h-{number}"} | HUB)
            for number in range(101)
        ]
    )
    store.apply(lead("add", "10:00", keys="alone", snapshot={"object": JOE}))


def test_many_people_who_share_a_placeholder_are_erased_only_when_asked(store, lifecycle):
    make_hub(store)
    dump = list(store._connection.iterdump())
    with pytest.raises(
        HubError, match=r"^crmleadid:n7 may be many people: more than 100 leads share contact:mail"
    ) as hub:
        store.erase("crmleadid:n7")
    assert hub.value.hubs[0] == "more than 100 leads share contact:mail:none@none.example"
    result = lifecycle("erase", store.path, "crmleadid:n7", "--accept-clock", "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Nothing was erased; --hub" in result.stderr
    assert list(store._connection.iterdump()) == dump
    assert (
        lifecycle("erase", store.path, "crmleadid:n7", "--accept-clock", "--dry-run").exit_code == 1
    )
    assert (
        lifecycle(
            "erase", store.path, "crmleadid:n7", "--accept-clock", "--dry-run", "--hub"
        ).exit_code
        == 0
    )
    assert list(store._connection.iterdump()) == dump
    assert store.erase("crmleadid:n7", hub=True).events == 101
    assert store.verify().defects == ()
    assert b"none@none" not in everything_in(store)


def test_a_deletion_within_a_hub_erases_nobody_and_says_so(store, lifecycle, write_log):
    make_hub(store)
    gone = [deletion("10:30", {"cid": cid}) for cid in ("h-7", "c-77")]
    result = lifecycle(
        "replay", store.path, write_log(gone), "--accept-clock", "--on-contact-delete", "erase"
    )
    assert (result.exit_code, "leads share contact:mail:none" in result.stderr) == (0, True)
    assert store.verify().erased == 2
    assert b"none@none" in everything_in(store)
    assert b"bloggs" not in found_of_joe(store)


# --- when something is in the way -----------------------------------------------------------------


@pytest.mark.parametrize("step", ["_erase_contents", "_erase_rows", "_settle", "_empty_quarantine"])
def test_what_fails_in_the_middle_leaves_everything_as_it_was(step, joe, monkeypatch):
    dump = list(joe._connection.iterdump())
    work = getattr(erasing.Erasing, step)

    def fail(*args):
        work(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasing.Erasing, step, fail)
        with pytest.raises(KeyboardInterrupt):
            joe.erase("crmleadid:1")
    assert list(joe._connection.iterdump()) == dump
    assert joe.verify().defects == ()
    assert joe.erase("crmleadid:1").events == 3


def test_a_reader_in_the_way_is_told_of_and_what_is_left_is_removed_later(
    joe, lifecycle, monkeypatch
):
    monkeypatch.setattr(erasing, "PURGE_WAITS", 50)
    with LeadReader(joe.path) as reader:
        with reader.snapshot():
            reader.lead_count()
            with pytest.raises(UnpurgedError, match="still holds traces of it"):
                joe.erase("crmleadid:1")
            assert joe.lead("crmleadid:1").contact.name is None
            assert found_of_joe(joe) != []
            result = lifecycle("erase", joe.path, "--purge", "--accept-clock")
            assert (result.exit_code, "traces" in result.stderr) == (3, True)
        assert (
            lifecycle("erase", joe.path, "--purge", "--accept-clock").stdout
            == "the file was written anew\n"
        )
        assert found_of_joe(joe) == []
        assert (
            lifecycle("erase", joe.path, "--purge", "--accept-clock").stdout
            == "nothing was left to remove\n"
        )


# --- verifying ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET salt = zeroblob(16) WHERE number = 1",
        "UPDATE ledger SET salt = NULL WHERE number = 1",
        "UPDATE ledger SET salt = NULL WHERE number = 5",
        "UPDATE event SET body = x'' WHERE seq = 4",
        "UPDATE event SET body = x'00' WHERE seq = 1",
        "UPDATE event SET digest = randomblob(32) WHERE seq = 1",
        "UPDATE event SET time = time - 1 WHERE seq = 1",
        "UPDATE event SET trigger = 2 WHERE seq = 1",
        "UPDATE event SET content = replace(content, 'ada', 'eve') WHERE seq = 2",
        "UPDATE erased SET ledger = 5 WHERE event = 1",
        "UPDATE erased SET ledger = NULL WHERE event = 1",
        "UPDATE erased SET erased_at = erased_at + 1 WHERE event = 1",
        "UPDATE erased SET id_hash = x'00' WHERE event = 1",
        "UPDATE event SET recorded_at = recorded_at - 1 WHERE seq = 1",
        "UPDATE event SET id = 'urn:other' WHERE seq = 1",
        "UPDATE event SET ledger = 99 WHERE seq = 1",
        "UPDATE event SET ledger = 3 WHERE seq = 1",
        "UPDATE event SET content = replace(content, 'null]', '[1,2,3]]') WHERE seq = 1",
        "DELETE FROM erased WHERE event = 1",
        "DELETE FROM event WHERE seq = 1",
        "UPDATE erased SET event = 4 WHERE event = 1",
        "UPDATE erased SET event = 99 WHERE event = 1",
        "UPDATE lead SET state = 0 WHERE id = 1",
    ],
)
def test_an_edit_of_what_stays_is_found(change, joe):
    joe.erase("crmleadid:1")
    assert joe.verify().sound
    with closing(sqlite3.connect(joe.path)) as plain:
        assert plain.execute(change).rowcount == 1
        plain.commit()
    assert not joe.verify().sound


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_what_was_erased(joe, lifecycle):
    joe.apply("bloggs, joe")
    result = lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock", "--yes")
    assert result.exit_code == 0
    assert result.stdout == (
        "erased 3 messages of 1 lead, 0 other contents under their ids and 1 quarantined message;"
        " 0 personal keys replaced\n  crmleadid:1\n"
        "keys that stay:\n  contact:cid:c-77\n  lead:crmleadid:1\n"
        "parties that stay:\n"
        f"  {ADA}\n  {BOB}\n"
        "3 ids of messages stay\n"
    )
    again = json.loads(
        lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock", "--yes", "--json").stdout
    )
    assert again == {"leads": ["crmleadid:1"], "events": 0, "copies": 0, "keys": 0} | {
        "quarantined": 0,
        "erased_at": None,
        "kept_keys": ["contact:cid:c-77", "lead:crmleadid:1"],
        "kept_parties": [],
        "kept_ids": 0,
    }
    assert (
        "nothing personal was left"
        in lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock", "--yes").stdout
    )


def test_a_key_and_a_party_that_may_name_a_person_are_told_before(joe, lifecycle):
    user = {"id": "urn:user:joe", "name": "jbloggs1970"}
    joe.apply(lead("update", "10:05", keys={"crmLeadId": "1", "passport": "C01X00T47"}, agent=user))
    told = lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock", "--dry-run").stdout
    assert "  lead:passport:C01X00T47\n" in told
    assert "  urn:user:joe\n" in told


def test_a_script_must_say_that_it_means_it(joe, lifecycle):
    result = lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "erasing cannot be undone: give --yes, or --dry-run to look" in result.stderr
    assert found_of_joe(joe) != []


@pytest.mark.parametrize(("answer", "erases"), [(b"y\n", True), (b"n\n", False)], ids=str)
def test_a_terminal_is_asked(answer, erases, joe):
    watched, terminal = pty.openpty()
    os.write(watched, answer)
    command = [sys.executable, "-m", "lifecycle", "erase", str(joe.path), "crmleadid:1"]
    done = subprocess.run(
        [*command, "--accept-clock"], stdin=terminal, capture_output=True, text=True, check=False
    )
    os.close(terminal)
    os.close(watched)
    assert "would erase 3 messages of 1 lead" in done.stderr
    assert "This cannot be undone. [y/N]" in done.stderr
    assert done.returncode == (0 if erases else 1)
    assert done.stdout.startswith("erased 3 messages") == erases
    assert (found_of_joe(joe) == []) == erases


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("cut", [0, 1])
def test_lines_in_the_quarantine_that_are_utf_16_are_found(encoding, cut, joe):
    joe.apply("{ caller: Joe Bloggs ☎ }".encode(encoding)[cut:])
    joe.apply("{ caller: Ann Example ☎ }".encode(encoding)[cut:])
    assert joe.erase("crmleadid:1").quarantined == 1


def test_the_command_ends_with_one_for_a_name_that_nobody_has(joe, lifecycle):
    result = lifecycle("erase", joe.path, "crmleadid:99", "--accept-clock", "--yes")
    assert (result.exit_code, "no lead is known" in result.stderr) == (1, True)


@pytest.mark.parametrize("command", ["replay", "apply"])
def test_what_is_replayed_or_applied_can_be_erased_at_once(command, path, lifecycle, write_log):
    messages = [
        lead("add", "10:00", keys="1", snapshot={"object": JOE}),
        deletion("10:30", {"cid": "c-77"}),
        lead("accept", "10:01", keys="1", agent=ADA, snapshot={"object": JOE}),
    ]
    log = write_log(messages)
    assert lifecycle(command, path, log, "--on-contact-delete", "erase").exit_code == 0
    with LeadStore(path) as store:
        assert found_of_joe(store) == []
        assert store.lead("crmleadid:1").state == "accepted"
        assert store.lead("crmleadid:1").contact_deleted_at is not None
        assert (store.verify(past=True).defects, store.verify().erased) == ((), 3)


def enter_anew(store, first):
    """What a forger can do: make the entries from this number on again, for what is there now."""
    execute = store._connection.execute
    (link,) = execute("SELECT link FROM ledger WHERE number = ?", (first - 1,)).fetchone()
    for number, recorded_at, salt, *columns in execute(
        "SELECT ledger.number, ledger.recorded_at, salt, event.id_hash, event.trigger, event.time,"
        " id, digest, content, body FROM ledger JOIN event ON event.ledger = number"
        " WHERE number >= ? ORDER BY number",
        (first,),
    ).fetchall():
        (*about, event_id, digest, content, body) = columns
        commitment = commitment_of(salt, (event_id, digest, *about[1:], content, body))
        entry = Entry(number, recorded_at, *about, commitment)
        link = entry.link(link)
        execute(
            "UPDATE ledger SET trigger = ?, time = ?, commitment = ?, link = ? WHERE number = ?",
            (entry.trigger, entry.time, commitment, link, number),
        )


def test_what_happened_cannot_be_forged_by_erasing_it_first(joe):
    """A head from before vouches for trigger and time of what was erased since."""
    head = joe.head()
    joe.erase("crmleadid:1")
    assert joe.verify(head).sound
    joe._connection.execute("UPDATE event SET trigger = 4, time = time - 60000000 WHERE seq = 3")
    joe.rebuild()
    assert "contents" in {one.check for one in joe.verify(head).defects}
    enter_anew(joe, head.count + 1)
    (found,) = joe.verify(head).defects
    assert (
        str(found) == "event 3: expected what entry 4 of the ledger is about, found another event"
    )


def test_no_content_can_be_put_in_the_place_of_another_that_is_erased_by_hand(store):
    """What takes its place is an ordinary conflict; what was there leaves a tombstone, or a gap."""
    store.apply_many([lead("add", "10:00"), lead("accept", "10:01", agent=ADA, id="urn:2")])
    head, execute = store.head(), store._connection.execute
    (digest,) = execute("SELECT digest FROM event WHERE seq = 2").fetchone()
    forged = (lead("reject", "09:00", agent=BOB, id="urn:2", n=number) for number in count())
    store.apply(next(one for one in forged if decode(one).digest < digest))
    assert store.lead("crmleadid:1").state == "sent"
    (number,) = execute("SELECT ledger FROM copy").fetchone()
    execute("UPDATE ledger SET salt = NULL WHERE number = ?", (number,))
    execute("DELETE FROM copy")
    execute("DELETE FROM finding WHERE code = 'conflict'")
    execute("INSERT INTO erased (id_hash, erased_at) VALUES (?, 1)", (hashed("urn:2"),))
    assert f"entry {number}: expected what it was made for, found nothing" in defects(store, head)
    execute("INSERT INTO erased_copy VALUES (?, 1)", (number,))
    assert "expected a tombstone of the event whose id it came under" in defects(store, head)
    execute("UPDATE erased_copy SET event = 2")
    assert "finding conflict of lead 1, event 2: expected this finding" in defects(store, head)


def test_that_there_was_another_content_stays_known(joe):
    copies = [lead("accept", "10:03", agent=agent, id="urn:twice") for agent in (ADA, BOB)]
    again = lead("update", "10:04", id="urn:again")
    del again["time"]
    joe.apply_many([*copies, copies[0] | {"topic": "lead#reject"}])
    for at in ("2026-03-02T10:00:00Z", "2026-03-01T10:00:00Z"):
        joe.apply(again, received_at=at)
    joe.erase("crmleadid:1")
    assert joe.verify(past=True).defects == ()
    findings = {one.finding for one in joe.findings() if one.finding.code == "conflict"}
    said = {(one.event_id, one.detail.partition(" of ")[0]) for one in findings}
    assert ("urn:again", "another content, erased: update") in said
    assert said - {("urn:again", "another content, erased: update")} <= {
        ("urn:twice", f"another content, erased: {trigger}") for trigger in ("accept", "reject")
    }
    assert findings == {one for some in joe.evidence().conflicts.values() for one in some}
    assert len(said) > 1


def defects(store, *heads):
    return "\n".join(map(str, store.verify(*heads).defects))


def test_no_erased_message_can_be_passed_off_as_another(store):
    """Two that were erased, of one trigger and one time: the lead of one of them is taken out."""
    store.apply_many(lead("add", "10:00", keys=name, id=f"urn:{name}") for name in "123")
    heads = [store.head()]
    for name in "12":
        store.erase(f"crmleadid:{name}")
    heads.append(store.head())
    execute = store._connection.execute
    entry, at = execute(
        "SELECT former.ledger, kept.erased_at FROM erased AS former, erased AS kept"
        " WHERE former.event = 2 AND kept.event = 1"
    ).fetchone()
    (number,) = execute("SELECT ledger FROM event WHERE seq = 2").fetchone()
    (came,) = execute("SELECT recorded_at FROM ledger WHERE number = ?", (entry,)).fetchone()
    execute("UPDATE event SET recorded_at = ? WHERE seq = 1", (came,))
    execute("UPDATE erased SET event = NULL, ledger = NULL WHERE event = 1")
    execute("UPDATE erased SET event = 1, erased_at = ? WHERE event = 2", (at,))
    execute("UPDATE ledger SET salt = NULL WHERE number = ?", (number,))
    for table, column in (("key", "lead"), ("finding", "lead"), ("lead", "id")):
        execute(f"DELETE FROM {table} WHERE {column} = 2")
    execute("DELETE FROM history WHERE event = 2")
    execute("DELETE FROM event WHERE seq = 2")
    found = defects(store, *heads)
    assert "event 1: expected its own id, or a pseudonym, found urn:1" in found
    assert f"entry {number}: expected what it was made for, found nothing" in found


def test_an_id_that_is_kept_out_does_not_hide_the_past(store):
    store.apply_many([lead("add", "10:00", id="urn:1"), lead("accept", "10:02")])
    store.apply(lead("reject", "10:01"))
    store._connection.execute("DELETE FROM history WHERE superseded_at IS NOT NULL")
    store._connection.execute("INSERT INTO erased VALUES (?, NULL, NULL, 1)", (hashed("urn:1"),))
    assert "past" in {one.check for one in store.verify(past=True).defects}


def test_a_quarantined_message_under_the_id_of_a_stored_one_is_in_nobodys_way(joe):
    """Its id is kept out before the event that has it is erased."""
    ahead = lead("add", "10:00", keys="2", id="urn:first") | {"time": "2099-01-01T00:00:00Z"}
    assert joe.apply(ahead).kind == "quarantined"
    assert joe.erase("crmleadid:2").quarantined == 1
    assert joe.lead("crmleadid:1").contact.name == "Joe Bloggs"
    assert joe.erase("crmleadid:1").events == 3
    assert joe.verify().defects == ()
    assert found_of_joe(joe) == []


# --- what a reviewer found ------------------------------------------------------------------------


def contact(**values):
    return {"object": {"type": "Contact", **values}}


def versions(*messages):
    """These contents under one id, the one that counts last."""
    return sorted((one | {"id": "urn:x"} for one in messages), key=_counts)


def _counts(message):
    return [-byte for byte in decode(message).digest]


@pytest.mark.parametrize("turn", [0, 1])
def test_who_only_shared_an_id_with_the_person_stays_whole(store, turn):
    """Another content under an id of the person's is somebody else's: it goes, they do not."""
    of = [
        lead("add", "10:00", keys=key, snapshot=contact(email=f"p{key}@x.example"))
        | {"time": f"2026-03-01T10:0{number}:00Z"}
        for number, key in enumerate("23")
    ]
    first, counts = versions(*of)
    theirs, other = (decode(one).lead_keys[0].value for one in (counts, first))
    store.apply(lead("update", "10:05", keys=other, contact={"mail": f"p{other}@x.example"}))
    store.apply_many([first, counts][:: 1 - 2 * turn])
    store.apply({"topic": "lead#add", "id": "urn:q", "data": {"email": f"p{other}@x.example"}})
    erasure = store.erase(f"crmleadid:{theirs}")
    assert (erasure.events, erasure.quarantined) == (1, 0)
    assert len(list(store.quarantine())) == 1
    store.apply(deletion("11:00", {"mail": f"p{other}@x.example"}))
    assert store.lead(f"crmleadid:{other}").contact_deleted_at is not None
    assert store.verify(past=True).defects == ()
    store.rebuild()
    assert store.verify(past=True).defects == ()


ACTIONS = ("add", "assign", "accept", "retract", "update")


@st.composite
def quarrels(draw):
    """Messages about three people and their leads under a few ids, deletions, and erasures."""
    person = draw(st.sampled_from("123"))
    mail = {"mail": f"p{person}@x.example"}
    minute, number = draw(st.integers(0, 9)), draw(st.integers(1, 6))
    kind = draw(st.sampled_from([*ACTIONS, *ACTIONS, "delete", "erase"]))
    if kind == "erase":
        return f"crmleadid:{person}"
    if kind == "delete":
        return deletion(f"10:0{minute}", mail) | draw(
            st.sampled_from([{}, {"id": f"urn:{number}"}])
        )
    keys = draw(st.sampled_from([person, person, {"crm": f"{person}-2"}, None]))
    return lead(kind, f"10:0{minute}", keys=keys, contact=mail, id=f"urn:{number}", agent=ADA)


@given(st.lists(quarrels(), min_size=3, max_size=14), st.sampled_from(["keep", "erase"]))
def test_after_any_erasures_the_store_is_sound_and_folds_the_same(story, mode):
    with LeadStore(":memory:", clock=lambda: NOW, on_contact_delete=mode) as store:
        for step in story:
            if isinstance(step, str):
                with suppress(UnknownLeadError):
                    store.erase(step)
            else:
                store.apply(step)
        assert store.verify(past=True).defects == ()
        said = store_says(store)
        store.rebuild()
        assert store_says(store) == said
        assert store.verify(past=True).defects == ()


@pytest.mark.parametrize("known", [True, False])
def test_what_is_theirs_under_somebody_elses_id_is_erased(store, known):
    """By the key alone, where nothing that counts is theirs."""
    mail = {"identifier": {"mail": "ann@ex.example"}, "name": "Ann Examplia"}
    hers = lead("add", "10:00", keys=None, snapshot=contact(**mail))
    his = lead("add", "10:00", keys="17")
    for number in range(40):  # whichever is first, his must count
        his = his | {"time": f"2026-03-01T10:00:{number:02}Z"}
        first, counts = versions(hers, his)
        if decode(counts).lead_keys:
            break
    store.apply_many([first, counts])
    if known:
        store.apply(lead("add", "10:00", keys=None, snapshot=contact(**mail)))
    store.erase("mail:ann@ex.example")
    assert [part for part in (b"ann@ex", b"Examplia") if part in everything_in(store)] == []
    assert store.lead("crmleadid:17").events == 1
    assert store.verify(past=True).defects == ()
    assert store.apply(first).kind == "duplicate"
    assert b"Examplia" not in everything_in(store)


def test_a_number_elsewhere_and_a_placeholder_name_nobody(store):
    for message in (
        lead("add", "10:00", keys={"crm": "10017", "phone": "0", "listingname": "no"}),
        lead("accept", "10:01", keys={"crm": "10017"}, agent="https://agents.example/no/0"),
        lead("add", "10:00", keys="9", agent="https://agents.example/no/0", id="urn:ev-no-7"),
    ):
        store.apply(message)
    for text in ('"price": 10017', '"text": "no"', '"rooms": 0'):
        store.apply(f'{{"topic": "lead#add", "id": "urn:q", {text}')
    store.apply('{"topic": "lead#add", "id": "urn:q", "identifier": {"crm": ["10017"]')
    erasure = store.erase("crm:10017")
    assert erasure.quarantined == 1
    (row,) = [entry.row for entry in store.history("crmleadid:9")]
    assert row.event_id == "urn:ev-no-7"
    assert store.history("crm:10017")[-1].row.by.id == "https://agents.example/no/0"


def test_the_quarantine_is_emptied_of_who_was_erased_before(joe):
    joe.erase("crmleadid:1")
    joe.apply('{"topic": "lead#add", "data": {"crmLeadId": "1", "x": "Joe Bloggs"')
    assert joe.erase("crmleadid:1").quarantined == 1
    assert found_of_joe(joe) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("José García", "https://x.example/Jos%C3%A9%20Garc%C3%ADa"),
        ("José García", "Jose\u0301 Garci\u0301a"),
        ("Jörg Straßer", "JÖRG STRASSER"),
        ("Ann Examplia", "Examplia, Ann"),
        ("王小明", "王小明"),
        ("𠮷野 太郎", "\\ud842\\udfb7野 太郎"),
    ],
)
def test_a_name_is_found_however_it_is_written(name, text, store):
    store.apply(lead("add", "10:00", snapshot=contact(name=name)))
    store.apply(f'{{"topic": "lead#add", "x": "{text}"')
    assert store.erase("crmleadid:1").quarantined == 1


def test_an_address_is_found_with_and_without_its_scheme(store):
    store.apply(lead("add", "10:00", snapshot=contact(sameAs={"x": "mailto:joe@bloggs.example"})))
    store.apply(lead("accept", "10:01", agent="joe@bloggs.example"))
    store.erase("crmleadid:1")
    assert b"joe@bloggs" not in everything_in(store)


def test_what_every_message_has_names_nobody(store):
    store.apply(lead("add", "10:00", snapshot=contact(name="Lead Person")))
    store.apply('{"topic": "lead#add", "object": {"type": "Lead", "name": "Other Person"')
    assert store.erase("crmleadid:1").quarantined == 0


def test_very_many_names_may_be_of_many_people(store):
    """They merged to one lead, as an address is a key of the lead itself."""
    store.apply_many(
        lead("add", "10:00", keys={"crm": f"n{number}", "mail": "none@none.example"})
        for number in range(101)
    )
    with pytest.raises(
        HubError,
        match=r"^crm:n7 may be many people: several ids, crm: n0 and n1; 101 names lead:crm:\.\.\.",
    ):
        store.erase("crm:n7")


@pytest.mark.parametrize(
    "name", ["email:JOE@BLOGGS.EXAMPLE", "joe bloggs", "+49305550101", "0049-30 5550101", "Bloggs"]
)
def test_who_is_asked_for_by_an_address_a_number_or_a_name_is_pointed_to(name, joe):
    with pytest.raises(UnknownLeadError, match=r"stands in the contact of crmleadid:1: name one"):
        joe.erase(name)
    assert joe.erase("cid:c-77").events == 3
    with pytest.raises(UnknownLeadError, match=f"is known as '{re.escape(name)}'$"):
        joe.erase(name)


@pytest.mark.parametrize("name", ["Joe Bloggs", "contact:x:2", "0"])
def test_a_name_in_messages_of_others_is_told(name, joe):
    joe.apply(lead("reject", "10:03", keys="2", reason="a sister of Joe Bloggs"))
    joe.apply('{"reason": "Joe Bloggs"}')
    (where,) = {"; it stands in messages of crmleadid:2, as no contact's"} if " " in name else {""}
    joe.erase("crmleadid:1")
    with pytest.raises(UnknownLeadError) as raised:
        joe.erase(name)
    assert str(raised.value) == f"no lead is known as {name!r}{where}"


def test_who_waits_in_the_quarantine_is_told(joe):
    joe.apply('{"reason": "Ann Example"}')
    with pytest.raises(UnknownLeadError, match=r"it stands in 1 message in the quarantine, as no"):
        joe.erase("Ann Example")


def test_a_purge_is_asked_for_by_name(joe, lifecycle):
    for words in ((), ("crmleadid:1", "--purge"), ("--purge", "--dry-run")):
        result = lifecycle("erase", joe.path, *words)
        assert (result.exit_code, "expected the KEY of a person" in result.stderr) == (2, True)
