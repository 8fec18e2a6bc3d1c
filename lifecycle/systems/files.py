"""Files of other systems: CSV and JSON, read strictly, with where something is wrong.

A byte order mark of UTF-8, gzip, and line ends of any kind are read as they come: nothing is lost
by it. Everything else that is not as it must be is an InputError that names file, line and column.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from lifecycle.errors import InputError, MessageError
from lifecycle.messages import MAX_BYTES, too_large
from lifecycle.messages.parse import parse
from lifecycle.replay import Line, Log
from lifecycle.text import counted, short

_BOM: Final = b"\xef\xbb\xbf"
# Some systems end their lines with a carriage return alone.
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_DELIMITERS: Final = ",;\t"
_PLACE: Final = re.compile(r"(.*?)(?: at (line \d+, column \d+))?", re.DOTALL)
# What is wrong with the first line of a file that is one value over several lines, or a long one.
_MAYBE_WHOLE: Final = ("not_json", "too_large")
#: What files of other kinds begin with.
_KINDS: Final = {
    b"PK\x03\x04": "a ZIP archive or a spread-sheet (save it as CSV)",
    b"%PDF": "a PDF",
    b"SQLite format 3": "an SQLite database",
    b"\xff\xfe": "UTF-16 (save it as UTF-8)",
    b"\xfe\xff": "UTF-16 (save it as UTF-8)",
    b"PAR1": "Parquet",
}


@frozen
class Row:
    """A row of a table: the number of the line that it begins on, and its cells by column."""

    line: int
    cells: Mapping[str, str]


class Table:
    """A CSV file with a header; the delimiter is a comma, a semicolon or a tab.

    Raises:
        InputError: The file cannot be read, or has no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = text_lines(path, "a CSV file")
        first = next(lines, "")
        if not first.strip():
            raise InputError(f"{path}: is empty, expected a CSV file with a header")
        delimiter = max(_DELIMITERS, key=first.count)
        self._reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
        self.columns = [name.strip() for name in self._next(1) or ()]
        named = [name.casefold() for name in self.columns if name]
        if len(set(named)) < len(named):
            raise InputError(f"{path}: line 1: two columns have the same name")

    def rows(self) -> Iterator[Row]:
        """The rows that hold something, in their order.

        Raises:
            InputError: The file cannot be read further, or a row is not like the header.
        """
        line = self._reader.line_num + 1
        while (cells := self._next(line)) is not None:
            if any(cells):
                if len(cells) != len(self.columns):
                    what = f"expected {counted(len(self.columns), 'column')}, got {len(cells)}"
                    raise InputError(f"{self.path}: line {line}: {what}")
                yield Row(line, dict(zip(self.columns, cells, strict=True)))
            line = self._reader.line_num + 1

    def _next(self, line: int) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            raise InputError(f"{self.path}: line {line}: not valid CSV: {error}") from None

    def column(self, names: Sequence[str]) -> str:
        """Which of these names a column has.

        Raises:
            InputError: None of them is that of a column.
        """
        for name in names:
            for column in self.columns:
                if column.casefold() == name.casefold():
                    return column
        expected = " or ".join(repr(name) for name in names)
        found = short(", ".join(map(repr, self.columns)))
        raise InputError(f"{self.path}: line 1: expected a column {expected}, found {found}")

    def has(self, names: Sequence[str]) -> bool:
        """Whether one of these names is that of a column."""
        known = {column.casefold() for column in self.columns}
        return any(name.casefold() in known for name in names)

    def error(self, row: Row, column: str, expected: str) -> InputError:
        """What is wrong with a cell, as one sentence."""
        return InputError(f"{self.path}: line {row.line}, column {column!r}: {expected}")


def text_lines(path: Path, kind: str) -> Iterator[str]:
    """The lines of a file in UTF-8, with their ends.

    Raises:
        InputError: It cannot be read, is not text in UTF-8, or a line is too long.
    """
    for number, line in enumerate(raw_lines(path, kind), 1):
        raw = line.raw.removeprefix(_BOM) if number == 1 else line.raw
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            where = f"line {number}, column {error.start + 1}"
            raise InputError(f"{path}: {where}: not UTF-8, expected {kind} in UTF-8") from None
        if "\0" in text:
            where = f"line {number}, column {text.index(chr(0)) + 1}"
            raise InputError(f"{path}: {where}: a NUL character, expected {kind}")
        yield from _LINE.findall(text) if "\r" in text else [text]


def raw_lines(path: Path, kind: str) -> Iterator[Line]:
    """The lines of a file as bytes.

    Raises:
        InputError: It cannot be read, is of another kind, or a line is too long.
    """
    with Log.open(path) as log:
        for number, line in enumerate(log.lines(), 1):
            if number == 1:
                _check_kind(path, line.raw, kind)
            if line.digest is not None:
                raise InputError(
                    f"{path}: line {number}: longer than {MAX_BYTES:,} bytes, expected {kind}"
                )
            yield line


def _check_kind(path: Path, raw: bytes, kind: str) -> None:
    for mark, name in _KINDS.items():
        if raw.startswith(mark):
            raise InputError(f"{path}: line 1, column 1: this is {name}, expected {kind}")


@frozen
class Document:
    """A JSON value of a file.

    Attributes:
        line: The number of the line that it begins on.
        value: The value.
    """

    line: int
    value: Any


def documents(path: Path) -> Iterator[Document]:
    """The JSON values of a file: one a line, or one over all lines.

    An array counts as its members. A file with a value a line takes the memory of one line, any
    other that of the file.

    Raises:
        InputError: It cannot be read, is empty, or is not JSON; with line and column.
    """
    found = False
    with Log.open(path) as log:
        for number, line in enumerate(log.lines(), 1):
            if number == 1:
                _check_kind(path, line.raw, "JSON")
            if not line.raw.strip():
                continue
            try:
                value = _value(line)
            except MessageError as error:
                if found or error.problems[0].code not in _MAYBE_WHOLE:
                    raise _not_json(path, error, number) from None
                log.seek(0)
                yield from _whole(path, log.rest())
                return
            found = True
            yield from _members(number, value)
    if not found:
        raise InputError(f"{path}: is empty, expected JSON")


def _value(line: Line) -> Any:
    if line.digest is not None:
        raise MessageError([too_large(line.size)])
    return parse(line.raw)


def _whole(path: Path, raw: bytes) -> Iterator[Document]:
    """A file that is one value over several lines."""
    try:
        yield from _members(1, parse(raw, max_bytes=len(raw)))
    except MessageError as error:
        raise _not_json(path, error, None) from None


def _not_json(path: Path, error: MessageError, line: int | None) -> InputError:
    """What is wrong; of a file with a value a line, ``line`` is that of this value."""
    what, where = _PLACE.fullmatch(str(error)).groups()  # type: ignore[union-attr] # matches all
    if line is not None:
        column = where.partition(",")[2] if where else ""
        where = f"line {line}{f',{column}' if column else ''}"
    return InputError(f"{path}: {where}: {what}" if where else f"{path}: {what}")


def _members(line: int, value: Any) -> Iterator[Document]:
    for one in value if isinstance(value, list) else [value]:
        yield Document(line, one)
