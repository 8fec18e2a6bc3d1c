"""Verifying: what is whole verifies, in whatever order it came; every edit of it is found."""

import json
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections import Counter
from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest
import warm
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import ADA, BOB, ORG, deletion, lead, moment
from worlds import NOW, copy_of, decodable, worlds

from lifecycle import ArgumentError, Head, LeadReader, LeadStore, Rules, audit
from lifecycle.domain import DatasetDigest, dataset_digest
from lifecycle.replay import replay
from lifecycle.store.db.blocks import (
    ADD_BLOCK,
    CONTENT,
    Block,
    Blocks,
    Entry,
    Stored,
    commitment_of,
    link_of,
)
from lifecycle.store.ledger.chain import BEGINNING, Ledger, blocks_of

JOE, ANN = {"c": "9"}, {"c": "8"}
BASE = Rules.loads(
    '[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n'
    '[[edge]]\ntrigger = "accept"\nfrom = ["sent"]\nto = "accepted"\n'
)
POLICIES = (
    '[identity.schemes]\na = "ignore"',
    '[identity.schemes]\na = "contact"',
    '[identity]\nplaceholders = ["7", "8"]',
    '[identity.schemes]\nb = "ignore"',
)
chances = st.randoms(use_true_random=False)


def store_of(world, chance):
    """Return a store with these messages, and copies of some, in some order and some batches."""
    arrivals = [*world, *(copy_of(message) for message in world[::3])]
    chance.shuffle(arrivals)
    store = LeadStore(":memory:", clock=lambda: NOW)
    while arrivals:
        size = chance.randint(1, 5)
        store.apply_many(arrivals[:size])
        arrivals = arrivals[size:]
    return store


def quarrelling(world):
    """Return the same messages, more of them under one id."""
    return [
        message | {"id": f"urn:{number % 5}"} if "id" in message else message
        for number, message in enumerate(world)
    ]


def contents(world):
    """Return what the digest of a data set stands for: the earliest time of each content by id."""
    found = {}
    for event in decodable(world):
        at = found.get((event.id, event.digest), event.time)
        found[event.id, event.digest] = min(at, event.time)
    return found


# --- what is whole --------------------------------------------------------------------------------


@given(worlds.map(quarrelling) | worlds, chances)
def test_any_order_and_batches_verify_and_have_one_digest(world, chance):
    with store_of(world, chance) as one, store_of(world, chance) as other:
        assert one.verify().defects == ()
        assert one.digest() == other.digest()
        assert one.verify(quick=True).defects == ()


@settings(max_examples=25)
@given(worlds.map(quarrelling), worlds.map(quarrelling), chances)
def test_digests_are_the_same_for_the_same_set_and_no_other(some, more, chance):
    chance.shuffle(some)
    for others in (some[1:], some + more, more):
        with store_of(some, chance) as one, store_of(others, chance) as other:
            same = contents(some) == contents(others)
            assert (one.digest() == other.digest()) == same


def test_of_a_content_with_several_times_the_earliest_is_in_the_digest():
    """A message without a time has that of its receipt, and may be received twice."""
    one, other = (lead("update", "10:00", keys=keys, id="urn:1") | {"time": None} for keys in "12")
    arrivals = [(message, moment(at)) for message in (one, other) for at in ("11:00", "12:00")]
    digests = set()
    for order in permutations(arrivals):
        with LeadStore(":memory:", clock=lambda: NOW) as store:
            for message, at in order:
                store.apply(message, received_at=at)
            assert store.verify().defects == ()
            digests.add(store.digest())
    assert len(digests) == 1


@settings(max_examples=50)
@given(worlds, chances)
def test_what_was_folded_again_with_other_rules_verifies(world, chance):
    with store_of(world, chance) as store:
        before = store.head()
        store.rebuild(BASE)
        found = store.verify(before)
        assert (found.defects, found.rules) == ((), BASE.digest)
        assert found.head.count == before.count + 1


def test_other_rules_slipped_in_are_found_even_where_all_was_folded_again(path):
    """Rebuilding with other rules moves the head; hiding that it was done is found."""
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply_many([lead("add", "10:00"), lead("reject", "10:01"), lead("accept", "10:02")])
        head, state = store.head(), store.lead("crmleadid:1").state
        store.rebuild(BASE)
        assert store.lead("crmleadid:1").state != state
        assert store.verify(head).sound
        assert store.head() != head
        for statement in (
            "DELETE FROM block WHERE first = (SELECT entry FROM rules WHERE id = 2)",
            "DELETE FROM rules WHERE id = 1",
            "UPDATE rules SET id = 1, entry = 1",
            "UPDATE store SET entry = entry - 1",
        ):
            assert store._connection.execute(statement).rowcount == 1
        found = [str(one) for one in store.verify(head).defects if one.check == "ledger"]
        assert "entry 1: other rules, expected what the ledger commits to" in found


@pytest.mark.parametrize("quick", [False, True])
@given(worlds.map(quarrelling), chances)
def test_a_store_that_was_folded_again_under_other_names_verifies(quick, world, chance):
    with store_of(world[::2], chance) as store:
        for text in chance.sample(POLICIES, 2):
            store.rebuild(Rules.loads(text))
            store.apply_many(world[1::2])
        assert store.verify(quick=quick).defects == ()


@given(worlds.map(quarrelling), chances)
def test_every_head_that_was_noted_stays(world, chance):
    chance.shuffle(world)
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        heads = [store.head()]
        for message in world:
            store.apply(message)
            heads.append(store.head())
        assert store.verify(*map(str, heads), Head(0, BEGINNING)).defects == ()
        assert store.verify(Head(len(world) + 2, bytes(32))).count == 1


def test_equal_messages_have_other_commitments_in_another_store():
    heads = set()
    for _ in range(2):
        with LeadStore(":memory:", clock=lambda: NOW) as store:
            store.apply(lead("add", "10:00", id="urn:1"))
            heads.add(store.head())
    assert len(heads) == 2


def test_a_link_is_to_the_salt_and_to_every_part():
    entry = Entry(1, 0, 1, 2, 3, 4, 5, b"digest", b"0123456789abcdef", b"")
    whole = Stored(entry, b"content", b"body")
    others = [
        whole._replace(content=b"contenx"),
        whole._replace(body=b"bodx"),
        whole._replace(content=b"contentb", body=b"ody"),
        *(
            whole._replace(entry=entry._replace(**{name: value}))
            for name, value in {
                **dict.fromkeys(("number", "kind", "trigger", "recorded_at", "time"), 9),
                **dict.fromkeys(("log", "line"), 9),
                **dict.fromkeys(("digest", "salt"), b"x"),
            }.items()
        ),
    ]
    links = {
        link_of(bytes(32), one.entry._replace(commitment=commitment_of(one)))
        for one in (whole, *others)
    }
    assert len(links) == 1 + len(others)


def test_a_transaction_that_is_rolled_back_leaves_no_gap(store, monkeypatch):
    store.apply(lead("add", "10:00", keys="1"))
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "rows", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.apply(lead("add", "10:00", keys="2"))
    store.apply(lead("add", "10:00", keys="3"))
    assert (store.verify().defects, store.head().count) == ((), 3)


REPLAY_AND_DIE = """
import os, signal, sys
from pathlib import Path
from lifecycle import LeadStore
from lifecycle.replay import replay

store = LeadStore(sys.argv[1])
left = int(sys.argv[3])

def die(statement):
    global left
    left -= statement.startswith("INSERT INTO block")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

store._connection.set_trace_callback(die)
replay(store, [Path(sys.argv[2])], batch=20)
"""


def test_a_replay_that_was_killed_while_it_wrote_the_ledger_verifies(path, write_log):
    log = write_log([lead("add", "10:00", keys=str(number)) for number in range(1, 101)])
    command = [warm.command("warm-python"), REPLAY_AND_DIE, path, log]
    assert subprocess.run([*command, "4"], check=False).returncode == -signal.SIGKILL
    with LeadReader(path) as reader:
        assert reader.verify().defects == ()
        head, count = reader.head(), sum(lead.events for lead in reader.leads())
        assert 0 < count < 100
    subprocess.run([*command, "-1"], check=True)
    with LeadReader(path) as reader:
        assert (reader.verify(head).defects, sum(lead.events for lead in reader.leads())) == (
            (),
            100,
        )


# --- what was edited ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return a store with corrections, conflicts, deletions, findings and a quarantine."""
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "leads.db"
    owned = {"owner": {"id": ORG, "name": "Org"}, "dateRejected": moment("10:00")}
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00", id="urn:add", contact=JOE, snapshot=owned, sender=BOB))
        store.apply(lead("reject", "10:01", reason="no time", agent=BOB))
        store.apply(lead("accept", "10:03", agent=ADA))
        store.apply(lead("assign", "10:02", recipient=ADA))
        store.apply(lead("accept", "10:06", keys=None, contact=JOE))
        store.apply(lead("add", "10:00", keys=None, contact=ANN))
        store.apply(lead("update", "10:01", keys={"x": "1"}, contact=ANN))
        store.apply(lead("update", "10:02", keys={"x": "1", "y": "2"}))
        store.apply(deletion("10:05", ANN))
        store.apply(lead("add", "10:07", keys={"x": "1"}))
        for minute in ("10:01", "10:02", "10:03"):
            store.apply(lead("update", minute, id="urn:add", contact=JOE))
        store.apply(lead("update", "10:04", keys="5"))
        said = {"source": "salesforce", "field": "Status", "new": "Working"}
        store.apply(lead("change", "10:05", keys="5", old="New", **said))
        store.apply(lead("change", "10:05", keys="5", agent=ADA, **said))
        store.apply({"topic": "contact#add", "data": {}})
        store.apply("{")
        timeless = lead("update", "10:00", keys="6", id="urn:timeless") | {"time": None}
        store.apply(timeless, received_at=moment("12:00"))
        store.apply(timeless, received_at=moment("11:00"))
        log = folder / "log.jsonl"
        log.write_text(json.dumps(lead("add", "10:00", keys="7")) + "\n")
        replay(store, [log])
        assert store.verify().defects == ()
        log.unlink()
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store._connection.execute("PRAGMA journal_mode = DELETE")
    return path


@pytest.fixture(scope="module")
def sealed(whole, tmp_path_factory):
    """Return the same store, in which a person was erased."""
    path = tmp_path_factory.mktemp("sealed") / "leads.db"
    shutil.copy(whole, path)
    with LeadStore(path, clock=lambda: NOW) as store:
        store.erase("crmleadid:5")
        assert store.verify().defects == ()
    return path


@pytest.fixture
def edited(whole, path):
    """Edit a copy of that store with plain SQL; what verifying finds."""

    def edit(*statements, noted=(), of=whole, quick=False):
        shutil.copy(of, path)
        with closing(sqlite3.connect(path, isolation_level=None)) as plain:
            for statement in statements:
                assert plain.execute(statement).rowcount != 0, statement
        with LeadReader(path) as reader:
            return reader.verify(*noted, quick=quick)

    return edit


ERASING = {"erasure", "sealed", "suppressed"}


def test_the_stores_to_be_edited_have_rows_in_every_table(whole, sealed):
    for store, missing in ((whole, ERASING), (sealed, set())):
        with closing(sqlite3.connect(store)) as plain:
            rows = plain.execute("SELECT name FROM pragma_table_list WHERE type = 'table'")
            tables = [name for (name,) in rows if not name.startswith("sqlite_")]
            empty = {
                name for name in tables if not plain.execute(f'SELECT 1 FROM "{name}"').fetchone()
            }
        assert empty == missing


def columns():
    """Every column of every table of ours, with its type."""
    with LeadStore(":memory:") as store:
        rows = store._connection.execute(
            "SELECT tables.name, columns.name, columns.type FROM pragma_table_list AS tables"
            " JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table'"
            " AND tables.name NOT LIKE 'sqlite_%' AND tables.name <> '_sqlite_migrations'"
            " ORDER BY 1, 2"
        )
        return rows.fetchall()


#: Columns that nothing else in the store vouches for: docs/verify.md says so.
UNVOUCHED = {
    "erasure": {"purged_at", "quarantined"},
    "quarantine": {"id", "problems"},
    "store": {"id"},
}
EDITS = {
    "INTEGER": "coalesce({0}, 0) + 1000",
    "TEXT": "coalesce({0}, '') || ' '",
    "BLOB": "zeroblob(max(coalesce(length({0}), 0), 1))",
}


@pytest.mark.parametrize("most", [4, pytest.param(12, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [one for one in columns() if one[1] not in UNVOUCHED.get(one[0], ())],
)
def test_an_edit_of_any_column_is_found(table, column, kind, most, edited, whole, sealed):
    """Each row by itself, superseded ones too: so many from among the first twelve."""
    store = sealed if table in ERASING else whole
    key = {"former_lead": "lead", "copy": "entry"}.get(table, "rowid")
    with closing(sqlite3.connect(store)) as plain:
        rows = plain.execute(f"SELECT {key} FROM {table} LIMIT 12").fetchall()
    assert rows
    for (row,) in rows[:: -(-len(rows) // most)]:
        change = f"{column} = {EDITS[kind].format(column)}"
        try:
            found = edited(f"UPDATE {table} SET {change} WHERE {key} = {row}", of=store)
        except sqlite3.IntegrityError:
            assert kind != "BLOB"
            continue  # the table itself refuses it
        assert not found.sound, row


def test_nothing_is_called_unvouched_that_is_not(edited, sealed):
    for table, names in UNVOUCHED.items():
        for name in names - {"id"}:
            assert edited(f"UPDATE {table} SET {name} = 7", of=sealed).sound


# What finds it and in which words, and the statements that make the edit.
FOUND = """
ledger: entries from 4 on: unreadable
    UPDATE block SET bodies = (SELECT bodies FROM block WHERE first = 3) WHERE first = 4
ledger: unreadable
    UPDATE block SET about = substr(about, 2) WHERE first = 4
ledger: entries from 4 on: link
    UPDATE block SET link = zeroblob(32) WHERE first = 4
ledger: entries from 5 on: a gap or an overlap, expected entry 4
    DELETE FROM block WHERE first = 4
ledger: entries from 4 on: 1 entries, expected 2
    UPDATE block SET size = 2 WHERE first = 4
ledger: the store: recorded is 2999-01-01T00:00:00Z, the ledger gives 20
    UPDATE store SET recorded_at = 32472144000000000
ledger: the store: entry is 7, the ledger gives
    UPDATE store SET entry = 7
ledger: cursors of logs, ignored topics, quarantine, suppressions: other rows
    UPDATE log SET byte_offset = 0
ledger: cursors of logs, ignored topics, quarantine, suppressions: other rows
    INSERT INTO suppressed VALUES (1, 'key', NULL)
ledger: cursors of logs, ignored topics, quarantine, suppressions: other rows
    INSERT INTO suppressed VALUES (1, 'key', NULL)
    UPDATE store SET bound = randomblob(32)
ledger: other bytes, expected those of its digest
    UPDATE quarantine SET raw = zeroblob(length(raw))
ledger: entry 4: a content, 1 erasure list it
    INSERT INTO erasure VALUES (1, 1, '[4]', 0, 0, 0)
ledger: erasure 1: entry 1 of the ledger
    INSERT INTO erasure VALUES (1, 1, '[]', 0, 0, 0)
ledger: entry 1: a row of erasure, expected no such entry
    INSERT INTO erasure VALUES (1, 1, '[]', 0, 0, 0)
replay: event urn:add: entry is 3, the messages give
    UPDATE event SET entry = 3 WHERE id = 'urn:add'
replay: it is missing, the messages give it
    DELETE FROM event WHERE id = 'urn:add'
replay: it is missing, the messages give it
    DELETE FROM copy
replay: event urn:new: it stands, the messages give none
    CREATE TABLE more AS SELECT * FROM event WHERE id = 'urn:add'
    UPDATE more SET seq = 99, entry = 99, id = 'urn:new', hash = 5
    INSERT INTO event SELECT * FROM more
replay: state is received, the messages give accepted
    UPDATE lead SET state = 2 WHERE state = 4
replay: state after the step is received, the messages give accepted
    UPDATE history SET target = 2 WHERE target = 4 AND superseded_at IS NULL
replay: it is missing, the messages give it
    DELETE FROM history WHERE event = 3 AND superseded_at IS NULL
replay: finding conflict
    DELETE FROM finding WHERE code = 'conflict'
replay: superseded is
    UPDATE finding SET superseded_at = recorded_at + 1 WHERE code = 'conflict'
replay: superseded is nothing, the messages give 2030
    UPDATE finding SET superseded_at = NULL WHERE superseded_at IS NOT NULL
replay: it stands, the messages give none
    CREATE TABLE more AS SELECT * FROM lead WHERE rowid = 1
    UPDATE more SET id = 99
    INSERT INTO lead SELECT * FROM more
replay: party https://ada.example.com/profile/card#mex : it stands, the messages give none
    UPDATE party SET uri = uri || 'x'
replay: cluster is
    UPDATE lead SET cluster = 1 WHERE lead_id = 'crmleadid:6'
replay: changes: number
    UPDATE history SET id = id - 1000
replay: changes: number
    UPDATE history SET id = 10000 WHERE id = (SELECT min(id) FROM history)
replay: outcome is
    UPDATE event SET outcome = outcome - 3
replay: state before the step is
    UPDATE history SET source = source - 7 WHERE superseded_at IS NOT NULL
replay: the store: the last lead has number
    UPDATE store SET lead = 9223372036854775807
replay: the store: the last cluster has number
    UPDATE store SET cluster = cluster + 1000
replay: changes: number
    UPDATE store SET change = change + 1000
replay: table finding: its last number is
    UPDATE sqlite_sequence SET seq = 9223372036854775807
ledger: entry 1: rules of digest x, expected
    UPDATE rules SET digest = 'x' WHERE id = 1
ledger: expected rules that can be used
    UPDATE rules SET toml = 'x'
ledger: entry 1: other rules
    UPDATE rules SET toml = toml || ' '
replay: table rules: 1 rows are numbered 2 to 2, expected 1 to 1
    UPDATE rules SET id = 2
replay: table rules: 1 rows are numbered 2 to 2, expected 1 to 1
    INSERT INTO rules SELECT 5, digest, toml, recorded_at, entry FROM rules
    DELETE FROM rules WHERE id = 1
    UPDATE rules SET id = 2
ledger: entry 1: nothing in the store, expected rules
    DELETE FROM rules
schema: table dictionary
    UPDATE dictionary SET content = x'00'
schema: table state_name
    UPDATE state_name SET name = 'accepted' WHERE id = 1
schema: table severity
    UPDATE severity SET severity = 'info'
schema: index lead_cluster: it is missing, a new store has it
    DROP INDEX lead_cluster
schema: view lead_list: sql is ...
    DROP VIEW lead_list
    CREATE VIEW lead_list AS SELECT 'sent' AS state
schema: view lead_list
    DROP VIEW lead_list
    CREATE VIEW lead_list AS WITH n AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT * FROM n
schema: table ignored: sql is
    ALTER TABLE ignored ADD COLUMN more INTEGER
schema: trigger t: another tool's, on
    CREATE TRIGGER t AFTER INSERT ON event BEGIN UPDATE lead SET state = 1; END
schema: trigger t: another tool's, on
    CREATE TABLE notes (x)
    CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM finding; END
schema: trigger t: another tool's, on
    CREATE TRIGGER t INSTEAD OF INSERT ON lead_list BEGIN SELECT 1; END
schema: view mine: another tool's, on
    CREATE VIEW mine AS SELECT * FROM lead
schema: view mine: another tool's, on
    CREATE VIEW inner_one AS SELECT lead_id FROM lead_list
    CREATE VIEW mine AS SELECT * FROM inner_one
schema: index mine: another tool's, on
    CREATE UNIQUE INDEX mine ON lead (state, id)
"""


def cases():
    statements = []
    for line in FOUND.strip().splitlines():
        if line.startswith(" "):
            statements.append(line.strip())
        else:
            statements = []
            yield *line.split(": ", 1), statements


def link_anew(connection, change=lambda one: one):
    """Do what a forger can: change contents, and make every entry anew for what there is now."""
    link, stored = BEGINNING, []
    for row in connection.execute("SELECT * FROM block ORDER BY first").fetchall():
        for one in map(change, Block(row).stored()):
            entry = one.entry
            if entry.kind == CONTENT and not entry.is_erased:
                entry = entry._replace(commitment=commitment_of(one))
            stored.append(one._replace(entry=entry))
    connection.execute("DELETE FROM block")
    for row in blocks_of(stored, link):
        connection.execute(ADD_BLOCK, row)


def content_of(number, **changes):
    """Return a change of one content for ``link_anew``: of its entry, or of what it says."""

    def change(one):
        if one.entry.number != number:
            return one
        parts = {name: changes[name] for name in changes.keys() & {"content", "body"}}
        entry = {name: changes[name] for name in changes.keys() - parts.keys()}
        return one._replace(entry=one.entry._replace(**entry), **parts)

    return change


def test_a_message_cannot_be_backdated(store):
    store.apply(lead("add", "10:00"))
    store.apply(lead("accept", "10:01"))
    head, execute = store.head(), store._connection.execute
    store.apply(lead("reject", "10:02", id="urn:late"))
    before = Blocks(store._connection).entry(2).recorded_at
    link_anew(store._connection, content_of(4, recorded_at=before))
    execute("UPDATE event SET recorded_at = ? WHERE id = 'urn:late'", (before,))
    execute("UPDATE history SET recorded_at = ? WHERE event = 4", (before,))
    execute("UPDATE store SET recorded_at = recorded_at - 1")
    found = [str(one) for one in store.verify(head).defects if one.check == "ledger"]
    assert len(found) == 1
    assert found[0].startswith("entry 4: recorded 2")
    assert ", expected a time not before 2" in found[0]


def test_rows_of_history_switch_no_check_of_the_past_off(store):
    """Another was erased; a superseded row names its lead, and others of the lead are changed."""
    store.apply_many(
        [lead("add", "10:00"), lead("accept", "10:02"), lead("add", "10:00", keys="9")]
    )
    store.apply(lead("reject", "10:01"))
    store.erase("crmleadid:9")
    verified, execute = store.verify(), store._connection.execute
    assert (verified.defects, verified.erased) == ((), 1)
    execute("UPDATE history SET lead = (SELECT lead FROM sealed) WHERE superseded_at IS NOT NULL")
    execute("UPDATE history SET at = at + 1 WHERE superseded_at IS NOT NULL")
    assert not store.verify().sound


def test_changes_that_were_told_in_another_order_are_found(store):
    store.apply_many([lead("add", "10:00", keys=name) for name in "12"])
    for name in "12":
        store.apply(lead("accept", "10:02", keys=name))
        store.apply(lead("reject", "10:01", keys=name))
    told = "SELECT id, superseded_change FROM history WHERE superseded_at IS NOT NULL"
    (one, first), *_, (other, last) = store._connection.execute(told).fetchall()
    for number, change in ((one, 9_000), (other, first), (one, last)):
        update = "UPDATE history SET superseded_change = ? WHERE id = ?"
        store._connection.execute(update, (change, number))
    defects = {str(one) for one in store.verify().defects}
    assert any("was made" in one and "the one before" in one for one in defects)


@pytest.mark.parametrize(("check", "words", "statements"), list(cases()))
def test_an_edit_is_found(check, words, statements, edited):
    found = edited(*statements)
    assert not found.sound
    assert any(one.check == check and words in str(one) for one in found.defects), found.defects


@pytest.mark.parametrize("table", ["history", "finding"])
def test_a_superseded_row_that_was_taken_out_is_found(table, edited):
    found = edited(f"DELETE FROM {table} WHERE superseded_at IS NOT NULL")
    assert {one.check for one in found.defects} == {"replay"}
    assert "it is missing" in str(found.defects[0])


def test_what_is_current_is_found_quickly_and_what_was_known_is_left_out(edited):
    former, current = (f"SET at = at + 1 WHERE superseded_at IS {one} NULL" for one in ("NOT", ""))
    assert edited(f"UPDATE history {former}", quick=True).sound
    assert not edited(f"UPDATE history {current}", quick=True).sound


def test_a_defect_is_a_sentence_in_words(edited):
    change = "UPDATE history SET target = 2 WHERE target = 4 AND superseded_at IS NULL"
    found = [str(one) for one in edited(change).defects if "crmleadid:1" in one.where]
    assert re.fullmatch(
        "history of lead crmleadid:1, event urn:test:[0-9]+, step [0-9], recorded 2030-03-17T17"
        ":46:40[.0-9]*Z: state after the step is received, the messages give accepted",
        found[-1],
    )


@pytest.mark.parametrize("columns", ["entry", "id, hash", "lead", "outcome, time"])
def test_two_events_that_were_swapped_are_found(columns, edited):
    found = edited(
        "CREATE TABLE was AS SELECT * FROM event",
        f"UPDATE event SET ({columns}) = (SELECT {columns} FROM was WHERE id = 'urn:add')"
        " WHERE id = 'urn:timeless'",
        f"UPDATE event SET ({columns}) = (SELECT {columns} FROM was WHERE id = 'urn:timeless')"
        " WHERE id = 'urn:add'",
    )
    assert {one.check for one in found.defects} == {"replay"}


def test_views_that_stand_for_very_many_others_are_not_compiled(edited):
    views = ["CREATE TABLE notes (x)", "CREATE VIEW v0 AS SELECT * FROM notes"]
    for number in range(24):
        both = " UNION ALL ".join([f"SELECT * FROM v{number}"] * 2)
        views.append(f"CREATE VIEW v{number + 1} AS {both}")
    assert edited(*views).sound


def test_another_tool_may_have_tables_of_its_own(edited):
    found = edited(
        "CREATE TABLE notes (event TEXT, key TEXT, lead INTEGER REFERENCES lead (id))",
        "CREATE INDEX notes_key ON notes (key)",
        "CREATE VIEW note_list AS SELECT key, event FROM notes",
        "CREATE TABLE history_of_notes (event TEXT)",
        "CREATE TRIGGER noted AFTER INSERT ON notes"
        " BEGIN INSERT INTO history_of_notes VALUES (new.event); END",
        "INSERT INTO notes VALUES ('event', 'lead', 99)",
        "ANALYZE",
    )
    assert found.defects == ()


# --- what only a noted head can tell --------------------------------------------------------------


def test_a_store_that_was_put_back_is_found_by_a_noted_head(path):
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
        before = path.with_name("before.db")
        with closing(sqlite3.connect(before)) as backup:
            store._connection.backup(backup)
        store.apply(lead("accept", "10:01"))
        head = store.head()
    with LeadReader(before) as reader:
        assert reader.verify().sound
        (found,) = reader.verify(head).defects
    assert str(found) == (
        "the head noted as 3: the ledger ends at 2, the last entries were cut off,"
        f" expected {head.link.hex()}"
    )


TAIL = (
    "DELETE FROM event WHERE seq = 3",
    "DELETE FROM history WHERE event = 3",
    "DELETE FROM block WHERE first = 3",
    "DELETE FROM lead WHERE id = 2",
    "DELETE FROM key WHERE lead = 2",
    "UPDATE store SET entry = 2, lead = 1, cluster = 1, change = (SELECT max(id) FROM history)",
    "UPDATE store SET recorded_at = (SELECT recorded_at FROM event)",
)


def test_rows_cut_off_everywhere_are_found_by_a_noted_head_alone(path):
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00", keys="1"))
        store.apply(lead("add", "10:01", keys="2"))
        head = store.head()
        for statement in TAIL:
            assert store._connection.execute(statement).rowcount
        assert store.verify().defects == ()
        assert [one.check for one in store.verify(head).defects] == ["ledger"]


def test_a_store_that_was_written_anew_is_found_by_a_noted_head_alone(tmp_path):
    heads = {}
    for name, agent in (("one", ADA), ("other", BOB)):
        with LeadStore(tmp_path / name, clock=lambda: NOW) as store:
            store.apply(lead("accept", "10:00", agent=agent, id="urn:1"))
            heads[name] = store.head()
    with LeadReader(tmp_path / "other") as reader:
        assert reader.verify(heads["other"]).sound
        (found,) = reader.verify(heads["one"]).defects
    assert "another link, what was stored until then was written anew" in str(found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trigger": 1}, "trigger is update, its message gives reject"),
        (
            {"time": 5},
            "time is 1970-01-01T00:00:00.000005Z, its message gives 2026-03-01T10:01:00Z",
        ),
        ({"digest": b"1" * 32}, "digest is 3131"),
        ({"content": b"[1, 2, 3]"}, "content is [1, 2, 3], its message gives [[[["),
        ({"body": b"{}"}, "expected a message"),
    ],
)
def test_what_was_decoded_is_what_the_message_says_even_where_all_was_linked_anew(
    changes, words, edited, path
):
    edited("UPDATE lead SET state = state")
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        link_anew(plain, content_of(3, **changes))
    with LeadReader(path) as reader:
        found = reader.verify().defects
    assert "ledger" not in {one.check for one in found}
    assert any(words in str(one) for one in found if one.check == "contents"), found


@pytest.mark.parametrize("text", ["", "3", "3:", "3:aa", "-1:" + "0" * 64, "03:" + "0" * 64])
def test_what_is_no_head_is_refused(text, store):
    with pytest.raises(ArgumentError, match=r"expected a head as COUNT:HEX with 64 hex"):
        store.verify(text)


# --- what was erased ------------------------------------------------------------------------------


def test_where_a_person_was_erased_the_chain_still_verifies(whole, path):
    shutil.copy(whole, path)
    with LeadStore(path, clock=lambda: NOW) as store:
        head = store.head()
        store.erase("crmleadid:6")
        for quick in (False, True):
            found = store.verify(head, quick=quick)
            assert (found.defects, found.erased) == ((), 2)


@settings(max_examples=50)
@given(worlds, chances)
def test_where_some_were_erased_what_stays_verifies(world, chance):
    """Ids have one content each: see the page about what other contents of the erased explain."""
    with store_of(world[::2], chance) as store:
        for _ in range(2):
            names = [one.lead_id for one in store.leads()]
            for name in [one for one in names if not one.startswith("erased:")][:1]:
                store.erase(name, all_of_them=True)
            store.apply_many(world[1::2])
        assert store.verify().defects == ()
        assert store.verify(quick=True).defects == ()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE erasure SET entries = '[]'",
        "UPDATE erasure SET entries = replace(entries, '[', '[3,')",
        "UPDATE history SET at = at + 1 WHERE lead IN (SELECT lead FROM sealed)",
        "DELETE FROM history WHERE lead IN (SELECT lead FROM sealed)",
        "UPDATE lead SET state = 1 WHERE sealed IS NOT NULL",
        "UPDATE sealed SET change = NULL",
        "INSERT INTO sealed SELECT id, 1, NULL FROM lead WHERE id NOT IN (SELECT lead FROM sealed)",
        "INSERT INTO sealed SELECT id, 9, NULL FROM lead WHERE id NOT IN (SELECT lead FROM sealed)",
        "DELETE FROM sealed",
        "DELETE FROM suppressed",
    ],
)
def test_an_edit_of_what_was_erased_is_found(statement, edited, sealed):
    assert not edited(statement, of=sealed).sound


# --- damage ---------------------------------------------------------------------------------------


def verified(lifecycle, path):
    """Return the exit status of verifying, which never ends in a traceback."""
    result = lifecycle("verify", path)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "failed (" not in result.stderr
    return result.exit_code


def test_a_zeroed_page_is_found_whichever_it_is(whole, path, lifecycle):
    content = whole.read_bytes()
    for start in range(0, len(content), 4096):
        path.write_bytes(content[:start] + bytes(4096) + content[start + 4096 :])
        assert verified(lifecycle, path) in (1, 3), start


# The last page is empty here: of that a half is as good as the whole.
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.9, 0.98])
def test_a_file_that_was_cut_is_found(part, whole, path, lifecycle):
    content = whole.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    assert verified(lifecycle, path) in (1, 3)


def test_a_flipped_bit_in_a_message_is_found(whole, path, lifecycle):
    content = bytearray(whole.read_bytes())
    with closing(sqlite3.connect(whole)) as plain:
        (body,) = plain.execute("SELECT bodies FROM block WHERE first = 4").fetchone()
    content[content.index(body) + len(body) // 2] ^= 4
    path.write_bytes(content)
    assert verified(lifecycle, path) == 1


def test_no_flipped_bit_makes_it_fail(whole, path, lifecycle):
    chance, content = random.Random(11), whole.read_bytes()
    statuses = Counter()
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        statuses[verified(lifecycle, path)] += 1
    assert set(statuses) <= {0, 1, 3}
    assert statuses[1] > statuses[3]


def test_where_the_schema_is_another_one_nothing_else_is_read(whole, path):
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path)) as plain:
        plain.executescript(
            "PRAGMA writable_schema = ON;"
            "UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '') WHERE name = 'event'"
        )
        plain.commit()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("UPDATE event SET time = 'soon' WHERE id = 'urn:add'")
        plain.commit()
    with LeadReader(path) as reader:
        found = reader.verify()
    assert "schema" in {one.check for one in found.defects}
    assert found.unchecked == ("ledger", "contents", "replay")


def test_each_check_is_told_before_it_is_made(whole):
    told = []
    with LeadReader(whole) as reader:
        found = reader.verify(on_check=told.append)
    assert told == list(found.checked)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_what_was_checked(whole, lifecycle):
    result = lifecycle("verify", whole)
    assert result.exit_code == 0
    assert "sound" in result.stdout
    with LeadReader(whole) as reader:
        assert f"head {reader.head()}" in result.stdout
        found = json.loads(lifecycle("verify", whole, "--format", "json").stdout)
        assert found == reader.verify().as_dict()
        assert (found["sound"], found["count"], found["erased"]) == (True, 0, 0)
        marks = lifecycle("verify", whole, "--head", "--digest").stdout
        assert marks == f"{reader.head()}\n{reader.digest()}\n"
        marks = json.loads(lifecycle("verify", whole, "--head", "--format", "json").stdout)
        assert marks == {"head": str(reader.head())}


def test_the_command_ends_with_one_where_something_is_wrong(whole, path, lifecycle):
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        plain.execute("UPDATE lead SET state = 0 WHERE lead_id = 'crmleadid:1'")
        plain.execute("UPDATE lead SET lead_id = 'x:\x1b[2J' WHERE lead_id = 'crmleadid:6'")
    result = lifecycle("verify", path)
    assert result.exit_code == 1
    assert "lead crmleadid:1: state is new, the messages give " in result.stdout
    assert "\x1b" not in result.stdout


def test_the_command_tells_of_a_hundred_and_counts_all(path, lifecycle):
    with LeadStore(path) as store:
        store.apply_many(lead("add", "10:00", keys=str(number)) for number in range(1, 151))
        store._connection.execute("UPDATE lead SET state = 2")
    result = lifecycle("verify", path)
    assert result.stdout.count("✗ replay: lead") == 100
    assert "... and 50 more" in result.stdout
    assert "150 defects" in result.stdout


def test_a_head_noted_before_is_compared(whole, lifecycle):
    head = lifecycle("verify", whole, "--head").stdout.strip()
    none = f"0:{'0' * 64}"
    assert lifecycle("verify", whole, "--noted", head, "--noted", none).exit_code == 0
    wrong = head[:-1] + ("0" if head[-1] != "0" else "1")
    assert lifecycle("verify", whole, "--noted", wrong).exit_code == 1
    assert lifecycle("verify", whole, "--noted", "7:xyz").exit_code == 2
    assert lifecycle("verify", whole, "--head", "--noted", head).exit_code == 2


def test_what_is_no_store_cannot_be_verified(tmp_path, lifecycle):
    other = tmp_path / "text"
    other.write_text("no store at all, only a text\n" * 50)
    assert lifecycle("verify", other).exit_code == 3
    assert lifecycle("verify", tmp_path / "nothing.db").exit_code == 3


def test_verifying_writes_nothing(whole, lifecycle):
    before = whole.read_bytes()
    assert lifecycle("verify", whole, "--noted", f"0:{'0' * 64}", "--quick").exit_code == 0
    assert whole.read_bytes() == before
    assert [one.name for one in Path(whole.parent).iterdir()] == ["leads.db"]


# --- the digest of a data set ---------------------------------------------------------------------


@given(worlds.map(quarrelling) | worlds, chances)
def test_a_store_a_log_and_events_have_one_digest_in_parts_too(world, chance):
    with store_of(world, chance) as store, tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_text("".join(f"{json.dumps(one)}\n" for one in world))
        assert audit(log).digest == audit(store).digest == store.digest()
        assert dataset_digest(decodable(world)) == store.digest()
        whole, part = DatasetDigest(), DatasetDigest()
        for number, ((event_id, digest), time) in enumerate(contents(world).items()):
            (whole if number % 2 else part).add(event_id, digest, time)
        whole.join(part)
        assert whole.hexdigest() == store.digest()


def test_a_digest_has_room_for_more_contents_than_a_lane_has_bits():
    one = DatasetDigest()
    for number in range(70_000):
        one.add("urn:1", bytes(32), number % 3)
    halves = DatasetDigest(), DatasetDigest()
    for number in range(70_000):
        halves[number % 2].add("urn:1", bytes(32), number % 3)
    halves[0].join(halves[1])
    assert one.hexdigest() == halves[0].hexdigest()
