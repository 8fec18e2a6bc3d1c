"""The log of the library's work: by ``logging``, and nothing of what messages contain."""

import logging

import pytest
from letters import ADA, lead

import lifecycle
from lifecycle import BusyStoreError, LeadReader, LeadStore, Rules


@pytest.fixture
def said(caplog):
    """Return what was said: pairs of level and text."""
    caplog.set_level(logging.DEBUG, "lifecycle")
    return lambda: [
        (one.levelname, one.getMessage()) for one in caplog.records if one.name == "lifecycle"
    ]


def test_a_batch_is_said_with_its_outcomes_and_refusals_by_their_ids(tmp_path, said):
    path = tmp_path / "leads.db"
    with LeadStore(path) as store:
        store.apply_many(
            [
                lead("add", "10:00", id="urn:1"),
                lead("accept", "10:01", id="urn:2", agent=ADA),
                lead("reject", "10:02", id="urn:3", reason="a secret"),
            ]
        )
    with LeadReader(path):
        pass
    assert said() == [
        ("DEBUG", f"{path}: opened to create"),
        ("DEBUG", f"{path}: rules default"),
        ("DEBUG", f"{path}: 3 messages: applied 2, refused 1"),
        ("DEBUG", f"{path}: refused urn:3: no_edge"),
        ("DEBUG", f"{path}: opened to read"),
    ]


def test_what_changes_a_store_as_a_whole_is_said_at_info(tmp_path, said):
    path = tmp_path / "leads.db"
    with LeadStore(path) as store:
        store.apply_many([lead("add", "10:00", id="urn:1"), "{"])
        store.dismiss(1)
        store.rebuild(Rules("strict", Rules.default().edges[1:]))
        store.erase("crmleadid:1")
    assert ("DEBUG", f"{path}: quarantined message 1 is dismissed") in said()
    assert [text for level, text in said() if level == "INFO"] == [
        f"{path}: everything is folded again, rules strict",
        f"{path}: erased 1 lead",
        f"{path}: traces of the erased are removed",
    ]


def test_a_retry_is_said_while_another_writer_is_in_the_way(tmp_path, said, monkeypatch):
    monkeypatch.setattr("lifecycle.store.db.transaction.BUSY_SECONDS", 0.2)
    path = tmp_path / "leads.db"
    with LeadStore(path) as store, LeadStore(path) as other, other._writer.transaction():
        store._connection.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(BusyStoreError, match="another writer"):
            store.apply(lead("add", "10:00"))
    assert ("DEBUG", f"{path}: another writer is in the way; trying again") in said()


def test_nothing_is_printed_unless_it_is_asked_for(tmp_path, capsys):
    with LeadStore(tmp_path / "leads.db") as store:
        store.apply(lead("add", "10:00"))
    assert capsys.readouterr() == ("", "")


def test_the_version_is_that_of_the_distribution():
    assert lifecycle.__version__[0].isdigit()
