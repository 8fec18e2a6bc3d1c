"""Logs of messages: plain, gzip or standard input, read line by line in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, Self

from lifecycle.errors import InputError
from lifecycle.messages import MAX_BYTES
from lifecycle.replay.kinds import KIND_SIZE, check_kind, check_text
from lifecycle.replay.texts import PART, Line, LineEnd, Splitter, Text, text_of

#: What stands for standard input in the place of a path.
STANDARD_INPUT: Final = "-"
#: By so many of its first bytes a log is recognised when it is read again.
HEAD_SIZE: Final = 4096
_GZIP: Final = b"\x1f\x8b"


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
        """Return standard input, as a stream."""
        found: Any = sys.stdin.buffer
        file = found if isinstance(found, BufferedReader) else BufferedReader(found)
        return cls(STANDARD_INPUT, file, stream=True)

    @classmethod
    def open(cls, path: Path) -> Log:
        """Open a file.

        Raises:
            InputError: It cannot be opened, or is a store.
        """
        if path.is_dir():
            raise InputError(f"{path}: is a directory, expected a log")
        try:
            # A store has names in UTF-8, whatever a file system has.
            name = os.fsencode(path.resolve()).decode("utf-8", "backslashreplace")
            log = cls(name, path.open("rb"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        try:
            check_text(str(path), log.beginning())
        except InputError:
            log.close()
            raise
        return log

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
        """The bytes of the file that were read (packed)."""
        return self._file.tell() if self.seekable else 0

    def head(self) -> tuple[int, bytes]:
        """Return size and digest of the log's beginning, by which it is recognised; go there."""
        with _readable(self.name):
            self._lines.seek(0)
            head = self._lines.read(HEAD_SIZE)
            self._lines.seek(0)
        return len(head), digest_of(head)

    def has(self, offset: int, size: int, digest: bytes | None) -> bool:
        """Return whether these bytes have this digest; go behind them."""
        with _readable(self.name):
            self._lines.seek(offset)
            found = self._lines.read(size)
        return len(found) == size and digest_of(found) == digest

    def seek(self, offset: int) -> None:
        """Go to a place, in bytes (of a gzip file: unpacked)."""
        with _readable(self.name):
            self._lines.seek(offset)

    def readline(self, size: int) -> bytes:
        """Return the next line with its end, or so many bytes of it; empty where there is none."""
        try:
            return self._lines.readline(size)
        except _UNREADABLE as error:
            raise _unreadable(self.name, error) from None

    def texts(self, offset: int = 0, line: int = 0) -> Iterator[Text]:
        """Yield the JSON texts from here on, at ``offset``, behind ``line``.

        Raises:
            InputError: The log cannot be read further, or is of another kind.
        """
        if offset == 0:
            self.check_kind(self.name)
        splitter, is_ended = Splitter(), True
        while raw := self.readline(PART):
            is_first, is_ended = is_ended, raw.endswith(b"\n")
            offset += len(raw)
            line += is_first
            is_usual = is_first and splitter.is_idle and len(raw) <= MAX_BYTES
            text = text_of(raw) if is_usual else None
            if text is None:
                yield from splitter.split(Line(raw, line, offset, is_first))
            else:
                end = LineEnd(line, offset, raw) if is_ended else None
                yield Text(text, line, end, is_ended, is_line=True)
        yield from splitter.finish()

    def check_kind(self, name: str, expected: str = "messages in JSON") -> None:
        """Check by its first bytes that it may be a log, or what else is expected."""
        check_kind(name, self.beginning(), expected)

    def beginning(self) -> bytes:
        """Return some bytes that come next, and will come again; none where they cannot be read."""
        with suppress(*_UNREADABLE):  # who reads on is told
            return self._lines.peek(KIND_SIZE)[:KIND_SIZE]
        return b""


def check_log(path: Path) -> None:
    """Check that a log can be opened, and is no file of another kind.

    A pipe is not opened: what is read from it could not be read again.

    Raises:
        InputError: It cannot be opened, or is of another kind.
    """
    if path.is_file() or path.is_dir() or not path.exists():
        with Log.open(path) as log:
            log.check_kind(str(path))


def digest_of(part: bytes) -> bytes:
    """Return what a part of a log is recognised by: SHA-256."""
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
    """Return an error that says in one sentence what went wrong while a log was read."""
    match error:
        case EOFError():
            return InputError(f"{name}: the gzip file is cut short")
        case gzip.BadGzipFile() | zlib.error():
            return DamagedLogError(f"{name}: the gzip file is damaged ({error})")
        case _:
            return InputError(f"{name}: cannot be read: {getattr(error, 'strerror', error)}")
