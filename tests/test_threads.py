"""One object for any thread: nothing is lost, doubled or mixed. Forks and closing are told."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from letters import ADA, lead
from worlds import NOW, store_says

from lifecycle import LeadReader, LeadStore
from lifecycle.errors import StoreError

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


def uses(store):
    """Every sort of use of a store."""
    yield store.lead_count
    yield store.leads
    yield store.changes
    yield store.quarantine
    yield store.findings
    yield store.verify
    yield store.evidence
    yield store.listing
    yield store.head
    if isinstance(store, LeadStore):
        yield lambda: store.apply(lead("add", "10:00"))
        yield lambda: store.apply_many([lead("add", "10:00")])
        yield store.rebuild
        yield lambda: store.erase("crmleadid:1")
        yield store.purge
        yield lambda: store.session().relax()
        yield lambda: store.session().cursor("log")
        yield lambda: store.session().counts()


def test_a_store_that_was_closed_says_so(tmp_path):
    store = LeadStore(tmp_path / "a.db")
    store.close()
    store.close()
    for use in uses(store):
        with pytest.raises(StoreError, match="was closed; open it again"):
            use()


def test_a_store_from_before_a_fork_says_so_and_leaves_the_parent_its_own(tmp_path):
    with LeadStore(tmp_path / "a.db", clock=lambda: NOW) as store:
        store.apply(lead("add", "10:00"))
        pid = os.fork()
        if pid == 0:
            told = 0
            for use in uses(store):
                try:
                    use()
                except StoreError as error:
                    told += "before the process forked" in str(error)
            store.close()
            os._exit(told)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == len(list(uses(store)))
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
