"""What must be true of the tables of every store, whatever was written in whatever order."""

from collections import Counter, defaultdict

import orjson

from lifecycle.domain import merged
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.lookups import UNNAMED
from lifecycle.store.db.rows import key_hash


def check_tables(store):
    """Keys, subjects and runs say what the events and leads say."""
    rows, identity = store._connection.execute, store.rules.identity
    events = {
        seq: (lead, subject, run, outcome, unpack(*packed, identity=identity))
        for seq, lead, subject, run, outcome, *packed in rows(
            "SELECT seq, lead, subject, run, outcome, id, digest, trigger, time, content FROM event"
        )
    }
    copies = defaultdict(list)
    for seq, *packed in rows("SELECT event, digest, trigger, time, content FROM copy"):
        copies[seq].append(unpack(events[seq][-1].id, *packed, identity=identity))
    for seq, (*about, event) in events.items():
        if event.trigger == "change":
            events[seq] = (*about, identity.named(merged([event, *copies[seq]])))
    leads = dict(rows("SELECT id, subject FROM lead"))
    named = {seq: event for seq, event in events.items() if event[1] != UNNAMED}
    assert all(event.keys for *_, event in named.values())
    _check_keys(rows, named, leads)
    _check_subjects(rows, named, leads)
    found = Counter((run, outcome) for _, _, run, outcome, _ in events.values() if run is not None)
    for run, *counts in rows("SELECT id, applied, refused, noted FROM run"):
        assert counts == [found[run, outcome] for outcome in range(3)]


def _check_keys(rows, events, leads):
    named = defaultdict(set)
    subjects = {}
    for lead, subject, _, _, event in events.values():
        for key in event.keys:
            subjects[key] = subject if lead is None else leads[lead]
            if lead is not None:
                named[lead].add(key)
    for lead, keys in rows("SELECT id, keys FROM lead"):
        assert {tuple(key) for key in orjson.loads(keys)} == set(map(tuple, named[lead]))
    shared = Counter(key for keys in named.values() for key in keys)
    owner = {key: lead for lead, keys in named.items() for key in keys if key.kind == "lead"}
    assert {
        key_hash(key): (
            *key,
            subject,
            owner.get(key),
            0 if key.kind == "lead" else shared[key],
        )
        for key, subject in subjects.items()
    } == {key: tuple(rest) for key, *rest in rows("SELECT * FROM key")}


def _check_subjects(rows, events, leads):
    contact_only = Counter(
        leads[lead]
        for lead, _, _, _, event in events.values()
        if lead is not None and not event.lead_keys
    )
    deletions = {}
    for seq, (lead, subject, _, _, event) in events.items():
        if lead is None:
            deletions[subject] = min(
                deletions.get(subject, (event.position, seq)), (event.position, seq)
            )
    stored = {one: rest for one, *rest in rows("SELECT id, contact_only, deletion FROM subject")}
    for subject in {*contact_only, *deletions}:
        first = deletions.get(subject, (None, None))[1]
        assert stored.pop(subject) == [contact_only[subject], first]
    assert all(rest == [0, None] for rest in stored.values())
