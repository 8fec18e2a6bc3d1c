"""The store: verdicts that late messages change, names, moments, the quarantine, its file."""

import sqlite3
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from letters import ADA, BOB, ORG, deletion, lead, moment, steps
from worlds import NOW

from lifecycle import (
    AmbiguousLeadError,
    ArgumentError,
    BusyStoreError,
    ClockSkewError,
    Edge,
    LeadReader,
    LeadStore,
    NotFoundError,
    Rules,
    RulesError,
    RulesMismatchError,
    StoreError,
    TransitionRefusedError,
    decode,
    format_time,
    parse_time,
)
from lifecycle.messages import as_micros, read_message
from lifecycle.store import Place, to_stored
from lifecycle.store.db import file as connection
from lifecycle.store.db import transaction as unit
from lifecycle.store.ingest.intake import Intake

DAY = 24 * 60 * 60 * 1_000_000
JOE = {"c": "9"}


def applied(store, *messages):
    return [store.apply(message).kind for message in messages]


def verdicts(entries):
    return [(e.trigger, e.verdict, e.superseded_at is None) for e in entries]


def last_moment(store):
    return store._connection.execute("SELECT recorded_at FROM store").fetchone()[0]


# --- outcomes -------------------------------------------------------------------------------------


def test_an_outcome_says_what_became_of_a_message(store):
    outcome = store.apply(lead("add", "10:00", id="urn:a"))
    assert outcome.as_dict() == {
        "outcome": "applied",
        "event_id": "urn:a",
        "trigger": "send",
        "lead_id": "crmleadid:1",
        "state": "sent",
    }
    outcome.raise_for_refusal()


def test_a_refusal_can_be_raised(store):
    store.apply(lead("add", "10:00"))
    outcome = store.apply(lead("add", "10:01"))
    with pytest.raises(TransitionRefusedError) as caught:
        outcome.raise_for_refusal()
    assert str(caught.value) == (
        "crmleadid:1: send refused in state sent:"
        " only receive, assign, accept, reject, retract or update may follow"
    )


def test_a_late_refusal_names_the_state_in_which_it_was_refused(store):
    store.apply_many([lead("add", "10:00"), lead("accept", "10:05")])
    late = store.apply(lead("add", "10:01"))
    assert (late.state, late.refused_in) == ("accepted", "sent")
    assert late.as_dict()["refused_in"] == "sent"
    with pytest.raises(TransitionRefusedError, match="send refused in state sent: "):
        late.raise_for_refusal()


NAMING = ["lead", "history", "messages", "copies", "findings", "state_at"]


@pytest.mark.parametrize("method", NAMING)
@pytest.mark.parametrize("at", [None, NOW])
@pytest.mark.parametrize("name", [1, b"crmleadid:1", ["crmleadid:1"]])
def test_a_name_that_is_no_text_is_a_mistake_of_the_program(store, method, at, name):
    store.apply(lead("add", "10:00"))
    moments = [NOW] if method == "state_at" else []
    known = {} if at is None or method in ("messages", "copies") else {"as_known_at": at}
    with pytest.raises(TypeError, match="expected a lead's name as text, got "):
        list(getattr(store, method)(name, *moments, **known))


@pytest.mark.parametrize("skew", [-DAY - 1, 367 * DAY])
def test_a_clock_that_is_wrong_writes_nothing_until_it_is_accepted(path, skew):
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
        before = store.digest()
    with LeadStore(path, clock=lambda: NOW + skew) as store:
        with pytest.raises(ClockSkewError, match="nothing was written") as caught:
            store.apply(lead("accept", "10:05"))
        found = map(as_micros, (caught.value.now, caught.value.last))
        assert [*found] == [NOW + skew, last_moment(store)]
        assert store.digest() == before
    with LeadStore(path, clock=lambda: NOW + skew, accept_clock=True) as store:
        assert store.apply(lead("accept", "10:05")).kind == "applied"


CLOCKS = [0, 31_536_000_000_000, NOW, 4_070_908_800_000_000, 253_339_228_800_000_000]
NO_CLOCKS = [-1, -(2**63), 253_402_300_799_999_999, 10**18, 2**63 - 1, 2**63, 10**30]


@pytest.mark.parametrize("accepts", [False, True])
@pytest.mark.parametrize("first", CLOCKS)
@pytest.mark.parametrize("second", CLOCKS + NO_CLOCKS)
def test_a_clock_is_refused_or_right_and_spoils_nothing(path, first, second, accepts):
    now = [first]
    with LeadStore(path, clock=lambda: now[0], accept_clock=accepts) as store:
        for now[0] in (first, second, first, second):
            with suppress(StoreError):
                store.apply(lead("accept", "10:00", agent=ADA))
                assert now[0] in CLOCKS
        times = [parse_time(one.as_dict()["recorded_at"]) for one in store.changes()]
        assert times == sorted(times)
        assert store.verify().sound


@pytest.mark.parametrize("clock", NO_CLOCKS)
def test_a_clock_that_tells_no_time_writes_nothing(path, clock):
    with pytest.raises(StoreError, match=f"the clock says {clock}, expected microseconds since"):
        LeadStore(path, clock=lambda: clock, accept_clock=True)


@pytest.mark.parametrize("skew", [-DAY + 1, 364 * DAY])
def test_a_clock_that_may_be_right_is_believed(path, skew):
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
    with LeadStore(path, clock=lambda: NOW + skew) as store:
        assert store.apply(lead("accept", "10:05")).kind == "applied"


def test_each_kind_of_outcome(store):
    add = lead("add", "10:00", id="urn:a")
    assert applied(
        store,
        add,
        add,
        lead("update", "10:01", id="urn:a"),
        lead("update", "10:02"),
        lead("add", "10:03"),
        {"topic": "contact#add", "data": {}},
        "{",
    ) == ["applied", "duplicate", "conflict", "noted", "refused", "ignored", "quarantined"]


def test_a_message_that_is_known_is_told_with_its_lead(store):
    first = lead("add", "10:00")
    store.apply_many([first, lead("assign", "10:01")])
    changed = first | {"data": first["data"] | {"agent": BOB}}
    again, other = store.apply_many([first, changed])
    assert (again.kind, again.lead_id, again.state) == ("duplicate", "crmleadid:1", "assigned")
    assert (other.kind, other.lead_id, other.state) == ("conflict", "crmleadid:1", "assigned")
    new, twice = store.apply_many(
        [message := lead("add", "10:00", keys={"crmLeadId": "2"}), message]
    )
    assert (new.kind, twice.kind, twice.lead_id) == ("applied", "duplicate", "crmleadid:2")
    store.apply(gone := deletion("10:02", {"c": "9"}))
    assert store.apply(gone).as_dict() == {
        "outcome": "duplicate",
        "event_id": decode(gone).id,
        "trigger": "delete",
    }


def test_a_quarantined_message_is_told_with_its_number(store):
    ahead = lead("add", "10:00") | {"time": "9998-01-01T00:00:00Z"}
    messages = ["{", '{"topic": "realestate/lead#ad"}', "{", ahead]
    first, second, again, early = store.apply_many(messages)
    assert (first.number, second.number, again.number, early.number) == (1, 2, 1, 3)
    assert store.quarantined(3).problems == early.problems
    assert store.quarantined(2).problems == second.problems
    assert second.as_dict()["number"] == 2
    assert [one.number for one in store.retry(2)] == [2]


def test_several_callers_share_a_transaction_and_each_gets_its_outcomes(store):
    page = [lead("add", "10:00", keys="2"), lead("accept", "10:01", keys="2")]
    groups = [[lead("add", "10:00")], [], [page, "no message"], iter([lead("accept", "10:05")])]
    kinds = [[one.kind for one in some] for some in store.apply_group(groups)]
    assert kinds == [["applied"], [], ["applied", "applied", "quarantined"], ["applied"]]
    assert len({one.recorded_at for one in store.history("crmleadid:2")}) == 1
    assert store.apply_group([]) == []


def test_a_page_is_for_apply_many(store):
    page = {"contains": [lead("add", "10:00"), lead("accept", "10:01")]}
    with pytest.raises(ValueError, match=r"a page of 2 messages: use apply_many"):
        store.apply(page)
    assert [one.kind for one in store.apply_many([page])] == ["applied", "applied"]


# --- late messages --------------------------------------------------------------------------------


@pytest.fixture
def corrected(store):
    """Return a store in which a late assign made a refused accept valid; and the moment before."""
    applied(store, lead("add", "10:00"), lead("reject", "10:01"), lead("accept", "10:03"))
    before = last_moment(store)
    applied(store, lead("assign", "10:02", recipient=ADA))
    return store, before


def test_a_late_message_supersedes_what_it_makes_untrue_and_nothing_else(corrected):
    store, before = corrected
    entries = store.history("crmleadid:1", superseded=True)
    assert verdicts(entries) == [
        ("send", "stated", True),
        ("reject", "stated", True),
        ("assign", "stated", True),
        ("accept", "no_edge", False),
        ("accept", "stated", True),
    ]
    refused, accepted = entries[3:]
    assert as_micros(refused.recorded_at) == before
    assert refused.superseded_at == accepted.recorded_at > refused.recorded_at
    assert [entry.late for entry in entries] == [False, False, True, False, False]


def test_what_was_known_before_is_still_the_answer_for_then(corrected):
    store, before = corrected
    assert store.lead("crmleadid:1").state == "accepted"
    assert store.lead("crmleadid:1", as_known_at=before).state == "rejected"
    assert [e.verdict for e in store.history("crmleadid:1", as_known_at=before)] == [
        "stated",
        "stated",
        "no_edge",
    ]
    assert store.state_at("crmleadid:1", moment("10:02"), as_known_at=before) == "rejected"


def test_corrections_are_changes_too(corrected):
    store, _ = corrected
    assert [(one.kind, one.entry.verdict) for one in store.changes(after=3)] == [
        ("superseded", "no_edge"),
        ("recorded", "stated"),
        ("recorded", "stated"),
    ]


def test_findings_disappear_with_what_is_known_and_keep_both_times(corrected):
    store, _ = corrected
    assert store.findings() == []
    (found,) = store.findings(superseded=True)
    assert found.code == "invalid_transition"
    assert found.superseded_at > found.recorded_at


def test_times_of_recording_grow_even_when_the_clock_stands_still(store):
    applied(store, lead("add", "10:00"), lead("accept", "10:01"))
    times = [as_micros(entry.recorded_at) for entry in store.history("crmleadid:1")]
    assert times == [NOW + 1, NOW + 2]


# --- moments --------------------------------------------------------------------------------------


def test_the_state_at_a_moment(store):
    applied(store, lead("add", "10:00"), lead("assign", "10:02", recipient=ADA))
    applied(store, lead("accept", "10:04", agent=BOB), lead("add", "10:05"))
    asked = ["09:59", "10:00", "10:03", "10:04", "10:09"]
    states = [store.state_at("crmleadid:1", moment(at)) for at in asked]
    assert states == ["new", "sent", "assigned", "accepted", "accepted"]
    then = store.lead("crmleadid:1", as_of=datetime(2026, 3, 1, 10, 3, tzinfo=UTC))
    assert (str(then.holder), format_time(then.since)) == (ADA, moment("10:02"))
    assert (then.events, then.refusals) == (2, 0)


def test_leads_at_a_moment_are_those_that_were_there(store):
    applied(store, lead("add", "10:00", keys="1"), lead("add", "10:02", keys="2"))
    assert [one.lead_id for one in store.leads(as_of=moment("10:01"))] == ["crmleadid:1"]
    assert [one.state for one in store.leads(as_of=moment("10:03"))] == ["sent", "sent"]
    assert list(store.leads(state="accepted", as_of=moment("10:03"))) == []


def test_a_history_can_end_at_a_moment(store):
    applied(store, lead("add", "10:00"), lead("accept", "10:02"))
    rows = store.history("crmleadid:1", as_of=moment("10:01"))
    assert steps(rows) == [("send", "new", "sent", "stated")]


# --- names ----------------------------------------------------------------------------------------


def test_every_alias_finds_the_lead(store):
    keys = {"SalesforceId": "A:1", "n": 5}
    store.apply(lead("add", "10:00", keys=keys, contact=JOE))
    for alias in ("salesforceid:A:1", "SALESFORCEID:A:1", "n:5", "lead:n:5", "contact:C:9"):
        assert store.lead(alias).lead_id == "n:5"
    assert [str(key) for key in store.lead("n:5").keys] == [
        "lead:n:5",
        "lead:salesforceid:A:1",
        "contact:c:9",
    ]


@pytest.mark.parametrize("alias", ["n:6", "5", "", "contact:c:8", "contact:n:5", "lead:", "c:9"])
def test_an_unknown_name_is_an_error(alias, store):
    store.apply(lead("add", "10:00", keys={"n": 5}, contact=JOE))
    with pytest.raises(NotFoundError, match=r"no lead is known as"):
        store.lead(alias)
    with pytest.raises(NotFoundError):
        store.lead(alias, as_known_at=NOW + 5)


def test_the_name_of_a_contact_with_several_leads_is_ambiguous(store):
    applied(store, *(lead("add", "10:00", keys=str(n), contact=JOE) for n in (1, 2)))
    for named in ({}, {"as_known_at": NOW + 5}):
        with pytest.raises(AmbiguousLeadError) as caught:
            store.lead("contact:c:9", **named)
        assert caught.value.lead_ids == ("crmleadid:1", "crmleadid:2")


def test_a_lead_that_was_not_known_then_is_unknown_then(store):
    store.apply(lead("add", "10:00"))
    with pytest.raises(NotFoundError, match=r"at that moment"):
        store.lead("crmleadid:1", as_known_at=NOW - 1)


def test_a_deleted_contact_is_shown_at_its_leads(store):
    applied(store, lead("add", "10:00", contact=JOE), deletion("10:01", JOE))
    assert format_time(store.lead("crmleadid:1").contact_deleted_at) == moment("10:01")
    assert store.lead("crmleadid:1", as_of=moment("10:00")).contact_deleted_at is None


# --- the quarantine -------------------------------------------------------------------------------


def test_what_cannot_be_decoded_is_kept_once_with_its_bytes_and_problems(store):
    for _ in range(2):
        assert store.apply(b'{"topic": 5}').kind == "quarantined"
    (kept,) = store.quarantine()
    assert (kept.raw, kept.size) == (b'{"topic": 5}', 12)
    assert [str(problem) for problem in kept.problems] == ["topic: expected a text, got a number"]


def test_a_corrected_message_leaves_the_quarantine(store):
    broken = lead("accept", "10:00")
    store.apply(broken | {"time": "soon"})
    (kept,) = store.quarantine()
    assert [one.kind for one in store.retry(kept.id)] == ["quarantined"]
    assert [one.kind for one in store.retry(kept.id, broken)] == ["applied"]
    assert list(store.quarantine()) == []
    with pytest.raises(NotFoundError):
        store.retry(kept.id)


def test_a_message_without_a_time_can_be_given_one(store):
    store.apply(lead("accept", "10:00") | {"time": None})
    (outcome,) = store.retry(1, received_at=moment("10:00"))
    assert outcome.kind == "applied"


def test_a_message_from_the_future_waits_until_it_is_due(path):
    now = NOW
    with LeadStore(path, clock=lambda: now) as store:
        message = lead("add", "10:00") | {"time": format_time(NOW + DAY + 1)}
        assert store.apply(message).problems[0].code == "future_time"
        assert [one.kind for one in store.retry(1)] == ["quarantined"]
        now += 1
        store.apply(lead("add", "10:00", keys="2"))
        assert list(store.quarantine()) == []
        assert store.lead("crmleadid:1").state == "sent"


# --- rules ----------------------------------------------------------------------------------------

BASE = Rules.loads(
    '[[edge]]\ntrigger = "send"\nfrom = ["new"]\nto = "sent"\n'
    '[[edge]]\ntrigger = "accept"\nfrom = ["sent"]\nto = "accepted"\n'
)


def test_a_store_keeps_the_rules_it_was_made_with(path):
    LeadStore(path, rules=BASE).close()
    with LeadStore(path) as store:
        assert store.rules == BASE
    with LeadStore(path, rules=Rules("another name", BASE.edges)):
        pass
    with pytest.raises(RulesMismatchError, match=r"`lifecycle rebuild .*leads\.db --rules FILE`"):
        LeadStore(path, rules=Rules.default())


def test_rebuilding_with_other_rules_supersedes_what_differs(store):
    applied(store, lead("assign", "10:00"), lead("accept", "10:01"))
    before = last_moment(store)
    store.rebuild(BASE)
    assert store.rules == BASE
    assert verdicts(store.history("crmleadid:1")) == [
        ("assign", "no_edge", True),
        ("accept", "no_edge", True),
    ]
    assert store.lead("crmleadid:1").state == "new"
    assert store.lead("crmleadid:1", as_known_at=before).state == "accepted"
    assert applied(store, lead("add", "10:02")) == ["applied"]


def test_a_writer_notices_that_the_rules_were_changed_meanwhile(path):
    with LeadStore(path) as one, LeadStore(path) as other:
        other.rebuild(BASE)
        with pytest.raises(RulesMismatchError, match=r"folded again with other rules meanwhile"):
            one.apply(lead("add", "10:00"))


# --- the file -------------------------------------------------------------------------------------


def test_a_missing_file_is_only_made_by_a_writer(path):
    with pytest.raises(StoreError, match=r"no such file; `lifecycle replay"):
        LeadReader(path)
    with pytest.raises(StoreError, match=r"no such file"):
        LeadStore(path, create=False)
    assert not path.exists()


def test_a_directory_is_no_store(tmp_path):
    for kind in (LeadReader, LeadStore):
        with pytest.raises(StoreError, match=r"is a directory"):
            kind(tmp_path)


def test_a_place_that_does_not_exist(tmp_path):
    with pytest.raises(StoreError, match=r"the directory .* does not exist"):
        LeadStore(tmp_path / "none" / "leads.db")


@pytest.mark.parametrize("kind", [LeadReader, LeadStore])
def test_a_file_that_is_no_database(kind, path):
    path.write_bytes(b"this is no database, it is a text of more than a hundred bytes" * 20)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"not a SQLite database"):
        kind(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("kind", [LeadReader, LeadStore])
def test_a_database_of_another_program(kind, path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE lead (id)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"of another program"):
        kind(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_store_only_for_a_writer(path):
    path.touch()
    with pytest.raises(StoreError, match=r"an empty file"):
        LeadReader(path)
    LeadStore(path).close()
    LeadReader(path).close()


def test_another_process_may_make_the_store_between_two_looks_at_its_identity(path, monkeypatch):
    pragma, made = connection._pragma, []

    def look(database, name):
        found = pragma(database, name)
        if not made:
            made.append(name)
            LeadStore(path).close()
        return found

    monkeypatch.setattr(connection, "_pragma", look)
    LeadStore(path).close()
    assert made == ["application_id"]


@pytest.mark.parametrize("kind", [LeadReader, LeadStore])
def test_a_newer_schema(kind, path):
    LeadStore(path).close()
    newer = sqlite3.connect(path)
    newer.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
        " VALUES ('lifecycle', 'm999_more', 'x')"
    )
    newer.commit()
    newer.close()
    with pytest.raises(StoreError, match=r"written by a newer lifecycle \(with m999_more\)"):
        kind(path)


def test_an_empty_file_is_not_made_a_store_by_what_needs_one(path, lifecycle):
    path.touch()
    for command in (["rebuild"], ["erase", "--purge"], ["quarantine", "retry"]):
        result = lifecycle(*command, path)
        assert (result.exit_code, "an empty file" in result.stderr) == (3, True)
    assert path.stat().st_size == 0


def test_what_another_process_erases_is_not_tried_again(store):
    """The message that is tried again is read within the transaction that takes it in."""
    store.apply("{")
    (number,) = store.quarantine_numbers()
    read, within = store.quarantined, []

    def watched(number):
        within.append(store._connection.in_transaction)
        return read(number)

    store.quarantined = watched
    assert [one.kind for one in store.retry(number)] == ["quarantined"]
    assert within == [True]


def test_a_contacts_key_without_its_kind_is_pointed_to(store):
    store.apply(lead("add", "10:00", contact={"cid": "c-1"}))
    with pytest.raises(NotFoundError, match=r"'cid:c-1'; a contact is: contact:cid:c-1$"):
        store.lead("cid:c-1")
    assert store.lead("contact:cid:c-1").state == "sent"


def test_a_damaged_file_is_one_clear_error(path):
    with LeadStore(path) as store:
        applied(store, *(lead("add", "10:00", keys=str(n)) for n in range(1, 51)))
    content = bytearray(path.read_bytes())
    content[16384:] = b"\x55" * (len(content) - 16384)
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"leads\.db: "):
        list(LeadReader(path).leads())


READ_IN_A_PLACE_THAT_CANNOT_BE_WRITTEN = """
import os, sys
from lifecycle import LeadReader, LeadStore, StoreError
LeadStore(":memory:").apply({})  # whatever is imported late
if os.getuid() == 0:
    os.setuid(65534)
print([lead.state for lead in LeadReader(sys.argv[1]).leads()])
try:
    LeadStore(sys.argv[1]).apply({})
except StoreError as error:
    print(type(error).__name__, str(error).removeprefix(sys.argv[1]))
for end in ("2", "3"):
    try:
        LeadStore(sys.argv[1] + end)
    except StoreError as error:
        print(type(error).__name__, str(error).removeprefix(sys.argv[1]), flush=True)
os._exit(0)  # who may write nothing cannot write how much was covered
"""


@pytest.fixture
def open_folder():
    """Return a folder that another user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_place_that_cannot_be_written_can_be_read(open_folder):
    path = open_folder / "leads.db"
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00"))
    folder = f"{open_folder} may not be written to"
    path.chmod(0o444)
    secret = open_folder / "leads.db3"
    secret.touch(0o000)
    path.parent.chmod(0o555)
    try:
        result = subprocess.run(
            [sys.executable, "-c", READ_IN_A_PLACE_THAT_CANNOT_BE_WRITTEN, path],
            check=False,
            capture_output=True,
            text=True,
        )
    finally:
        path.parent.chmod(0o755)
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        "['sent']",
        "StoreError : attempt to write a readonly database",
        f"StoreError 2: unable to open database file; the directory {folder}: permission denied",
        "StoreError 3: unable to open database file; the file may not be read: permission denied",
    ]


def test_a_writer_that_waits_too_long_says_so(path, monkeypatch):
    for module in (unit, connection):
        monkeypatch.setattr(module, "BUSY_SECONDS", 0.1)
    with LeadStore(path) as store, LeadStore(path) as other:
        other._connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyStoreError, match=r"another writer holds the store"):
            store.apply(lead("add", "10:00"))
        other._connection.execute("ROLLBACK")
        assert applied(store, lead("add", "10:00")) == ["applied"]


def test_a_reader_sees_what_is_committed_while_a_writer_works(path):
    with LeadStore(path) as store, LeadReader(path) as reader:
        store.apply(lead("add", "10:00"))
        store._connection.execute("BEGIN IMMEDIATE")
        assert [one.state for one in reader.leads()] == ["sent"]
        store._connection.execute("ROLLBACK")


def test_any_sqlite_tool_can_read_the_views(store, path):
    contact = {"name": "Joe", "identifier": JOE}
    store.apply(lead("add", "10:00", snapshot={"owner": ORG, "object": contact}))
    store.apply(lead("add", "10:01"))
    plain = sqlite3.connect(path)
    leads = plain.execute("SELECT lead_id, state, since, owner, refusals FROM lead_list")
    assert leads.fetchall() == [("crmleadid:1", "sent", "2026-03-01T10:00:00.000Z", ORG, 1)]
    assert plain.execute('SELECT trigger, "from", "to", verdict FROM lead_history').fetchall() == [
        ("send", "new", "sent", "stated"),
        ("send", "sent", "sent", "no_edge"),
    ]
    found = plain.execute("SELECT severity, code, lead_id FROM finding_list").fetchall()
    assert found == [("error", "invalid_transition", "crmleadid:1")]
    assert plain.execute("SELECT trigger, outcome, late FROM event_list").fetchall() == [
        ("send", "applied", 0),
        ("send", "refused", 0),
    ]
    plain.close()


def test_the_database_refuses_two_current_rows_for_one_step(store):
    store.apply(lead("add", "10:00"))
    with pytest.raises(sqlite3.IntegrityError):
        store._connection.execute(
            "INSERT INTO history SELECT id + 1, lead, event, step, trigger, source, target,"
            " verdict, at, by, holder, reason, refusal, recorded_at, superseded_at,"
            " superseded_change FROM history"
        )


def test_hubs_are_found_and_found_no_more(store):
    many = [lead("add", "10:00", keys=str(n), contact=JOE) for n in range(1, 102)]
    store.apply_many(many)
    assert [one.code for one in store.findings()] == ["hub"]
    store.apply(lead("update", "10:01", keys={"crmLeadId": "1", "x": "1"}))
    store.apply(lead("update", "10:02", keys={"crmLeadId": "2", "x": "1"}))
    assert [one.code for one in store.findings()] == [
        "invalid_transition",
        "several_ids",
        "merged",
    ]


def test_a_copy_is_a_new_file_that_its_owner_alone_may_read(store, tmp_path):
    store.apply(lead("add", "10:00"))
    store.copy_to(place := tmp_path / "copy.db")
    assert place.stat().st_mode & 0o777 == 0o600
    with LeadReader(place) as copy:
        assert copy.digest() == store.digest()
    for there in (place, tmp_path / "some.txt", store.path):
        there.touch()
        before = there.read_bytes()
        with pytest.raises(StoreError, match=f"{there}: it is there already"):
            store.copy_to(there)
        assert there.read_bytes() == before
    with pytest.raises(StoreError, match=r"nowhere/copy\.db: cannot be made: No such file"):
        store.copy_to(tmp_path / "nowhere" / "copy.db")


def test_a_copy_that_fails_leaves_no_file(path, tmp_path):
    with LeadStore(path) as store:
        store.apply(lead("add", "10:00"))
    data = path.read_bytes()
    with LeadReader(path) as store:
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(StoreError, match=str(path)):
            store.copy_to(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


@pytest.mark.parametrize("policy", ["Erase", "erased", True, None, ["erase"]])
def test_a_misspelt_policy_of_deleted_contacts_is_an_error(path, policy):
    with pytest.raises(ArgumentError, match="on_contact_delete: expected keep or erase, got"):
        LeadStore(path, on_contact_delete=policy)
    assert not path.exists()


def test_in_memory_stores_are_for_trying_out():
    with LeadStore(":memory:") as store:
        assert applied(store, lead("add", "10:00")) == ["applied"]


# --- found by the properties of test_convergence.py -----------------------------------------------


def test_a_batch_that_names_a_lead_anew_and_then_links_it_finds_the_merger(path):
    messages = [
        lead("add", "10:00", keys={"a": "1"}),
        lead("update", "10:00", keys={"a": "2", "b": "1"}),
        lead("add", "10:01", keys={"a": "1", "b": "1"}),
    ]
    with LeadStore(path) as store:
        store.apply(messages[0])
        store.apply_many(messages[1:])
        found = [(one.code, one.detail) for one in store.findings()]
        assert ("merged", "a:1 = b:1") in found
        store.rebuild()
        again = [(one.code, one.detail) for one in store.findings()]
        assert again == found


def test_a_decision_is_witnessed_by_an_event_of_the_contact_alone(store):
    stated = {"dateAccepted": moment("10:00")}
    store.apply(lead("add", "10:00", contact=JOE, snapshot=stated))
    assert [one.code for one in store.findings()] == ["unwitnessed_decision"]
    store.apply(lead("accept", "10:01", keys=None, contact=JOE))
    assert store.findings() == []


def test_a_finding_of_a_lead_that_an_event_leaves_alone_stays(store):
    stated = {"dateAccepted": moment("10:00")}
    store.apply(lead("add", "10:00", keys="1", contact=JOE, snapshot=stated))
    store.apply(lead("add", "10:01", keys="2", contact=JOE))
    store.apply(lead("update", "10:02", keys=None, contact=JOE))
    assert "unwitnessed_decision" in [one.code for one in store.findings("crmleadid:1")]


def test_a_lead_that_turns_out_to_be_none_keeps_its_place_in_the_feed(path):
    """Of two contents under one id, one founds a lead, the other deletes its contact."""
    founds = lead("add", "10:00", keys=None, contact=JOE, id="urn:x")
    deletes = deletion("10:00", JOE) | {"id": "urn:x"}
    smaller = min((founds, deletes), key=lambda message: decode(message).digest)
    for first, second in ((founds, deletes), (deletes, founds)):
        with LeadStore(path.with_name(first["topic"][11:18] + ".db")) as store:
            store.apply(first)
            store.apply(second)
            feed = [(one.kind, one.entry.lead_id) for one in store.changes()]
            recorded = [("recorded", "contact:c:9")]
            if smaller is founds:
                assert feed == recorded
            else:
                gone = [*recorded, ("superseded", "contact:c:9")]
                assert feed == (gone if first is founds else [])


def test_a_rebuild_that_fails_leaves_everything_as_it_was(store, monkeypatch):
    store.apply(lead("accept", "10:00"))
    with monkeypatch.context() as patch:
        patch.setattr(Intake, "fold_again", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            store.rebuild(BASE)
    assert store.rules == Rules.default()
    assert applied(store, lead("assign", "10:01")) == ["applied"]


def test_what_is_read_bit_by_bit_fails_with_a_store_error_too(path):
    with LeadStore(path) as store:
        store.apply_many([lead("add", "10:00"), "no message"])
        for read in (store.leads, store.changes, store.quarantine):
            reading = read()
            for table in ("event", "lead", "quarantine"):
                store._connection.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")
            with pytest.raises(StoreError, match=r"no such table: "):
                list(reading)
            for table in ("event", "lead", "quarantine"):
                store._connection.execute(f"ALTER TABLE gone_{table} RENAME TO {table}")


# --- found by review ------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["https://schema.org/sfid", "a:b", "contact:x", "lead"])
def test_a_lead_is_found_by_its_own_id_whatever_its_scheme(scheme, store):
    outcome = store.apply(lead("add", "10:00", keys={scheme: "1:2"}))
    assert outcome.lead_id == f'"{scheme}":1:2'
    assert store.lead(outcome.lead_id).lead_id == outcome.lead_id
    assert store.lead(f"{scheme}:1:2").lead_id == outcome.lead_id
    assert store.lead(outcome.lead_id, as_known_at=NOW + 5).lead_id == outcome.lead_id


def test_a_lead_that_gets_another_name_is_told_of_in_the_feed(store):
    store.apply(lead("add", "10:00", keys=None, contact=JOE))
    store.apply(lead("update", "10:01", keys={"x": "1"}, contact=JOE))
    assert [(one.kind, one.entry.lead_id) for one in store.changes()] == [
        ("recorded", "contact:c:9"),
        ("superseded", "contact:c:9"),
        ("recorded", "x:1"),
    ]
    entries = store.history("x:1", superseded=True)
    assert [entry.lead_id for entry in entries] == ["contact:c:9", "x:1"]


def test_rules_that_cannot_be_used_make_no_store(path):
    rules = Rules("broken", (Edge("send", ("new",), "sent", ("nobody",)),))
    with pytest.raises(RulesError):
        LeadStore(path, rules=rules)
    with LeadStore(path, rules=BASE) as store:
        assert store.rules == BASE


def test_a_store_that_is_just_being_made_can_be_read(path):
    connection.open_store(path, "create").close()
    with LeadReader(path) as reader:
        assert list(reader.leads(as_of=NOW)) == []
        assert reader.rules == Rules.default()


def test_all_that_is_read_in_a_snapshot_is_as_of_one_moment(path):
    with LeadStore(path) as store, LeadReader(path) as reader:
        store.apply(lead("add", "10:00"))
        with reader.snapshot():
            assert reader.lead("crmleadid:1").state == "sent"
            store.apply(lead("accept", "10:01"))
            assert reader.lead("crmleadid:1").state == "sent"
            assert len(reader.history("crmleadid:1")) == 1
        assert reader.lead("crmleadid:1").state == "accepted"


def test_leads_can_be_changed_while_they_are_read(store):
    store.apply_many(lead("add", "10:00", keys=str(number)) for number in range(1, 6))
    for one in store.leads(state="sent"):
        store.apply(lead("accept", "10:01", keys=one.lead_id.partition(":")[2]))
    assert store.states() == {"accepted": 5}


def test_the_earliest_and_the_last_moment_are_those_of_the_calendar(store):
    for stamp in (-(10**14), 1e30):
        message = lead("add", "10:00") | {"time": None, "timestamp": stamp}
        assert store.apply(message).problems[0].path == "timestamp"
    with pytest.raises(ArgumentError, match=r"years 1 to 9999"):
        store.apply(lead("update", "10:00") | {"time": None}, received_at=-(10**18))


def test_what_was_repaired_stays_repaired_when_it_is_delivered_again(store):
    broken = lead("accept", "10:00") | {"time": "soon"}
    store.apply(broken)
    store.retry(1, broken | {"time": moment("10:00")})
    assert store.apply(broken).kind == "quarantined"
    assert list(store.quarantine()) == []


def test_findings_as_they_were_known(corrected):
    store, before = corrected
    assert store.findings("crmleadid:1") == []
    found = store.findings("crmleadid:1", as_known_at=before)
    assert [one.code for one in found] == ["invalid_transition"]
    assert store.findings(as_known_at=NOW - 1) == []


def test_mistakes_of_the_caller_are_named(store):
    with pytest.raises(ValueError, match=r"expected one of new, sent, .*; got 'acepted'"):
        list(store.leads(state="acepted"))
    with pytest.raises(TypeError, match=r"expected the number of a change, got 'x'"):
        list(store.changes(after="x"))
    with pytest.raises(RulesError, match=r"to: expected one of new, sent, .*; got 'acepted'"):
        Edge("accept", ("new",), "acepted")
    store.close()
    with pytest.raises(StoreError, match=r"was closed; open it again"):
        store.lead("crmleadid:1")


def test_one_message_is_not_several(store):
    with pytest.raises(TypeError, match=r"expected several messages, got one"):
        store.apply_many("{}")


@pytest.mark.parametrize(
    "stranger",
    [{"identifier": {"x": "***"}}, "***", {"name": "***"}, {"name": "Org", "identifier": "5"}],
    ids=repr,
)
def test_a_party_that_cannot_be_compared_contradicts_nobody(stranger, store):
    store.apply(lead("accept", "10:00", agent=ADA, snapshot={"owner": ORG}))
    assert store.apply(lead("assign", "10:01", agent=stranger)).kind == "applied"


def test_a_hub_costs_no_more_after_an_event_of_the_contact_alone(store):
    store.apply_many(
        lead("add", "10:00", keys=str(number), contact=JOE) for number in range(1, 151)
    )
    store.apply(lead("update", "10:01", keys=None, contact=JOE))
    statements = []
    store._connection.set_trace_callback(statements.append)
    store.apply(lead("add", "10:02", keys="new", contact=JOE))
    assert len(statements) < 60


def test_what_is_taken_in_one_transaction_is_there_as_a_whole_or_not_at_all(store):
    session = store.session()

    def taken_in(*messages):
        readings = [one for message in messages for one in read_message(message)]
        return session.take([(to_stored(one, store.rules.identity), Place()) for one in readings])

    with suppress(RuntimeError), session.transaction():
        assert taken_in(lead("add", "10:00"))[0].kind == "applied"
        assert taken_in(lead("assign", "11:00"))[0].kind == "applied"
        raise RuntimeError
    assert list(store.leads()) == []
    with session.transaction():
        taken_in(lead("assign", "11:00"))
        taken_in(lead("add", "10:00"))
    assert verdicts(store.history("crmleadid:1")) == [
        ("send", "stated", True),
        ("assign", "stated", True),
    ]


def test_keys_with_zeros_and_colons_in_them_are_told_apart(store):
    for number, key in enumerate([{"a\0b": "c"}, {"a": "b\0c"}, {"a:b": "c"}, {"a": "b:c"}]):
        store.apply(lead("add", "10:00", id=f"urn:{number}", keys=key))
    assert store.lead_count() == 4


def test_what_sqlite_undoes_by_itself_is_forgotten(path):
    with LeadStore(path, clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
        (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        store._connection.execute(f"PRAGMA max_page_count = {pages + 4}")
        crowd = [lead("assign", "11:00", keys=str(n), recipient=f"urn:{n}") for n in range(1, 201)]
        with pytest.raises(StoreError, match="full"):
            store.apply_many(crowd)
        store._connection.execute("PRAGMA max_page_count = 100000")
        store.apply(lead("assign", "11:00", recipient="urn:other"))
        store.apply(lead("assign", "12:00", recipient="urn:7"))
        assert str(store.lead("crmleadid:1").holder) == "urn:7"
    with LeadReader(path) as reader:
        assert str(reader.lead("crmleadid:1").holder) == "urn:7"


def test_a_message_whose_receipt_is_its_time_waits_until_it_is_due(path):
    now = [NOW]
    message = lead("update", "10:00")
    del message["time"]
    with LeadStore(path, clock=lambda: now[0]) as store:
        assert store.apply(message, received_at=NOW + 3 * DAY).kind == "quarantined"
        now[0] += 2 * DAY + 1
        store.apply(lead("add", "10:00"))
        assert list(store.quarantine()) == []
        assert store.lead("crmleadid:1").events == 2


def test_hubs_of_the_same_spelling_are_two(store):
    for number, contact in enumerate(({"a:b": "c"}, {"a": "b:c"})):
        for one in range(101):
            store.apply(lead("add", "10:00", keys=f"{number}-{one}", contact=contact))
    found = [one.detail for one in store.findings() if one.code == "hub"]
    assert found == ['contact:"a:b":c', "contact:a:b:c"]
