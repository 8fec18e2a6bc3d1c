"""The export for process mining: OCEL 2.0 in its relational form, refused events included.

`test_peers.py` reads it with pm4py, where that is installed.
"""

import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from letters import ADA, BOB, ORG, deletion, lead
from test_audit import write
from worlds import worlds

from lifecycle.auditing import audit_evidence, evidence_of
from lifecycle.auditing.ocel import writing_ocel


@pytest.fixture
def exported(tmp_path, write_log, lifecycle):
    contact = {"c": "1"}
    log = write_log(
        [
            lead("add", "10:00", contact=contact, id="urn:add"),
            lead("assign", "10:01", agent=ORG, recipient=ADA, id="urn:assign"),
            lead("accept", "10:02", agent=ADA, id="urn:accept"),
            lead("accept", "10:03", agent=BOB, id="urn:refused"),
            lead("update", "10:04", id="urn:noted"),
            lead("retract", "10:05", agent=ORG, participant=ADA, reason="late", id="urn:retract"),
            deletion("10:06", contact) | {"id": "urn:delete"},
        ]
    )
    file = tmp_path / "log.sqlite"
    for _ in range(2):  # the second time it replaces what it wrote the first time
        assert lifecycle("audit", log, "--ocel", file, "--fail-on", "nothing").exit_code == 0
    with sqlite3.connect(file) as connection:
        yield connection
    connection.close()


def rows(connection, query):
    return connection.execute(query).fetchall()


def assert_valid(connection):
    """As section 5 of the specification of OCEL 2.0 demands."""
    tables = {name for (name,) in rows(connection, "SELECT name FROM sqlite_schema")}
    maps = {}
    for kind in ("event", "object"):
        maps[kind] = dict(rows(connection, f"SELECT ocel_type, ocel_type_map FROM {kind}_map_type"))
        of_types = {f"{kind}_{name}" for name in maps[kind].values()}
        assert of_types <= tables
        assert set(dict(rows(connection, f"SELECT ocel_type, 1 FROM {kind}"))) <= set(maps[kind])
        ids = [row for name in of_types for row in rows(connection, f"SELECT ocel_id FROM {name}")]
        assert set(ids) == set(rows(connection, f"SELECT ocel_id FROM {kind}"))
        if kind == "event":
            assert len(ids) == len(set(ids))
    assert {"event_object", "object_object"} <= tables
    assert rows(connection, "PRAGMA foreign_key_check") == []
    assert rows(connection, "PRAGMA integrity_check") == [("ok",)]
    for name in maps["object"].values():
        (unset,) = rows(
            connection,
            f"SELECT count(*) FROM object_{name} WHERE (ocel_time = '1970-01-01T00:00:00Z') <>"
            " (ocel_changed_field IS NULL)",
        )
        assert unset == (0,)


def test_the_file_is_as_the_specification_demands(exported):
    assert_valid(exported)


def test_refused_events_are_there_as_such(exported):
    accepts = rows(
        exported,
        "SELECT ocel_id, ocel_time, verdict, state_before, state_after, reason FROM event_accept"
        " ORDER BY ocel_time",
    )
    assert accepts == [
        ("urn:accept", "2026-03-01T10:02:00Z", "applied", "assigned", "accepted", None),
        (
            "urn:refused",
            "2026-03-01T10:03:00Z",
            "refused",
            "accepted",
            "accepted",
            "only assign, retract or update may follow",
        ),
    ]
    assert rows(exported, "SELECT verdict FROM event_update") == [("noted",)]
    assert rows(exported, "SELECT reason FROM event_retract") == [("late",)]


def test_leads_and_parties_are_objects_with_their_changes(exported):
    assert rows(exported, "SELECT ocel_id FROM object ORDER BY 1") == [
        ("lead:crmleadid:1",),
        (f"party:{ADA}",),
        (f"party:{BOB}",),
        (f"party:{ORG}",),
    ]
    states = "SELECT ocel_time, ocel_changed_field, state FROM object_lead ORDER BY ocel_time"
    assert [(field, state) for _, field, state in rows(exported, states)] == [
        (None, "new"),
        ("state", "sent"),
        ("state", "assigned"),
        ("state", "accepted"),
        ("state", "retracted"),
    ]
    related = (
        "SELECT ocel_object_id, ocel_qualifier FROM event_object WHERE ocel_event_id = ?"
        " ORDER BY ocel_qualifier"
    )
    assert exported.execute(related, ["urn:retract"]).fetchall() == [
        (f"party:{ORG}", "agent"),
        ("lead:crmleadid:1", "lead"),
        (f"party:{ADA}", "participant"),
    ]
    assert exported.execute(related, ["urn:delete"]).fetchall() == [("lead:crmleadid:1", "lead")]


@given(worlds)
def test_every_event_of_any_world_is_in_a_valid_file(world):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.sqlite"
        log = write(folder, "log.jsonl", world)
        with evidence_of([log]) as (evidence, rules), writing_ocel(file) as each:
            audit = audit_evidence(evidence, rules(), on_invalid="stop", each=each)
        connection = sqlite3.connect(file)
        try:
            assert_valid(connection)
            assert rows(connection, "SELECT count(*) FROM event") == [(audit.events,)]
            leads = "SELECT count(*) FROM object WHERE ocel_type = 'lead'"
            assert rows(connection, leads) == [(audit.leads,)]
        finally:
            connection.close()
