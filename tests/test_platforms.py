"""Systems that are not Linux, by taking what they lack away: the result is the same."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_audit import whole
from test_replay import mixed, run

import lifecycle
from lifecycle import LeadStore
from lifecycle.auditing import processes
from lifecycle.cores import usable_cores
from lifecycle.replay import decoder

PACKAGE = Path(lifecycle.__file__).parent
PYTHON = (sys.executable, "-X", "warn_default_encoding", "-W", "error::EncodingWarning")
#: What Windows or macOS lack, and the modules that may ask for it: each has a way without it.
ASKED = {
    "chown": (),
    "fchmod": (),
    "fork": (),
    "geteuid": (),
    "getuid": (),
    "killpg": (),
    "mkfifo": (),
    "platform": ("service/server.py",),  # uvloop has no Windows; asyncio has its own loop
    "poll": ("replay/decoder.py",),  # in a second process, which one core has not
    "pthread_sigmask": (),
    "register_at_fork": (),
    "sched_getaffinity": ("cores.py",),
    "setsid": (),
    "statvfs": (),
}


@pytest.fixture
def elsewhere(monkeypatch):
    """Be on a system that does not say how many cores there are, and share any work."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(decoder, "WORTH_IT", 0)
    monkeypatch.setattr(processes, "WORTH_IT", 2)
    monkeypatch.setattr(subprocess, "Popen", None)


@pytest.mark.usefixtures("elsewhere")
def test_where_the_system_tells_no_cores_there_is_one():
    assert usable_cores() == 1


def test_where_the_system_tells_its_cores_they_are_counted(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert usable_cores() == 3


def test_a_replay_in_one_process_says_what_one_in_two_says(path, write_log, request):
    log = write_log(mixed())
    here = run(path, log)
    request.getfixturevalue("elsewhere")
    assert run(path.with_name("other.db"), log) == here


def test_an_audit_in_one_process_finds_what_one_in_two_finds(path, write_log, request):
    with LeadStore(path) as store:
        store.apply_many(write_log(mixed()).read_text("utf-8").splitlines())
    here = whole(lifecycle.audit(path))
    request.getfixturevalue("elsewhere")
    assert whole(lifecycle.audit(path)) == here


def test_what_one_system_lacks_is_asked_for_only_where_there_is_a_way_without_it():
    found = {}
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (name := _asked(node)) is not None:
                found.setdefault(name, set()).add(file.relative_to(PACKAGE).as_posix())
    assert found == {name: set(files) for name, files in ASKED.items() if files}


def _asked(node):
    """Return what a piece of a program asks its system for: ``os.fork``, or the text of a name."""
    match node:
        case ast.Attribute(value=ast.Name(id="os" | "select" | "signal" | "sys"), attr=name):
            return name if name in ASKED else None
        case ast.Constant(value=str(name)) if "_" in name:
            return name if name in ASKED else None
    return None


def test_no_file_is_read_or_written_in_the_encoding_of_the_system(path, write_log, tmp_path):
    """Windows has another one than UTF-8."""
    log = write_log(mixed())
    for command in (
        ("replay", path, log),
        ("audit", path, "--html", tmp_path / "a.html", "--ocel", tmp_path / "a.sqlite"),
        ("export", path, "leads", "-o", tmp_path / "leads.csv"),
        ("dump", path),
        ("rules", "show"),
        ("doctor", path),
    ):
        done = subprocess.run(
            [*PYTHON, "-m", "lifecycle", *command],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert "EncodingWarning" not in done.stderr
        assert done.returncode in (0, 1), done.stderr
