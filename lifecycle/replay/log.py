"""Reading logs of messages line by line: plain, gzip or standard input, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, Self

from attrs import frozen

from lifecycle.errors import InputError
from lifecycle.messages import (
    MAX_BYTES,
    Reading,
    Undecodable,
    is_json,
    read_message,
    too_large,
)

#: What stands for standard input in the place of a path.
STANDARD_INPUT: Final = "-"
#: By so many of its first bytes a log is recognised when it is read again.
HEAD_SIZE: Final = 4096
_SQLITE: Final = b"SQLite format 3\0"
_GZIP: Final = b"\x1f\x8b"
_CHUNK: Final = 64 * 1024


@frozen
class Line:
    """A line of a log.

    Attributes:
        raw: Its bytes with its end; of one beyond the limit the first MAX_BYTES.
        size: How many bytes it has, without its end.
        digest: SHA-256 of a line beyond the limit, None for all others.
        end: The offset behind it, in bytes (of a gzip file: unpacked).
        tail: The last bytes before that offset, by which the place is recognised.
        whole: Whether a line end follows; a last line without one may still be written to.
    """

    raw: bytes
    size: int
    digest: bytes | None
    end: int
    tail: bytes
    whole: bool

    def readings(self, received_at: int | None = None) -> Iterator[Reading]:
        """Yield what the line says: nothing when it is blank, several messages when it is a page.

        Whether a message names somebody is for the rules to say.
        """
        if self.digest is not None:
            yield Undecodable(self.raw, (too_large(self.size),), self.size, self.digest)
        elif text := self.raw.strip():
            yield from read_message(text, received_at=received_at, identity=None)


class DamagedLogError(InputError):
    """A log is damaged: what was read of it since it was opened may be wrong, too."""


class Log:
    """A log that is open for reading; gzip is recognised by its first bytes.

    ``seekable`` logs have a place that a later run can go on from; streams have not.
    """

    def __init__(self, name: str, file: BufferedReader, *, stream: bool = False) -> None:
        self.name = name
        self.seekable = not stream and file.seekable()
        #: How many bytes the file has (packed), None for a stream.
        self.size = os.fstat(file.fileno()).st_size if self.seekable else None
        self._file = file
        packed = file.peek(len(_GZIP))[: len(_GZIP)] == _GZIP
        self._lines: BufferedReader | gzip.GzipFile = (
            gzip.GzipFile(fileobj=file) if packed else file
        )

    @classmethod
    def standard_input(cls) -> Log:
        """Standard input, as a stream."""
        found: Any = sys.stdin.buffer
        file = found if isinstance(found, BufferedReader) else BufferedReader(found)
        return cls(STANDARD_INPUT, file, stream=True)

    @classmethod
    def open(cls, path: Path) -> Log:
        """Open a file.

        Raises:
            InputError: It cannot be opened.
        """
        try:
            check_readable(path)
            # A store has names in UTF-8, whatever a file system has.
            name = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace")
            return cls(name, path.open("rb"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._lines.close()
        self._file.close()

    @property
    def descriptor(self) -> int:
        """The number of the open file."""
        return self._file.fileno()

    @property
    def bytes_read(self) -> int:
        """How far the file was read, in bytes (packed)."""
        return self._file.tell() if self.seekable else 0

    def head(self) -> tuple[int, bytes]:
        """The size and the digest of the log's beginning, by which it is recognised; go there."""
        with _readable(self.name):
            self._lines.seek(0)
            head = self._lines.read(HEAD_SIZE)
            self._lines.seek(0)
        return len(head), digest_of(head)

    def has(self, offset: int, size: int, digest: bytes | None) -> bool:
        """Whether these bytes have this digest; go behind them."""
        with _readable(self.name):
            self._lines.seek(offset)
            found = self._lines.read(size)
        return len(found) == size and digest_of(found) == digest

    def seek(self, offset: int) -> None:
        """Go to a place, in bytes (of a gzip file: unpacked)."""
        with _readable(self.name):
            self._lines.seek(offset)

    def readline(self, size: int) -> bytes:
        """The next line with its end, or so many bytes of it; empty where there is none.

        Raises:
            InputError: The log cannot be read further.
        """
        with _readable(self.name):
            return self._lines.readline(size)

    def lines(self, offset: int = 0) -> Iterator[Line]:
        """The lines from here on; ``offset`` is that of here.

        Raises:
            InputError: The log cannot be read further.
        """
        while True:
            try:
                line = self._line(offset)
            except _UNREADABLE as error:
                raise _unreadable(self.name, error) from None
            if line is None:
                return
            offset = line.end
            yield line

    def messages(self) -> Iterator[Line]:
        """The lines; a file that is one message over several lines counts as one."""
        if self.seekable and (self.size or 0) <= MAX_BYTES:
            with _readable(self.name):
                whole = self._lines.read(MAX_BYTES + 1)
                self._lines.seek(0)
            if len(whole) <= MAX_BYTES and is_json(whole):
                yield Line(whole, len(whole), None, len(whole), whole, whole=True)
                return
        yield from self.lines()

    def _line(self, offset: int) -> Line | None:
        raw = self._lines.readline(MAX_BYTES + 2)
        if not raw:
            return None
        size = len(raw.rstrip(b"\r\n"))
        if size <= MAX_BYTES and (raw.endswith(b"\n") or len(raw) < MAX_BYTES + 2):
            return Line(raw, size, None, offset + len(raw), raw, raw.endswith(b"\n"))
        return self._long_line(raw, offset)

    def _long_line(self, start: bytes, offset: int) -> Line:
        """A line beyond the limit: read on to its end, and keep only its digest."""
        digest, size, part, tail = hashlib.sha256(), 0, start, start
        while part:
            tail = part
            digest.update(part)
            size += len(part)
            part = b"" if part.endswith(b"\n") else self._lines.readline(_CHUNK)
        whole = tail.endswith(b"\n")
        return Line(start[:MAX_BYTES], size - whole, digest.digest(), offset + size, tail, whole)


def check_readable(path: Path) -> None:
    """Check that a log can be opened, and is no store.

    Raises:
        InputError: It cannot.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a directory, expected a log")
    try:
        if path.is_file() or not path.exists():
            with path.open("rb") as file:
                start = file.read(len(_SQLITE))
            if start == _SQLITE:
                raise InputError(f"{path}: is a SQLite database, expected a file of text")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def digest_of(part: bytes) -> bytes:
    """What a part of a log is recognised by: SHA-256."""
    return hashlib.sha256(part).digest()


_UNREADABLE: Final = (EOFError, OSError, zlib.error)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Raise what goes wrong while a log is read as InputError."""
    try:
        yield
    except _UNREADABLE as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: Exception) -> InputError:
    """What went wrong while a log was read, as one sentence."""
    match error:
        case EOFError():
            return InputError(f"{name}: the gzip file is cut short")
        case gzip.BadGzipFile() | zlib.error():
            return DamagedLogError(f"{name}: the gzip file is damaged ({error})")
        case _:
            return InputError(f"{name}: cannot be read: {getattr(error, 'strerror', error)}")
