"""Erasing: nothing of the person is left, all of the others is, and what happened stays sealed."""

import json
import os
import pty
import sqlite3
import subprocess
from contextlib import closing, suppress
from itertools import count

import pytest
import warm
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import ADA, BOB, deletion, lead
from worlds import NOW, copy_of, worlds

from lifecycle import (
    AmbiguousLeadError,
    HubError,
    LeadReader,
    LeadStore,
    NotFoundError,
    PurgeIncompleteError,
    decode,
)
from lifecycle.store.db.blocks import SAVE_BLOCK, Blocks, Stored, encoded
from lifecycle.store.erasure import erase as erasing
from lifecycle.store.erasure import purge as purging
from lifecycle.store.ledger.seals import broken_seals

DAY = 86_400_000_000
JOE = {
    "type": "Contact",
    "identifier": {"cid": "c-77"},
    "name": "Joe Bloggs",
    "email": "joe@bloggs.example",
    "telephone": "+49 (30) 555-0101",
}


@pytest.fixture
def joe(store):
    """Return a store with a lead of a person, and one of somebody else."""
    store.apply(lead("add", "10:00", keys="1", id="urn:first", snapshot={"object": JOE}))
    store.apply(lead("reject", "10:02", keys="1", reason="Joe Bloggs: no time", agent=ADA))
    store.apply(lead("accept", "10:01", keys="1", agent=BOB))
    store.apply(lead("add", "10:00", keys="2", contact={"cid": "c-8"}))
    return store


def everything_in(store):
    """All bytes of a store and its companions, and every text that is compressed in it."""
    path = store.path
    files = [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]
    found = b"".join(one.read_bytes() for one in files if one.exists())
    for block in Blocks(store._connection).all():
        found += b"".join(one.content + one.body for one in block.stored())
    return found


def found_of_joe(store):
    found = everything_in(store).lower()
    return [text for text in (b"joe@", b"bloggs", b"555-0101", b"c-77") if text in found]


def rows(store, statement, *values):
    return store._connection.execute(statement, values).fetchall()


def dump(store):
    return list(store._connection.iterdump())


def seals(store):
    return list(broken_seals(store._connection, Blocks(store._connection)))


def later(store, days=10):
    """Return the same store, some days after all that was recorded."""
    (now,) = rows(store, "SELECT recorded_at FROM store")[0]
    return LeadStore(store.path, clock=lambda: now + days * DAY)


def new_business(message):
    """Return the message, some days after NOW."""
    return message | {"time": "2030-03-20T00:00:00Z"}


# --- what goes and what stays ---------------------------------------------------------------------


def test_a_sealed_lead_has_its_history_and_nothing_personal(joe):
    select = (
        "SELECT lead, event, step, trigger, source, target, verdict, at, by, holder, recorded_at,"
        " superseded_at, superseded_change FROM history ORDER BY id"
    )
    columns = "SELECT state, since, events, refusals FROM lead ORDER BY id"
    before, states = rows(joe, select), rows(joe, columns)
    erasure = joe.erase("contact:cid:c-77")
    assert (erasure.leads, erasure.events, erasure.keys) == (("erased:1",), 3, 2)
    assert erasure.kept_parties == (ADA, BOB)
    assert (rows(joe, select), rows(joe, columns)) == (before, states)
    texts = "SELECT DISTINCT reason, json_extract(refusal, '$.why') FROM history"
    assert rows(joe, texts) == [(None, None)]
    assert rows(joe, "SELECT lead_id, keys, contact, sealed FROM lead WHERE id = 1") == [
        ("erased:1", "[]", None, 1)
    ]
    assert rows(joe, "SELECT DISTINCT detail FROM finding WHERE lead = 1") == [("",)]
    assert [one for (one,) in rows(joe, "SELECT id FROM event WHERE lead = 1")] == [
        f"erased:{seq}" for (seq,) in rows(joe, "SELECT seq FROM event WHERE lead = 1")
    ]
    assert found_of_joe(joe) == []
    assert joe.lead("crmleadid:2").state == "sent"
    assert seals(joe) == []


def test_the_chain_of_the_ledger_holds_after_an_erasure(joe):
    links = dict(rows(joe, "SELECT first, link FROM block"))
    joe.erase("crmleadid:1")
    assert links.items() <= dict(rows(joe, "SELECT first, link FROM block")).items()
    assert joe.verify().defects == ()


def test_all_leads_of_a_person_go_by_any_name_of_one(joe):
    joe.apply(lead("add", "10:00", keys="3", snapshot={"object": JOE}))
    assert joe.erase("crmleadid:3").leads == ("erased:1", "erased:3")
    assert found_of_joe(joe) == []


def test_a_name_that_was_erased_is_nobodys(joe):
    joe.erase("crmleadid:1")
    for name in ("crmleadid:1", "cid:c-77"):
        with pytest.raises(NotFoundError):
            joe.erase(name)


def test_a_name_of_two_persons_erases_neither(store):
    store.apply(lead("add", "10:00", keys="1", contact={"pc": "129"}))
    store.apply(lead("add", "10:00", keys={"pc": "129"}))
    with pytest.raises(AmbiguousLeadError, match=r"contact:pc:129, lead:pc:129"):
        store.erase("pc:129")
    assert store.erase("contact:pc:129").leads == ("erased:1",)


def test_a_lead_that_became_another_is_sealed_too(store):
    store.apply(lead("add", "10:00", keys={"mail": "joe@bloggs.example"}, id="urn:1"))
    store.apply(lead("add", "10:01", keys={"user": "jbloggs"}, id="urn:2"))
    both = {"mail": "joe@bloggs.example", "user": "jbloggs"}
    store.apply(lead("update", "10:02", keys=both, id="urn:3"))
    assert rows(store, "SELECT count(*) FROM former_lead") == [(1,)]
    store.erase("user:jbloggs")
    assert rows(store, "SELECT DISTINCT lead_id = 'erased:' || lead FROM former_lead") == [(1,)]
    assert len(rows(store, "SELECT lead FROM sealed WHERE change IS NOT NULL")) == 2
    assert b"bloggs" not in everything_in(store)
    assert seals(store) == []


@pytest.mark.parametrize(
    ("contact", "agent"),
    [
        ({"email": "Joe <joe@x.example>; j@work.example"}, "mailto:j@work.example"),
        ({"@id": "https://joe.example/card#me"}, "https://joe.example/card#me"),
        ({"email": "joe@x.example"}, {"id": "mailto:JOE@x.example", "name": "Jo B."}),
        ({"identifier": {"userName": "joe70"}}, {"name": "joe70"}),
        ({"identifier": {"passport": "joe-C01X"}}, {"id": "urn:id:joe-C01X", "name": "X"}),
        ({"name": "Joe"}, {"name": "joe"}),
    ],
)
def test_a_party_that_is_the_person_goes_and_who_else_acted_stays(contact, agent, store):
    contact = {"type": "Contact", "identifier": {"cid": "c-1"}} | contact
    store.apply(lead("add", "10:00", snapshot={"object": contact}))
    store.apply(lead("accept", "10:01", agent=agent))
    store.apply(lead("assign", "10:02", agent=agent, recipient=BOB))
    assert store.erase("crmleadid:1").kept_parties == (BOB,)
    found = everything_in(store).lower()
    assert [text for text in (b"joe", b"jo b", b"j@work") if text in found] == []
    assert seals(store) == []


def test_a_short_key_is_no_name_within_other_names(store):
    agent = "https://agents.example/no/0"
    store.apply(lead("add", "10:00", keys={"crm": "10017", "phone": "0x", "listing": "no"}))
    store.apply(lead("accept", "10:01", keys={"crm": "10017"}, agent=agent))
    assert store.erase("crm:10017").kept_parties == (agent,)


def test_who_acts_in_leads_of_others_stays_there(joe):
    namesake = {"name": "Joe Bloggs"}
    joe.apply(lead("accept", "10:03", keys="1", agent=namesake))
    joe.apply(lead("accept", "10:03", keys="2", agent=namesake))
    joe.erase("crmleadid:1")
    assert str(joe.lead("crmleadid:2").holder) == "Joe Bloggs"
    assert rows(joe, "SELECT count(*) FROM history WHERE lead = 1 AND by IS NULL") == [(2,)]
    assert seals(joe) == []
    joe.erase("crmleadid:2")
    assert seals(joe) == []


def test_a_lead_of_the_past_is_not_in_free_pages_either(joe):
    joe._connection.execute("PRAGMA secure_delete = OFF")
    joe.apply("bloggs, joe " * 2000)
    joe._connection.execute("DELETE FROM quarantine")
    assert found_of_joe(joe) != []
    joe.erase("crmleadid:1")
    assert found_of_joe(joe) == []


def test_a_rebuild_leaves_sealed_leads_alone(joe):
    joe.apply(deletion("10:30", {"cid": "c-77"}))
    joe.erase("crmleadid:1")
    sealed = rows(joe, "SELECT * FROM lead"), rows(joe, "SELECT * FROM history")
    joe.rebuild()
    assert (rows(joe, "SELECT * FROM lead"), rows(joe, "SELECT * FROM history")) == sealed
    assert seals(joe) == []


# --- what comes later -----------------------------------------------------------------------------


def test_what_comes_again_is_a_duplicate_whatever_it_says(joe):
    message = lead("update", "10:05", id="urn:of:joe@bloggs.example", keys="1")
    joe.apply(message)
    joe.erase("crmleadid:1")
    head = joe.head()
    for one in (message, copy_of(message), message | {"time": "2100-01-01T00:00:00Z"}):
        assert joe.apply(one).kind == "duplicate"
    other = lead("accept", "10:30", id="urn:first", keys="1", snapshot={"object": JOE})
    assert joe.apply(other).kind == "duplicate"
    assert (joe.head(), found_of_joe(joe)) == (head, [])


def test_a_message_from_before_is_ignored_and_a_later_one_founds_a_new_lead(joe):
    joe.erase("crmleadid:1")
    outcome = joe.apply(lead("update", "11:00", keys="1", snapshot={"object": JOE}))
    assert (outcome.kind, outcome.topic, found_of_joe(joe)) == ("ignored", "suppressed", [])
    with later(joe) as store:
        assert store.apply(new_business(lead("add", "10:00", keys="1"))).kind == "applied"
        assert store.lead("crmleadid:1").events == 1
        assert store.erase("crmleadid:1").leads == ("erased:3",)
        assert seals(store) == []


def test_forever_keeps_out_what_comes_later_too(joe):
    joe.erase("crmleadid:1", forever=True)
    with later(joe) as store:
        again = new_business(lead("add", "10:00", keys="9", snapshot={"object": JOE}))
        assert store.apply(again).kind == "ignored"
        assert found_of_joe(store) == []


# --- contents under one id ------------------------------------------------------------------------


def versions(*messages):
    """Return these contents under one id, the canonical one last."""
    return sorted((one | {"id": "urn:x"} for one in messages), key=_smallest_last)


def _smallest_last(message):
    return [-byte for byte in decode(message).digest]


def test_a_copy_that_names_the_person_goes_with_the_event(joe):
    copies = [lead("accept", "10:03", agent=one, id="urn:twice") for one in (ADA, BOB)]
    joe.apply_many(copies)
    erasure = joe.erase("crmleadid:1")
    assert (erasure.events, erasure.copies) == (4, 1)
    assert [joe.apply(one).kind for one in copies] == ["duplicate", "duplicate"]
    assert seals(joe) == []


@pytest.mark.parametrize("turn", [1, -1])
def test_what_shared_an_id_with_the_person_stays_whole(store, turn):
    of = [
        lead("add", f"10:0{key}", keys=key, snapshot={"object": {"email": f"p{key}@x.example"}})
        for key in "23"
    ]
    other, canonical = versions(*of)
    theirs, others = (decode(one).lead_keys[0].value for one in (canonical, other))
    store.apply_many([other, canonical][::turn])
    erasure = store.erase(f"crmleadid:{theirs}")
    assert (erasure.events, erasure.copies) == (1, 0)
    found = everything_in(store)
    assert f"p{theirs}@x".encode() not in found
    assert f"p{others}@x".encode() in found
    assert {store.apply(one).kind for one in (other, canonical)} == {"duplicate"}
    assert seals(store) == []


@pytest.mark.parametrize("turn", [1, -1])
@pytest.mark.parametrize("is_known", [True, False])
def test_what_is_theirs_under_somebody_elses_id_goes(store, is_known, turn):
    ann = {"identifier": {"mail": "ann@ex.example"}, "name": "Ann Examplia"}
    hers = lead("add", "10:00", keys=None, snapshot={"object": ann})
    for number in range(40):
        his = lead("add", "10:00", keys="17") | {"time": f"2026-03-01T10:00:{number:02}Z"}
        first, canonical = versions(hers, his)
        if decode(canonical).lead_keys:
            break
    store.apply_many([first, canonical][::turn])
    if is_known:
        store.apply(lead("add", "10:00", keys=None, snapshot={"object": ann}))
    said = store.lead("crmleadid:17"), list(store.history("crmleadid:17"))
    assert store.erase("mail:ann@ex.example").copies == 1
    assert [part for part in (b"ann@ex", b"Examplia") if part in everything_in(store)] == []
    assert (store.lead("crmleadid:17"), list(store.history("crmleadid:17"))) == said
    (detail,) = rows(store, "SELECT detail FROM finding WHERE code = 'conflict'")[0]
    assert detail == "another content, erased: send of 2026-03-01T10:00:00Z"
    assert store.apply(first).kind == "duplicate"
    assert seals(store) == []
    store.apply(lead("accept", "10:30", keys="17", agent=ADA))
    store.apply(lead("assign", "10:20", keys="17", agent=ADA, recipient=BOB))
    assert seals(store) == []
    store.erase("crmleadid:17")
    assert seals(store) == []


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
    assert rows(joe, "SELECT raw, size, left_as FROM quarantine") == [(b"", 0, "erased")]
    assert found_of_joe(joe) == []


@pytest.mark.parametrize("text", ["annjoe@bloggs.example", "Joe Smith", "xc-77", '{"id": "c-77"}'])
def test_what_is_not_stays_in_the_quarantine(text, joe):
    joe.apply(f'{{"topic": "lead#add", "x": {text}')
    assert joe.erase("crmleadid:1").quarantined == 0


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
    store.apply(lead("add", "10:00", snapshot={"object": {"type": "Contact", "name": name}}))
    store.apply(f'{{"topic": "lead#add", "x": "{text}"')
    assert store.erase("crmleadid:1").quarantined == 1


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("cut", [0, 1])
def test_lines_in_other_encodings_are_found(encoding, cut, joe):
    for name in ("Joe Bloggs", "Ann Example"):
        joe.apply(f"{{ caller: {name} ü }}".encode(encoding)[cut:])
    assert joe.erase("crmleadid:1").quarantined == 1


def test_what_waits_for_its_time_is_judged_by_what_it_says(joe):
    ahead = {"time": "2040-01-01T00:00:00Z"}
    kind, text = {"cid": "c-77"}, "is it for Joe Bloggs, id c-77?"
    others = [
        lead("add", "10:00", keys=kind, id="urn:kind", contact={"cid": "c-9"}) | ahead,
        lead("add", "10:00", keys="9", id="urn:text", comment=text) | ahead,
    ]
    mail = {"object": {"type": "Contact", "email": JOE["email"]}}
    theirs = [
        lead("update", "10:00", keys="7", contact={"cid": "c-77"}, id="urn:key") | ahead,
        lead("update", "10:00", keys="8", id="urn:mail", snapshot=mail) | ahead,
    ]
    joe.apply_many(others + theirs)
    assert joe.erase("crmleadid:1").quarantined == 2
    with LeadStore(joe.path, clock=lambda: 2 * NOW, accept_clock=True) as store:
        assert [store.apply(one).kind for one in theirs] == ["duplicate"] * 2


# --- whom it leaves alone -------------------------------------------------------------------------


HUB = {"mail": "none@none.example"}


def make_hub(store):
    """Very many leads that share a placeholder, and one person who does not."""
    people = [
        lead("add", "10:00", keys=f"n{number}", contact={"cid": f"h-{number}"} | HUB)
        for number in range(101)
    ]
    store.apply_many([*people, lead("add", "10:00", keys="alone", snapshot={"object": JOE})])


def test_many_people_who_share_a_placeholder_are_erased_only_when_asked(store, lifecycle):
    make_hub(store)
    before = dump(store)
    reason = "more than 100 leads share contact:mail:none@none.example"
    with pytest.raises(HubError, match=rf"^crmleadid:n7 may be many people: {reason}") as raised:
        store.erase("crmleadid:n7")
    assert raised.value.hubs == (reason,)
    command = ("erase", store.path, "crmleadid:n7", "--accept-clock")
    result = lifecycle(*command, "--yes")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Nothing was erased; --all-of-them" in result.stderr
    assert lifecycle(*command, "--dry-run", "--all-of-them").exit_code == 0
    assert dump(store) == before
    assert store.erase("crmleadid:n7", all_of_them=True).events == 101
    assert b"none@none" not in everything_in(store)
    assert seals(store) == []


@pytest.mark.parametrize(
    ("identifier", "reason"),
    [
        ({"cid": "c-78"}, "2 contacts, contact:cid:c-77, contact:cid:c-78"),
        ({"other": "7"}, "2 contacts, contact:cid:c-77, contact:other:7"),
    ],
)
def test_two_contacts_of_one_cluster_may_be_two_people(joe, identifier, reason):
    joe.apply(lead("update", "10:05", keys="1", contact=identifier))
    with pytest.raises(HubError, match=reason):
        joe.erase("crmleadid:1")
    joe.erase("crmleadid:1", all_of_them=True)


def test_several_addresses_are_of_one_person(joe):
    joe.apply(lead("update", "10:05", keys="1", contact={"email": "j@work.example"}))
    assert joe.erase("crmleadid:1").events == 4


# --- a deletion of the contact --------------------------------------------------------------------


def test_a_deletion_keeps_everything_unless_asked(joe):
    joe.apply(deletion("10:30", {"cid": "c-77"}))
    assert joe.lead("crmleadid:1").contact.name == "Joe Bloggs"


def test_everybody_whose_contact_is_deleted_is_erased_but_for_hubs(store, lifecycle):
    make_hub(store)
    store.apply_many(deletion("10:30", {"cid": cid}) for cid in ("h-7", "c-77", "of-nobody"))
    command = ("erase", store.path, "--deleted", "--accept-clock")
    before = dump(store)
    rehearsed = lifecycle(*command, "--dry-run", "--json")
    assert dump(store) == before
    done = lifecycle(*command, "--yes", "--json")
    assert (done.exit_code, "100 leads share contact:mail:none" in done.stderr) == (0, True)
    assert json.loads(done.stdout) | {"erased_at": None} == json.loads(rehearsed.stdout)
    assert json.loads(done.stdout)["events"] == 3
    assert found_of_joe(store) == []
    assert b"of-nobody" not in everything_in(store)
    assert b"none@none" in everything_in(store)
    assert seals(store) == []


def test_what_is_taken_in_can_be_erased_at_once(path, store):
    make_hub(store)
    with LeadStore(path, clock=lambda: NOW + DAY, on_contact_delete="erase") as again:
        again.apply(deletion("10:30", {"cid": "c-77"}))
        again.apply(deletion("10:30", {"cid": "h-7"}))
        assert again.erased == 2
        assert again.spared == ("more than 100 leads share contact:mail:none@none.example",)
        again.purge()
        assert found_of_joe(again) == []
        assert again.apply(lead("accept", "10:01", keys="alone", agent=ADA)).kind == "ignored"


# --- rehearsed, and when something is in the way --------------------------------------------------


def test_a_rehearsal_tells_what_would_be_erased_and_leaves_everything(joe, lifecycle):
    before = dump(joe)
    rehearsed = joe.erase("crmleadid:1", dry_run=True)
    result = lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock", "--dry-run")
    assert result.stdout.startswith("would erase 3 messages of 1 lead,")
    assert dump(joe) == before
    assert evolve(joe.erase("crmleadid:1"), erased_at=None) == rehearsed


@pytest.mark.parametrize("step", ["_clear_rows", "_rewrite_blocks", "_remove_names", "_commit"])
def test_what_fails_in_the_middle_leaves_everything_as_it_was(step, joe, monkeypatch):
    before = dump(joe)
    work = getattr(erasing.Erasing, step)

    def fail(*args):
        work(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasing.Erasing, step, fail)
        with pytest.raises(KeyboardInterrupt):
            joe.erase("crmleadid:1")
    assert dump(joe) == before
    assert joe.erase("crmleadid:1").events == 3


def test_a_reader_in_the_way_is_told_of_and_what_is_left_is_removed_later(
    joe, lifecycle, monkeypatch
):
    monkeypatch.setattr(purging, "PURGE_WAITS", 50)
    command = ("erase", joe.path, "--purge", "--accept-clock")
    with LeadReader(joe.path) as reader:
        with reader.snapshot():
            reader.lead_count()
            with pytest.raises(PurgeIncompleteError, match="still holds traces of it"):
                joe.erase("crmleadid:1")
            assert found_of_joe(joe) != []
            result = lifecycle(*command)
            assert (result.exit_code, "traces" in result.stderr) == (3, True)
        assert lifecycle(*command).stdout == "the file was written anew\n"
        assert found_of_joe(joe) == []
        assert lifecycle(*command).stdout == "nothing was left to remove\n"


def test_a_run_that_was_killed_before_the_purge_is_purged_by_the_next(joe, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(LeadStore, "purge", lambda _: None)
        joe.erase("crmleadid:1")
    assert rows(joe, "SELECT purged_at FROM erasure") == [(None,)]
    with LeadStore(joe.path, clock=lambda: NOW) as again:
        assert again.purge()
        assert found_of_joe(again) == []


# --- the feed, reports, edits ---------------------------------------------------------------------


def test_the_feed_shows_an_erasure_and_reports_a_sealed_lead(joe, lifecycle):
    before = joe.last_change()
    joe.erase("crmleadid:1")
    assert joe.last_change() == before + 1
    (change,) = joe.changes(after=before)
    assert change.lead_id == "erased:1"
    assert joe.lead("erased:1").state == "accepted"
    assert "erased:1" in lifecycle("leads", joe.path).stdout
    assert lifecycle("history", joe.path, "erased:1").exit_code == 0


EDITS = [
    "UPDATE lead SET state = 0 WHERE id = 1",
    "UPDATE lead SET lead_id = 'erased:9' WHERE id = 1",
    "UPDATE history SET at = at + 1 WHERE id = 1",
    "UPDATE history SET superseded_at = superseded_at + 1 WHERE superseded_at IS NOT NULL",
    "DELETE FROM history WHERE id = 1",
    "UPDATE finding SET code = 'hub' WHERE lead = 1",
    "UPDATE event SET time = time - 1 WHERE lead = 1",
    "UPDATE event SET recorded_at = 1 WHERE cluster IS NOT NULL",
    "UPDATE erasure SET entries = '[]'",
    "UPDATE erasure SET erased_at = erased_at + 1",
    "UPDATE erasure SET entry = 1",
    "UPDATE sealed SET change = change + 1",
    "DELETE FROM sealed",
    "UPDATE party SET uri = 'urn:other' WHERE id = 1",
    "UPDATE history SET lead = 1 WHERE lead = 2",
]


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_of_what_is_sealed_is_found(edit, joe):
    joe.apply(deletion("10:30", {"cid": "c-77"}))
    joe.erase("crmleadid:1")
    assert seals(joe) == []
    with closing(sqlite3.connect(joe.path)) as plain:
        assert plain.execute(edit).rowcount >= 1
        plain.commit()
    assert seals(joe) != []


def rewrite(store, number, change):
    """Put another entry in the place of this one, as somebody does who knows the format."""
    block = Blocks(store._connection).of(number)
    stored = [change(one) if one.entry.number == number else one for one in block.stored()]
    store._connection.execute(SAVE_BLOCK, encoded(stored, block.link))


def test_what_happened_cannot_be_forged_by_erasing_it_first(joe):
    """A head from before vouches for trigger and time of what was erased since."""
    head = joe.head()
    joe.erase("crmleadid:1")
    assert joe.verify(head).defects == ()
    rewrite(joe, 3, lambda one: one._replace(entry=one.entry._replace(time=one.entry.time - 1)))
    assert "link" in " ".join(map(str, joe.verify(head).defects))


def test_no_content_can_be_put_in_the_place_of_another_that_is_erased_by_hand(store):
    store.apply_many([lead("add", "10:00"), lead("accept", "10:01", agent=ADA, id="urn:2")])
    head, numbers = store.head(), count()
    (digest,) = (one.digest for one in map(decode, [lead("accept", "10:01", agent=ADA)]))
    forged = (lead("reject", "09:00", agent=BOB, id="urn:2", n=number) for number in numbers)
    store.apply(next(one for one in forged if decode(one).digest < digest))
    assert store.lead("crmleadid:1").state == "sent"
    ((number,),) = rows(store, "SELECT entry FROM copy")
    rewrite(store, number, lambda one: Stored(one.entry.erased()))
    store._connection.execute("DELETE FROM copy")
    store._connection.execute("DELETE FROM finding WHERE code = 'conflict'")
    defects = " ".join(map(str, store.verify(head).defects))
    assert f"entry {number}: erased" in defects or "no erasure says so" in defects


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_what_goes_and_what_stays(joe, lifecycle):
    joe.apply("bloggs, joe")
    result = lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock", "--yes")
    assert result.exit_code == 0
    assert result.stdout == (
        "erased 3 messages of 1 lead, 0 other contents under ids of messages, 2 keys and"
        " 1 quarantined message\n"
        "what stays: states, times and counts of sealed leads\n  erased:1\n"
        f"what stays: who acted or held\n  {ADA}\n  {BOB}\n"
        "not searched: messages about other people\n"
    )


@pytest.mark.parametrize(
    "words", [(), ("crmleadid:1", "--purge"), ("--purge", "--dry-run"), ("a:1", "--deleted")]
)
def test_wrong_usage_is_told(words, joe, lifecycle):
    assert lifecycle("erase", joe.path, *words).exit_code == 2


def test_a_script_must_say_that_it_means_it(joe, lifecycle):
    result = lifecycle("erase", joe.path, "crmleadid:1", "--accept-clock")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "erasing cannot be undone: give --yes, or --dry-run to look" in result.stderr
    assert found_of_joe(joe) != []


@pytest.mark.parametrize(("answer", "erases"), [(b"y\n", True), (b"n\n", False)], ids=str)
def test_a_terminal_is_asked(answer, erases, joe):
    watched, terminal = pty.openpty()
    os.write(watched, answer)
    command = [warm.command(), "erase", str(joe.path), "crmleadid:1"]
    done = subprocess.run(
        [*command, "--accept-clock"], stdin=terminal, capture_output=True, text=True, check=False
    )
    os.close(terminal)
    os.close(watched)
    assert "would erase 3 messages of 1 lead" in done.stderr
    assert "This cannot be undone. [y/N]" in done.stderr
    assert done.returncode == (0 if erases else 1)
    assert (found_of_joe(joe) == []) == erases


def test_the_command_ends_with_one_for_a_name_that_nobody_has(joe, lifecycle):
    result = lifecycle("erase", joe.path, "crmleadid:99", "--accept-clock", "--yes")
    assert (result.exit_code, "no lead is known" in result.stderr) == (1, True)


# --- any world ------------------------------------------------------------------------------------


def others_say(store, sealed=()):
    """Return current history and findings of the leads that are not sealed."""
    current = "superseded_at IS NULL ORDER BY id"
    return [
        [
            row
            for row in rows(store, f"SELECT {columns} FROM {table} {rest}")
            if row[0] not in sealed
        ]
        for columns, table, rest in (
            ("id, lead_id, state, since, holder, events, refusals, keys", "lead", "ORDER BY id"),
            ("lead, event, step, verdict, at, by, holder, reason", "history", f"WHERE {current}"),
            (
                "lead, code, event, detail",
                "finding",
                f"WHERE code <> 'conflict' AND lead IS NOT NULL AND {current}",
            ),
        )
    ]


@settings(max_examples=50)
@given(worlds, st.integers(1, 5), st.integers(0, 20))
def test_all_others_are_as_before_after_any_erasures(tmp_path_factory, world, size, chosen):
    path = tmp_path_factory.mktemp("erase") / "leads.db"
    with LeadStore(path, clock=lambda: NOW) as store:
        for start in range(0, len(world), size):
            store.apply_many(world[start : start + size])
        for turn in range(3):
            keys = rows(store, "SELECT kind, scheme, value FROM key ORDER BY 1, 2, 3")
            if not keys:
                break
            name = ":".join(keys[(chosen + turn) % len(keys)])
            before = others_say(store)
            with suppress(NotFoundError, AmbiguousLeadError):
                rehearsed = store.erase(name, all_of_them=True, dry_run=True)
                assert others_say(store) == before
                erasure = store.erase(name, all_of_them=True)
                assert evolve(erasure, erased_at=None) == rehearsed
                sealed = {
                    one for (one,) in rows(store, "SELECT id FROM lead WHERE sealed NOT NULL")
                }
                after = others_say(store, sealed)
                assert after == [[row for row in some if row[0] not in sealed] for some in before]
            assert seals(store) == []
        store.apply_many(world)
        assert seals(store) == []
        assert store.verify().defects == ()


TEXTS = ("Given{}xq", "Family{}xq", "mail{}xq", "+49 30 7700{:03}", "+49307700{:03}", "user{}xq")


@st.composite
def told_of(draw, number):
    """Return a message about one of a person's leads; it names the person wherever it can."""
    name, mail = f"Given{number}xq Family{number}xq", f"mail{number}xq@example.org"
    keys = [{"crm": f"{number}-1"}, {"crm": f"{number}-2", "user": f"user{number}xq"}, None]
    contact = {"type": "Contact", "identifier": {"cid": f"c-{number}"}, "name": name}
    contact |= {"email": mail, "telephone": f"+49 30 7700{number:03}", "sameAs": {"email": mail}}
    action = draw(st.sampled_from(["add", "assign", "accept", "reject", "retract", "change"]))
    more = {"reason": f"{name} hung up", "agent": draw(st.sampled_from([ADA, {"name": name}]))}
    if action == "change":
        more["new"] = draw(st.sampled_from(["Working", f"with {name}"]))
    at = f"10:{draw(st.integers(0, 9)):02}"
    event_id = draw(st.sampled_from([f"urn:{number}:{mail}", *(f"urn:{one}" for one in range(9))]))
    named = {"keys": draw(st.sampled_from(keys)), "snapshot": {"object": contact}}
    message = lead(action, at, **named, id=event_id, **more)
    return message | draw(st.sampled_from([{}, {}, {}, {"time": "03/02/2026"}]))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 2).flatmap(told_of), min_size=1, max_size=12), st.integers(1, 4))
def test_nothing_of_the_person_is_left_and_all_else_is(tmp_path_factory, world, size):
    """Also where messages of several people share ids, and what comes again leaves no trace."""
    path = tmp_path_factory.mktemp("erase") / "leads.db"
    with LeadStore(path, clock=lambda: NOW) as store:
        for start in range(0, len(world), size):
            store.apply_many(world[start : start + size])
        with suppress(NotFoundError):
            store.erase("contact:cid:c-0", all_of_them=True)
            store.apply_many([one for one in world if "c-0" in json.dumps(one)])
            found = everything_in(store).lower()
            texts = [text.format(0).lower() for text in TEXTS]
            assert [text for text in texts if text.encode() in found] == []
        assert seals(store) == []
