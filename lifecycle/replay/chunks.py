"""A log in chunks: some messages, decoded and packed, and the place behind their lines."""

from __future__ import annotations

from collections.abc import Generator
from itertools import chain
from typing import Final

from attrs import define, field

from lifecycle.domain import Identity
from lifecycle.errors import InputError
from lifecycle.replay.log import DamagedLogError, Log
from lifecycle.replay.texts import Text
from lifecycle.store import BLOCK, IngestItem, Packed, drafted, to_stored

#: A chunk ends with so many messages, or so many bytes of lines.
CHUNK: Final = 4 * BLOCK
_CHUNK_BYTES: Final = 1024 * 1024


@define
class Chunk:
    """Some messages of a log.

    Attributes:
        messages: Each with the number of its line in the log, and whether its text has ended.
        line: The number of the last line that ended, and was told as a whole.
        end: The offset behind it, in bytes; None when the chunk has none.
        tail: What the place is recognised by: the bytes before it.
        size: How many bytes the lines have.
        bytes_read: How far the file was read, in bytes (packed).
    """

    line: int
    messages: list[tuple[IngestItem, int, bool]] = field(factory=list)
    end: int | None = None
    tail: bytes = b""
    size: int = 0
    bytes_read: int = 0

    def end_text(self, text: Text) -> None:
        """Go behind a text; what has no end yet is read again by the next run."""
        self.size += len(text.raw)
        if text.end is not None:
            self.line, self.end, self.tail = text.end.line, text.end.offset, text.end.tail

    def finish(self, bytes_read: int) -> Chunk:
        """Do what of storing its messages can be done ahead; return it."""
        self.bytes_read = bytes_read
        packed = [one for one, _, _ in self.messages if isinstance(one, Packed)]
        blocks = (packed[start : start + BLOCK] for start in range(0, len(packed), BLOCK))
        made = chain.from_iterable(map(drafted, blocks))
        self.messages = [
            (next(made) if isinstance(one, Packed) else one, line, is_whole)
            for one, line, is_whole in self.messages
        ]
        return self


def chunks(
    log: Log, offset: int, line: int, identity: Identity, size: int = CHUNK
) -> Generator[Chunk]:
    """Yield the log from here on; ``offset`` and ``line`` are those of here.

    ``identity``: the policy by which the messages have keys.

    Raises:
        InputError: The log cannot be read further; what could be read was told before.
        DamagedLogError: It is damaged; of the last chunk nothing was told.
    """
    chunk = Chunk(line)
    try:
        for text in log.texts(offset, line):
            for reading in text.readings():
                chunk.messages.append((to_stored(reading, identity), text.line, text.is_whole))
                if len(chunk.messages) > size:  # a page of very many messages
                    yield chunk.finish(log.bytes_read)
                    chunk = Chunk(chunk.line)
            chunk.end_text(text)
            if len(chunk.messages) >= size or chunk.size >= _CHUNK_BYTES:
                yield chunk.finish(log.bytes_read)
                chunk = Chunk(chunk.line)
    except DamagedLogError:
        raise
    except InputError:
        yield chunk.finish(chunk.bytes_read)
        raise
    yield chunk.finish(log.bytes_read)
