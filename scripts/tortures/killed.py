"""Writers on one file of which one is killed again and again, and a reader with long snapshots."""

from __future__ import annotations

import time
from pathlib import Path
from random import Random
from typing import Final

from children import Child, Tell
from result import Amount, Result
from stores import defects, filled, folder, said, said_by
from stories import Message, messages

from lifecycle import LeadReader, LeadStore

DOES: Final = (
    "3 writers and one that is killed every second, a reader that holds long snapshots:"
    " {runs:,} seconds, up to {size:,} events"
)
HOLDS: Final = "the same; what the reader sees is sound, and does not change while it looks"
FULL: Final = Amount(120, 100_000)
QUICK: Final = Amount(3, 8000)
_WRITERS: Final = 4
_BATCH: Final = 4
#: So long a writer waits between its batches, in seconds: they are to last until the end.
_PAUSE: Final = 0.005
#: How long a snapshot is held, in shares of the whole.
_HELD: Final = 0.1


def run(seed: int, amount: Amount) -> Result:
    """Write, kill and read for so many seconds."""
    result = Result()
    some = messages(seed, amount.size)
    rng = Random(f"killed/{seed}")
    with folder() as place:
        path = place / "leads.db"
        LeadStore(path).close()
        until = time.monotonic() + amount.runs
        given = [_share(some, writer) for writer in range(_WRITERS)]
        children = [_writer(path, own, 0, until) for own in given[1:]]
        reader = Child(lambda tell: _look(path, until, _HELD * amount.runs, tell))
        first, wrong = _kill_often(path, given[0], until, rng, result)
        ends = [first]
        for child in children:
            ended = child.end()
            wrong += [str(ended)] if ended.status else []
            ends.append(int(ended.told[-1]) if ended.told else 0)
        looked = reader.end()
        wrong += [f"reader: {line}" for line in looked.told if not line.isdecimal()]
        written = {id(one): one for own, end in zip(given, ends, strict=True) for one in own[:end]}
        there = [one for one in some if id(one) in written]
        if said_by(path) != filled(place / "whole.db", there):
            wrong.append(f"it does not say what the {len(there)} messages say")
        wrong += defects(path)
    seen = [line for line in looked.told if line.isdecimal()]
    result.notes += [f"{result.runs:,} kills", f"{len(seen):,} snapshots, {len(there):,} events"]
    if len(there) == len(some):
        wrong.append(f"all {len(some):,} events were written before it was time: give it more")
    result.failures += [f"seed {seed}: {one}" for one in wrong]
    result.runs = amount.runs
    return result


def _share(some: list[Message], writer: int) -> list[Message]:
    """Each message is given to two of the writers."""
    mine = {writer, (writer + 1) % _WRITERS}
    return [one for number, one in enumerate(some) if number % _WRITERS in mine]


def _writer(path: Path, own: list[Message], start: int, until: float) -> Child:
    """Start a process that writes until it is time, and tells how far it is."""

    def work(tell: Tell) -> None:
        done = start
        with LeadStore(path) as store:
            while done < len(own) and time.monotonic() < until:
                store.apply_many(own[done : done + _BATCH])
                done += _BATCH
                tell(done)
                time.sleep(_PAUSE)

    return Child(work)


def _kill_often(
    path: Path, own: list[Message], until: float, rng: Random, result: Result
) -> tuple[int, list[str]]:
    """Kill a writer every second; how far it is, and what was wrong."""
    done, wrong = 0, []
    while time.monotonic() < until:
        child = _writer(path, own, done, until)
        time.sleep(rng.uniform(0.5, 1))
        child.kill()
        ended = child.end()
        result.runs += ended.killed
        wrong += [] if ended.killed or not ended.status else [str(ended)]
        done = int(ended.told[-1]) if ended.told else done
    # The batch that it was killed in may be there or not: given again, it is.
    with LeadStore(path) as store:
        store.apply_many(own[done : done + _BATCH])
    return done + _BATCH, wrong


def _look(path: Path, until: float, held: float, tell: Tell) -> None:
    """Hold snapshots, and tell of each what is wrong with it: a number where nothing is."""
    number = 0
    while time.monotonic() < until:
        with LeadReader(path) as reader, reader.snapshot():
            before = said(reader)
            time.sleep(held)
            if said(reader) != before:
                tell("a snapshot changed")
            for one in reader.verify().defects:
                tell(f"{one.check}: {one}")
        number += 1
        tell(number)
