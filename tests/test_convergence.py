"""What a store says is a function of the set of its messages: the laws of design.md section 2.

The definition is a fold of the whole set in memory; a store must say the same however the messages
arrive, and must have said the same of those it had at every moment before.
"""

import multiprocessing
import random
import sqlite3
import tempfile
from collections import Counter
from itertools import permutations, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, deletion, lead, rows_of
from worlds import NOW, copy_of, history_says, store_says, world_says, worlds

from lifecycle import LeadStore, NotFoundError, Rules, decode, fold
from lifecycle.messages import as_micros
from lifecycle.store import lead_dict

RULES = Rules.default()


def arrivals_of(world, chance):
    """Return the messages of a world with copies of some, in some order, in some batches."""
    arrivals = [*world, *(copy_of(message) for message in world[::3])]
    chance.shuffle(arrivals)
    while arrivals:
        size = chance.randint(1, 5)
        yield arrivals[:size]
        arrivals = arrivals[size:]


def new_store(folder, name="leads.db"):
    return LeadStore(Path(folder) / name, clock=lambda: NOW)


chances = st.randoms(use_true_random=False)


@given(worlds, chances)
def test_any_order_batches_and_copies_say_what_the_fold_says(world, chance):
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        arrived = []
        for batch in arrivals_of(world, chance):
            store.apply_many(batch)
            arrived += batch
            assert store_says(store) == world_says(RULES, arrived)


POLICIES = [Rules.loads(f'[identity.schemes]\na = "{one}"') for one in ("lead", "contact")]


@given(worlds, chances, st.sampled_from(POLICIES))
def test_it_says_so_where_all_names_are_of_leads_or_all_of_contacts(world, chance, rules):
    clock = lambda: NOW  # noqa: E731
    with LeadStore(":memory:", rules=rules, clock=clock) as store:
        for batch in arrivals_of(world, chance):
            store.apply_many(batch)
        assert store_says(store) == world_says(rules, world)


def test_a_deletion_that_names_a_lead_concerns_every_lead_of_the_contact():
    rules = Rules.loads('[identity.schemes]\nemail = "lead"')
    world = [
        lead("add", "10:02", keys={"email": "a@x.example"}, contact={"c": "1"}, id="urn:1"),
        lead("accept", "10:03", keys={"crm": "A"}, contact={"c": "1"}, id="urn:2"),
        deletion("10:01", {"email": "a@x.example"}),
    ]
    for some in permutations(world):
        with LeadStore(":memory:", rules=rules) as store:
            for message in some:
                store.apply(message)
            assert [(one.lead_id, one.state, one.refusals) for one in store.leads()] == [
                ("crm:A", "new", 1),
                ("email:a@x.example", "new", 1),
            ]


def test_a_time_with_and_without_an_offset_are_two_contents_in_any_order(tmp_path):
    stated = lead("add", "10:00")
    bare = stated | {"time": stated["time"].removesuffix("Z")}
    says = []
    for number, arrivals in enumerate(([stated, bare], [bare, stated])):
        with new_store(tmp_path, f"{number}.db") as store:
            assert [one.kind for one in store.apply_many(arrivals)] == ["applied", "conflict"]
            says.append(store_says(store))
    assert says[0] == says[1]


def known_of(lead):
    """Return what rows tell of a lead at a past moment; the rest is as it is now."""
    told = ("lead_id", "state", "since", "holder", "refusals", "contact_deleted_at")
    return {name: lead[name] for name in told}


@given(worlds, chances)
def test_what_was_known_at_any_moment_can_be_asked_for(world, chance):
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        arrived, known = [], {}
        for batch in arrivals_of(world, chance):
            store.apply_many(batch)
            arrived += batch
            (moment,) = store._connection.execute("SELECT recorded_at FROM store").fetchone()
            known[moment] = world_says(RULES, arrived)
        for moment, said in known.items():
            leads = store.leads(as_known_at=moment)
            assert [known_of(lead_dict(one)) for one in leads] == [
                known_of(one) for one in said["leads"]
            ]
            for lead_id, rows in said["rows"].items():
                entries = store.history(f"lead:{lead_id}", as_known_at=moment)
                assert rows_of(entries) == rows
                assert all(as_micros(entry.recorded_at) <= moment for entry in entries)


def test_what_was_linked_by_a_key_that_nobody_has_any_more_is_still_known(tmp_path):
    """Both messages were replaced by other copies, and with them went the key that they shared."""
    with new_store(tmp_path) as store:
        store.apply_many([lead("add", "10:00", keys="1", id=one) for one in ("urn:a", "urn:b")])
        before = store.history("crmleadid:1")
        (moment,) = store._connection.execute("SELECT recorded_at FROM store").fetchone()
        # Which copy counts is a matter of digests: of some it is the other one.
        for one, key in product(("urn:a", "urn:b"), range(20, 40)):
            store.apply(lead("add", "10:00", keys=f"{one[-1]}{key}", id=one))
        with pytest.raises(NotFoundError):
            store.lead("crmleadid:1")
        known = store.history("crmleadid:1", as_known_at=moment)
        assert rows_of(known) == rows_of(before)
        assert [one.lead_id for one in store.leads(as_known_at=moment)] == ["crmleadid:1"]
        assert store.verify().defects == ()


@given(worlds, chances)
def test_folding_again_changes_nothing(world, chance):
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        for batch in arrivals_of(world, chance):
            store.apply_many(batch)
        said, changes = store_says(store), store.last_change()
        store.rebuild()
        assert (store_says(store), store.last_change()) == (said, changes)


@given(worlds, chances)
def test_the_feed_of_changes_adds_up_to_the_current_history(world, chance):
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        current, number = {}, 0
        for batch in arrivals_of(world, chance):
            store.apply_many(batch)
            for change in store.changes(after=number):
                (row,) = rows_of([change.entry])
                place = (row.event_id, row.step)
                if change.kind == "recorded":
                    assert place not in current
                    current[place] = row
                else:
                    assert current.pop(place) == row
                assert change.number > number
                number = change.number
        history = fold(RULES, decodable_events(world))
        rows = {(r.event_id, r.step): r for one in history.leads for r in one.rows}
        assert current == rows


def decodable_events(world):
    from worlds import decodable  # noqa: PLC0415

    return decodable(world)


@given(worlds, chances)
def test_every_message_is_accounted_for(world, chance):
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        outcomes = Counter()
        read = 0
        for batch in arrivals_of(world, chance):
            outcomes.update(outcome.kind for outcome in store.apply_many(batch))
            read += len(batch)
        assert sum(outcomes.values()) == read
        (events,) = store._connection.execute("SELECT count(*) FROM event").fetchone()
        assert outcomes["applied"] + outcomes["refused"] + outcomes["noted"] == events


@given(worlds, chances, st.integers(1, 200))
def test_a_batch_that_fails_anywhere_leaves_no_trace_and_can_be_tried_again(world, chance, nth):
    with tempfile.TemporaryDirectory() as folder, new_store(folder) as store:
        arrived = []
        for batch in arrivals_of(world, chance):
            before = store_says(store)
            failing = _FailingConnection(store._connection, nth)
            with failing.in_place_of(store):
                try:
                    store.apply_many(batch)
                except Exception as error:  # noqa: BLE001
                    assert "disk I/O error" in str(error)  # noqa: PT017
            if failing.failed:
                assert store_says(store) == before
                store.apply_many(batch)
            arrived += batch
            assert store_says(store) == world_says(RULES, arrived)


class _FailingConnection:
    """A connection whose nth statement fails, once."""

    def __init__(self, connection, nth):
        self._connection = connection
        self._left = nth
        self.failed = False

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def execute(self, sql, *values):
        self._count(sql)
        return self._connection.execute(sql, *values)

    def executemany(self, sql, values):
        self._count(sql)
        return self._connection.executemany(sql, values)

    def _count(self, sql):
        self._left -= 1
        if self._left == 0 and sql != "ROLLBACK":
            self.failed = True
            raise sqlite3.OperationalError("disk I/O error")

    def in_place_of(self, store):
        patch = pytest.MonkeyPatch()
        patch.setattr(store, "_connection", self)
        patch.setattr(store._parties, "_connection", self)
        return _Undo(patch)


class _Undo:
    def __init__(self, patch):
        self._patch = patch

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._patch.undo()


def write(path, batches):
    with LeadStore(path, clock=lambda: NOW) as store:
        for batch in batches:
            store.apply_many(batch)


def story(seed):
    """Many messages about few leads, so that two writers meet at each of them."""
    chance = random.Random(seed)
    messages = []
    for number in range(240):
        action = chance.choice(["add", "update", "assign", "accept", "reject", "retract"])
        at = f"{10 + number // 60}:{number % 60:02}"
        keys = {"crmLeadId": chance.choice("123456"), "other": chance.choice("789")}
        named = {"agent": chance.choice([ADA, BOB]), "recipient": chance.choice([ADA, BOB])}
        messages.append(
            lead(
                action,
                at,
                keys=keys if chance.random() < 0.1 else {"crmLeadId": keys["crmLeadId"]},
                contact={"c": chance.choice("1234")},
                id=f"urn:story:{number}",
                **named,
            )
        )
        if chance.random() < 0.1:
            messages[-1]["data"]["object"].pop("identifier")
    return messages


@pytest.mark.parametrize("seed", range(3))
def test_two_processes_that_write_at_once_say_what_the_fold_says(seed, path):
    messages = story(seed)
    chance = random.Random(seed)
    halves = [[m for m in messages if chance.random() < 0.7] for _ in range(2)]
    halves[0] += [m for m in messages if m not in halves[0] and m not in halves[1]]
    spawn = multiprocessing.get_context("spawn")
    writers = []
    for half in halves:
        chance.shuffle(half)
        batches = [half[start : start + 7] for start in range(0, len(half), 7)]
        writers.append(spawn.Process(target=write, args=(path, batches)))
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0]
    with LeadStore(path, clock=lambda: NOW) as store:
        assert store_says(store) == history_says(fold(RULES, map(decode, messages)))
        assert store.verify().sound
