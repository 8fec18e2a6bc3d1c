"""kill -9 while topics are consumed; two consumers of one topic into one store."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any, Final

from cluster import Cluster
from result import Amount, Result
from stores import defects, folder, said
from stories import messages

from lifecycle import LeadStore
from lifecycle.replay import replay

DOES: Final = (
    "kill -9 while consuming {size:,} messages of 8 partitions from librdkafka's mock cluster:"
    " {runs:,}; two consumers at once"
)
HOLDS: Final = (
    "no offset is behind what was seen in the store; a second consumer is refused; in the end each"
    " record was read once, and the store says what a replay of the same messages says"
)
FULL: Final = Amount(60, 100_000)
QUICK: Final = Amount(2, 1500)
PARTITIONS: Final = 8
_TOPIC: Final = "leads"
#: A store is verified after every so many kills.
_VERIFIED: Final = 20
_SECONDS: Final = 600.0
#: Among the messages every so many lines are something else.
_ODD: Final = 40
#: Code that a consumer runs first: tests break it so.
SABOTAGE = ""
_CONSUMER: Final = """
import sys, threading
{sabotage}
from lifecycle import LeadStore
from lifecycle.errors import InputError
from lifecycle.kafka import consume, open_client
path, bootstrap, topic = sys.argv[1:]
with LeadStore(path) as store, open_client(bootstrap, [topic]) as client:
    try:
        consume(store, client, stopping=threading.Event(), until_end=True)
    except InputError as error:
        sys.exit(str(error))
"""


def run(seed: int, amount: Amount) -> Result:
    """Kill consumers, and look at the store after each."""
    result = Result()
    lines = _lines(seed, amount.size)
    with folder() as place:
        cluster = Cluster(2, **{_TOPIC: PARTITIONS})
        try:
            cluster.produce(_TOPIC, lines, PARTITIONS)
            torture = _Torture(place / "leads.db", cluster.bootstrap, amount, result)
            torture.kill_often(Random(f"kafka/{seed}"))
            torture.finish()
        finally:
            cluster.close()
        torture.compare(_replayed(place, lines), len(lines))
    result.failures = [f"seed {seed}: {one}" for one in result.failures]
    return result


def _lines(seed: int, count: int) -> list[bytes]:
    """Messages as records, and some that are none, or about something else."""
    odd = (b"{", b'{"topic": "weather", "data": {}}', b"\xff", b'{"topic": "contact#add"}')
    made = [json.dumps(one).encode() for one in messages(seed, count)]
    for number in range(0, count, _ODD):
        kind = odd[number // _ODD % len(odd)]
        made[number] = kind if number % (8 * _ODD) else kind + b" " * (number // _ODD)
    return made


class _Torture:
    """A store into which a topic is consumed."""

    def __init__(self, path: Path, bootstrap: str, amount: Amount, result: Result) -> None:
        self._path = path
        self._bootstrap = bootstrap
        self._amount = amount
        self._result = result

    def kill_often(self, rng: Random) -> None:
        """Kill a consumer when the store is so far, again and again."""
        share = self._amount.size / (self._amount.runs + 1)
        for number in range(self._amount.runs):
            begin = self._read()
            target = min(begin + rng.uniform(0, 2 * share), share * (number + 1))
            consumers = [self._start() for _ in range(1 + (number == 0))]
            seen = self._wait(consumers[0], target)
            time.sleep(rng.uniform(0, 0.05))
            for one in consumers:
                one.send_signal(signal.SIGKILL)
            for one in consumers:
                self._check_end(one)
            self._result.runs += 1
            if (read := self._read()) < seen:
                self._fail(f"kill {number}: {seen:,} records were read, and {read:,} are now")
            if number % _VERIFIED == _VERIFIED - 1:
                self._result.failures += defects(self._path)

    def finish(self) -> None:
        """Let one consumer read to the end."""
        consumer = self._start()
        _, told = consumer.communicate(timeout=_SECONDS)
        if consumer.returncode:
            self._fail(f"the last consumer ended with {consumer.returncode}: {told[-300:]}")
        self._result.failures += defects(self._path)

    def compare(self, wanted: dict[str, Any], records: int) -> None:
        """Compare what the store says with a replay, and how much was read."""
        with LeadStore(self._path, create=False) as store:
            found = _told(store)
            streams = store.listing().pages().streams()
        for name, value in wanted.items():
            if found[name] != value:
                self._fail(f"{name}: {str(found[name])[:200]}, a replay has {str(value)[:200]}")
        read = [(one.messages, one.offset, one.lag) for one in streams]
        if sum(one.messages for one in streams) != records or any(
            messages != offset or lag for messages, offset, lag in read
        ):
            self._fail(f"of {records:,} records were read (messages, offset, lag): {read}")
        self._result.notes.append(
            f"{records:,} records of {len(streams)} partitions, each read once; digest"
            f" {found['digest'][:16]}, as a replay's"
        )

    def _start(self) -> subprocess.Popen[str]:
        script = _CONSUMER.format(sabotage=SABOTAGE)
        command = [sys.executable, "-c", script, str(self._path), self._bootstrap, _TOPIC]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))

    def _wait(self, consumer: subprocess.Popen[str], target: float) -> int:
        """Wait until so many records are in the store, or the consumer ended; how many are."""
        until = time.monotonic() + _SECONDS
        while (read := self._read()) < target and consumer.poll() is None:
            if time.monotonic() > until:
                self._fail(f"no {target:,.0f} records after {_SECONDS:.0f} s, but {read:,}")
                break
            time.sleep(0.01)
        return read

    def _check_end(self, consumer: subprocess.Popen[str]) -> None:
        """Check that a consumer was killed, had read all, or gave way to another one."""
        _, told = consumer.communicate()
        if consumer.returncode in (0, -signal.SIGKILL):
            return
        if "another process read on" in told:
            self._result.notes.append("a second consumer was refused")
        else:
            self._fail(f"a consumer ended with {consumer.returncode}: {told[-500:]}")

    def _read(self) -> int:
        """Return how many records the store has read."""
        if not self._path.exists():
            return 0
        with closing(sqlite3.connect(self._path)) as plain:
            try:
                (read,) = plain.execute("SELECT coalesce(sum(line), 0) FROM log").fetchone()
            except sqlite3.OperationalError:
                return 0  # it is being made
        return int(read)

    def _fail(self, sentence: str) -> None:
        self._result.failures.append(sentence)


def _replayed(place: Path, lines: list[bytes]) -> dict[str, Any]:
    """Return what a store says that replayed the same messages."""
    log = place / "log.jsonl"
    log.write_bytes(b"\n".join(lines) + b"\n")
    with LeadStore(place / "replayed.db") as store:
        store.session().relax()
        replay(store, [log])
        return _told(store)


def _told(store: LeadStore) -> dict[str, Any]:
    quarantine = Counter(store.quarantined(one).raw for one in store.quarantine_numbers())
    return {
        "digest": store.digest(),
        "said": said(store),
        "ignored": dict(store.evidence().ignored),
        "quarantine": {raw.strip() for raw in quarantine},
    }
