"""Commands in processes of their own that need not start: they fork from one that has imported.

A process waits that has imported lifecycle, and forks for each command: what it starts has its own
descriptors, directory, environment, exit status and end, as if a shell had started it. Only what
Python takes to start and import is saved. Where that is tested, or what Python reads when it starts
(``PYTHON...``, limits), or a signal is sent, a test starts a Python of its own.
"""

import atexit
import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from pathlib import Path

#: The commands that are forked, and the function of each.
COMMANDS = {
    "lifecycle": "lifecycle.cli:main",
    "datasette": "datasette.cli:cli",
    "sqlite-utils": "sqlite_utils.cli:cli",
    "warm-python": "warm:run_program",  # as ``python -c PROGRAM ...``
}
#: What is imported before anything is asked for; what else a command needs it imports itself.
_IMPORTED = (
    *("lifecycle.auditing", "lifecycle.replay", "lifecycle.systems"),
    *("datasette.app", "datasette.cli", "sqlite_utils.cli", "rich.table"),
)
_MOST = 1 << 17
# What a shell finds: it hands its descriptors, words and surroundings over, and ends as told. It
# imports next to nothing, and so starts in a hundredth of a second.
_COMMAND = """#!{python} -ISs
import os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socket
words = [os.fsencode(one) for one in sys.argv]
around = [name + b"=" + value for name, value in os.environb.items()]
request = b"\\0".join([os.getcwdb(), b"%d" % len(words), *words, *around])
asked = socket(AF_UNIX, SOCK_SEQPACKET)
asked.connect({address!r})
descriptors = b"".join(one.to_bytes(4, sys.byteorder) for one in (0, 1, 2))
asked.sendmsg([request], [(SOL_SOCKET, SCM_RIGHTS, descriptors)])
status = asked.recv(1)
if not status:
    os.kill(os.getpid(), 9)
os._exit(status[0])
"""


@cache
def commands():
    """Return a folder of the commands, to be put in front of PATH; they wait for this process."""
    folder = tempfile.TemporaryDirectory(prefix="warm-")
    address = os.path.join(folder.name, "address")  # noqa: PTH118 - as sockets have it
    for name in COMMANDS:
        command = Path(folder.name, name)
        command.write_text(_COMMAND.format(python=sys.executable, address=address), "utf-8")
        command.chmod(0o700)
    waiting = subprocess.Popen(
        [sys.executable, __file__, address],
        stdin=subprocess.PIPE,  # it ends when this is closed, which the system does at the latest
        stdout=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if "COVERAGE" not in name}
        | {"PYTHONUTF8": "1"},
    )
    assert waiting.stdout.readline() == b"ready\n"

    @atexit.register
    def end():
        waiting.stdin.close()
        waiting.wait(20)
        waiting.stdout.close()
        folder.cleanup()

    return folder.name


def command(name="lifecycle"):
    """Return the path of a command."""
    return os.path.join(commands(), name)  # noqa: PTH118 - a word of a command


def run_program():
    """Run the program that is in the first argument, with the arguments behind it."""
    _, program, *sys.argv[1:] = sys.argv
    sys.argv[0] = "-c"
    exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102


def _wait(address):
    """Fork for every command that is asked for, until nobody can ask any more."""
    for name in _IMPORTED:
        importlib.import_module(name)
    # What has ended is not waited for: it says its status itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(address)
        listening.listen(64)
        os.write(1, b"ready\n")
        gc.collect()
        gc.freeze()
        while listening in select.select([listening, 0], [], [])[0]:
            asked, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _answer(asked)
            asked.close()


def _answer(asked):
    """Do what is asked for, say its exit status, and end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sys.modules["warm"] = sys.modules["__main__"]
    request, descriptors, *_ = socket.recv_fds(asked, _MOST, 3)
    # Nothing goes on behind a command that was killed: by default this signal ends a process.
    fcntl.fcntl(asked, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(asked, fcntl.F_SETFL, fcntl.fcntl(asked, fcntl.F_GETFL) | os.O_ASYNC)
    for ours, theirs in enumerate(descriptors):
        os.dup2(theirs, ours)
        os.close(theirs)
    folder, count, *words = request.split(b"\0")
    os.chdir(folder)
    os.environb.clear()
    for one in words[int(count) :]:
        name, _, value = one.partition(b"=")
        os.environb[name] = value
    sys.argv = [os.fsdecode(one) for one in words[: int(count)]]
    sys.path[0] = os.path.dirname(sys.argv[0])  # noqa: PTH120 - as Python sets it
    _open_streams()
    if any("COVERAGE" in name for name in os.environ):
        importlib.import_module("coverage").process_startup()
    status = _status_of(COMMANDS[os.path.basename(sys.argv[0])])  # noqa: PTH119 - as above
    asked.send(bytes([status]))
    os._exit(status)


def _open_streams():
    """Open the standard streams as Python does when it starts in UTF-8."""
    utf_8 = {"encoding": "utf-8", "closefd": False}
    sys.stdin = sys.__stdin__ = open(0, errors="surrogateescape", **utf_8)  # noqa: SIM115
    buffering = 1 if os.isatty(1) else -1
    sys.stdout = sys.__stdout__ = open(  # noqa: SIM115
        1, "w", buffering, errors="surrogateescape", **utf_8
    )
    sys.stderr = sys.__stderr__ = open(  # noqa: SIM115
        2, "w", 1, errors="backslashreplace", **utf_8
    )


def _status_of(name):
    """Call a function as the script of its name does; return what the process ends with."""
    module, _, function = name.partition(":")
    try:
        status = getattr(importlib.import_module(module), function)()
    except SystemExit as end:
        status = end.code
    except BaseException:  # noqa: BLE001 - as at the end of any program
        traceback.print_exc()
        status = 1
    if not isinstance(status, int | None):
        sys.stderr.write(f"{status}\n")
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        traceback.print_exc()
        status = 120
    return (status or 0) & 255


if __name__ == "__main__":
    _wait(sys.argv[1])
