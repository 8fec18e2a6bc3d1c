"""The service under many clients, against itself with one commit a request."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

from bench import Bench
from result import Row, Target

#: So many clients at once, each with a connection that stays open; and what sharing must bring.
CLIENTS = {1: 0.8, 16: 1.5, 64: 3.0}
#: Requests a round, for each client up to the most there are.
_FOR_EACH = 500
_MOST = 6_000


def service(bench: Bench) -> list[Row]:
    """Durable requests a second and how long each takes, with shared commits and without."""
    return [_row(bench, clients, least) for clients, least in CLIENTS.items()]


def _row(bench: Bench, clients: int, least: float) -> Row:
    count = min(_MOST, _FOR_EACH * clients, bench.sizes.messages)
    log = bench.log(bench.sizes.messages)
    waits: dict[int, list[float]] = {50: [], 99: []}

    def rate(batch: int) -> float:
        with _served(bench, batch) as url:
            done = bench.script("posting", url, log, 0, count, clients)
        if batch > 1:
            micros = sorted(done["micros"])
            for share, found in waits.items():
                found.append(micros[(len(micros) - 1) * share // 100] / 1e3)
        return float(count / done["seconds"])

    sides = {"shared": lambda _: rate(5_000), "alone": lambda _: rate(1)}
    found = bench.rounds(sides)
    p50, p99 = (median(some) for some in waits.values())
    return Row(
        f"service.{clients}",
        f"requests to the service, {clients} client{'s' * (clients > 1)}",
        "itself, one commit a request",
        "messages/s",
        found["shared"],
        found["alone"],
        Target(least=least),
        aside=f"the service answers {clients} at once within {p50:.1f} ms at the median, and 99 of"
        f" 100 requests within {p99:.1f} ms",
    )


@contextmanager
def _served(bench: Bench, batch: int) -> Iterator[str]:
    """Start a service with a new store; its address."""
    command = ["-m", "lifecycle", "serve", bench.new("served.db"), "--port", "0", "--quiet"]
    with subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"LIFECYCLE_SERVE_BATCH": str(batch)},
        text=True,
    ) as process:
        try:
            yield next(iter(process.stdout or ()), "").rpartition(" at ")[2].strip()
        finally:
            process.terminate()
