"""A service that runs in a thread or in a process of its own, and a client of it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import tomli_w

from lifecycle.service import Settings, server

JSON = {"content-type": "application/json"}


class Client:
    """A client of a service."""

    def __init__(self, database, url):
        self.database = database
        self.url = url
        self.port = int(url.rpartition(":")[2])
        self.client = httpx.Client(base_url=url, timeout=30)

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


class Hosted(Client):
    """The server of ``lifecycle serve``, in a thread: it starts in no time."""

    def __init__(self, database, folder, **settings):
        number = len(list(folder.glob("serve-*.toml")))
        config = folder / f"serve-{number}.toml"
        config.write_text(tomli_w.dumps(settings), "utf-8")
        known = Settings.load(config, {}, port=0)
        server.check(database, known)
        self._server = server.server_of(database, known)
        self._socket = server.listening(known)
        host, port = self._socket.getsockname()[:2]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        super().__init__(database, f"http://{host}:{port}")

    @property
    def connections(self):
        """Return the connections that are open."""
        return self._server.server_state.connections

    def terminate(self):
        """Ask it to stop, and wait until it has."""
        self._server.should_exit = True
        self._thread.join(40)
        return int(self._thread.is_alive())

    def stop(self):
        """Stop it for good."""
        self.client.close()
        assert self.terminate() == 0
        self._socket.close()


class Served(Client):
    """``lifecycle serve`` as a user starts it, with these settings in its file."""

    def __init__(self, database, folder, *, options=(), environment=(), limits=None, **settings):
        number = len(list(folder.glob("serve-*.toml")))
        config = folder / f"serve-{number}.toml"
        config.write_text(tomli_w.dumps(settings), "utf-8")
        self.log = folder / f"serve-{number}.log"
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
        super().__init__(database, line.rpartition(" at ")[2].strip())

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
