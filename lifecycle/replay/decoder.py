"""Decoding in a second process: it reads a log and sends its chunks, packed, through a pipe.

Decoding takes the most time of all stages, and needs nothing of the store. What crosses is what
the store keeps; unpickling it costs a fraction of decoding. Both ends are the same version of the
same program, and the pipe is theirs alone.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import select
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from threading import Condition, Thread
from typing import IO, Final

from lifecycle.cores import usable_cores
from lifecycle.domain import Identity
from lifecycle.errors import InputError
from lifecycle.replay.chunks import Chunk, chunks
from lifecycle.replay.log import Log

#: Of a smaller log a process of its own would take longer to start than it saves, in bytes.
WORTH_IT: Final = 8 * 1024 * 1024
#: So many bytes are decoded ahead of who takes them.
_AHEAD: Final = 3 * 1024 * 1024
_LENGTH: Final = 8
#: Where a process sends nothing for so long, in milliseconds, this one goes on without it.
_PATIENCE: Final = 60_000


def decoded_elsewhere(
    log: Log, offset: int, line: int, identity: Identity, size: int
) -> Generator[Chunk]:
    """Yield the same as ``chunks``, from another process; should that end early, from this one."""
    end = offset
    with _process(log, offset, line, identity, size) as pipe:
        for frame in _frames(pipe):
            if frame is None:
                return
            if isinstance(frame, InputError):
                raise frame
            end, line = frame.end or end, frame.line
            yield frame
    log.seek(end)
    yield from chunks(log, end, line, identity, size)


def is_worth_it(log: Log) -> bool:
    """Return whether a second process would make the replay of this log faster."""
    return usable_cores() > 1 and bool(sys.executable) and (log.size or 0) >= WORTH_IT


def main() -> None:
    """Send the chunks of a log (arguments: its name, and numbers; the identity policy comes in)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this decides when it ends
    name, *numbers = sys.argv[1:]
    file, out, offset, line, size = map(int, numbers)
    identity = Identity.from_table(json.load(sys.stdin))
    seldom_collect()
    frames = _Ahead()
    sender = Thread(target=_send, args=(frames, os.fdopen(out, "wb")))
    sender.start()
    try:
        # The very file that was opened, whatever its path means by now; at a place of its own.
        with Log(name, Path(f"/proc/self/fd/{file}").open("rb")) as log:
            log.seek(offset)
            for chunk in chunks(log, offset, line, identity, size):
                frames.put(pickle.dumps(chunk))
        frames.put(pickle.dumps(None))
    except InputError as error:
        frames.put(pickle.dumps(error))
    finally:
        frames.put(None)
        sender.join()


class _Ahead:
    """Frames that wait to be sent: one more is taken as long as they are not too many bytes."""

    def __init__(self) -> None:
        self._frames: Queue[bytes | None] = Queue()
        self._size = 0
        self._has_room = Condition()

    def put(self, frame: bytes | None) -> None:
        """Put a frame behind the others; None: there is none after them."""
        with self._has_room:
            self._has_room.wait_for(lambda: self._size < _AHEAD)
            self._size += len(frame or b"")
        self._frames.put(frame)

    def get(self) -> bytes | None:
        """Take the first frame."""
        frame = self._frames.get()
        with self._has_room:
            self._size -= len(frame or b"")
            self._has_room.notify()
        return frame


def _send(frames: _Ahead, out: IO[bytes]) -> None:
    """Send what is ready, in a thread of its own: decoding goes on while nobody reads."""
    try:
        while (frame := frames.get()) is not None:
            out.write(len(frame).to_bytes(_LENGTH))
            out.write(frame)
            out.flush()
    except OSError:
        os._exit(0)  # nobody waits for it any more


def seldom_collect() -> None:
    """Let a process that does nothing but replay look for circles of garbage seldom.

    A replay makes a great many objects and no circles; looking for them costs a tenth of the time.
    """
    gc.freeze()
    gc.set_threshold(1_000_000)


@contextmanager
def _process(log: Log, offset: int, line: int, identity: Identity, size: int) -> Iterator[int]:
    """Provide the pipe from a process that decodes; empty where none can be started."""
    reading, writing = os.pipe()
    process = None
    try:
        with suppress(OSError):
            numbers = map(str, (log.descriptor, writing, offset, line, size))
            process = subprocess.Popen(  # noqa: S603 - this very interpreter, and this very module
                [sys.executable, "-P", "-m", __name__, log.name, *numbers],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(log.descriptor, writing),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        os.close(writing)
        if process is not None and process.stdin is not None:
            with suppress(OSError), process.stdin as policy:
                policy.write(json.dumps(identity.as_table()).encode())
        yield reading
    finally:
        os.close(reading)
        if process is not None:
            process.kill()
            process.wait()


def _frames(pipe: int) -> Iterator[Chunk | InputError | None]:
    """Yield what was sent, as far as it came whole and in time; None at the end."""
    while len(head := _read(pipe, _LENGTH)) == _LENGTH:
        size = int.from_bytes(head)
        frame = _read(pipe, size)
        if len(frame) < size:
            return
        yield pickle.loads(frame)  # noqa: S301 - from our own process


def _read(pipe: int, size: int) -> bytearray:
    """Return so many bytes; fewer where the process ended, or sent none for too long."""
    found = bytearray()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(found) < size and poll.poll(_PATIENCE):
        more = os.read(pipe, size - len(found))
        if not more:
            break
        found += more
    return found


if __name__ == "__main__":
    main()
