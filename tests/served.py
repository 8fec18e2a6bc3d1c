"""A service that runs in a process of its own, and a client of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import httpx
import tomli_w

JSON = {"content-type": "application/json"}


class Served:
    """``lifecycle serve`` as a user starts it, with these settings in its file."""

    def __init__(self, database, folder, *, options=(), environment=(), limits=None, **settings):
        self.database = database
        self._number = len(list(folder.glob("serve-*.toml")))
        config = folder / f"serve-{self._number}.toml"
        config.write_text(tomli_w.dumps(settings), "utf-8")
        self.log = folder / f"serve-{self._number}.log"
        arguments = ["serve", database, "--port", "0", "--config", config, *options]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lifecycle", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | dict(environment),
                preexec_fn=limits,  # noqa: PLW1509 - no threads here
            )
        line = self.process.stdout.readline().decode()
        assert " at http://" in line, self.log.read_text("utf-8")
        self.url = line.rpartition(" at ")[2].strip()
        self.port = int(self.url.rpartition(":")[2])
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def post(self, path, message, **more):
        """Post a message, or some bytes as they are."""
        if isinstance(message, bytes):
            return self.client.post(path, content=message, headers=JSON | more.pop("headers", {}))
        return self.client.post(path, json=message, **more)

    def get(self, path, **parameters):
        """Return what is answered, as JSON."""
        answer = self.client.get(path, params=parameters or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def connect(self):
        """Open a connection by hand."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def lines(self):
        """Return what it logged."""
        return [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]

    def terminate(self):
        """Ask it to stop; return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def kill(self):
        """Kill it."""
        self.process.kill()
        self.process.wait(40)

    def stop(self):
        """Stop it for good."""
        self.client.close()
        if self.process.poll() is None:
            self.terminate()
        self.process.stdout.close()


def problem(answer, status, code):
    """Check that an answer is this problem; return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["type"] == f"urn:lifecycle:problem:{code}", told
    assert told["status"] == status
    assert told["error"] == told["detail"]
    return told


def until(condition, seconds=20):
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
