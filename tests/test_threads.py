"""One object for any thread: nothing is lost, doubled or mixed. Forks and closing are told."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from letters import ADA, lead
from worlds import NOW, store_says

import lifecycle
from lifecycle import LeadReader, LeadStore, Rules
from lifecycle.errors import StoreError
from lifecycle.store import Cursor, ReplaySession

THREADS = 8


def messages_of(thread):
    return [
        lead(
            topic,
            f"10:{minute:02}",
            keys=str(number),
            id=f"urn:{thread}:{number}:{topic}",
            agent=ADA,
        )
        for number in range(1, 6)
        for minute, topic in enumerate(("add", "assign", "accept", "update"), 10 * thread % 50)
    ]


def work(store, thread):
    """Write in several ways, and read in between."""
    applied = []
    for number, message in enumerate(messages_of(thread)):
        outcomes = [store.apply(message)] if number % 2 else store.apply_many([message])
        applied += [one.event_id for one in outcomes]
        assert store.lead(f"crmleadid:{number // 4 + 1}").events
        with store.snapshot():
            assert sum(store.states().values()) == store.lead_count()
        for change in store.changes(after=max(0, store.last_change() - 3)):
            assert change.number
    return applied


def test_threads_on_one_object_lose_nothing_and_mix_nothing(tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW) as store:
        with ThreadPoolExecutor(THREADS) as pool:
            applied = list(pool.map(lambda thread: work(store, thread), range(THREADS)))
        assert store.verify().defects == ()
        known = {
            one.event_id for number in range(1, 6) for one in store.messages(f"crmleadid:{number}")
        }
        assert known == {event_id for some in applied for event_id in some}
        with LeadStore(":memory:", clock=lambda: NOW) as other:
            other.apply_many([one for thread in range(THREADS) for one in messages_of(thread)])
            assert store_says(store) == store_says(other)


def test_an_iterator_holds_neither_lock_nor_transaction(tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW) as store:
        store.apply_many([lead("add", "10:00", keys=str(number)) for number in range(5)])
        leads, changes = store.leads(), store.changes()
        next(leads), next(changes)
        with ThreadPoolExecutor(1) as pool:
            outcome = pool.submit(store.apply, lead("accept", "10:05", keys="9")).result(timeout=60)
        assert outcome.kind == "applied"
        assert not store._connection.in_transaction


def test_a_thread_waits_for_a_snapshot_of_another(tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW) as store, ThreadPoolExecutor(1) as pool:
        with store.snapshot():
            applied = pool.submit(store.apply, lead("add", "10:00"))
            assert store.lead_count() == 0
            assert not applied.done()
        assert applied.result(timeout=60).kind == "applied"
        assert store.lead_count() == 1


#: All that can be called of a store and of its session, with what it is called with.
CALLS = {
    "apply": ("{}",),
    "apply_group": ([["{}"]],),
    "apply_many": (["{}"],),
    "changes": (),
    "copies": ("crmleadid:1",),
    "copy_to": ("copy.db",),
    "digest": (),
    "dismiss": (1,),
    "dump": (),
    "erase": ("crmleadid:1",),
    "erase_deleted": (),
    "evidence": (),
    "findings": (),
    "head": (),
    "history": ("crmleadid:1",),
    "last_change": (),
    "difference": ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
    "find": ("ada",),
    "lead": ("crmleadid:1",),
    "lead_no": ("crmleadid:1",),
    "lead_count": (),
    "leads": (),
    "listing": (),
    "messages": ("crmleadid:1",),
    "names": ("crm",),
    "purge": (),
    "quarantine": (),
    "quarantine_numbers": (),
    "quarantined": (1,),
    "rebuild": (),
    "restore": (1,),
    "retry": (1,),
    "rules_times": (),
    "session": (),
    "state_at": ("crmleadid:1", "2026-03-01T10:00:00Z"),
    "states": (),
    "take_meanings": (Rules.default().meanings, "salesforce"),
    "unmapped_values": ("salesforce",),
    "verify": (),
}
SESSION_CALLS = {
    "apply": ([],),
    "counts": (),
    "cursor": ("log",),
    "forget_unfinished": (Cursor(1),),
    "move": (Cursor(1),),
    "relax": (),
    "take": ([],),
}
#: What may be asked of any store; transactions and snapshots are entered.
ALWAYS = {"close", "name_in_errors", "path"}
ENTERED = {"snapshot", "transaction"}


def enter(context):
    with context:
        pass


def uses_of(store, session):
    """Every use of a store and of a session of it, by its name."""
    uses = {"rules": lambda: store.rules, "with": lambda: enter(store)}
    uses |= {name: partial(getattr(store, name), *args) for name, args in CALLS.items()}
    uses |= {name: partial(getattr(session, name), *args) for name, args in SESSION_CALLS.items()}
    uses["snapshot"] = lambda: enter(store.snapshot())
    uses["transaction"] = lambda: enter(session.transaction())
    uses["audit"] = lambda: lifecycle.audit(store)
    uses["explain"] = lambda: lifecycle.explain(store, "crmleadid:1")
    return uses


def public(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


def test_every_use_of_a_store_is_among_those_that_are_tried():
    assert public(LeadStore) == {*CALLS, *ALWAYS, "rules", "snapshot"}
    assert public(ReplaySession) == {*SESSION_CALLS, "transaction"}


def error_of(use):
    try:
        use()
    except Exception as error:  # noqa: BLE001 - any other is wrong
        return error
    return None


def not_refused(uses, words):
    """Return the uses that do not say so in a StoreError."""
    errors = {name: error_of(use) for name, use in uses.items()}
    return [
        name
        for name, error in errors.items()
        if not isinstance(error, StoreError) or words not in str(error)
    ]


def test_a_store_that_was_closed_says_so_at_every_call(tmp_path):
    store = LeadStore(tmp_path / "a.db")
    uses = uses_of(store, store.session())
    store.close()
    store.close()
    assert not_refused(uses, "was closed; open it again") == []


def test_a_store_from_before_a_fork_says_so_and_leaves_the_parent_its_own(tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
        uses = uses_of(store, store.session())
        pid = os.fork()
        if pid == 0:
            wrong = not_refused(uses, "before the process forked")
            store.close()
            (tmp_path / "wrong").write_text(" ".join(wrong))
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert (tmp_path / "wrong").read_text() == ""
        assert store.apply(lead("accept", "10:01", agent=ADA)).kind == "applied"
        assert store.verify().sound


@pytest.mark.parametrize(("journal", "level"), [("wal", 2), ("delete", 3)])
def test_what_is_acknowledged_is_on_disk_in_every_journal_mode(journal, level, tmp_path):
    path = tmp_path / "a.db"
    LeadStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {journal}")
    connection.close()
    with LeadStore(path) as store:
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == (journal,)
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (level,)
        store.session().relax()
        relaxed = 1 if journal == "wal" else level
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (relaxed,)
    with LeadReader(path) as reader:
        assert reader.lead_count() == 0
