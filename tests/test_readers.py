"""Readers who may write nothing get a right answer, or are told that somebody wrote meanwhile."""

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from letters import ADA, lead
from worlds import NOW

from lifecycle import LeadReader, LeadStore
from lifecycle.errors import BusyStoreError, StoreError

NOBODY = 65534
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def shared():
    """Return a store in a directory that others may read, and nobody else may write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "leads.db"
        with LeadStore(path, clock=lambda: NOW) as store:
            store.apply(lead("add", "10:00"))
            path.chmod(0o644)
        yield path


def as_nobody(work):
    """Run a function as a user without rights; what it printed, or the error as text."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setuid(NOBODY)
        try:
            said = str(work())
        except StoreError as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    return said


def test_a_reader_without_rights_reads_a_store_that_nobody_writes_to(shared):
    def work():
        with LeadReader(shared) as store:
            return store.lead("crmleadid:1").state

    assert as_nobody(work) == "sent"


def test_a_reader_without_rights_reads_a_store_that_is_written_to(shared):
    with LeadStore(shared, clock=lambda: NOW) as store:
        store.apply(lead("accept", "10:01", agent=ADA))
        for end in ("-wal", "-shm"):
            shared.with_name(shared.name + end).chmod(0o644)

        def work():
            with LeadReader(shared) as reader:
                return reader.lead("crmleadid:1").state

        assert as_nobody(work) == "accepted"


def test_who_reads_without_locks_is_told_that_somebody_wrote(shared):
    before = shared.read_bytes()

    def work():
        with LeadReader(shared) as reader:
            first = reader.lead("crmleadid:1").state
            os.write(ready, b"x")
            os.read(go, 1)
            try:
                reader.lead("crmleadid:1")
            except BusyStoreError as error:
                return f"{first}, then {error}"
            return "nothing was noticed"

    (seen, ready), (go, send) = os.pipe(), os.pipe()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setuid(NOBODY)
        os.write(writer, work().encode())
        os._exit(0)
    os.read(seen, 1)
    with LeadStore(shared, clock=lambda: NOW) as store:
        store.apply(lead("accept", "10:01", agent=ADA))
    assert shared.read_bytes() != before
    os.write(send, b"x")
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read().decode()
    os.waitpid(pid, 0)
    assert said == f"sent, then {shared}: somebody wrote to the store meanwhile; open it again"


def test_traces_of_a_killed_writer_are_told_and_not_called_damage(shared):
    with closing(sqlite3.connect(shared)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO ignored VALUES ('x', 1)")
        writer.commit()
        wal = shared.with_name(f"{shared.name}-wal").read_bytes()
    shared.with_name(f"{shared.name}-wal").write_bytes(wal)

    def work():
        with LeadReader(shared) as reader:
            return reader.lead_count()

    said = as_nobody(work)
    assert said.startswith("StoreError")
    assert "leads.db-wal holds what a writer left" in said
    assert "backup" not in said


@pytest.mark.parametrize(("given", "wanted"), [({}, 0o600), ({"mode": 0o640}, 0o640)])
def test_a_new_file_is_its_owner_s_unless_they_say_otherwise(given, wanted, tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW, **given) as store:
        store.apply(lead("add", "10:00"))
        files = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    assert files == dict.fromkeys(("a.db", "a.db-wal", "a.db-shm"), wanted)


def test_the_permissions_of_a_file_that_exists_are_left(tmp_path):
    LeadStore(tmp_path / "a.db", mode=0o644).close()
    with LeadStore(tmp_path / "a.db") as store:
        store.apply(lead("add", "10:00"))
    assert (tmp_path / "a.db").stat().st_mode & 0o777 == 0o644
