"""Doctor: what a store lies in is told as it is; what needs attention fails, warnings do not."""

import json
import shutil
import sqlite3
from contextlib import closing

import pytest
from letters import lead
from worlds import NOW

from lifecycle import LeadReader, LeadStore, StoreError
from lifecycle.doctor import (
    NOT_KNOWN,
    check_header,
    check_sqlite,
    examine,
    file_system,
    mount_of,
)
from lifecycle.store.db import file as connection
from lifecycle.store.db.file import our_migrations
from lifecycle.store.db.schema import APPLICATION_ID

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /dev/shm tmpfs rw 0 0
broken
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
//server/two /mnt/two\\040words cifs rw 0 0
old /mnt/over ext4 rw 0 0
me@host: /mnt/over fuse.sshfs rw 0 0
"""


@pytest.fixture
def points(path):
    """Return the points of the store, by their names; edited before with plain SQL."""

    def look(*statements):
        if not path.exists():
            LeadStore(path, clock=lambda: NOW).close()
        with closing(sqlite3.connect(path, isolation_level=None)) as plain:
            for statement in statements:
                plain.execute(statement)
        found = examine(path)
        return {one.name: one for one in found.points} | {"well": found.well}

    return look


@pytest.fixture
def mounts(tmp_path):
    file = tmp_path / "mounts"
    file.write_text(MOUNTS)
    return file


def test_of_a_new_store_nothing_needs_attention(points):
    found = points()
    assert found.pop("well")
    verdicts = {name: one.verdict for name, one in found.items() if name != "SQLite"}
    assert set(verdicts.values()) == {"well"}
    assert list(found) == [
        "SQLite",
        "journal",
        "file system",
        "header",
        "application id",
        "pages",
        "structure",
        "schema",
        "cursors",
        "quarantine",
        "erased",
    ]
    assert (found["journal"].value, found["SQLite"].value) == ("wal", sqlite3.sqlite_version)
    assert found["application id"].value == APPLICATION_ID


def test_a_store_that_is_in_use_is_well_before_its_first_checkpoint(path, store, tmp_path):
    store.apply(lead("add", "10:00"))
    found = examine(path)
    assert (found.well, found.points[3].found) == (True, "intact")
    shutil.copy(path, tmp_path / "copy.db")
    for look in (examine, LeadReader):
        with pytest.raises(StoreError, match=r"its file copy.db-wal belongs to the copy"):
            look(tmp_path / "copy.db")


def test_the_journal_is_that_of_the_file(path, points, monkeypatch):
    assert points()["journal"].found == "wal"
    unwritable = f"file:{path}?mode=ro&immutable=1"
    monkeypatch.setattr(connection, "connect", lambda *_: connection._open_uri(unwritable))
    assert points()["journal"].found == "wal"
    monkeypatch.undo()
    assert points("PRAGMA journal_mode = DELETE")["journal"].found == "delete"


@pytest.mark.parametrize(
    ("version", "journal", "verdict"),
    [
        ((3, 6, 23), "wal", "well"),
        ((3, 7, 0), "wal", "warning"),
        ((3, 40, 1), None, "warning"),
        ((3, 51, 2), "wal", "warning"),
        ((3, 51, 2), "delete", "well"),
        ((3, 51, 3), "wal", "well"),
        ((4, 0, 0), "wal", "well"),
    ],
)
def test_versions_of_sqlite_with_the_wal_reset_bug_are_told(version, journal, verdict):
    found = check_sqlite(version, journal)
    assert found.verdict == verdict
    assert ("3.51.3" in found.advice) == (verdict == "warning")


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("/srv/leads.db", "ext4"),
        ("/home/ann/leads.db", "nfs4"),
        ("/home/local/leads.db", "xfs"),
        ("/homely/leads.db", "ext4"),
        ("/mnt/two words/leads.db", "cifs"),
        ("/mnt/over/leads.db", "fuse.sshfs"),
    ],
)
def test_the_nearest_and_last_mount_counts(where, kind, mounts, tmp_path):
    place = tmp_path / where
    assert file_system(place, mounts) == kind
    found = mount_of(place, mounts)
    assert found.verdict == ("well" if kind in ("ext4", "xfs") else "wrong")
    assert found.value == kind


def test_where_nothing_tells_the_mounts_they_are_not_known(path):
    found = mount_of(path, path.with_name("none"))
    assert (found.found, found.verdict) == (NOT_KNOWN, "unknown")


def test_a_newer_and_an_older_schema_need_attention(points):
    newer = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
    found = points(f"{newer} VALUES ('lifecycle', 'm999_more', '')")
    assert (found["well"], found["schema"].verdict) == (False, "wrong")
    assert "m999_more" in found["schema"].found
    found = points("UPDATE _sqlite_migrations SET name = 'm000_less' WHERE name LIKE 'm001%'")
    assert "newer" in found["schema"].found
    former = "UPDATE _sqlite_migrations SET name = 'm001_facts' WHERE name = 'm000_less'"
    with pytest.raises(StoreError, match="a store of before the first release"):
        points(former)


def test_an_older_schema_needs_attention(points, monkeypatch):
    names = our_migrations() | {"m999_more"}
    monkeypatch.setattr("lifecycle.store.db.file.our_migrations", lambda: names)
    found = points()["schema"]
    assert (found.verdict, found.found) == ("wrong", "older than this lifecycle, without m999_more")


def test_tables_that_cannot_be_read_need_attention(points):
    found = points("DROP TABLE log", "DROP VIEW event_list")
    assert found["cursors"].verdict == "wrong"
    assert found["quarantine"].verdict == "well"


def test_another_application_id_needs_attention(points):
    found = points("PRAGMA application_id = 7")
    assert (found["application id"].found[:3], found["well"]) == ("0x7", False)


def test_cursors_pages_and_the_quarantine_are_counted(points, path):
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply("{")
        store.apply(lead("add", "10:00") | {"time": "2099-01-01T00:00:00Z"})
    logs = ", ".join(f"('log {number}', 70, 5)" for number in range(7))
    found = points(
        f"INSERT INTO log (name, line, byte_offset) VALUES {logs}",
        "CREATE TABLE more AS SELECT zeroblob(20000)",
        "DROP TABLE more",
    )
    assert found["well"]
    assert found["cursors"].found.startswith("7 logs: log 0 at line 70; log 1")
    assert found["cursors"].found.endswith("; and 2 more")
    assert found["cursors"].value[1] == {"log": "log 1", "line": 70, "byte_offset": 5}
    assert found["pages"].value["free"] > 0
    assert found["quarantine"].verdict == "warning"
    assert found["quarantine"].value == {"waiting": 2, "until_due": 1}


# --- the header -----------------------------------------------------------------------------------


@pytest.fixture
def damaged(path):
    """Write bytes over the beginning of a store."""
    LeadStore(path).close()

    def write(start, content, size=None):
        raw = bytearray(path.read_bytes())
        raw[start : start + len(content)] = content
        path.write_bytes(raw[:size])
        return check_header(path)

    return write


@pytest.mark.parametrize(
    ("start", "content", "words"),
    [
        (16, b"\x00\x03", "the size of pages is 3"),
        (18, b"\x09", "the version for writing is 9"),
        (21, b"\x41", "the largest share of a page"),
        (47, b"\x00", "the format of the schema is 0"),
        (56, b"\x00\x00\x00\x02", "the encoding of texts is 2"),
    ],
)
def test_a_field_of_the_header_that_sqlite_never_writes_needs_attention(
    start, content, words, damaged, path
):
    found = damaged(start, content)
    assert found.verdict == "wrong"
    assert words in found.found
    assert not examine(path).well


def test_a_file_of_another_size_than_its_header_says_needs_attention(damaged, path):
    assert "pages of 4,096 bytes" in damaged(0, b"", -1).found
    assert not examine(path).well


def test_a_file_shorter_than_a_header_needs_attention(damaged):
    assert damaged(0, b"", 50).found.endswith("less than a header")


def test_while_others_write_the_size_is_not_compared(damaged, path):
    path.with_name("leads.db-wal").touch()
    assert damaged(0, b"", -1).verdict == "wrong"
    path.with_name("leads.db-wal").write_bytes(b"something")
    assert check_header(path).verdict == "well"


def test_what_is_no_store_is_an_error(path, tmp_path):
    for content in (b"", b"something else"):
        path.write_bytes(content)
        with pytest.raises(StoreError):
            examine(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE more (id)")
    with pytest.raises(StoreError):
        examine(path)
    for place in (tmp_path, tmp_path / "none.db"):
        with pytest.raises(StoreError):
            examine(place)


def test_a_store_that_cannot_be_read_is_an_error_where_its_header_is_intact(path):
    LeadStore(path).close()
    raw = bytearray(path.read_bytes())
    raw[100:4096] = bytes(3996)
    path.write_bytes(raw)
    with pytest.raises(StoreError):
        examine(path)


# --- the command ----------------------------------------------------------------------------------


def test_the_command_writes_nothing_and_says_what_it_found(path, lifecycle, store):
    store.apply("{")
    store.close()
    before = path.read_bytes()
    result = lifecycle("doctor", path)
    assert result.exit_code == 0
    assert "1 message waiting" in result.stdout
    assert "→ `lifecycle quarantine DB` lists them" in result.stdout
    found = json.loads(lifecycle("doctor", path, "--format", "json").stdout)
    assert found["well"]
    assert found["points"][-2]["value"] == {"waiting": 1, "until_due": 0}
    assert path.read_bytes() == before


def test_the_command_ends_with_one_where_something_needs_attention_and_three_without_a_store(
    path, lifecycle, tmp_path
):
    LeadStore(path).close()
    cut = tmp_path / "cut.db"
    shutil.copy(path, cut)
    with cut.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    assert lifecycle("doctor", cut).exit_code == 1
    assert not json.loads(lifecycle("doctor", cut, "--format", "json").stdout)["well"]
    assert lifecycle("doctor", tmp_path / "none.db").exit_code == 3
    assert lifecycle("doctor", __file__).exit_code == 3


def test_pages_that_do_not_hang_together_are_wrong(points, path):
    assert points()["structure"].verdict == "well"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'event'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + 3)
        file.write(b"\x00\x09")
    found = {one.name: one for one in examine(path).points}
    assert any(one.verdict == "wrong" for one in found.values())
    assert "structure" not in found or found["structure"].verdict == "wrong"
