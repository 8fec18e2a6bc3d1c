"""A backup is the store as of one moment; a dump makes the same store again. Both are verified."""

import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from letters import ADA, BOB, lead
from worlds import NOW

from lifecycle import LeadReader, LeadStore, Rules
from lifecycle.store.db.blocks import Blocks
from lifecycle.store.dump import TABLES


def filled(path):
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
        store.apply(lead("accept", "10:01", agent=ADA))


def test_a_backup_is_the_store_while_somebody_writes(tmp_path, lifecycle):
    source, copy = tmp_path / "leads.db", tmp_path / "copy.db"
    filled(source)
    with LeadStore(source, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:02", keys="2"))
        result = lifecycle("backup", source, copy)
        assert result.exit_code == 0, result.output
        assert result.stdout == f"head {store.head()}\n"
        assert store.digest() == LeadReader(copy).digest()
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir() if "unfinished" in one.name) == []
    with LeadStore(copy, clock=lambda: NOW) as other:
        assert other.apply(lead("update", "10:03")).kind == "noted"
        assert other.verify().sound


def test_a_backup_takes_no_file_s_place(tmp_path, lifecycle):
    filled(tmp_path / "leads.db")
    (tmp_path / "copy.db").write_text("mine")
    result = lifecycle("backup", tmp_path / "leads.db", tmp_path / "copy.db")
    assert (result.exit_code, "it is there already" in result.stderr) == (3, True)
    assert (tmp_path / "copy.db").read_text() == "mine"
    nowhere = lifecycle("backup", tmp_path / "leads.db", tmp_path / "none" / "copy.db")
    assert (nowhere.exit_code, "none does not exist" in nowhere.stderr) == (3, True)


def test_no_copy_is_kept_of_a_store_that_is_not_sound(tmp_path, lifecycle):
    filled(tmp_path / "leads.db")
    with LeadStore(tmp_path / "leads.db", clock=lambda: NOW) as store:
        store._connection.execute("UPDATE lead SET state = 1")
    result = lifecycle("backup", tmp_path / "leads.db", tmp_path / "copy.db")
    assert (result.exit_code, "1 defect" in result.stderr) == (3, True)
    assert not (tmp_path / "copy.db").exists()
    missing = lifecycle("backup", tmp_path / "none.db", tmp_path / "copy.db")
    assert missing.exit_code == 3
    assert list(tmp_path.glob("*unfinished*")) == []
    shutil.rmtree(tmp_path)


# --- dump and load --------------------------------------------------------------------------------


def everything(path):
    """All rows of all tables, but for where entries are cut into blocks."""
    with closing(sqlite3.connect(path)) as plain:
        tables = [name for (name,) in plain.execute("SELECT name FROM sqlite_master")]
        tables = [one for one in tables if one in (*TABLES, "severity", "dictionary")]
        rows = {one: sorted(map(repr, plain.execute(f"SELECT * FROM {one}"))) for one in tables}
        rows["entries"] = [one for block in Blocks(plain).all() for one in block.stored()]
    return rows


def lived_in(path):
    """Return a store with an erased person, a quarantined message and changed rules."""
    with LeadStore(path, clock=lambda: NOW) as store:
        for number in range(5):
            store.apply(lead("add", "10:00", keys=str(number), contact={"c": f"{number}"}))
            store.apply(lead("reject", "10:02", keys=str(number), agent=BOB, reason="näh"))
            store.apply(lead("accept", "10:01", keys=str(number), agent=ADA))
        store.apply_many(["{", "\ud800", {"topic": "contact#add", "data": {}}])
        store.rebuild(Rules.loads('[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n'))
        store.session().cursor("a.jsonl")
        store.erase("crmleadid:2")
        return store.digest(), str(store.head())


def test_a_dump_makes_the_same_store_again(tmp_path, lifecycle):
    source, copy = tmp_path / "leads.db", tmp_path / "copy.db"
    digest, head = lived_in(source)
    dumped = lifecycle("dump", source)
    (tmp_path / "dump.jsonl").write_text(dumped.stdout)
    assert dumped.exit_code == 0, dumped.output
    result = lifecycle("load", copy, tmp_path / "dump.jsonl")
    assert (result.exit_code, result.stdout) == (0, f"head {head}\n"), result.output
    assert everything(copy) == everything(source)
    with LeadStore(copy, clock=lambda: NOW) as store:
        assert (store.digest(), store.verify(head).defects) == (digest, ())
        assert store.apply(lead("add", "10:00", keys="2", contact={"c": "2"})).topic == "suppressed"
        assert store.apply(lead("update", "10:03", keys="1")).kind == "refused"
        assert store.verify(head).sound


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda lines: lines[:-1], "not a whole dump"),
        (lambda lines: lines[:5] + lines[6:], "not a whole dump"),
        (lambda lines: lines[1:], "line 1: expected the first line of a dump"),
        (lambda _: [], "line 1: expected"),
        (lambda lines: [*lines[:3], "{", *lines[3:]], "line 4: expected JSON"),
        (lambda lines: [*lines[:3], "[]", *lines[3:]], "line 4: expected an object"),
        (lambda lines: [*lines[:3], '{"table": "gone", "row": {}}'], "line 4: expected an entry"),
        (lambda lines: [*lines[:3], '{"table": "key", "row": {}}'], "line 4: expected an entry"),
        (lambda lines: [*lines[:3], '{"entry": 7}'], "line 4: expected an entry"),
        (lambda lines: [one.replace("AddAction", "AdxAction") for one in lines], "defect"),
        (lambda lines: [one.replace('"state":1', '"state":2') for one in lines], "defect"),
    ],
    ids=[f"edit {number}" for number in range(11)],
)
def test_a_dump_that_was_changed_makes_no_store(edit, told, tmp_path, lifecycle):
    lived_in(tmp_path / "leads.db")
    lines = lifecycle("dump", tmp_path / "leads.db").stdout.splitlines()
    (tmp_path / "dump.jsonl").write_text("\n".join(edit(lines)))
    result = lifecycle("load", tmp_path / "copy.db", tmp_path / "dump.jsonl")
    assert result.exit_code == 3, result.output
    assert re.search(told, result.stderr), result.stderr
    assert not (tmp_path / "copy.db").exists()
