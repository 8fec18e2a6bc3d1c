"""Kill the driver, executors and Python workers of a job at every stage; fill its disk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any, Final

import pyarrow.parquet as pq
from disk import enlarge, small_disk
from result import Amount, Result
from stores import folder
from stories import messages, write_log

from lifecycle import LeadStore
from lifecycle.replay import replay

DOES: Final = (
    "kill -9 of the driver, of executors and of Python workers of a job over {size:,} messages, at"
    " every stage: {runs:,}; a full disk"
)
HOLDS: Final = (
    "the job ends, or says in a sentence why not; started again it ends, with the counts and the"
    " digest of a replay, and the tables of an undisturbed job"
)
FULL: Final = Amount(33, 2000)
QUICK: Final = Amount(1, 200)
STAGES: Final = (
    *("_stages/messages", "_stages/chosen", "_stages/edges", "_stages/clusters", "contents"),
    *("_stages/folded", "leads", "history", "findings", "quarantine", "ignored"),
)
_COUNTS: Final = ("read", "applied", "refused", "noted", "duplicate", "conflict", "leads")
_TABLES: Final = ("contents", "leads", "history", "findings", "quarantine", "ignored")
_SETTINGS: Final = (
    "spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.executor.extraJavaOptions=-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    *("spark.driver.memory=1g", "spark.executor.memory=512m"),
    *("spark.sql.codegen.wholeStage=false", "spark.sql.shuffle.partitions=2"),
)
#: What is killed: where the job runs, and how the processes are found.
_KINDS: Final = {
    "driver": ("local[2]", ""),
    "executor": ("local-cluster[2,1,512]", "CoarseGrainedExecutorBackend"),
    # So often a task is tried.
    "Python worker": ("local[2,4]", "pyspark.daemon"),
}
_SECONDS: Final = 900.0
#: Code that a job runs first: tests break it so.
SABOTAGE = ""
_JOB: Final = "{sabotage}\nfrom lifecycle.cli import main\nmain()\n"


def run(seed: int, amount: Amount) -> Result:
    """Kill jobs, and start them again."""
    result = Result()
    with folder() as place:
        log = write_log(place / "log.jsonl", messages(seed, amount.size))
        torture = _Torture(place, log, result)
        cases = [(kind, stage) for stage in STAGES for kind in _KINDS]
        if amount.runs < len(cases):
            cases = Random(f"spark/{seed}").sample([one for one in cases if one[0] == "driver"], 1)
        else:
            torture.undisturbed()
        for number, (kind, stage) in enumerate(cases):
            torture.kill(number, kind, stage)
        if amount.runs >= len(cases) > 1:
            torture.fill_disk()
    result.failures = [f"seed {seed}: {one}" for one in result.failures]
    return result


class _Torture:
    """A log that is folded on Spark, and what must come of it."""

    def __init__(self, place: Path, log: Path, result: Result) -> None:
        self._place = place
        self._log = log
        self._result = result
        self._tables: dict[str, str] | None = None
        with LeadStore(place / "replayed.db") as store:
            store.session().relax()
            summary = replay(store, [log]).as_dict()
            self._wanted = {name: summary[name] for name in _COUNTS} | {"digest": store.digest()}

    def undisturbed(self) -> None:
        """Fold without anything in the way, to know the tables."""
        out = self._place / "whole"
        with self._job(out, "local[2]") as job:
            self._end(job, "undisturbed")
        self._tables = _tables(out)

    def kill(self, number: int, kind: str, stage: str) -> None:
        """Kill something while a stage is written; then start the job again."""
        name = f"{kind} at {stage}"
        out = self._place / f"out-{number}"
        master, mark = _KINDS[kind]
        with self._job(out, master) as job:
            if self._wait_for(out / stage, job):
                killed = _kill(job, mark)
                self._result.runs += 1
                if not killed:
                    self._result.notes.append(f"{name}: it had ended already")
            self._end(job, name, expect_killed=not mark)
        self._finish(out, name)

    def fill_disk(self) -> None:
        """Give a job too small a disk, then a larger one."""
        with small_disk(self._place / "small") as allowed:
            if not allowed:
                self._result.notes.append("a tmpfs could not be mounted here")
                return
            out = self._place / "small" / "out"
            with self._job(out, "local[2]") as job:
                self._end(job, "full disk", sentence="the disk is full")
            enlarge(self._place / "small")
            self._finish(out, "full disk")
            self._result.notes.append("a tmpfs of 512 KiB was filled")

    def _finish(self, out: Path, name: str) -> None:
        """Start the job again, and compare what it wrote."""
        if not (out / "summary.json").exists():
            with self._job(out, "local[2]") as job:
                self._end(job, f"{name}, again")
        try:
            summary = json.loads((out / "summary.json").read_bytes())
        except (OSError, ValueError) as error:
            self._fail(f"{name}: no summary: {error}")
            return
        found = {one: summary[one] for one in self._wanted}
        if found != self._wanted:
            self._fail(f"{name}: {found}, a replay has {self._wanted}")
        if self._tables is not None and (tables := _tables(out)) != self._tables:
            other = [one for one in tables if tables[one] != self._tables[one]]
            self._fail(f"{name}: other tables than undisturbed: {other}")

    @contextmanager
    def _job(self, out: Path, master: str) -> Iterator[subprocess.Popen[str]]:
        """Start a job in a session of its own; in the end nothing of it is left."""
        script = _JOB.format(sabotage=SABOTAGE)
        room = self._place / "small" if "small" in out.parts else self._place
        settings = [*_SETTINGS, f"spark.local.dir={room}"]
        command = [
            *(sys.executable, "-c", script, "spark", "fold", str(self._log), "--out", str(out)),
            *("--master", master, "--partitions", "2", "--format", "json"),
            *(part for one in settings for part in ("--conf", one)),
        ]
        job = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            yield job
        finally:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
            job.wait()

    def _wait_for(self, stage: Path, job: subprocess.Popen[str]) -> bool:
        """Wait until a stage is being written; whether it is."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until and job.poll() is None:
            if stage.exists():
                return True
            time.sleep(0.005)
        return stage.exists()

    def _end(
        self,
        job: subprocess.Popen[str],
        name: str,
        *,
        expect_killed: bool = False,
        sentence: str = "",
    ) -> None:
        """Wait until a job ends: as it should, or with one sentence."""
        try:
            _, told = job.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            self._fail(f"{name}: it did not end in {_SECONDS:.0f} s")
            return
        said = [line for line in told.splitlines() if line.startswith("lifecycle: ")]
        refused = job.returncode == 3 and len(said) == 1 and sentence in said[0]  # noqa: PLR2004
        expected = refused if sentence else (job.returncode == 0 or refused)
        if expect_killed and job.returncode == -signal.SIGKILL:
            return
        if not expected or ("again" in name and job.returncode):
            self._fail(f"{name}: ended with {job.returncode}: {told[-600:]}")

    def _fail(self, sentence: str) -> None:
        self._result.failures.append(sentence)


def _kill(job: subprocess.Popen[str], mark: str) -> bool:
    """Kill the job with all that it started, or one process below it that bears a mark."""
    if not mark:
        with suppress(ProcessLookupError):
            os.killpg(job.pid, signal.SIGKILL)
        return True
    for process in reversed(_below(job.pid)):
        with suppress(OSError):
            if mark in Path(f"/proc/{process}/cmdline").read_text("utf-8"):
                os.kill(process, signal.SIGKILL)
                return True
    return False


def _below(process: int) -> list[int]:
    """Return the processes below one, nearest first."""
    parents: dict[int, list[int]] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError):
                parent = int((place / "stat").read_text("utf-8").rpartition(")")[2].split()[1])
                parents.setdefault(parent, []).append(int(place.name))
    found, rest = [], [process]
    while rest:
        rest = [child for one in rest for child in sorted(parents.get(one, ()))]
        found += rest
    return found


def _tables(out: Path) -> dict[str, str]:
    """Return digests of the rows of all tables, in no order."""
    return {name: _digest(pq.read_table(out / name).to_pylist()) for name in _TABLES}


def _digest(rows: list[dict[str, Any]]) -> str:
    return sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()
