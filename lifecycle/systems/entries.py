"""Entries: the records of a file, be they rows of a table or objects in JSON.

A part that is not as it must be is an InputError, which names the file, the line and the part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from attrs import define, evolve

from lifecycle.errors import ArgumentError, InputError
from lifecycle.systems.columns import Columns, Names, flatten
from lifecycle.systems.documents import Document, documents
from lifecycle.systems.files import raw_lines
from lifecycle.systems.layout import Layout
from lifecycle.systems.moments import Moment
from lifecycle.systems.tables import Table


@define
class Entry:
    """A record of a file: the row of a ``table``, or an object at a ``path`` in the JSON of a line.

    ``stream`` is the kind of object that a wrapper says it is; ``is_whole`` that the file is one
    JSON value over several lines.
    """

    file: Path
    line: int
    value: Mapping[str, Any]
    path: str = ""
    table: Table | None = None
    stream: str | None = None
    is_whole: bool = False

    @property
    def where(self) -> str:
        """The line, or that it is the file's one document."""
        return Document(self.line, self.path, None, self.is_whole).where

    def inner(self, value: Any, path: str, stream: str | None = None) -> Entry:
        """Return an object inside this one as an entry."""
        if not isinstance(value, dict):
            raise self.error("expected an object", path)
        whole = f"{self.path}.{path}" if self.path else path
        return evolve(self, value=value, path=whole, table=None, stream=stream or self.stream)

    def flat(self) -> Entry:
        """Return the entry with the members of its objects as members of its own."""
        value = flatten(self.value)
        return self if value is self.value else evolve(self, value=value)

    def error(self, expected: str, name: str = "") -> InputError:
        """Return what is wrong with the record, or with one of its members, as one sentence."""
        if self.table is not None:
            column = f", column {name!r}" if name else ""
            return InputError(f"{self.file}: line {self.line}{column}: {expected}")
        document = Document(self.line, self.path, None, self.is_whole)
        return document.error(self.file, expected, name)

    def missing(self, names: Names) -> InputError:
        """Return that a member with one of these names must be there."""
        if self.table is not None:
            return self.table.missing(names)
        return self.error(f"expected {' or '.join(map(repr, names))}, got nothing")

    def must(self, columns: Mapping[str, str], role: str, names: Columns) -> str:
        """Return the record's column for something, of those that a finder found."""
        if role not in columns:
            raise self.missing(names[role])
        return columns[role]

    def filled(self, columns: Mapping[str, str], role: str, names: Columns) -> str:
        """Return a member that must be there and not be empty, such as an id."""
        column = self.must(columns, role, names)
        value = self.text(column)
        if not value:
            raise self.error("expected a value, got nothing", column)
        return value

    def text(self, name: str) -> str:
        """Return a member as text: null is empty, a whole number has no fraction."""
        value = self.value[name]
        if self.table is not None:
            self.table.read.add(name)
        if type(value) is str:
            return value.strip()
        text = to_text(value)
        if text is None:
            raise self.error("expected a text", name)
        return text

    def texts(self, name: str) -> list[str]:
        """Return a member that is an array of ids."""
        value = self.value[name]
        ids = [to_text(one) for one in value] if isinstance(value, list) else []
        texts = [one for one in ids if one]
        if not texts or len(texts) < len(ids):
            raise self.error("expected an array of ids", name)
        return texts

    def moment(self, name: str, layout: Layout) -> Moment:
        """Return a member that is a time."""
        try:
            return layout.moment(self.text(name))
        except ArgumentError as error:
            raise self.error(str(error), name) from None


def to_text(value: Any) -> str | None:
    """Return a JSON value as text; None for an object or an array."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value).strip() if isinstance(value, (str, int)) else None


def read_entries(path: Path) -> tuple[Iterator[Entry], Entry | None]:
    """Return the entries of a file, and the header of one that is a table.

    Raises:
        InputError: The file cannot be read.
    """
    lines = raw_lines(path, "JSON or a CSV file")
    seen = []
    for raw in lines:
        seen.append(raw)
        if raw.strip():
            break
    lines = chain(seen, lines)
    if seen and seen[-1].lstrip()[:1] in (b"{", b"["):
        return _objects(path, lines), None
    table = Table(path, lines)
    rows = (Entry(path, line, cells, table=table) for line, cells in table.rows())
    return rows, Entry(path, table.line, dict.fromkeys(table.columns, ""), table=table)


def _objects(path: Path, lines: Iterator[bytes]) -> Iterator[Entry]:
    for document in documents(path, lines):
        if not isinstance(document.value, dict):
            raise document.error(path, "expected an object")
        yield Entry(path, document.line, document.value, document.path, is_whole=document.is_whole)
