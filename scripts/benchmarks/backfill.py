"""Measure how a backfill grows: the same logs by replay and on Spark, one after the other.

Time, memory of all processes, and room on the disk, of 100,000 and of 1,000,000 messages; and time
and memory of one cluster whose leads all share a key, which is folded by one core. The result is
kept beside this, and docs/growth.md is made of it. Nothing else should use the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

from facts import facts
from generator import write_log
from process import MB, Run, run

from lifecycle import LeadStore

_ROOT: Final = Path(__file__).resolve().parents[2]
_KEPT: Final = Path(__file__).parent / "backfill.json"
_PAGE: Final = _ROOT / "docs" / "growth.md"
_SIZES: Final = (100_000, 1_000_000)
_QUICK: Final = (1000, 4000)
#: Clusters of one hub: so many events, folded in pieces of so many.
_HUBS: Final = ((60_000, 60_000), (60_000, 5000), (240_000, 5000))
_QUICK_HUBS: Final = ((600, 600), (600, 50))
_MASTER: Final = "local[2]"
_MEMORY: Final = "4g"
_CORES: Final = 2
#: Backfills on paper: so many messages, on so many cores.
_PLANS: Final = ((10_000_000, 8), (1_000_000_000, 128), (100_000_000_000, 2048))
_MINUTE: Final = 60.0
_HOUR: Final = 3600.0
_MANY_HOURS: Final = 72
_EVERY: Final = 0.5
#: The command line, with the time of each stage on standard output.
_COMMAND: Final = """
import logging, sys
logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
logging.getLogger("lifecycle").setLevel(logging.INFO)
from lifecycle.cli import main
main()
"""
_STAGE: Final = re.compile(r"^wrote (?:_stages/)?(\S+) in ([\d.]+) s$", re.MULTILINE)
_WAYS: Final = {
    "replay": "`lifecycle replay`",
    "spark": f"`lifecycle spark fold`, `{_MASTER}`",
    "load": "`lifecycle load` of what Spark wrote",
}


def main() -> None:
    """Measure what the command line asks for, and write the page."""
    parser = argparse.ArgumentParser("scripts/growth", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny logs; nothing is kept")
    parser.add_argument("--page", action="store_true", help="measure nothing: write the page again")
    options = parser.parse_args()
    if not options.page:
        with tempfile.TemporaryDirectory(prefix="growth-") as folder:
            measured = measure(Path(folder), _QUICK if options.quick else _SIZES)
            measured["hubs"] = list(_hubs(Path(folder), _QUICK_HUBS if options.quick else _HUBS))
        print(rows(measured))
        print(hubs(measured))
        if options.quick:
            return
        _KEPT.write_text(json.dumps(measured, indent=2) + "\n", "utf-8")
    subprocess.run([sys.executable, "-m", "cogapp", "-r", _PAGE], cwd=_ROOT, check=True)


def measure(folder: Path, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Measure logs of these sizes, each way."""
    runs: list[dict[str, Any]] = []
    for size in sizes:
        place = folder / str(size)
        place.mkdir()
        log = place / "log.jsonl"
        write_log(log, size)
        runs += _measured(place, log, size)
        shutil.rmtree(place)
    return {"facts": facts(_ROOT, folder), "memory": _MEMORY, "note": "", "runs": runs}


def _measured(place: Path, log: Path, size: int) -> Iterator[dict[str, Any]]:
    """Yield the figures of a log, way by way; all must come to the same digest."""
    store, loaded, out = place / "replayed.db", place / "loaded.db", place / "out"
    local = place / "local"
    local.mkdir()
    spark: list[str | Path] = ["spark", "fold", log, "--out", out, "--master", _MASTER]
    spark += ["--conf", f"spark.driver.memory={_MEMORY}", "--conf", f"spark.local.dir={local}"]
    commands: dict[str, list[str | Path]]
    commands = {"replay": ["replay", store, log], "spark": spark, "load": ["load", loaded, out]}
    digests = set()
    for way, command in commands.items():
        print(f"{way} of {size:,} messages", flush=True)
        with _watched([place]) as room:
            done = _run(place, "-c", _COMMAND, *command)
        yield {
            "way": way,
            "messages": size,
            "log_bytes": log.stat().st_size,
            "seconds": round(done.seconds, 1),
            "memory_mb": round(done.proportional),
            "disk_bytes": max(room) - room[0],
            "kept_bytes": _size(out if way == "spark" else loaded if way == "load" else store),
            "stages": {name: float(seconds) for name, seconds in _STAGE.findall(done.output)},
        }
        digests.add(_digest(out, store, loaded, way))
    if len(digests) > 1:
        raise RuntimeError(f"{size:,} messages: other digests, way by way: {digests}")


def _run(folder: Path, *command: str | Path) -> Run:
    """Run Python on this repository's code, and watch its memory."""
    environment = os.environ | {"PYTHONPATH": str(_ROOT)}
    return run([sys.executable, *command], folder=folder, environment=environment, watch=True)


def _hubs(folder: Path, sizes: tuple[tuple[int, int], ...]) -> Iterator[dict[str, Any]]:
    """Yield the figures of clusters of one hub, each folded in a process of its own."""
    for events, piece in sizes:
        print(f"one cluster of {events:,} events, in pieces of {piece:,}", flush=True)
        done = _run(folder, Path(__file__).with_name("hub.py"), str(events), str(piece))
        yield {
            "events": events,
            "piece": piece,
            "leads": int(done.output),
            "seconds": round(done.seconds, 1),
            "memory_mb": round(done.proportional),
        }


def _digest(out: Path, store: Path, loaded: Path, way: str) -> str:
    if way == "spark":
        return str(json.loads((out / "summary.json").read_bytes())["digest"])
    with LeadStore(store if way == "replay" else loaded) as opened:
        return opened.digest()


@contextmanager
def _watched(places: list[Path]) -> Iterator[list[int]]:
    """Look now and then how many bytes are in some places; give all that was seen in order."""
    seen, done = [sum(map(_size, places))], Event()

    def look() -> None:
        while not done.wait(_EVERY):
            seen.append(sum(map(_size, places)))

    thread = Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def _size(place: Path) -> int:
    """Return the bytes of a file, or of all files in a folder; those that go away count nothing."""
    if place.is_file():
        return place.stat().st_size
    size = 0
    for folder, _, names in os.walk(place):
        for name in names:
            try:
                size += (Path(folder) / name).stat().st_size
            except OSError:
                continue
    return size


def kept() -> dict[str, Any] | None:
    """Return the result that is kept; None where nothing was measured yet."""
    return dict(json.loads(_KEPT.read_text("utf-8"))) if _KEPT.exists() else None


def rows(measured: dict[str, Any]) -> str:
    """Return the table of a result, in Markdown."""
    lines = [
        [
            f"{one['messages']:,}",
            _WAYS[one["way"]],
            f"{one['seconds']:,.0f} s",
            f"{one['messages'] / one['seconds']:,.0f}",
            f"{one['memory_mb']:,} MB",
            f"{one['disk_bytes'] / MB:,.0f} MB",
            f"{one['kept_bytes'] / MB:,.0f} MB",
        ]
        for one in measured["runs"]
    ]
    heads = ["messages", "way", "time", "messages/s", "memory", "disk, at most", "disk, kept"]
    return table(heads, lines)


def growth(measured: dict[str, Any]) -> str:
    """Return how each way grows from the smallest log to the largest, as a list."""
    lines = []
    for way, name in _WAYS.items():
        runs = [one for one in measured["runs"] if one["way"] == way]
        first, last = runs[0], runs[-1]
        if first is last:
            continue
        times = last["messages"] / first["messages"]
        seconds, memory = (last[one] / first[one] for one in ("seconds", "memory_mb"))
        lines.append(
            f"- {name}: {times:.0f} times the messages take {seconds:.1f} times the time and"
            f" {memory:.1f} times the memory."
        )
    return "\n".join(lines)


def stages(measured: dict[str, Any]) -> str:
    """Return how long each stage on Spark took, a column for each size."""
    runs = [one for one in measured["runs"] if one["way"] == "spark"]
    names = list(runs[-1]["stages"])
    lines = [[name, *(f"{one['stages'].get(name, 0):.1f} s" for one in runs)] for name in names]
    return table(["stage", *(f"{one['messages']:,}" for one in runs)], lines)


def hubs(measured: dict[str, Any]) -> str:
    """Return what clusters of one hub took, in Markdown."""
    lines = [
        [
            f"{one['events']:,}",
            f"{one['leads']:,}",
            f"pieces of {one['piece']:,}" if one["piece"] < one["events"] else "whole",
            f"{one['seconds']:.1f} s",
            f"{one['memory_mb']:,} MB",
        ]
        for one in measured["hubs"]
    ]
    return table(["events of one cluster", "leads", "folded", "time", "memory"], lines)


def hub_hours(measured: dict[str, Any], events: int) -> str:
    """Return how long one core folds a cluster of so many events, by the largest one measured."""
    largest = max(measured["hubs"], key=lambda one: int(one["events"]))
    return _hours(events * largest["seconds"] / largest["events"])


def plan(measured: dict[str, Any]) -> str:
    """Return what larger backfills take by the rates of the largest one measured, in Markdown."""
    replay, spark = (
        max((one for one in measured["runs"] if one["way"] == way), key=_messages)
        for way in ("replay", "spark")
    )
    parts = [spark[name] / spark["messages"] for name in ("log_bytes", "kept_bytes", "disk_bytes")]
    core_seconds = _CORES * spark["seconds"] / spark["messages"]
    lines = [
        [
            f"{messages:,}",
            *(_bytes(messages * one) for one in parts),
            f"{messages * core_seconds / _HOUR:,.0f}",
            f"{_hours(messages * core_seconds / cores)} on {cores:,} cores",
            _hours(messages / replay["messages"] * replay["seconds"]),
            _bytes(messages / replay["messages"] * replay["kept_bytes"]),
        ]
        for messages, cores in _PLANS
    ]
    heads = ["messages", "logs", "tables", "room while it runs", "core-hours", "time on Spark"]
    return table([*heads, "time of one replay", "its store"], lines)


def _messages(one: dict[str, Any]) -> int:
    return int(one["messages"])


def _bytes(count: float) -> str:
    units = {"PB": 1e15, "TB": 1e12, "GB": 1e9}
    unit = next((name for name, size in units.items() if count >= size), "GB")
    return f"{count / units[unit]:,.1f} {unit}"


def _hours(seconds: float) -> str:
    hours = seconds / _HOUR
    if hours < 1:
        return f"{seconds / _MINUTE:,.0f} min"
    return f"{hours:,.1f} h" if hours < _MANY_HOURS else f"{hours / 24:,.0f} days"


def table(heads: list[str], lines: list[list[str]]) -> str:
    """Return a table in Markdown."""
    cells = [heads, ["---"] * len(heads), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


if __name__ == "__main__":
    main()
