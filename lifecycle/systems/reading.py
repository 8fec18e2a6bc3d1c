"""A reading: files of a source, read to their end, and the facts that they say.

What is wrong with a file is known before a store is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self

import orjson
from attrs import define, field

from lifecycle.errors import InputError
from lifecycle.systems import genesys, hubspot, rows, salesforce
from lifecycle.systems.columns import plain
from lifecycle.systems.entries import Entry, read_entries
from lifecycle.systems.kinds import Kind, Recognizer
from lifecycle.systems.layout import Layout
from lifecycle.systems.message import Message
from lifecycle.systems.rows import SourceReader
from lifecycle.systems.spool import Record, Spool
from lifecycle.systems.tally import Tally
from lifecycle.systems.wrappers import Unwrapper
from lifecycle.systems.writer import FactWriter

_GENESYS: Final = "genesys"
_SOURCES: Final[dict[str, tuple[Kind, ...]]] = {
    "salesforce": salesforce.KINDS,
    "hubspot": hubspot.KINDS,
    "csv": rows.KINDS,
}
#: How each kind of file is recognised, by source and name.
KINDS: Final[dict[str, dict[str, str]]] = {
    **{source: {kind.name: kind.sentence for kind in own} for source, own in _SOURCES.items()},
    _GENESYS: genesys.KINDS,
}


class Fact(NamedTuple):
    """One line of a file: the message as JSON text, and where it is from."""

    text: bytes
    file: Path
    line: int

    @property
    def message(self) -> Message:
        """The message."""
        message: Message = orjson.loads(self.text)
        return message


@define
class Reading:
    """Files of one source that were read.

    Attributes:
        source: The source: salesforce, hubspot, genesys, or the layout's own name.
        files: The files.
        layout: How they were read.
        kinds: Which kind of file was recognised, by file; of several kinds all names.
        tally: What became of the records.
        incomplete: What the files say themselves that they lack, as sentences.
    """

    source: str
    files: tuple[Path, ...]
    layout: Layout
    kinds: dict[Path, str] = field(factory=dict)
    tally: Tally = field(factory=Tally)
    incomplete: list[str] = field(factory=list)
    _spool: Spool = field(factory=Spool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was read."""
        self._spool.close()

    def facts(self) -> Iterator[Fact]:
        """Return the facts, lead by lead, each in the order of time."""
        for _, file, line, text in self._spool.rows():
            yield Fact(text, self.files[file], line)

    def take(self, records: Iterator[Record], file: int) -> None:
        """Take in the facts of a file, which is known by its number."""
        self._spool.fill(records, file)


_READERS: Final[dict[str, Callable[[FactWriter], SourceReader]]] = {
    "salesforce": salesforce.Salesforce,
    "hubspot": hubspot.HubSpot,
    "csv": SourceReader,
}


def read_files(
    source: str,
    files: Sequence[Path],
    *,
    layout: Layout | None = None,
    kind: str | None = None,
    names_field: Callable[[str, str], bool] = lambda _, __: True,
    received_at: int | None = None,
) -> Reading:
    """Read files of one source; each is recognised by its own fields.

    Args:
        source: ``salesforce``, ``hubspot``, ``genesys`` or ``csv``.
        files: The files; ``-`` is standard input.
        layout: How they are read, where that is not as the source's default says.
        kind: The kind of all files, instead of the one that is recognised.
        names_field: Whether a meaning names this field of this source; records of other fields are
            left out.
        received_at: The time of records that state none, in microseconds since 1970 in UTC.

    Raises:
        InputError: A file cannot be read or recognised, or a record is not as it must be.
    """
    layout = layout or Layout.default(source)
    if kind is not None and kind not in KINDS[source]:
        known = ", ".join(KINDS[source])
        raise InputError(f"unknown kind {kind!r}, expected one of {known}")
    name = layout.name if source == "csv" else source
    reading = Reading(name, tuple(files), layout)
    try:
        if source == _GENESYS:
            _read_genesys(reading, received_at)
        else:
            _FileReader(source, reading, names_field, kind).read()
    except BaseException:
        reading.close()
        raise
    return reading


def _in_order(source: str, kinds: Collection[str]) -> str:
    """Return the kinds that a file has, in the order in which they are declared."""
    return ", ".join(kind for kind in KINDS[source] if kind in kinds)


def _read_genesys(reading: Reading, received_at: int | None) -> None:
    """Read records of Genesys, each of which tells its kind itself."""
    for number, path in enumerate(reading.files):
        kinds: dict[str, None] = {}
        reading.take(genesys.read_records(path, received_at, reading.tally, kinds), number)
        reading.kinds[path] = _in_order(_GENESYS, kinds)


class _FileReader:
    """Reads the files of a source into a reading."""

    def __init__(
        self,
        source: str,
        reading: Reading,
        names_field: Callable[[str, str], bool],
        kind: str | None,
    ) -> None:
        self._source = source
        self._reading = reading
        self._writer = FactWriter(
            reading.source, reading.layout, reading.tally, reading.incomplete, names_field
        )
        self._reader = _READERS[source](self._writer)
        self._kinds = Recognizer(_SOURCES[source], reading.layout, kind)
        self._unwrapper = Unwrapper(source, self._writer)

    def read(self) -> None:
        """Read all files."""
        for number, path in enumerate(self._reading.files):
            self._reading.take(self._records(path), number)
        self._reading.tally.absent += self._reader.rows.absent()

    def _records(self, path: Path) -> Iterator[Record]:
        """Return the facts of a file, and note of which kinds it is."""
        entries, head = read_entries(path)
        if head is not None and not self._unwrapper.is_wrapper(head):
            kind = self._kind_of_table(head)
            self._reading.kinds[path] = kind.name
            for row in entries:
                yield from kind.read(self._reader, row)
            self._note_unread(head)
            return
        names: set[str] = set()
        for wrapped in entries:
            for entry in self._unwrapper.records(wrapped):
                found = self._kind_of(entry)
                if found is not None:
                    names.add(found.name)
                    yield from found.read(self._reader, entry)
        self._reading.kinds[path] = _in_order(self._source, names)

    def _note_unread(self, head: Entry) -> None:
        """Keep the columns of a table that nothing was read from; a row's own id is none."""
        tally, columns = self._reading.tally, self._reading.layout.columns
        known = {"id", *(plain(name) for names in columns.values() for name in names)}
        unread = head.table.unread() if head.table is not None else ()
        tally.unread += [
            name for name in unread if plain(name) not in known and name not in tally.unread
        ]

    def _kind_of_table(self, head: Entry) -> Kind:
        """Return the kind of a table, whether it has rows or not."""
        kind = self._kinds.kind_of(head)
        if kind is None:
            raise self._kinds.unknown(head)
        if kind.needs_layout:
            self._reader.rows.check_head(head)
        return kind

    def _kind_of(self, entry: Entry) -> Kind | None:
        """Return the kind of an entry; None where its wrapper says that it is about no lead."""
        kind = self._kinds.kind_of(entry)
        if kind is not None and self._unwrapper.is_about_leads(entry):
            return kind
        if entry.stream is None:
            raise self._kinds.unknown(entry)
        self._reading.tally.records += 1
        self._writer.leave_out(f"records of {entry.stream}")
        return None
