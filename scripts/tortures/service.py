"""kill -9 of a service that many post to, while others send what is slow, huge or broken."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from typing import Any, Final

from result import Amount, Result
from stores import defects, filled, folder, said_by
from stories import messages

DOES: Final = "kill -9 of a service while 16 clients post {size:,} messages: {runs:,}"
HOLDS: Final = (
    "after every kill all that was acknowledged is there; in the end verify is sound, and the store"
    " says what an undisturbed run says; slow, huge and broken requests meanwhile do no harm"
)
FULL: Final = Amount(50, 20_000)
QUICK: Final = Amount(3, 800)
_CLIENTS: Final = 16
#: So long a request may take; one that is not answered is posted again.
_SECONDS: Final = 30.0
_START: Final = "from lifecycle.cli import main; main()"
#: What is done to the service before it starts, for those who want to see the row fail.
SABOTAGE = ""


def run(seed: int, amount: Amount) -> Result:
    """Kill a service again and again, and look at the store after each."""
    result = Result()
    rng = Random(f"service/{seed}")
    some = messages(seed, amount.size)
    with folder() as place:
        wanted = filled(place / "whole.db", some)
        victim = _Victim(place / "served.db")
        shares = [_Share(victim, some[number::_CLIENTS]) for number in range(_CLIENTS)]
        # The service lives long enough to take in a part of them.
        lives = amount.size / 1500 / amount.runs
        with _at_work([*(one.post_all for one in shares), *(_nuisances(victim, rng))], victim):
            while result.runs < amount.runs and not all(one.is_done for one in shares):
                victim.start()
                time.sleep(rng.uniform(0.2, 1.8) * lives)
                victim.kill()
                result.runs += 1
                result.failures += [f"seed {seed}: {one}" for one in victim.lost(shares)]
            victim.start()
            for one in shares:
                one.done.wait(600)
            victim.is_over.set()
        victim.kill()
        result.failures += [f"seed {seed}: {one}" for one in victim.lost(shares)]
        result.failures += [f"seed {seed}: {one}" for one in defects(victim.path)]
        if (found := said_by(victim.path)) != wanted:
            result.failures.append(f"seed {seed}: it says {found}, not {wanted}")
    posts = sum(one.posts for one in shares)
    result.notes.append(f"{posts:,} posts of {amount.size:,} messages, {victim.nuisances:,} others")
    return result


class _Victim:
    """A service that is killed, always at the same port."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.is_over = threading.Event()
        self.nuisances = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        arguments = ["serve", self.path, "--port", self.port, "--quiet"]
        program = f"import sys; sys.argv[0] = 'lifecycle'\n{SABOTAGE}\n{_START}"
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"LIFECYCLE_SERVE_HEADER_SECONDS": "1"},
        )
        if self._process.stdout is None or not self._process.stdout.readline():
            raise RuntimeError("the service does not start")

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def lost(self, shares: list[_Share]) -> Iterator[str]:
        """Yield what was acknowledged and is not in the store."""
        acknowledged = {one for share in shares for one in tuple(share.acknowledged) if one}
        with closing(sqlite3.connect(self.path)) as plain:
            known = {row[0] for row in plain.execute("SELECT id FROM event")}
        missing = acknowledged - known
        if missing:
            yield f"{len(missing)} acknowledged messages are lost, such as {min(missing)}"


class _Share:
    """The messages of one client, each posted until it is acknowledged."""

    def __init__(self, victim: _Victim, some: list[dict[str, Any]]) -> None:
        self._victim = victim
        self._some = some
        #: Their ids; None for one that is in the quarantine.
        self.acknowledged: list[str | None] = []
        self.posts = 0
        self.done = threading.Event()

    @property
    def is_done(self) -> bool:
        """Tell whether all are acknowledged."""
        return self.done.is_set()

    def post_all(self) -> None:
        """Post them, one after the other."""
        link = HTTPConnection("127.0.0.1", self._victim.port, timeout=_SECONDS)
        for message in self._some:
            body = json.dumps(message).encode()
            while not self._victim.is_over.is_set():
                self.posts += 1
                with suppress(OSError, HTTPException):
                    link.request("POST", "/inbox/", body, {"Content-Type": "application/json"})
                    answer = link.getresponse()
                    told = json.loads(answer.read())
                    if answer.status == 201:  # noqa: PLR2004 - Created
                        self.acknowledged.append(told["id"])
                        break
                link.close()
                time.sleep(0.05)
        self.done.set()


def _nuisances(victim: _Victim, rng: Random) -> Iterator[Callable[[], None]]:
    """Yield what sends requests that are slow, huge or broken, until it is over."""
    head = b"POST /inbox/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    huge = b"Content-Length: 99999999\r\n\r\n" + b"x" * 4_000_000
    endless = b"Transfer-Encoding: chunked\r\n\r\n" + b"40\r\n%b\r\n" % (b"x" * 64) * 50
    broken = b"Content-Length: 9\r\n\r\n{broken}!"
    noise = bytes(rng.randrange(256) for _ in range(2_000))
    for sent in (head, head + huge, head + endless, head + broken, noise + b"\r\n\r\n"):

        def send(sent: bytes = sent) -> None:
            while not victim.is_over.wait(0.05):
                with (
                    suppress(OSError),
                    socket.create_connection(("127.0.0.1", victim.port), 2) as link,
                ):
                    link.sendall(sent)
                    link.settimeout(2)
                    link.recv(100)
                    victim.nuisances += 1

        yield send


@contextmanager
def _at_work(some: list[Callable[[], None]], victim: _Victim) -> Iterator[None]:
    """Let threads work meanwhile; they end when it is over."""
    threads = [threading.Thread(target=one, daemon=True) for one in some]
    for one in threads:
        one.start()
    try:
        yield
    finally:
        victim.is_over.set()
        for one in threads:
            one.join(60)
