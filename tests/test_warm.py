"""A command that is forked from a process that waits does what one does that is started."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import warm

PROGRAMS = [
    "import sys; print(sys.argv, sys.stdin.read(), '\\u2192')",
    "import os; print(os.getcwd(), os.environ['OURS'], 'COLUMNS' in os.environ)",
    "import sys; print('out', end=''); print('err', file=sys.stderr); sys.exit(7)",
    "import sys; sys.exit('a sentence')",
    "print('first'); 1 / 0",
    "import atexit; atexit.register(print, 'at the end'); print('before')",
    "import os, signal; print('lost', flush=True); os.kill(os.getpid(), signal.SIGKILL)",
    "import threading, time; threading.Thread(target=lambda: print(time.sleep(0.1))).start()",
    "import subprocess; print(subprocess.run(['/bin/sh', '-c', 'exit 3']).returncode)",
    "import sys; print(sys.stdin.isatty(), sys.stdout.isatty(), sys.stdout.encoding)",
]


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.usefixtures("uncovered")
def test_a_program_that_is_forked_ends_as_one_that_is_started(program, tmp_path):
    started, forked = (
        subprocess.run(
            [*python, program, "a word", "\u00e9"],
            cwd=tmp_path,
            env=os.environ | {"OURS": "\u00e9", "PYTHONUTF8": "1"},
            input=b"what it reads",
            capture_output=True,
            check=False,
        )
        for python in ((sys.executable, "-c"), (warm.command("warm-python"),))
    )
    assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
    assert forked.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


@pytest.mark.usefixtures("uncovered")
def test_the_command_prints_the_same_and_leaves_nothing_to_the_next(tmp_path):
    for words in (["rules", "show"], ["nonsense"], ["leads", "none.db"], ["rules", "show"]):
        started, forked = (
            subprocess.run([*way, *words], cwd=tmp_path, capture_output=True, check=False)
            for way in ((Path(sys.executable).with_name("lifecycle"),), (warm.command(),))
        )
        assert (forked.returncode, forked.stdout) == (started.returncode, started.stdout)
        assert forked.stderr == started.stderr


def test_nothing_goes_on_behind_a_command_that_was_killed():
    program = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    command = [warm.command("warm-python"), program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        behind = Path("/proc", process.stdout.readline().strip())
        assert behind.exists()
        process.kill()
    while behind.exists():
        time.sleep(0.01)
