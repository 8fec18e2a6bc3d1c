"""Fixtures that many tests use."""

import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, settings
from worlds import NOW

from lifecycle import LeadStore
from lifecycle.cli import cli

settings.register_profile(
    "default",
    deadline=None,
    max_examples=int(os.environ.get("EXAMPLES", "35")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("default")

# A test runner may say how wide its terminal is: what is printed here is watched by nobody.
os.environ.pop("COLUMNS", None)

# Optional: pm4py is in the dependency group "bench", which `scripts/bench` installs in .venv-bench.
collect_ignore = [] if find_spec("pm4py") else ["test_peers.py"]

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
# What `serve` and `consume` set up for the life of their process, and the root, as Celery does.
_LOGGERS = ("", "lifecycle", "lifecycle.service.access", "uvicorn")
SEEDS = Path(__file__).parent / "seeds"
LOGS = Path(__file__).parents[1].parent / "shared" / "logs"


@pytest.fixture
def uncovered(monkeypatch):
    """Coverage looks away, here and in processes started: it would slow this down, or disturb it.

    What such a test runs is covered by others.
    """
    for name in [name for name in os.environ if "COVERAGE" in name]:
        monkeypatch.delenv(name)
    watching = sys.modules["coverage"].Coverage.current() if "coverage" in sys.modules else None
    if watching:
        watching.stop()
    yield
    if watching:
        watching.start()


@pytest.fixture(autouse=True)
def _own_logging():
    """Undo how a command that ran in this process set up logging: the next test has its own."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(one.handlers, one.propagate, one.level) for one in loggers]
    yield
    for one, (handlers, propagate, level) in zip(loggers, before, strict=True):
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.fixture
def path(tmp_path):
    """Where a store may be made."""
    return tmp_path / "leads.db"


@pytest.fixture
def store(path):
    with LeadStore(path, clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def lifecycle():
    """Run the command line in this process; its exit status, output and errors."""

    def run(*arguments, stdin=None):
        return CliRunner().invoke(cli, [str(one) for one in arguments], input=stdin)

    return run


@pytest.fixture
def write_log(tmp_path):
    """Write messages as a log, one a line."""

    def write(messages, name="log.jsonl", end="\n"):
        import json  # noqa: PLC0415

        lines = [one if isinstance(one, str) else json.dumps(one) for one in messages]
        log = tmp_path / name
        log.write_text("\n".join(lines) + end, "utf-8")
        return log

    return write


def _starting(kind, tmp_path):
    running = []

    def start(database=None, **settings):
        served = kind(database or tmp_path / "leads.db", tmp_path, **settings)
        running.append(served)
        return served

    yield start
    for served in running:
        served.stop()


@pytest.fixture
def serve(tmp_path):
    """Start a service in a thread, at a real address; it is stopped after the test."""
    from served import Hosted  # noqa: PLC0415 - what only these tests need

    yield from _starting(Hosted, tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Return a service in a thread for all tests of a file that neither write nor set anything."""
    from served import Hosted  # noqa: PLC0415 - what only these tests need

    folder = tmp_path_factory.mktemp("shared")
    served = Hosted(folder / "leads.db", folder)
    yield served
    served.stop()


@pytest.fixture
def serve_alone(tmp_path):
    """Start a service as a user does, in a process of its own; it is stopped after the test."""
    from served import Served  # noqa: PLC0415 - what only these tests need

    yield from _starting(Served, tmp_path)
