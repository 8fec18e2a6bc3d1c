"""A backup is the store as of one moment, verified, and takes no file's place."""

import shutil

from letters import ADA, lead
from worlds import NOW

from lifecycle import LeadReader, LeadStore


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
