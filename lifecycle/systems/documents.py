"""JSON files: a value a line, or one value over all lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from lifecycle.errors import InputError, MessageError
from lifecycle.messages.parse import parse
from lifecycle.systems.files import LARGEST, place, raw_lines, too_long

_KIND: Final = "JSON"
_BYTE: Final = re.compile(r" at byte (\d+)$")
_PLACE: Final = re.compile(r" at line (\d+), column (\d+)$")


@frozen
class Document:
    """A JSON value of a file, at a ``path`` such as ``[3]`` in the value that begins on a line.

    ``is_whole``: the file is one value over several lines, and no line says where something is.
    """

    line: int
    path: str
    value: Any
    is_whole: bool = False

    @property
    def where(self) -> str:
        """The line, or that it is the file's one document."""
        return "the document" if self.is_whole else f"line {self.line}"

    def error(self, file: Path, expected: str, path: str = "") -> InputError:
        """Return an error that says what is wrong with the document, or at a path in it."""
        inner = f"{self.path}.{path}" if self.path and path else self.path or path
        where = f"{self.where}, {inner}" if inner else self.where
        return InputError(f"{file}: {where}: {expected}")


def documents(path: Path, lines: Iterator[bytes] | None = None) -> Iterator[Document]:
    """Yield the JSON values of a file; an array counts as its members.

    ``lines`` are those of the file, where they are open already. A file with a value a line takes
    the memory of one line, any other that of the file.

    Raises:
        InputError: It cannot be read, is empty, or is not JSON; with line and column.
    """
    found = False
    rest = raw_lines(path, _KIND) if lines is None else lines
    for number, raw in enumerate(rest, 1):
        if not raw.strip():
            continue
        try:
            value = parse(raw, max_bytes=LARGEST)
        except MessageError as error:
            if found or error.problems[0].code != "not_json":
                raise _not_json(path, error, raw, number) from None
            # Perhaps it is one value over several lines.
            yield from _whole(path, b"\n" * (number - 1) + raw + _joined(path, rest))
            return
        found = True
        yield from _members(number, value)
    if not found:
        raise InputError(f"{path}: is empty, expected JSON")


def _joined(path: Path, lines: Iterator[bytes]) -> bytes:
    parts, size = [], 0
    for raw in lines:
        size += len(raw)
        if size > LARGEST:
            raise too_long(path, "one value over several lines")
        parts.append(raw)
    return b"".join(parts)


def _whole(path: Path, raw: bytes) -> Iterator[Document]:
    try:
        value = parse(raw, max_bytes=2 * LARGEST)
    except MessageError as error:
        raise _not_json(path, error, raw, None) from None
    yield from _members(1, value, is_whole=True)


def _not_json(path: Path, error: MessageError, raw: bytes, line: int | None) -> InputError:
    """Return an error that says what is wrong with the text of a line, or of the whole file."""
    what, where = str(error), f"line {line}: " if line else ""
    before = line - 1 if line else 0
    if byte := _BYTE.search(what):
        what, where = what[: byte.start()], f"{place(raw, int(byte[1]), before)}: "
    elif found := _PLACE.search(what):
        what = what[: found.start()]
        where = f"line {int(found[1]) + before}, column {found[2]}: "
    return InputError(f"{path}: {where}{what}")


def _members(line: int, value: Any, *, is_whole: bool = False) -> Iterator[Document]:
    if not isinstance(value, list):
        yield Document(line, "", value, is_whole)
        return
    for number, one in enumerate(value):
        yield Document(line, f"[{number}]", one, is_whole)
