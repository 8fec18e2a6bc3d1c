"""What must be true of the tables of every store, whatever was written in whatever order."""

from collections import Counter, defaultdict

import orjson

from lifecycle.store.db.lookups import UNNAMED
from lifecycle.store.db.rows import key_hash
from lifecycle.store.ledger.chain import sum_of


def check_tables(store):
    """Keys, clusters, marks and bound rows are what the events and leads make them."""
    rows, working = store._connection.execute, store._working()
    kept = [
        seq
        for seq, entry in rows("SELECT seq, entry FROM event WHERE cluster IS NOT ?", [UNNAMED])
        if not working.blocks.entry(entry).is_erased
    ]
    events = working.events_numbered(kept)
    assert all(one.event.keys for one in events)
    leads = dict(rows("SELECT id, cluster FROM lead"))
    _check_keys(rows, events, leads, working.numbers.secret)
    _check_clusters(rows, events, leads)
    (bound,) = rows("SELECT bound FROM store").fetchone()
    assert bound == sum_of(store._connection)


def _check_keys(rows, events, leads, secret):
    named = defaultdict(set)
    clusters = {}
    for one in events:
        for key in one.event.keys:
            clusters[key] = one.cluster if one.lead is None else leads[one.lead]
            if one.lead is not None:
                named[one.lead].add(key)
    for lead, keys in rows("SELECT id, keys FROM lead"):
        assert {tuple(key) for key in orjson.loads(keys)} == set(map(tuple, named[lead]))
    shared = Counter(key for keys in named.values() for key in keys)
    owner = {key: lead for lead, keys in named.items() for key in keys if key.kind == "lead"}
    assert {
        key_hash(secret, key): (
            *key,
            cluster,
            owner.get(key),
            0 if key.kind == "lead" else shared[key],
        )
        for key, cluster in clusters.items()
    } == {key: tuple(rest) for key, *rest in rows("SELECT * FROM key")}


def _check_clusters(rows, events, leads):
    contact_only = Counter(
        leads[one.lead] for one in events if one.lead is not None and not one.event.lead_keys
    )
    deletions = {}
    for one in events:
        if one.lead is None:
            found = (one.event.position, one.seq)
            deletions[one.cluster] = min(deletions.get(one.cluster, found), found)
    stored = {one: rest for one, *rest in rows("SELECT id, contact_only, deletion FROM cluster")}
    for cluster in {*contact_only, *deletions}:
        first = deletions.get(cluster, (None, None))[1]
        assert stored.pop(cluster) == [contact_only[cluster], first]
    assert all(rest == [0, None] for rest in stored.values())
    for cluster, deleted_at in rows("SELECT cluster, deleted_at FROM lead WHERE sealed IS NULL"):
        (time, *_), _ = deletions.get(cluster, ((None,), None))
        assert deleted_at == time
