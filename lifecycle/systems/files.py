"""Files of other systems, line by line: of which kind they are, and whether they are text.

A byte order mark of UTF-8, gzip, and line ends of any kind are read as they come: nothing is lost
by it. Everything else that is not as it must be is an InputError that names file, line and column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lifecycle.errors import InputError
from lifecycle.replay import STANDARD_INPUT, Log

#: The longest line, and the largest file that is one value. Memory holds it twice as it is read.
LARGEST: Final = 256 * 1024 * 1024
_BOM: Final = b"\xef\xbb\xbf"
# Some systems end their lines with a carriage return alone.
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_ENDS: Final = re.compile(rb"\r\n|\r|\n")


def raw_lines(path: Path, kind: str) -> Iterator[bytes]:
    """Yield the lines of a file with their ends; `-` is standard input."""
    with Log.standard_input() if str(path) == STANDARD_INPUT else Log.open(path) as log:
        log.check_kind(str(path), kind)
        number = 0
        while raw := log.readline(LARGEST + 1):
            number += 1
            if number == 1:
                raw = raw.removeprefix(_BOM)
            if len(raw) > LARGEST:
                raise too_long(path, f"line {number}")
            yield raw


def too_long(path: Path, what: str) -> InputError:
    """Return an error for a line, or a file, that would not fit in memory."""
    return InputError(f"{path}: {what}: longer than {LARGEST:,} bytes, expected one record a line")


def text_lines(path: Path, lines: Iterator[bytes], kind: str) -> Iterator[str]:
    """Yield lines of bytes as text in UTF-8."""
    number = 0
    for raw in lines:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            where = place(raw, error.start, number)
            raise InputError(
                f"{path}: {where}: not UTF-8, expected {kind} in UTF-8 (save it so)"
            ) from None
        if "\0" in text:
            where = place(raw, raw.index(b"\0"), number)
            raise InputError(f"{path}: {where}: a NUL character, expected {kind}")
        some = _LINE.findall(text) if "\r" in text else [text]
        number += len(some)
        yield from some


def place(raw: bytes, offset: int, before: int = 0) -> str:
    """Return the line and the column of a byte; ``before`` is the number of the line before."""
    ends = list(_ENDS.finditer(raw, 0, offset))
    begin = ends[-1].end() if ends else 0
    return f"line {before + len(ends) + 1}, column {offset - begin + 1}"
