"""Stores of every release open, verify and go on; migrations are only ever added."""

import json
import os
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from letters import ADA, lead
from sqlite_utils import Database
from worlds import NOW

from lifecycle import LeadReader, LeadStore, StoreError
from lifecycle.store.db import file
from lifecycle.store.db.schema import FORMER, migrations

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.db"))
#: The schema after each migration. A migration that was released is never changed: add another.
SCHEMAS = {"m001_blocks": "6be5890534a21c44c08b8eab818ba903503b8bda91b5a5b38eaa7870a9c57938"}


def schema_digest(db):
    """SHA-256 of the statements that made the tables, the indices and the views."""
    rows = db.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        " AND name <> '_sqlite_migrations' ORDER BY type, name"
    )
    return sha256("\n".join(sql for (sql,) in rows).encode()).hexdigest()


def test_each_migration_makes_the_schema_that_it_always_made():
    made = {}
    db = Database(memory=True)
    for migration in migrations.pending(db):
        migrations.apply(db)
        made[migration.name] = schema_digest(db)
    assert made == SCHEMAS


def test_there_is_a_golden_store():
    assert [path.stem for path in GOLDEN] == ["0.1.0"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_store_is_read_and_verified_where_it_lies(path):
    told, before = json.loads(path.with_suffix(".json").read_text()), path.read_bytes()
    with LeadReader(path) as store:
        assert (str(store.head()), store.digest()) == (told["head"], told["digest"])
        assert (store.states(), store.lead_count()) == (told["states"], told["leads"])
        assert store.verify(told["head"]).defects == ()
    assert path.read_bytes() == before


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_store_goes_on(path, tmp_path):
    copy = shutil.copy(path, tmp_path / "leads.db")
    with LeadStore(copy, clock=lambda: NOW, accept_clock=True) as store:
        head = store.head()
        assert store.apply(lead("add", "10:00", keys="new")).kind == "applied"
        store.rebuild()
        store.erase("crmleadid:new")
        assert store.verify(head).defects == ()


@pytest.mark.parametrize("name", sorted(FORMER))
def test_a_store_of_before_the_first_release_is_told_so(name, path):
    LeadStore(path).close()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("UPDATE _sqlite_migrations SET name = ?", [name])
        plain.commit()
    for kind in (LeadReader, LeadStore):
        with pytest.raises(StoreError, match="before the first release"):
            kind(path)


def test_a_store_of_a_newer_release_is_told_so(path):
    with LeadStore(path) as store:
        store.apply(lead("accept", "10:00", agent=ADA))
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('lifecycle', 'm999_more', '2030-01-01')"
        )
        plain.commit()
    for kind in (LeadReader, LeadStore):
        with pytest.raises(StoreError, match=r"newer lifecycle \(with m999_more\)"):
            kind(path)


def test_a_store_of_an_older_release_is_told_so_to_readers(path, monkeypatch):
    LeadStore(path).close()
    monkeypatch.setattr(file, "our_migrations", lambda: frozenset(("m001_blocks", "m002_more")))
    with pytest.raises(StoreError, match="written by an older lifecycle; whatever writes to it"):
        LeadReader(path)


def test_what_is_no_regular_file_is_no_store(tmp_path):
    os.mkfifo(tmp_path / "leads.db")
    for kind in (LeadReader, LeadStore):
        with pytest.raises(StoreError, match="is no regular file"):
            kind(tmp_path / "leads.db")


def test_a_view_in_the_place_of_the_migrations_is_not_read(path):
    LeadStore(path).close()
    endless = "WITH RECURSIVE more AS (SELECT 1 UNION ALL SELECT 1 FROM more) SELECT 1 AS id,"
    endless += " 'lifecycle' AS migration_set, 'm001_blocks' AS name, 1 AS applied_at FROM more"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("DROP TABLE _sqlite_migrations")
        plain.execute(f"CREATE VIEW _sqlite_migrations AS {endless}")
        plain.commit()
    for kind in (LeadReader, LeadStore):
        with pytest.raises(StoreError):
            kind(path)
