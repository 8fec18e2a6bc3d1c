"""``import hubspot``: the history of properties, as HubSpot's API gives it or as a table.

The API (``propertiesWithHistory``) gives for each property its versions: value, timestamp,
sourceType, sourceId. A table, or a list, has the same as columns, with the object's id and the
name of the property.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from lifecycle.errors import InputError, TimeFormatError
from lifecycle.replay import Log
from lifecycle.systems.changes import messages_of
from lifecycle.systems.files import Document, documents
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
        if _is_json(path):
            spool.fill(_Histories(path, mapping, tally).records())
        else:
            spool.fill(changes(path, mapping, tally, _tidy))
    except BaseException:
        spool.close()
        raise
    return Source(path, tally, spool, partial(_messages, mapping))


def _is_json(path: Path) -> bool:
    with Log.open(path) as log:
        first = next(log.lines(), None)
    return first is not None and first.raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in b"{["


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

    def records(self) -> Iterator[Record]:
        """What each says, in the order of the file."""
        for document in documents(self._path):
            value = document.value
            several = value.get("results") if isinstance(value, dict) else None
            for one in several if isinstance(several, list) else [value]:
                yield from self._of(Document(document.line, one))

    def _of(self, document: Document) -> Iterator[Record]:
        value, line = document.value, document.line
        if not isinstance(value, dict):
            raise self._error(line, "", "expected an object of HubSpot, got something else")
        if _HISTORY not in value:
            columns = self._mapping.columns
            name = self._text(value, columns["field"], line, "") if "field" in columns else ""
            yield from self._version(self._lead(value, line), name, value, line, "")
            return
        lead = self._lead(value, line)
        histories = value[_HISTORY]
        if not isinstance(histories, dict):
            raise self._error(line, _HISTORY, "expected an object")
        for name, versions in histories.items():
            path = f"{_HISTORY}.{name}"
            if not isinstance(versions, list):
                raise self._error(line, path, "expected an array of versions")
            for number, version in enumerate(versions):
                yield from self._version(lead, name, version, line, f"{path}[{number}]")
        yield from self._now(lead, value, line)

    def _version(
        self, lead: dict[str, str], name: str, version: Any, line: int, path: str
    ) -> Iterator[Record]:
        if not isinstance(version, dict):
            raise self._error(line, path, "expected a version: value, timestamp")
        self._tally.records += 1
        if self._mapping.names_all_fields and name not in self._mapping.fields:
            self._tally.left_out[f"field {name}"] += 1
            return
        columns = self._mapping.columns
        new = self._text(version, columns["new"], line, path)
        time = self._time(version, columns["time"], line, path)
        source = self._text(version, columns.get("source", ()), line, path)
        by = self._text(version, columns.get("by", ()), line, path)
        change = {"lead": lead, "field": name, "new": new, "by": _by(source, by)}
        yield Record(_name(lead), time, line, change)

    def _now(self, lead: dict[str, str], value: dict[str, Any], line: int) -> Iterator[Record]:
        """How the object is now: its contact, as far as the export has it."""
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
            time = self._time(value, ("updatedAt",), line, "")
            yield Record(_name(lead), time, line, {"lead": lead, "is": known})

    def _lead(self, value: dict[str, Any], line: int) -> dict[str, str]:
        found = {
            scheme: self._text(value, names, line, "")
            for scheme, names in self._mapping.lead.items()
        }
        lead = {scheme: text for scheme, text in found.items() if text}
        if not lead:
            names = next(iter(self._mapping.lead.values()))
            raise self._error(line, "", f"expected the object's id as {' or '.join(names)}")
        return lead

    def _text(self, value: dict[str, Any], names: Names, line: int, path: str) -> str:
        """The first of these properties that is there; an empty text when none is."""
        for name in names:
            part = value.get(name)
            if isinstance(part, str):
                return part.strip()
            if isinstance(part, (int, float)) and not isinstance(part, bool):
                return str(part)
            if part is not None:
                raise self._error(line, f"{path}.{name}".lstrip("."), "expected a text")
        return ""

    def _time(self, value: dict[str, Any], names: Names, line: int, path: str) -> int:
        text = self._text(value, names, line, path)
        try:
            return self._mapping.moment(text)
        except TimeFormatError as error:
            raise self._error(line, f"{path}.{names[0]}".lstrip("."), str(error)) from None

    def _error(self, line: int, path: str, expected: str) -> InputError:
        where = f"line {line}, {path}" if path else f"line {line}"
        return InputError(f"{self._path}: {where}: {expected}")


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
