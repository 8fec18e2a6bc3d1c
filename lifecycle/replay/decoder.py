"""Decoding in a second process: it reads a log and sends its chunks, packed, through a pipe.

Decoding takes the most time of all stages, and needs nothing of the store. What crosses is what
the store keeps, as plain tuples; unpacking them costs a fraction of decoding. Both ends are the
same version of the same program, so that marshal will do.
"""

from __future__ import annotations

import gc
import marshal
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import IO, Any, Final

from attrs import astuple

from lifecycle.domain import Problem
from lifecycle.errors import InputError
from lifecycle.messages import Ignored, Undecodable
from lifecycle.replay.chunks import Chunk, chunks
from lifecycle.replay.log import DamagedLogError, Log
from lifecycle.store import IngestItem, Packed

#: Of a smaller log a process of its own would take longer to start than it saves, in bytes.
WORTH_IT: Final = 8 * 1024 * 1024
#: So many chunks are decoded ahead of who takes them.
_AHEAD: Final = 12
_LENGTH: Final = 8
_ENDED: Final = "ended"
_ERRORS: Final = {error.__name__: error for error in (InputError, DamagedLogError)}


def decoded_elsewhere(log: Log, offset: int, line: int, size: int) -> Generator[Chunk]:
    """The same as ``chunks``, from another process; should that end early, from this one."""
    end = offset
    with _process(log, offset, line, size) as pipe:
        for frame in _frames(pipe):
            if frame == _ENDED:
                return
            if isinstance(frame[0], str):
                raise _ERRORS[frame[0]](frame[1])
            chunk = _chunk(frame)
            end, line = chunk.end or end, chunk.line
            yield chunk
    log.seek(end)
    yield from chunks(log, end, line, size)


def is_worth_it(log: Log) -> bool:
    """Whether a second process would make the replay of this log faster."""
    if not hasattr(os, "sched_getaffinity"):  # Linux alone tells, and has /proc
        return False
    several = len(os.sched_getaffinity(0)) > 1
    return several and bool(sys.executable) and (log.size or 0) >= WORTH_IT


def main() -> None:
    """Send the chunks of a log (arguments: its name, and ``_start``'s numbers)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this decides when it ends
    name, *numbers = sys.argv[1:]
    file, out, offset, line, size = map(int, numbers)
    seldom_collect()
    frames: Queue[bytes | None] = Queue(_AHEAD)
    sender = Thread(target=_send, args=(frames, os.fdopen(out, "wb")))
    sender.start()
    try:
        # The very file that was opened, whatever its path means by now; at a place of its own.
        with Log(name, Path(f"/proc/self/fd/{file}").open("rb")) as log:
            log.seek(offset)
            for chunk in chunks(log, offset, line, size):
                frames.put(marshal.dumps(_plain(chunk)))
        frames.put(marshal.dumps(_ENDED))
    except InputError as error:
        frames.put(marshal.dumps((type(error).__name__, str(error))))
    finally:
        frames.put(None)
        sender.join()


def _send(frames: Queue[bytes | None], out: IO[bytes]) -> None:
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
    gc.set_threshold(100_000)


@contextmanager
def _process(log: Log, offset: int, line: int, size: int) -> Iterator[IO[bytes]]:
    """The pipe from a process that decodes; empty where none can be started."""
    reading, writing = os.pipe()
    process = None
    try:
        with suppress(OSError):
            numbers = map(str, (log.descriptor, writing, offset, line, size))
            process = subprocess.Popen(  # noqa: S603 - this very interpreter, and this very module
                [sys.executable, "-P", "-m", __name__, log.name, *numbers],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(log.descriptor, writing),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            yield pipe
    finally:
        if process is not None:
            process.kill()
            process.wait()


def _frames(pipe: IO[bytes]) -> Iterator[Any]:
    """What was sent, as far as it came whole."""
    while len(head := pipe.read(_LENGTH)) == _LENGTH:
        size = int.from_bytes(head)
        frame = pipe.read(size)
        if len(frame) < size:
            return
        yield marshal.loads(frame)  # noqa: S302 - from our own process


def _plain(chunk: Chunk) -> tuple[Any, ...]:
    messages = [(_plain_message(message), *where) for message, *where in chunk.messages]
    return (chunk.line, messages, *astuple(chunk, recurse=False)[2:])


def _plain_message(message: IngestItem) -> Any:
    match message:
        case Packed():
            return tuple(message)
        case Ignored(topic=topic):
            return topic
        case Undecodable(raw=raw, problems=problems, size=size, digest=digest):
            return (raw, [(one.path, one.message, one.code) for one in problems], size, digest)


def _chunk(frame: tuple[Any, ...]) -> Chunk:
    last, messages, *rest = frame
    return Chunk(
        last, [(_message(message), line, whole) for message, line, whole in messages], *rest
    )


def _message(plain: Any) -> IngestItem:
    if isinstance(plain, str):
        return Ignored(plain)
    if len(plain) == len(Packed._fields):
        return Packed._make(plain)
    raw, problems, size, digest = plain
    return Undecodable(raw, tuple(Problem(*one) for one in problems), size, digest)


if __name__ == "__main__":
    main()
