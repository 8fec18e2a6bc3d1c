"""``import hubspot``: the history of properties, as HubSpot's API gives it or as a table.

The API (``propertiesWithHistory``) gives for each property its versions: value, timestamp,
sourceType, sourceId. A table, or a list, has the same as columns, with the object's id and the
name of the property.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final

from lifecycle.errors import TimeFormatError
from lifecycle.systems.changes import messages_of
from lifecycle.systems.documents import Document, documents
from lifecycle.systems.files import raw_lines
from lifecycle.systems.mapping import Mapping as ValueMapping
from lifecycle.systems.mapping import Names
from lifecycle.systems.message import Party, derived_id, lead_message
from lifecycle.systems.source import Made, Recall, Source, Tally
from lifecycle.systems.spool import Record, Spool
from lifecycle.systems.table import changes

_HISTORY: Final = "propertiesWithHistory"
_USER: Final = "userId:"


def read_hubspot(path: Path, *, mapping: ValueMapping | None = None) -> Source:
    """Read a history of properties: JSON as the API gives it, JSON Lines, or CSV.

    Raises:
        InputError: The file cannot be read, or a part is not as it must be.
    """
    mapping = mapping or ValueMapping.default("hubspot")
    tally, spool = Tally(), Spool()
    try:
        head, lines = _opened(path)
        if head[:1] in (b"{", b"["):
            spool.fill(_Histories(path, mapping, tally).records(lines))
        else:
            spool.fill(changes(path, mapping, tally, _tidy, lines))
    except BaseException:
        spool.close()
        raise
    return Source(path, tally, spool, partial(_messages, mapping))


def _opened(path: Path) -> tuple[bytes, Iterator[bytes]]:
    """The first line that is not blank, and all lines."""
    lines = raw_lines(path, "JSON or a CSV file")
    seen = []
    for raw in lines:
        seen.append(raw)
        if raw.strip():
            break
    return (seen[-1].strip() if seen else b""), chain(seen, lines)


def _tidy(change: dict[str, Any], cells: Mapping[str, str]) -> None:
    change["by"] = _by(cells.get("source", ""), cells.get("by", ""))


def _by(source_type: str, source_id: str) -> Party | None:
    """Who set a value: a user, or what acted for nobody in particular."""
    if source_id.startswith(_USER):
        return {
            "type": "Person",
            "identifier": {"hubspotUserId": source_id.removeprefix(_USER)},
        }
    name = ":".join(part for part in (source_type, source_id) if part)
    if not name:
        return None
    return {"type": "SoftwareApplication", "identifier": {"hubspotSource": name}}


class _Histories:
    """The objects of a file, or the rows of a list."""

    def __init__(self, path: Path, mapping: ValueMapping, tally: Tally) -> None:
        self._path = path
        self._mapping = mapping
        self._tally = tally

    def records(self, lines: Iterator[bytes]) -> Iterator[Record]:
        """What each says, in the order of the file."""
        for document in documents(self._path, lines):
            value = document.value
            several = value.get("results") if isinstance(value, dict) else None
            if not isinstance(several, list):
                yield from self._of(document)
                continue
            for number, one in enumerate(several):
                path = f"{document.path}.results[{number}]".lstrip(".")
                yield from self._of(Document(document.line, path, one))

    def _of(self, document: Document) -> Iterator[Record]:
        value = document.value
        if not isinstance(value, dict):
            raise document.error(self._path, "expected an object of HubSpot")
        if _HISTORY not in value:
            yield from self._row(document)
            return
        lead = self._lead(document)
        histories = value[_HISTORY]
        if not isinstance(histories, dict):
            raise document.error(self._path, "expected an object", _HISTORY)
        for name, versions in histories.items():
            path = f"{_HISTORY}.{name}"
            if not isinstance(versions, list):
                raise document.error(self._path, "expected an array of versions", path)
            # The newest comes first: of equal times, too.
            for number, version in reversed(list(enumerate(versions))):
                where = f"{path}[{number}]"
                if not isinstance(version, dict):
                    raise document.error(self._path, "expected a version: value, timestamp", where)
                yield from self._version(document, lead, name, version, where)
        yield from self._now(lead, document)

    def _row(self, document: Document) -> Iterator[Record]:
        """A version that stands by itself, with the object's id and the property's name."""
        columns = self._mapping.columns
        name = self._text(document, document.value, columns.get("field", ()), "")
        if not name:
            names = " or ".join(columns.get("field", ()))
            raise document.error(self._path, f"expected {_HISTORY}, or a property as {names}")
        yield from self._version(document, self._lead(document), name, document.value, "")

    def _version(
        self, document: Document, lead: dict[str, str], name: str, version: Any, path: str
    ) -> Iterator[Record]:
        self._tally.records += 1
        name = self._mapping.fields.get(name, name)
        if not self._mapping.speaks_of(name):
            self._tally.left_out[f"field {name}"] += 1
            return
        columns = self._mapping.columns
        new = self._text(document, version, columns["new"], path)
        time = self._time(document, version, columns["time"], path)
        source = self._text(document, version, columns.get("source", ()), path)
        by = self._text(document, version, columns.get("by", ()), path)
        change = {"lead": lead, "field": name, "new": new, "by": _by(source, by)}
        yield Record(_name(lead), time, document.line, change)

    def _now(self, lead: dict[str, str], document: Document) -> Iterator[Record]:
        """How the object is now: its contact, as far as the export has it."""
        value = document.value
        properties = value.get("properties")
        if not isinstance(properties, dict) or "updatedAt" not in value:
            return
        parts = (properties.get("firstname"), properties.get("lastname"))
        contact = {
            "name": " ".join(part for part in parts if isinstance(part, str) and part),
            "email": properties.get("email"),
            "telephone": properties.get("phone"),
        }
        if known := {name: part for name, part in contact.items() if part}:
            self._tally.records += 1
            time = self._time(document, value, ("updatedAt",), "")
            yield Record(_name(lead), time, document.line, {"lead": lead, "is": known})

    def _lead(self, document: Document) -> dict[str, str]:
        found = {
            scheme: self._text(document, document.value, names, "")
            for scheme, names in self._mapping.lead.items()
        }
        lead = {scheme: text for scheme, text in found.items() if text}
        if next(iter(found)) not in lead:
            names = next(iter(self._mapping.lead.values()))
            raise document.error(self._path, f"expected the object's id as {' or '.join(names)}")
        return lead

    def _text(self, document: Document, value: dict[str, Any], names: Names, path: str) -> str:
        """The first of these properties that is there; an empty text when none is."""
        for name in names:
            part = value.get(name)
            if isinstance(part, str):
                return part.strip()
            if isinstance(part, (int, float)) and not isinstance(part, bool):
                return str(part)
            if part is not None:
                raise document.error(self._path, "expected a text", f"{path}.{name}".lstrip("."))
        return ""

    def _time(self, document: Document, value: dict[str, Any], names: Names, path: str) -> int:
        text = self._text(document, value, names, path)
        try:
            return self._mapping.moment(text)
        except TimeFormatError as error:
            where = f"{path}.{names[0]}".lstrip(".")
            raise document.error(self._path, str(error), where) from None


def _name(lead: dict[str, str]) -> str:
    return ":".join(next(iter(lead.items())))


def _messages(
    mapping: ValueMapping, records: list[Record], recall: Recall, tally: Tally
) -> Iterator[Made]:
    yield from messages_of(
        mapping, [one for one in records if "is" not in one.content], recall, tally
    )
    for record in records:
        if "is" in record.content:
            tally.told += 1
            lead, contact = record.content["lead"], record.content["is"]
            identity = derived_id(mapping.name, (record.time, lead, contact))
            message = lead_message(
                "update", event_id=identity, time=record.time, lead=lead, contact=contact
            )
            yield Made(message, record.line)
