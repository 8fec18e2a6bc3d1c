"""The measures: each compares lifecycle with what its users could pick instead."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import Bench, installed
from ours import GROUP
from process import MB
from result import Row, Target
from service import service

_FIRST_USE: Final = "from lifecycle import LeadStore"


def replay(bench: Bench) -> list[Row]:
    """Measure replay of a log into a new store, against the floor and eventsourcing."""
    count, slow = bench.sizes.messages, bench.sizes.slow
    log, short = bench.log(count), bench.log(slow)
    sizes: list[float] = []

    def ours(_: int) -> float:
        store, done = bench.replay(log, count)
        sizes.append(_size(store) / MB)
        return count / done.seconds

    def floor(_: int) -> float:
        script = Path(__file__).with_name("floor.py")
        return count / bench.python(script, bench.new("floor.db"), log).seconds

    def saves(kind: str, log: Path, count: int) -> Callable[[int], float]:
        return lambda _: count / _eventsourcing(bench, kind, bench.new("peer.db"), log)

    def alone(_: int) -> float:
        script = Path(__file__).with_name("one_core.py")
        return count / bench.python(script, bench.new("alone.db"), log).seconds

    sides = {"lifecycle": ours, "one core": alone, "floor": floor}
    if installed("eventsourcing"):
        sides["a save an event"] = saves("single", short, slow)
        sides["saves in batches"] = saves("batched", log, count)
    found = bench.rounds(sides)

    def row(key: str, against: str, side: str, target: Target) -> Row:
        measure = "replay into a new store"
        theirs = found.get(side)
        return Row(key, measure, against, "messages/s", found["lifecycle"], theirs, target)

    peer = "eventsourcing"
    return [
        row("replay.floor", "the floor", "floor", Target(least=0.8, aim=1)),
        row(
            "replay.single", f"{peer}, a save an event", "a save an event", Target(least=10, aim=20)
        ),
        row(
            "replay.batched", f"{peer}, saves of 500", "saves in batches", Target(least=2.7, aim=3)
        ),
        Row(
            "size",
            "size of the store",
            "bytes of the log",
            "MB",
            sizes,
            [log.stat().st_size / MB] * len(sizes),
            Target(most=0.6),
        ),
        row("replay.alone", "itself on one core, without a second process", "one core", Target()),
    ]


def rebuild(bench: Bench) -> list[Row]:
    """Everything folded again, against all aggregates made from their events."""
    count = bench.sizes.messages
    log = bench.log(count)
    store = bench.replay(log, count)[0].rename(bench.new("rebuilt.db"))
    sides: dict[str, Callable[[int], float]] = {
        "lifecycle": lambda _: count / bench.script("ours", "rebuild", store)["seconds"]
    }
    if installed("eventsourcing"):
        peer = bench.new("aggregates.db")
        _eventsourcing(bench, "batched", peer, log)
        sides["eventsourcing"] = lambda _: count / _eventsourcing(bench, "rebuild", peer)
    found = bench.rounds(sides)
    return [
        Row(
            "rebuild",
            "rebuild: everything folded again",
            "eventsourcing, all aggregates rebuilt",
            "messages/s",
            found["lifecycle"],
            found.get("eventsourcing"),
            Target(least=5, aim=8),
        )
    ]


def stored(bench: Bench) -> list[Row]:
    """Verify and audit a whole store, beside a replay."""
    count = bench.sizes.messages
    log = bench.log(count)

    def side(*words: str) -> Callable[[int], float]:
        def rate(_: int) -> float:
            return count / bench.command("lifecycle", *words[:1], store, *words[1:]).seconds

        return rate

    def again(_: int) -> float:
        return count / bench.replay(log, count)[1].seconds

    store = bench.replay(log, count)[0].rename(bench.new("stored.db"))
    options = ("--format", "json", "--fail-on", "nothing")
    found = bench.rounds(
        {"replay": again, "verify": side("verify"), "audit": side("audit", *options)}
    )
    return [
        Row(f"stored.{name}", f"{name} of a store", "its replay", "messages/s", *some, Target())
        for name, some in ((one, (found[one], found["replay"])) for one in ("verify", "audit"))
    ]


def apply(bench: Bench) -> list[Row]:
    """Measure a durable commit a message, against a bare one and itself in a large store."""
    sizes = bench.sizes
    rounds = bench.repeats * sizes.turns
    count = min(sizes.applied, sizes.leads // rounds)
    few, more_few = bench.leads(sizes.leads, count * rounds)
    more_group = bench.log(count * rounds)
    many, more_many = bench.leads(sizes.many_leads, count * rounds)

    def micros(script: str, *arguments: object) -> Callable[[int], float]:
        def side(number: int) -> float:
            done = bench.script(script, *arguments, number * count, count)
            if done.get("outcomes", {}).keys() & {"duplicate", "quarantined", "ignored"}:
                raise RuntimeError(f"not what was to be measured: {done}")
            return float(done["micros"])

        return side

    def commit(number: int) -> float:
        return micros("commit", bench.new("bare.db"), more_few)(number)

    name_few, name_many = f"{sizes.leads:,} leads", f"{sizes.many_leads:,} leads"
    found = bench.rounds(
        {
            name_few: micros("ours", "apply", few, more_few),
            "together": micros("ours", "group", few, more_group),
            "bare": commit,
            name_many: micros("ours", "apply", many, more_many),
        },
        sizes.turns,
    )
    return [
        Row(
            "apply.commit",
            "apply, one durable commit a message: p50",
            "a bare durable commit of the same bytes",
            "µs",
            found[name_few],
            found["bare"],
            Target(most=3),
        ),
        Row(
            "apply.group",
            f"apply_group of {GROUP}, a message: p50",
            "a bare durable commit of the same bytes",
            "µs",
            found["together"],
            found["bare"],
            Target(most=0.5),
        ),
        Row(
            "apply.growth",
            f"apply with {name_many} in the store: p50",
            f"itself with {name_few}",
            "µs",
            found[name_many],
            found[name_few],
            Target(most=1.3),
        ),
    ]


def growth(bench: Bench) -> list[Row]:
    """Measure a long log against a short one: rate and memory."""
    small, large = f"{bench.sizes.messages:,} messages", f"{bench.sizes.many:,} messages"
    proportional: dict[str, list[float]] = {small: [], large: []}
    resident: dict[str, list[float]] = {small: [], large: []}

    def side(name: str, count: int) -> Callable[[int], float]:
        log = bench.log(count)

        def rate(_: int) -> float:
            _, done = bench.replay(log, count, watch=True)
            # Without /proc there is only what the kernel says of the one process.
            proportional[name].append(done.proportional or done.resident)
            resident[name].append(done.resident)
            return count / done.seconds

        return rate

    found = bench.rounds(
        {small: side(small, bench.sizes.messages), large: side(large, bench.sizes.many)}
    )

    def memory(key: str, name: str) -> Row:
        kernel = f"{median(resident[name]):.1f} MB"
        aside = f"`ru_maxrss` of the process that replays {name}, as the kernel tells it: {kernel}"
        bound = [96.0] * bench.repeats
        at_most = Target(most=1)
        measure = f"peak memory of replay, {name}"
        return Row(key, measure, "96 MB", "MB", proportional[name], bound, at_most, aside)

    return [
        Row(
            "growth.rate",
            f"replay of {large}",
            f"itself at {small}",
            "messages/s",
            found[large],
            found[small],
            Target(least=0.9, aim=1),
        ),
        memory("memory.small", small),
        memory("memory.large", large),
        Row(
            "memory.growth",
            f"peak memory of replay, {large}",
            f"itself at {small}",
            "MB",
            proportional[large],
            proportional[small],
            Target(least=0.9, most=1.1),
        ),
    ]


def far(bench: Bench) -> list[Row]:
    """Measure a very long log, once, between two short ones."""
    count = bench.sizes.messages
    log, short = bench.log(bench.sizes.most), bench.log(count)

    def short_rate() -> float:
        return count / bench.replay(short, count)[1].seconds

    before = short_rate()
    store, done = bench.replay(log, bench.sizes.most)
    bench.new(store.name)  # nobody looks at so large a file again
    log.unlink()
    return [
        Row(
            "growth.far",
            f"replay of {bench.sizes.most:,} messages, once",
            f"itself at {count:,} messages",
            "messages/s",
            [bench.sizes.most / done.seconds],
            [(before + short_rate()) / 2],
            Target(least=0.7, aim=0.8),
        )
    ]


def conformance(bench: Bench) -> list[Row]:
    """Measure what a log says, in memory, against reading it and replaying it on a net."""
    count = bench.sizes.conformed
    log = bench.log(count)
    verdicts: dict[str, tuple[int, int]] = {}

    def rate(name: str, *script: object) -> Callable[[int], float]:
        def side(_: int) -> float:
            done: dict[str, Any] = bench.script(*script)
            verdicts[name] = (done["leads"], done["unfit"])
            return count / done["seconds"]

        return side

    sides = {"lifecycle": rate("lifecycle", "ours", "conform", log)}
    if installed("pm4py"):
        bench.script("peer_pm4py", "convert", log, bench.folder)
        for file in ("log.xes", "log.csv", "three.csv"):
            sides[file] = rate(file, "peer_pm4py", "conform", bench.folder / file)
    found = bench.rounds(sides)
    if len(set(verdicts.values())) > 1:
        raise RuntimeError(f"leads, and those that do not conform, differ: {verdicts}")

    def row(key: str, form: str, file: str, aside: str = "") -> Row:
        measure, against = "conformance of a log, no store", f"pm4py, the log as {form}"
        ours, theirs = found["lifecycle"], found.get(file)
        return Row(key, measure, against, "messages/s", ours, theirs, Target(least=2), aside)

    alone = found.get("three.csv")
    columns = "pm4py, from a CSV of nothing but lead, trigger and time"
    return [
        row("conformance.xes", "XES", "log.xes"),
        row(
            "conformance.csv",
            "CSV",
            "log.csv",
            f"{columns}: {median(alone):,.0f} messages/s" if alone else "",
        ),
    ]


def audit(bench: Bench) -> list[Row]:
    """Measure the whole audit of a log, against reading and decoding it twice."""
    count = bench.sizes.audited
    log = bench.log(count)

    def ours(_: int) -> float:
        options = ("--format", "json", "--fail-on", "nothing")
        done = bench.command("lifecycle", "audit", log, *options)
        report = json.loads(done.output)
        if not report["repair"]["cost"]:
            raise RuntimeError("nothing was refused, and nothing repaired")
        return count / done.seconds

    def twice(_: int) -> float:
        done = bench.python(Path(__file__).with_name("ours.py"), "read", log)
        return count / done.seconds

    found = bench.rounds({"lifecycle": ours, "twice": twice})
    return [
        Row(
            "audit",
            "audit of a log, no store",
            "reading and decoding it twice",
            "messages/s",
            found["lifecycle"],
            found["twice"],
            Target(least=0.8, aim=1),
        )
    ]


def start(bench: Bench) -> list[Row]:
    """Measure importing, and the help of the command, against sqlite_utils."""
    asides: list[float] = []
    found: dict[str, list[float]] = {}
    commands: dict[str, Callable[[], Any]] = {
        "import lifecycle": lambda: bench.python("-c", "import lifecycle"),
        _FIRST_USE: lambda: bench.python("-c", _FIRST_USE),
        "import sqlite_utils": lambda: bench.python("-c", "import sqlite_utils"),
        "lifecycle --help": lambda: bench.command("lifecycle", "--help"),
        "sqlite-utils --help": lambda: bench.command("sqlite-utils", "--help"),
        "pass": lambda: bench.python("-c", "pass"),
    }
    for warm in commands.values():
        warm()  # compiles what is imported for the first time

    def medians(_: int) -> float:
        times = bench.median_of(commands)
        asides.append(times["pass"])
        for name, milliseconds in times.items():
            found.setdefault(name, []).append(milliseconds)
        return times["import lifecycle"]

    bench.rounds({"starts": medians})

    def row(key: str, ours: str, theirs: str, aside: str = "") -> Row:
        at_most = Target(most=1.2)
        measure, against = f"`{ours}`", f"`{theirs}`"
        return Row(key, measure, against, "ms", found[ours], found[theirs], at_most, aside)

    bare = f"`python -c pass`, which is in each of them: {median(asides):.1f} ms"
    return [
        row("start.import", "import lifecycle", "import sqlite_utils", bare),
        row("start.use", _FIRST_USE, "import sqlite_utils"),
        row("start.help", "lifecycle --help", "sqlite-utils --help"),
    ]


def trigger(bench: Bench) -> list[Row]:
    """Measure the machine, against a stock one."""
    theirs: list[float] = []

    def both(_: int) -> float:
        rates = bench.script("trigger", bench.sizes.triggers)
        theirs.append(rates["transitions"])
        return float(rates["lifecycle"])

    ours = bench.rounds({"triggers": both})["triggers"]
    return [
        Row(
            "trigger",
            "machine: one trigger",
            "`transitions.Machine`, same rules",
            "triggers/s",
            ours,
            theirs,
            Target(least=16),
        )
    ]


def profile(bench: Bench) -> dict[str, Any]:
    """Where the time of a replay goes, by stage."""
    log = bench.log(bench.sizes.profiled)
    found: dict[str, Any] = bench.script("stages", log, "--repeats", bench.repeats, "--json")
    return found


def _eventsourcing(bench: Bench, *arguments: object) -> float:
    """Seconds."""
    return float(bench.script("peer_eventsourcing", *arguments)["seconds"])


def _size(store: Path) -> int:
    """Return the bytes of a store, with what is not yet in its file."""
    log = store.with_name(f"{store.name}-wal")
    return store.stat().st_size + (log.stat().st_size if log.exists() else 0)


MEASURES: Final[dict[str, Callable[[Bench], list[Row]]]] = {
    "replay": replay,
    "rebuild": rebuild,
    "stored": stored,
    "apply": apply,
    "growth": growth,
    "far": far,
    "conformance": conformance,
    "audit": audit,
    "start": start,
    "trigger": trigger,
    "service": service,
}
