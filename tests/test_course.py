"""The plain course says of a lead what the general way says, in every row."""

from contextlib import contextmanager

from hypothesis import given
from hypothesis import strategies as st
from letters import ADA, BOB, ORG, lead
from worlds import NOW, messages, store_says

from lifecycle import LeadStore
from lifecycle.mocking import Plan, stories
from lifecycle.store.ingest.plain import PlainCourses
from lifecycle.store.ingest.unchanged import Unchanged

_TAKE = PlainCourses.take
PARTIES = st.sampled_from([ORG, ADA, BOB, {"id": ADA, "name": "Ada"}])
ACTIONS = ("add", "update", "assign", "accept", "reject", "retract", "receive")


def at(minute):
    return f"10:{minute:02}"


@st.composite
def plain_messages(draw):
    """Return a message of one of a few leads; most of them follow one another as they should."""
    number = draw(st.integers(1, 3))
    of_person = [{"c": f"7{number}"}] * 6 + [{"c": "7"}, {}, {"c": f"7{number}", "d": "7"}]
    contact = draw(st.sampled_from(of_person))
    other = draw(st.sampled_from([number] * 8 + [1]))
    schemes = draw(st.sampled_from([("crmLeadId",)] * 3 + [("crmLeadId", "a"), ("a",), ("a", "b")]))
    minute = draw(st.integers(0, 30))
    dates = ("dateSent", "dateReceived", "dateAccepted", "dateRejected")
    on = st.integers(0, minute + 1).map(lambda n: f"2026-03-01T{at(n)}:00Z")
    people = dict.fromkeys(("owner", "sender", "recipient"), PARTIES)
    snapshot = draw(st.fixed_dictionaries({}, optional=people | dict.fromkeys(dates, on)))
    named = {"type": "Contact", "identifier": contact}
    if draw(st.booleans()):
        named["name"] = draw(st.sampled_from(["Joe", "Ann"]))
    acts = dict.fromkeys(("agent", "recipient", "participant"), PARTIES)
    data = draw(st.fixed_dictionaries({}, optional=acts | {"reason": st.just("busy")}))
    return lead(
        draw(st.sampled_from(ACTIONS)),
        at(minute),
        id=draw(st.none() | st.integers(0, 9).map("urn:plain:{}".format)),
        keys={scheme: f"{number if scheme == 'crmLeadId' else other}" for scheme in schemes},
        contact=contact,
        snapshot=snapshot | {"object": named},
        **data,
    )


def in_order(world):
    return sorted(world, key=lambda one: str(one.get("time")))


mostly_plain = st.lists(plain_messages() | plain_messages() | messages(), max_size=14)
worlds = mostly_plain | mostly_plain.map(in_order)


@contextmanager
def the_general_way():
    """Let no lead be on its plain course."""
    PlainCourses.take = lambda _self, arrivals, *_: ({}, arrivals)
    try:
        yield
    finally:
        PlainCourses.take = _TAKE


@given(worlds, st.integers(1, 14), st.booleans())
def test_both_ways_write_the_same_rows(world, size, general_first):
    with LeadStore(":memory:", clock=lambda: NOW) as store:
        if general_first:
            with the_general_way():
                apply(store, world, size)
        else:
            apply(store, world, size)
        assert verified(store) == ()
        with the_general_way():
            assert verified(store) == ()


def apply(store, world, size):
    for start in range(0, len(world), size):
        store.apply_many(world[start : start + size])


def verified(store):
    return store.verify().defects


def test_a_plain_lead_waits_for_what_folds_its_cluster_whole():
    """A content of other names replaces the only one that a plain lead has."""
    some = [lead("add", "10:00", keys="1", id="urn:1")]
    others = [lead("add", "10:00", keys=f"9{number}", id="urn:1") for number in range(9)]
    others.append(lead("accept", "10:05", keys="1"))
    with (
        LeadStore(":memory:", clock=lambda: NOW) as store,
        LeadStore(":memory:", clock=lambda: NOW) as at_once,
    ):
        store.apply_many(some)
        store.apply_many(others)
        at_once.apply_many([*some, *others])
        assert store_says(store) == store_says(at_once)
        assert store.lead("crmleadid:1").state == "accepted"


EDITS = (
    *(
        "lead SET state = 3",
        "lead SET since = since + 1",
        "lead SET events = 9",
        "lead SET owner = 1",
    ),
    *("lead SET contact = '[null,null,\"x\"]'", "lead SET lead_id = 'x'", "lead SET refusals = 1"),
    *(
        "lead SET decisions = NULL",
        "lead SET kept_holder = 1",
        "lead SET last_time = last_time - 1",
    ),
    *("event SET outcome = 1", "event SET outcome = 2", "history SET at = at + 1"),
    *("history SET holder = NULL", "history SET reason = 'x'"),
    *("finding SET detail = 'x'", "finding SET superseded_at = recorded_at + 1"),
    *("key SET leads = 7", "key SET cluster = 99", "key SET lead = NULL"),
)
TABLES = {
    "lead": "id", "event": "seq", "history": "id", "finding": "id", "key": "hash", "cluster": "id"
}  # fmt: skip


@given(worlds, st.lists(st.tuples(st.sampled_from(EDITS), st.integers(0, 9)), max_size=2))
def test_folding_again_mends_the_same_whether_it_looks_first_or_not(world, edits):
    assert mended(world, edits) == mended(world, edits, everything=True)


def mended(world, edits, *, everything=False):
    """Return the tables of a store that was edited and folded again."""
    changed = Unchanged._changed
    if everything:
        Unchanged._changed = lambda _, clusters: clusters
    try:
        with LeadStore(":memory:", clock=lambda: NOW) as store:
            apply(store, world, 4)
            for edit, number in edits:
                table = edit.split()[0]
                order = "kind, scheme, value" if table == "key" else "1"
                one = f"ORDER BY {order} LIMIT 1 OFFSET {number}"
                row = f"(SELECT {TABLES[table]} FROM {table} {one})"
                store._connection.execute(f"UPDATE {edit} WHERE {TABLES[table]} = {row}")
            store.rebuild()
            return {table: sorted(rows(store, table), key=str) for table in TABLES}
    finally:
        Unchanged._changed = changed


def rows(store, table):
    """Return the rows of a table; hashes depend on the secret of the store."""
    found = store._connection.execute(f"SELECT * FROM {table}")
    names = [column[0] for column in found.description]
    return [
        {name: value for name, value in zip(names, row, strict=True) if name != "hash"}
        for row in found
    ]


def test_refused_and_late_messages_are_on_the_plain_course():
    some = [lead("add", "10:00", keys="1"), lead("accept", "10:05", keys="1")]
    late = [lead("accept", "10:06", keys="1"), lead("assign", "10:02", keys="1")]
    rest = []

    def counted(self, arrivals, *more):
        outcomes, others = _TAKE(self, arrivals, *more)
        rest.extend(others)
        return outcomes, others

    PlainCourses.take = counted
    try:
        with LeadStore(":memory:", clock=lambda: NOW) as store:
            store.apply_many(some)
            kinds = [store.apply(one).kind for one in late]
            assert kinds == ["refused", "applied"]
            assert [row.verdict for row in store.history("crmleadid:1")] == (
                ["stated", "stated", "stated", "no_edge"]
            )
            assert verified(store) == ()
    finally:
        PlainCourses.take = _TAKE
    assert rest == []


def test_most_leads_are_on_their_plain_course():
    taken = []

    def counted(self, arrivals, *more):
        outcomes, rest = _TAKE(self, arrivals, *more)
        taken.append((len(outcomes), len(rest)))
        return outcomes, rest

    PlainCourses.take = counted
    try:
        with LeadStore(":memory:", clock=lambda: NOW) as store:
            told = [one.message for one in stories(Plan(leads=200, seed=3))]
            apply(store, told, 500)
    finally:
        PlainCourses.take = _TAKE
    plain, rest = map(sum, zip(*taken, strict=True))
    assert plain > (plain + rest) / 2
