"""Clients that post messages to a service as fast as they are answered.

    posting.py URL LOG START COUNT CLIENTS

Posts COUNT lines of a log, from START on, over CLIENTS connections that stay open, each its next
when its last was answered. Prints seconds and the microseconds of all requests, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit


async def _client(host: str, port: int, bodies: Iterator[bytes], times: list[float]) -> None:
    """Post bodies over one connection until there are none."""
    reader, writer = await asyncio.open_connection(host, port)
    head = (
        f"POST /inbox/ HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
    ).encode()
    for body in bodies:
        started = time.perf_counter()
        writer.write(b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        answer = await reader.readuntil(b"\r\n\r\n")
        if not answer.startswith(b"HTTP/1.1 201 "):
            raise RuntimeError(answer.decode())
        size = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)
        times.append(time.perf_counter() - started)
    writer.close()


async def _post(url: str, bodies: list[bytes], clients: int) -> dict[str, object]:
    parts = urlsplit(url)
    times: list[float] = []
    rest = iter(bodies)
    started = time.perf_counter()
    work = (
        _client(str(parts.hostname), int(parts.port or 80), rest, times) for _ in range(clients)
    )
    await asyncio.gather(*work)
    return {"seconds": time.perf_counter() - started, "micros": [round(1e6 * t) for t in times]}


def main(url: str, log: str, start: str, count: str, clients: str) -> None:
    """Post these messages of a log."""
    with Path(log).open("rb") as lines:
        bodies = [line.strip() for line in islice(lines, int(start), int(start) + int(count))]
    print(json.dumps(asyncio.run(_post(url, bodies, int(clients)))))


if __name__ == "__main__":
    main(*sys.argv[1:])
