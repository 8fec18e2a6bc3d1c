"""Reading logs of messages line by line: plain, gzip or standard input, in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, Self, cast

from attrs import frozen

from lifecycle.errors import InputError
from lifecycle.messages import MAX_BYTES, Reading, Undecodable, read_message, too_large

#: By so many of its first bytes a log is recognised when it is read again.
HEAD_SIZE: Final = 4096
_GZIP: Final = b"\x1f\x8b"
_CHUNK: Final = 64 * 1024


@frozen
class Line:
    """A line of a log, without its end.

    Attributes:
        raw: Its bytes; of one beyond the limit the first MAX_BYTES.
        size: How many bytes it has.
        digest: SHA-256 of a line beyond the limit, None for all others.
        end: The offset behind it, in bytes (of a gzip file: unpacked).
        whole: Whether a line end follows; a last line without one may still be written to.
    """

    raw: bytes
    size: int
    digest: bytes | None
    end: int
    whole: bool

    def readings(self, received_at: int | None = None) -> Iterator[Reading]:
        """What the line says: nothing when it is blank, several messages when it is a page."""
        if self.digest is not None:
            yield Undecodable(self.raw, (too_large(self.size),), self.size, self.digest)
        elif self.raw.strip():
            yield from read_message(self.raw, received_at=received_at)


class Log:
    """A log that is open for reading; gzip is recognised by its first bytes."""

    def __init__(self, name: str, file: IO[bytes], size: int | None) -> None:
        self.name = name
        #: How many bytes the file has (packed), None for standard input.
        self.size = size
        self._file = file
        self._lines = file
        if size is not None and _peek(file) == _GZIP:
            self._lines = cast("IO[bytes]", gzip.GzipFile(fileobj=file))

    @classmethod
    def open(cls, path: Path) -> Log:
        """Open a file.

        Raises:
            InputError: It cannot be opened.
        """
        try:
            if path.is_dir():
                raise InputError(f"{path}: is a directory, expected a log")
            return cls(str(path.resolve()), path.open("rb"), path.stat().st_size)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._file.close()

    @property
    def bytes_read(self) -> int:
        """How far the file was read, in bytes (packed)."""
        return self._file.tell() if self.size is not None else 0

    def begins_with(self, head_size: int, digest: bytes | None) -> bool:
        """Whether the log's first bytes have this digest."""
        with _readable(self.name):
            self._lines.seek(0)
            head = self._lines.read(head_size)
        return len(head) == head_size and head_digest(head) == digest

    def head(self) -> tuple[int, bytes]:
        """The size and the digest of the log's beginning, by which it is recognised; go there."""
        with _readable(self.name):
            self._lines.seek(0)
            head = self._lines.read(HEAD_SIZE)
            self._lines.seek(0)
        return len(head), head_digest(head)

    def start_at(self, offset: int) -> bool:
        """Go to this offset; False, and back to the beginning, when the log is shorter."""
        with _readable(self.name):
            found = self._lines.seek(offset)
            if self._lines is self._file and self.size is not None:
                found = min(found, self.size)
            if found < offset:
                self._lines.seek(0)
        return found >= offset

    def lines(self, offset: int = 0) -> Iterator[Line]:
        """The lines from here on; ``offset`` is that of here.

        Raises:
            InputError: The log cannot be read further.
        """
        while True:
            with _readable(self.name):
                line = self._line(offset)
            if line is None:
                return
            offset = line.end
            yield line

    def _line(self, offset: int) -> Line | None:
        raw = self._lines.readline(MAX_BYTES + 2)
        if not raw:
            return None
        if raw.endswith(b"\n") or len(raw) < MAX_BYTES + 2:
            text = raw.rstrip(b"\r\n")
            if len(text) <= MAX_BYTES:
                return Line(text, len(text), None, offset + len(raw), raw.endswith(b"\n"))
        return self._long_line(raw, offset)

    def _long_line(self, start: bytes, offset: int) -> Line:
        """A line beyond the limit: read on to its end, and keep only its digest."""
        digest, size, part = hashlib.sha256(), 0, start
        while True:
            digest.update(part)
            size += len(part)
            if part.endswith(b"\n") or not part:
                break
            part = self._lines.readline(_CHUNK)
        whole = bool(part)
        return Line(start[:MAX_BYTES], size - whole, digest.digest(), offset + size, whole)


def head_digest(head: bytes) -> bytes:
    """What a log is recognised by: SHA-256 of its first bytes."""
    return hashlib.sha256(head).digest()


def _peek(file: IO[bytes]) -> bytes:
    start = file.read(len(_GZIP))
    file.seek(0)
    return start


class _readable:  # noqa: N801 - reads like a statement
    """Raises what goes wrong while a log is read as InputError."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        match error:
            case EOFError():
                raise InputError(f"{self._name}: the gzip file is cut short") from None
            case gzip.BadGzipFile() | zlib.error():
                raise InputError(f"{self._name}: the gzip file is damaged ({error})") from None
            case OSError():
                raise InputError(f"{self._name}: cannot be read: {error.strerror}") from None
