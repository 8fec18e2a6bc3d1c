"""Verifying: what is whole verifies, in whatever order it came; every edit of it is found."""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import ADA, BOB, ORG, deletion, lead, moment
from worlds import NOW, copy_of, decodable, worlds

from lifecycle import Head, HeadFormatError, LeadReader, LeadStore, Rules, audit
from lifecycle.domain import DatasetDigest, dataset_digest
from lifecycle.store.db.codec import hashed
from lifecycle.store.ledger.chain import BEGINNING, Entry, Ledger, commitment_of

JOE, ANN = {"c": "9"}, {"c": "8"}
BASE = Rules.loads(
    '[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n'
    '[[edge]]\ntrigger = "accept"\nfrom = ["sent"]\nto = "accepted"\n'
)
chances = st.randoms(use_true_random=False)


def store_of(world, chance):
    """A store with these messages, and copies of some, in some order and some batches."""
    arrivals = [*world, *(copy_of(message) for message in world[::3])]
    chance.shuffle(arrivals)
    store = LeadStore(":memory:", clock=lambda: NOW)
    while arrivals:
        size = chance.randint(1, 5)
        store.apply_many(arrivals[:size])
        arrivals = arrivals[size:]
    return store


def quarrelling(world):
    """The same messages, more of them under one id."""
    return [
        message | {"id": f"urn:{number % 5}"} if "id" in message else message
        for number, message in enumerate(world)
    ]


def contents(world):
    """What the digest of a data set stands for: the earliest time of each content of each id."""
    found = {}
    for event in decodable(world):
        at = found.get((event.id, event.digest), event.time)
        found[event.id, event.digest] = min(at, event.time)
    return found


# --- what is whole --------------------------------------------------------------------------------


@given(worlds.map(quarrelling) | worlds, chances)
def test_any_order_and_batches_verify_and_have_one_digest(world, chance):
    with store_of(world, chance) as one, store_of(world, chance) as other:
        assert one.verify(past=True).defects == ()
        assert one.digest() == other.digest()
        entries = one._connection.execute("SELECT number FROM ledger").fetchall()
        assert entries == [(number + 1,) for number in range(one.head().count)]


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
            assert store.verify(past=True).defects == ()
            digests.add(store.digest())
    assert len(digests) == 1


@settings(max_examples=50)
@given(worlds, chances)
def test_what_was_folded_again_with_other_rules_verifies(world, chance):
    with store_of(world, chance) as store:
        before = store.head()
        store.rebuild(BASE)
        found = store.verify(before, past=True)
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
            "DELETE FROM ledger WHERE number = (SELECT ledger FROM rules WHERE id = 2)",
            "DELETE FROM rules WHERE id = 1",
            "UPDATE rules SET id = 1, ledger = 1",
        ):
            assert store._connection.execute(statement).rowcount == 1
        found = store.verify(head).defects
        assert [one.check for one in found] == ["contents"]
        assert str(found[0]).startswith("rules 1: expected what entry 1 of the ledger was made for")


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


def test_a_commitment_is_to_the_salt_and_to_every_part():
    parts = ["id", b"digest", 1, 2, "content", b"body"]
    other = ["ix", b"dixest", 9, 9, "contenx", b"bodx"]
    all_of_them = {commitment_of(bytes(16), tuple(parts)), commitment_of(b"1" * 16, tuple(parts))}
    for place, part in enumerate(other):
        all_of_them.add(commitment_of(bytes(16), (*parts[:place], part, *parts[place + 1 :])))
    all_of_them.add(commitment_of(bytes(16), ("i", b"ddigest", 1, 2, "content", b"body")))
    assert len(all_of_them) == 9


def test_a_transaction_that_is_rolled_back_leaves_no_gap(store, monkeypatch):
    store.apply(lead("add", "10:00", keys="1"))
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "save", lambda _: 1 / 0)
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
    left -= statement.startswith("INSERT INTO ledger")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

store._connection.set_trace_callback(die)
replay(store, [Path(sys.argv[2])], batch=20)
"""


def test_a_replay_that_was_killed_while_it_wrote_the_ledger_verifies(path, write_log):
    log = write_log([lead("add", "10:00", keys=str(number)) for number in range(1, 101)])
    command = [sys.executable, "-c", REPLAY_AND_DIE, path, log]
    assert subprocess.run([*command, "50"], check=False).returncode == -signal.SIGKILL
    with LeadReader(path) as reader:
        assert (reader.verify().defects, reader.head().count) == ((), 41)
        head = reader.head()
    subprocess.run([*command, "-1"], check=True)
    with LeadReader(path) as reader:
        assert (reader.verify(head).defects, reader.head().count) == ((), 101)


# --- what was edited ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store with everything in it: corrections, conflicts, deletions, findings, a quarantine."""
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
        store._connection.execute("INSERT INTO log (name) VALUES ('one'), ('two')")
        assert store.verify(past=True).defects == ()
        store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        store._connection.execute("PRAGMA journal_mode = DELETE")
    return path


@pytest.fixture
def edited(whole, path):
    """Edit a copy of that store with plain SQL; what verifying finds."""

    def edit(*statements, noted=(), past=False):
        shutil.copy(whole, path)
        with closing(sqlite3.connect(path, isolation_level=None)) as plain:
            for statement in statements:
                assert plain.execute(statement).rowcount != 0, statement
        with LeadReader(path) as reader:
            return reader.verify(*noted, past=past)

    return edit


def test_the_store_to_be_edited_has_rows_in_every_table(whole):
    with closing(sqlite3.connect(whole)) as plain:
        tables = [name for (name,) in plain.execute("SELECT name FROM pragma_table_list") if name]
        empty = [
            name
            for name in tables
            if not name.startswith("sqlite_")
            and not plain.execute(f'SELECT 1 FROM "{name}"').fetchone()
        ]
    assert set(empty) == {"erased", "erased_copy", "erased_link", "erasure", "run"}


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
    "copy": {"id"},
    "event": {"late", "line", "log", "run"},
    "erasure": {one for table, one, _ in columns() if table == "erasure"},
    "finding": {"id"},
    "former_lead": {"lead_id"},
    "ignored": {"messages", "topic"},
    "log": {one for table, one, _ in columns() if table == "log"},
    "quarantine": {one for table, one, _ in columns() if table == "quarantine"},
    "rules": {"id"},
    "run": {"id", "started_at"},
    "store": {"id"},
}
EDITS = {
    "INTEGER": "coalesce({0}, 0) + 1000",
    "TEXT": "coalesce({0}, '') || ' '",
    "BLOB": "zeroblob(length({0}))",
}


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [one for one in columns() if one[1] not in UNVOUCHED.get(one[0], ()) and one[0] != "run"],
)
def test_an_edit_of_any_column_is_found(table, column, kind, edited, whole):
    """Each row by itself, but for superseded ones."""
    with closing(sqlite3.connect(whole)) as plain:
        current = " WHERE superseded_at IS NULL" if table in ("history", "finding") else ""
        rows = plain.execute(f"SELECT rowid FROM {table}{current} LIMIT 8").fetchall()
    if table == "store":
        change = f"UPDATE store SET {column} = {column} - 1"
        assert not edited(change).sound
        return
    for (row,) in rows:
        change = f"{column} = {EDITS[kind].format(column)}"
        try:
            found = edited(f"UPDATE {table} SET {change} WHERE rowid = {row}")
        except sqlite3.IntegrityError:
            assert kind != "BLOB"
            continue  # the table itself refuses it
        if (table, column) in DERIVED and found.sound:
            continue
        assert not found.sound, (table, column, row)


#: What may be edited without being found: a party that nothing current names.
DERIVED = {("party", "uri"), ("party", "name"), ("party", "id")}


def test_nothing_is_called_unvouched_that_is_not(edited):
    for table, names in UNVOUCHED.items():
        for name in names & {"late", "line", "lead_id", "messages", "topic", "byte_offset"}:
            assert edited(f"UPDATE {table} SET {name} = 7").sound


# What finds it and in which words, and the statements that make the edit.
FOUND = """
contents: event 3: expected what entry 4 of
    UPDATE event SET body = (SELECT body FROM event WHERE seq = 2) WHERE seq = 3
contents: event 2: expected what entry 4 of
    UPDATE event SET ledger = 7 - ledger WHERE seq IN (2, 3)
contents: which is another's
    UPDATE event SET ledger = 3 WHERE seq = 3
contents: which is another's
    UPDATE event SET ledger = 1 WHERE seq = 3
contents: expected entry 99 in the ledger, found none
    UPDATE event SET ledger = 99 WHERE seq = 3
ledger: entry 4: expected what it was made for, found nothing
    DELETE FROM event WHERE seq = 3
ledger: entry 4: expected entry 3, found entry 4
    DELETE FROM ledger WHERE number = 3
ledger: entry 3: expected a link
    UPDATE ledger SET recorded_at = recorded_at + 1 WHERE number = 3
ledger: entry 4: expected what
    DELETE FROM event WHERE seq = 3
    DELETE FROM history WHERE event = 3
contents: event 3: expected no content: it was erased
    UPDATE ledger SET salt = NULL WHERE number = 4
ledger: entry 4: expected what it was made for, found nothing
    DELETE FROM event WHERE seq = 3
    DELETE FROM history WHERE event = 3
    UPDATE ledger SET salt = NULL WHERE number = 4
ledger: expected what it was made for
    DELETE FROM copy WHERE id = 1
contents: expected a content behind
    UPDATE event SET digest = (SELECT max(digest) FROM copy) WHERE id = 'urn:add'
contents: entry 99 in the ledger
    CREATE TABLE more AS SELECT * FROM event WHERE rowid = 1
    UPDATE more SET seq = 99, ledger = 99, id = 'urn:new', id_hash = x'00'
    INSERT INTO event SELECT * FROM more
folds: expected state accepted, found received
    UPDATE lead SET state = 2 WHERE state = 4
folds: expected target accepted, found received
    UPDATE history SET target = 2 WHERE target = 4 AND superseded_at IS NULL
folds: expected a row for its
    DELETE FROM history WHERE event = 2 AND superseded_at IS NULL
folds: expected this finding, found none
    DELETE FROM finding WHERE code = 'conflict'
folds: expected this finding, found none
    UPDATE finding SET superseded_at = recorded_at + 1 WHERE code = 'conflict'
folds: expected no such finding, found one
    UPDATE finding SET superseded_at = NULL WHERE superseded_at IS NOT NULL
folds: expected no such lead
    CREATE TABLE more AS SELECT * FROM lead WHERE rowid = 1
    UPDATE more SET id = 99
    INSERT INTO lead SELECT * FROM more
folds: a party that is not there
    UPDATE party SET uri = uri || 'x'
folds: expected events that keys link, found 2 groups
    UPDATE lead SET subject = 1 WHERE id = 4
records: expected superseded_at behind recorded_at
    UPDATE history SET superseded_at = 5 WHERE superseded_at IS NOT NULL
records: expected its event to be there
    UPDATE history SET event = 99 WHERE superseded_at IS NOT NULL
records: expected a lead or a deletion of this subject
    INSERT INTO subject SELECT subject + 1, 0, 1 FROM store
records: expected a number from 1 on
    UPDATE history SET id = id - 1000
records: expected recorded_at in their order
    UPDATE history SET id = 10000 WHERE id = (SELECT min(id) FROM history)
records: expected a known outcome
    UPDATE event SET outcome = outcome - 3
records: expected a known source
    UPDATE history SET source = source - 7 WHERE superseded_at IS NOT NULL
records: store 1: expected last numbers with room behind them
    UPDATE store SET event = 9223372036854775807
records: sqlite_sequence finding: expected a last number with room
    UPDATE sqlite_sequence SET seq = 9223372036854775807
records: store, event: expected at least
    UPDATE store SET event = 3
records: expected [0, 0, 0], found [7, 0, 0]
    INSERT INTO run VALUES (1, 0, 7, 0, 0)
schema: rules 1: expected rules of digest
    UPDATE rules SET digest = 'x' WHERE id = 1
schema: rules 1: expected rules that can be used
    UPDATE rules SET toml = 'x'
folds: expected rules that can be used
    UPDATE rules SET toml = 'x'
contents: rules 1: expected what entry 1 of
    UPDATE rules SET toml = toml || ' '
contents: rules 2: expected an entry of its own
    INSERT INTO rules SELECT 2, digest, toml, recorded_at, ledger FROM rules
ledger: entry 1: expected what it was made for, found nothing
    DELETE FROM rules
schema: table dictionary
    UPDATE dictionary SET content = x'00'
schema: table state_name
    UPDATE state_name SET name = 'accepted' WHERE id = 1
schema: index lead_subject: expected it to be there
    DROP INDEX lead_subject
schema: view lead_list: expected it as lifecycle makes it
    DROP VIEW lead_list
    CREATE VIEW lead_list AS SELECT 'sent' AS state
schema: table ignored: expected it as lifecycle makes it
    ALTER TABLE ignored ADD COLUMN more INTEGER
schema: trigger t: expected no such thing
    CREATE TRIGGER t AFTER INSERT ON event BEGIN UPDATE lead SET state = 1; END
schema: trigger t: expected no such thing
    CREATE TABLE notes (x)
    CREATE TRIGGER t AFTER INSERT ON notes BEGIN DELETE FROM finding; END
schema: trigger t: expected no such thing
    CREATE TRIGGER t INSTEAD OF INSERT ON lead_list BEGIN SELECT 1; END
schema: view mine: expected no such thing
    CREATE VIEW mine AS SELECT * FROM lead
schema: view mine: expected no such thing
    CREATE VIEW inner_one AS SELECT lead_id FROM lead_list
    CREATE VIEW mine AS SELECT * FROM inner_one
schema: index mine: expected no such thing
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


def test_a_message_cannot_be_backdated(store):
    store.apply(lead("add", "10:00"))
    store.apply(lead("accept", "10:01"))
    head, execute = store.head(), store._connection.execute
    store.apply(lead("reject", "10:02", id="urn:late"))
    (before,) = execute("SELECT recorded_at FROM ledger WHERE number = 2").fetchone()
    columns = "number, recorded_at, id_hash, trigger, time, commitment"
    number, _, *rest = execute(f"SELECT {columns} FROM ledger WHERE number = 4").fetchone()
    (previous,) = execute("SELECT link FROM ledger WHERE number = 3").fetchone()
    link = Entry(number, before, *rest).link(previous)
    execute("UPDATE ledger SET recorded_at = ?, link = ? WHERE number = 4", (before, link))
    execute("UPDATE event SET recorded_at = ? WHERE id = 'urn:late'", (before,))
    found = [str(one) for one in store.verify(head).defects if one.check == "ledger"]
    assert len(found) == 1
    assert found[0].startswith("entry 4: expected recorded_at not before ")


def test_rows_of_history_switch_no_check_of_the_past_off(store):
    """Another was erased; a superseded row names its lead, and others of the lead are changed."""
    store.apply_many(
        [lead("add", "10:00"), lead("accept", "10:02"), lead("add", "10:00", keys="9")]
    )
    store.apply(lead("reject", "10:01"))
    store.erase("crmleadid:9")
    verified, execute = store.verify(past=True), store._connection.execute
    assert (verified.sound, verified.left_out) == (True, 1)
    execute("UPDATE history SET lead = (SELECT id FROM lead WHERE lead_id = 'crmleadid:9')"
            " WHERE superseded_at IS NOT NULL")  # fmt: skip
    execute("UPDATE history SET at = at + 1 WHERE superseded_at IS NOT NULL")
    assert "past" in {one.check for one in store.verify(past=True).defects}


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
    expected = {one.expected for one in store.verify().defects}
    assert "superseded_at in the order of superseded_change" in expected


@pytest.mark.parametrize(("check", "words", "statements"), list(cases()))
def test_an_edit_is_found(check, words, statements, edited):
    found = edited(*statements)
    assert not found.sound
    assert any(one.check == check and words in str(one) for one in found.defects), found.defects


@pytest.mark.parametrize(
    "column",
    [
        *("step", "trigger", "source", "target", "verdict", "at", "by", "holder"),
        *("reason", "refusal", "recorded_at", "superseded_at"),
    ],
)
@pytest.mark.parametrize("which", ["IS NULL", "IS NOT NULL"])
def test_an_edit_of_any_row_of_history_is_found_in_what_was_known(column, which, edited, whole):
    """Superseded rows, too; and times, even where they stay plausible."""
    with closing(sqlite3.connect(whole)) as plain:
        rows = plain.execute(f"SELECT id FROM history WHERE superseded_at {which}").fetchall()
    assert rows
    change = f"{column} || ' '" if column in ("reason", "refusal") else f"{column} + 1"
    for (row,) in rows:
        with closing(sqlite3.connect(whole)) as plain:
            found = plain.execute(f"SELECT {column} FROM history WHERE id = {row}").fetchone()
        if found != (None,) and column != "refusal":
            found = edited(f"UPDATE history SET {column} = {change} WHERE id = {row}", past=True)
            assert "past" in {one.check for one in found.defects}, row


def test_a_superseded_row_that_was_taken_out_is_found_in_what_was_known(edited):
    found = edited("DELETE FROM history WHERE superseded_at IS NOT NULL", past=True)
    assert {one.check for one in found.defects} == {"past"}
    assert "found none" in str(found.defects[0])


CONTENT = "ledger, id, id_hash, digest, trigger, time, content, body"


@pytest.mark.parametrize("columns", [CONTENT, CONTENT.removeprefix("ledger, ")])
def test_two_events_that_were_swapped_are_found(columns, edited):
    found = edited(
        "CREATE TABLE was AS SELECT * FROM event",
        "UPDATE event SET id_hash = zeroblob(16) WHERE seq = 2",
        f"UPDATE event SET ({columns}) = (SELECT {columns} FROM was WHERE seq = 2) WHERE seq = 3",
        f"UPDATE event SET ({columns}) = (SELECT {columns} FROM was WHERE seq = 3) WHERE seq = 2",
    )
    assert {"contents", "folds"} <= {one.check for one in found.defects}


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
        f"the head noted as 3: expected link {head.link.hex()},"
        " found an end at number 2: the last entries were cut off"
    )


TAIL = (
    "DELETE FROM event WHERE seq = 2",
    "DELETE FROM history WHERE event = 2",
    "DELETE FROM ledger WHERE number = 3",
    "DELETE FROM lead WHERE id = 2",
    "DELETE FROM key WHERE lead = 2",
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
    assert "found another link: what was stored until then was written anew" in str(found)


def link_anew(path):
    """What a forger can do: make every entry again for what is in the store now."""
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        contents = plain.execute(
            "SELECT ledger, id, digest, trigger, time, content, body FROM event UNION ALL"
            " SELECT copy.ledger, event.id, copy.digest, copy.trigger, copy.time, copy.content,"
            " copy.body FROM copy JOIN event ON event.seq = copy.event ORDER BY 1"
        ).fetchall()
        (link,) = plain.execute("SELECT link FROM ledger WHERE number = 1").fetchone()
        for number, *content in contents:
            salt, recorded_at = plain.execute(
                "SELECT salt, recorded_at FROM ledger WHERE number = ?", (number,)
            ).fetchone()
            about = (hashed(content[0]), *content[2:4], commitment_of(salt, content))
            link = Entry(number, recorded_at, *about).link(link)
            plain.execute(
                "UPDATE ledger SET id_hash = ?, trigger = ?, time = ?, commitment = ?, link = ?"
                " WHERE number = ?",
                (*about, link, number),
            )


@pytest.mark.parametrize(
    "change",
    [
        "trigger = 1",
        "time = time + 1",
        "digest = randomblob(32)",
        "content = replace(content, 'no time', 'no fun')",
        "body = (SELECT body FROM event WHERE seq = 1)",
    ],
)
def test_what_was_decoded_is_what_the_message_says_even_where_all_was_linked_anew(
    change, edited, path
):
    edited(f"UPDATE event SET {change} WHERE seq = 2")
    link_anew(path)
    with LeadReader(path) as reader:
        found = reader.verify().defects
    assert "ledger" not in {one.check for one in found}
    assert any("by its message" in str(one) for one in found if one.check == "contents")


def test_of_two_long_values_the_part_that_differs_is_told(edited):
    (found,) = [
        one
        for one in edited("UPDATE event SET content = content || ' ' WHERE seq = 2").defects
        if "by its message" in one.expected
    ]
    assert found.expected.startswith("content ...")
    assert found.found.endswith(" ")


@pytest.mark.parametrize("text", ["", "3", "3:", "3:aa", "-1:" + "0" * 64, "03:" + "0" * 64])
def test_what_is_no_head_is_refused(text, store):
    with pytest.raises(HeadFormatError, match=r"expected a head as COUNT:HEX with 64 hex"):
        store.verify(text)


# --- what was erased ------------------------------------------------------------------------------

TIMELESS = "(SELECT seq FROM event WHERE id = 'urn:timeless')"
NUMBER = f"(SELECT ledger FROM copy WHERE event = {TIMELESS})"
ERASE = (
    f"UPDATE ledger SET salt = NULL WHERE number IN {NUMBER}",
    f"DELETE FROM copy WHERE event = {TIMELESS}",
)


def test_where_content_and_salt_were_erased_the_chain_still_verifies(whole, path):
    shutil.copy(whole, path)
    with LeadStore(path, clock=lambda: NOW) as store:
        head = store.head()
        store.erase("crmleadid:6")
        found = store.verify(head, past=True)
        assert (found.defects, found.erased, found.head.count) == ((), 2, head.count + 1)


@pytest.mark.parametrize("half", ERASE)
def test_what_was_erased_by_half_is_found(half, edited):
    assert not edited(half).sound


# --- damage ---------------------------------------------------------------------------------------


def verified(lifecycle, path):
    """The exit status of verifying, which never ends in a traceback."""
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
        (body,) = plain.execute("SELECT body FROM event WHERE seq = 4").fetchone()
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


def test_a_value_of_another_type_is_found(whole, path):
    shutil.copy(whole, path)
    with closing(sqlite3.connect(path)) as plain:
        plain.executescript(
            "PRAGMA writable_schema = ON;"
            "UPDATE sqlite_master SET sql = replace(sql, 'STRICT', '')"
            " WHERE name IN ('event', 'ledger')"
        )
        plain.commit()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("UPDATE event SET time = 'soon', content = 5, body = 'text' WHERE seq = 2")
        plain.execute("UPDATE ledger SET commitment = x'' WHERE number = 3")
        plain.execute("UPDATE ledger SET link = 'text', salt = 5 WHERE number > 4")
        plain.commit()
    with LeadReader(path) as reader:
        found = {one.check for one in reader.verify().defects}
    assert {"schema", "contents", "ledger", "folds"} <= found


def test_each_check_is_told_before_it_is_made(whole):
    told = []
    with LeadReader(whole) as reader:
        found = reader.verify(past=True, tell=told.append)
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
        plain.execute("UPDATE lead SET state = 0, lead_id = 'x:\x1b[2J' WHERE id = 1")
    result = lifecycle("verify", path)
    assert result.exit_code == 1
    assert "expected state accepted, found new" in result.stdout
    assert "\x1b" not in result.stdout


def test_the_command_tells_of_a_hundred_and_counts_all(path, lifecycle):
    with LeadStore(path) as store:
        store.apply_many(lead("add", "10:00", keys=str(number)) for number in range(1, 151))
        store._connection.execute("UPDATE lead SET state = 2")
    result = lifecycle("verify", path)
    assert result.stdout.count("✗ folds: lead") == 100
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
    assert lifecycle("verify", whole, "--noted", f"0:{'0' * 64}", "--past").exit_code == 0
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
