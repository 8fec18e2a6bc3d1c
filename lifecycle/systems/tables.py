"""CSV files with a header, read strictly."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from lifecycle.errors import InputError
from lifecycle.systems.files import text_lines
from lifecycle.text import counted, short

_KIND: Final = "a CSV file"
_DELIMITERS: Final = ",;\t"
# What tells Excel how columns are parted.
_SEPARATOR: Final = re.compile(r"(?i:sep)=.?")


class Table:
    """A CSV file with a header; the delimiter is a comma, a semicolon or a tab.

    ``read`` has the columns of which a cell was asked for.

    Raises:
        InputError: The file cannot be read, or has no header.
    """

    def __init__(self, path: Path, lines: Iterator[bytes]) -> None:
        self.path = path
        self.read: set[str] = set()
        texts = text_lines(path, lines, _KIND)
        head, self._blank = "", 0
        for head in texts:
            if head.strip() and not _SEPARATOR.fullmatch(head.strip()):
                break
            self._blank += 1
        if not head.strip():
            raise InputError(f"{path}: is empty, expected a CSV file with a header")
        delimiter = max(_DELIMITERS, key=head.count)
        self._reader = csv.reader(chain([head], texts), delimiter=delimiter, strict=True)
        line = self.line = self._line()
        self.columns = [name.strip() for name in self._next(line) or ()]
        named = [name.casefold() for name in self.columns if name]
        if len(set(named)) < len(named):
            raise InputError(f"{path}: line {line}: two columns have the same name")

    def rows(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Return the rows that hold something: the line each begins on, and its cells.

        Lines of one cell behind a blank one are what reports end with, and no rows.
        """
        line, blank = self._line(), False
        while (cells := self._next(line)) is not None:
            if blank and len(cells) == 1 < len(self.columns):
                cells = []
            blank = not any(cells)
            if not blank:
                if len(cells) != len(self.columns):
                    what = f"expected {counted(len(self.columns), 'column')}, got {len(cells)}"
                    raise InputError(f"{self.path}: line {line}: {what}")
                yield line, dict(zip(self.columns, cells, strict=True))
            line = self._line()

    def unread(self) -> list[str]:
        """Return the columns of which no cell was asked for."""
        return [name for name in self.columns if name and name not in self.read]

    def missing(self, names: Sequence[str]) -> InputError:
        """Return that none of these names is that of a column, as one sentence."""
        expected = " or ".join(repr(name) for name in names)
        found = short(", ".join(repr(name) for name in self.columns if name))
        return InputError(
            f"{self.path}: line {self.line}: expected a column {expected}, found {found}"
        )

    def _line(self) -> int:
        """Return the line that the next row begins on."""
        return self._blank + self._reader.line_num + 1

    def _next(self, line: int) -> list[str] | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            raise InputError(f"{self.path}: line {line}: not valid CSV: {error}") from None
