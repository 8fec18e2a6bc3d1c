"""The quarantine: corrected by the same message alone, dismissed, listed when it left, restored."""

import json

import pytest
from letters import lead
from worlds import NOW

from lifecycle import LeadStore, Rules, format_time
from lifecycle.errors import NotFoundError, OtherMessageError
from lifecycle.messages import as_micros

DAY = 24 * 60 * 60 * 1_000_000
GOOD = lead("add", "10:00", id="urn:1")
BAD = GOOD | {"time": "yesterday"}


@pytest.fixture
def store(tmp_path):
    with LeadStore(tmp_path / "leads.db", clock=lambda: NOW) as opened:
        opened.apply(BAD)
        yield opened


def ids(kept):
    return [one.id for one in kept]


def test_a_correction_is_of_the_same_event(store):
    with pytest.raises(OtherMessageError, match=r"message 1 has the event id 'urn:1', its correct"):
        store.retry(1, GOOD | {"id": "urn:2"})
    assert ids(store.quarantine()) == [1]
    assert [one.kind for one in store.retry(1, GOOD)] == ["applied"]
    assert list(store.quarantine()) == []


def test_another_event_is_taken_when_it_is_forced(store):
    (outcome,) = store.retry(1, GOOD | {"id": "urn:2"}, force=True)
    assert (outcome.kind, outcome.event_id) == ("applied", "urn:2")


@pytest.mark.parametrize("raw", ["{", json.dumps(BAD)[:-5], {"topic": "lead#add", "data": 5}])
def test_what_states_no_id_may_be_corrected_by_any_message(raw, tmp_path):
    with LeadStore(tmp_path / "other.db", clock=lambda: NOW) as store:
        store.apply(raw)
        assert [one.kind for one in store.retry(1, GOOD)] == ["applied"]


def test_what_was_dismissed_can_be_listed_and_restored(store):
    store.dismiss(1)
    assert list(store.quarantine()) == []
    (left,) = store.quarantine(left=True)
    assert (left.left_as, as_micros(left.left_at)) == ("dismissed", NOW)
    assert store.apply(BAD).kind == "quarantined"
    assert list(store.quarantine()) == []
    store.restore(1)
    assert ids(store.quarantine()) == [1]
    assert list(store.quarantine(left=True)) == []


def test_what_was_retried_is_listed_as_such(store):
    store.retry(1, GOOD)
    (left,) = store.quarantine(left=True)
    assert left.left_as == "retried"
    assert left.as_dict()["left_as"] == "retried"


def test_what_has_no_name_stays_until_a_policy_finds_one(tmp_path):
    now = [NOW]
    ahead = lead("add", "10:00", keys={"crm": "0"}, id="urn:3") | {
        "time": format_time(NOW + 3 * DAY)
    }
    messages = [lead("add", "10:00", keys={"crm": "0"}, id="urn:2"), ahead]
    with LeadStore(tmp_path / "leads.db", clock=lambda: now[0]) as store:
        assert [one.number for one in store.apply_many(messages)] == [1, 2]
        assert [one.number for one in store.retry(1)] == [1]
        now[0] += 4 * DAY
        assert [one.kind for one in store.retry(2)] == ["quarantined"]
        store.apply(lead("add", "10:00"))
        assert [one.problems[0].code for one in store.quarantine()] == ["no_identity"] * 2
        assert all(
            one.kind == "quarantined"
            for kept in ids(store.quarantine())
            for one in store.retry(kept)
        )
        store.rebuild(Rules.loads('[identity]\nnames = ["0"]'))
        assert (store.lead("crm:0").events, list(store.quarantine())) == (2, [])
        assert store.verify().defects == ()


def test_what_was_erased_does_not_come_back(tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW) as store:
        joe = {"type": "Contact", "identifier": {"cid": "c-77"}, "email": "joe@bloggs.example"}
        store.apply(lead("add", "10:00", snapshot={"object": joe}))
        store.apply(lead("add", "10:01", snapshot={"object": joe}) | {"time": "soon"})
        store.erase("crmleadid:1")
        assert [one.left_as for one in store.quarantine(left=True)] == ["erased"]
        with pytest.raises(NotFoundError):
            store.restore(1)
        assert store.verify().sound


@pytest.mark.parametrize("do", ["dismiss", "restore", "retry"])
def test_numbers_that_are_none_are_named(do, store):
    with pytest.raises(NotFoundError, match="number 7"):
        getattr(store, do)(7)
    if do == "restore":
        with pytest.raises(NotFoundError, match="number 1"):
            store.restore(1)


def test_the_command_line_does_it_all(store, lifecycle, tmp_path):
    store.close()
    database = tmp_path / "leads.db"
    other, good = tmp_path / "other.json", tmp_path / "good.json"
    other.write_text(json.dumps(GOOD | {"id": "urn:2"}))
    good.write_text(json.dumps(GOOD))
    clock = "--accept-clock"
    again = lifecycle("quarantine", "retry", database, 1, clock)
    assert (again.exit_code, json.loads(again.stdout)["outcome"]) == (1, "quarantined")
    wrong = lifecycle("quarantine", "retry", database, 1, "--with", other, clock)
    assert wrong.exit_code == 2
    assert "another event id" not in wrong.stderr
    assert "--force" in wrong.stderr
    assert lifecycle("quarantine", "dismiss", database, 1, clock).exit_code == 0
    assert "dismissed" in lifecycle("quarantine", "list", database, "--left").stdout
    assert "the quarantine is empty" in lifecycle("quarantine", database).output
    assert lifecycle("quarantine", "restore", database, 1, clock).exit_code == 0
    assert lifecycle("quarantine", "retry", database, 1, "--with", good, clock).exit_code == 0
    assert lifecycle("quarantine", "dismiss", database, 9, clock).exit_code == 1


def test_messages_that_are_due_are_taken_in_together(tmp_path, lifecycle):
    database = tmp_path / "due.db"
    with LeadStore(database, clock=lambda: as_micros("2020-01-01")) as store:
        for key in "123":
            store.apply(lead("add", "10:00", keys=key) | {"time": "2020-01-05T10:00:00Z"})
        store.apply(GOOD | {"id": "urn:bad", "time": "soon"})
        assert len(store.quarantine_numbers()) == 4
    done = lifecycle("quarantine", "retry", database, "--accept-clock")
    assert done.exit_code == 1
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["id"], one["outcome"]) for one in told] == [(1, "applied"), (4, "quarantined")]
    with LeadStore(database, accept_clock=True) as store:
        assert store.lead_count() == 3
        assert store.quarantine_numbers() == [4]
