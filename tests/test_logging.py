"""The log of the library's work: by ``logging``, and nothing of what messages contain."""

import logging

from letters import ADA, lead

import lifecycle
from lifecycle import LeadStore


def test_a_batch_is_said_with_its_outcomes_and_refusals_by_their_ids(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "lifecycle")
    path = tmp_path / "leads.db"
    with LeadStore(path) as store:
        store.apply_many(
            [
                lead("add", "10:00", id="urn:1"),
                lead("accept", "10:01", id="urn:2", agent=ADA),
                lead("reject", "10:02", id="urn:3", reason="a secret"),
            ]
        )
        store.erase("crmleadid:1")
    said = [one.getMessage() for one in caplog.records if one.name == "lifecycle"]
    assert f"{path}: opened, rules default" in said
    assert f"{path}: 3 messages: applied 2, refused 1" in said
    assert f"{path}: refused urn:3: no_edge" in said
    assert f"{path}: traces of the erased are removed" in said
    assert "secret" not in "".join(said)


def test_nothing_is_printed_unless_it_is_asked_for(tmp_path, capsys):
    with LeadStore(tmp_path / "leads.db") as store:
        store.apply(lead("add", "10:00"))
    assert capsys.readouterr() == ("", "")


def test_the_version_is_that_of_the_distribution():
    assert lifecycle.__version__[0].isdigit()
