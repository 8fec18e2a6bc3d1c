"""A log in chunks: some lines, decoded and packed, and the place behind them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attrs import define

from lifecycle.errors import InputError
from lifecycle.replay.log import DamagedLogError, Line, Log, digest_of
from lifecycle.store import Taken, taken

#: A chunk ends with so many messages, or so many bytes of lines.
CHUNK: Final = 250
_CHUNK_BYTES: Final = 1024 * 1024


@define
class Chunk:
    """Some lines of a log.

    Attributes:
        messages: What they hold, each with the number of its line in the log.
        line: The number of the last line that has an end.
        end: The offset behind it, in bytes; None when no line has one.
        tail_size: The size of what the place is recognised by.
        tail_digest: The digest of that.
        bytes_read: How far the file was read, in bytes (packed).
    """

    messages: list[tuple[Taken, int]]
    line: int
    end: int | None = None
    tail_size: int = 0
    tail_digest: bytes = b""
    bytes_read: int = 0


def chunks(log: Log, offset: int, line: int, size: int = CHUNK) -> Iterator[Chunk]:
    """The log from here on; ``offset`` and ``line`` are those of here.

    Raises:
        InputError: The log cannot be read further; what could be read was told before.
        DamagedLogError: It is damaged; of the last chunk nothing was told.
    """
    gathered = _Gathered(line)
    try:
        for one in log.lines(offset):
            gathered.add(one)
            if len(gathered.messages) >= size or gathered.bytes >= _CHUNK_BYTES:
                yield gathered.chunk(log)
                gathered = _Gathered(gathered.line)
    except DamagedLogError:
        raise
    except InputError:
        yield gathered.chunk(log)
        raise
    if gathered.bytes:
        yield gathered.chunk(log)


class _Gathered:
    """The lines of a chunk so far."""

    def __init__(self, line: int) -> None:
        self.messages: list[tuple[Taken, int]] = []
        self.bytes = 0
        self.line = line
        self._last: Line | None = None
        self._ended = line

    def add(self, line: Line) -> None:
        """Add what a line says. A last line without an end is read again by the next run."""
        self.line += 1
        self.bytes += len(line.raw)
        for reading in line.readings():
            self.messages.append((taken(reading), self.line))
        if line.whole:
            self._last, self._ended = line, self.line

    def chunk(self, log: Log) -> Chunk:
        """The chunk."""
        chunk = Chunk(self.messages, self._ended, bytes_read=log.bytes_read)
        if self._last is not None:
            chunk.end, tail = self._last.end, self._last.tail
            chunk.tail_size, chunk.tail_digest = len(tail), digest_of(tail)
        return chunk
