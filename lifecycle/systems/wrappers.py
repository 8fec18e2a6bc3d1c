"""Wrappers around records: answers of an API, lines of Singer and Airbyte, channels of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import evolve, frozen

from lifecycle.errors import MessageError
from lifecycle.messages.parse import parse
from lifecycle.systems.entries import Entry
from lifecycle.systems.files import LARGEST
from lifecycle.systems.writer import FactWriter

_RECORD: Final = "RECORD"
_AIRBYTE_DATA: Final = "_airbyte_data"
#: Lines of Singer and Airbyte that are no records, each with the member that it has.
_OTHER_LINES: Final[Mapping[str | None, tuple[str, ...]]] = {
    "SCHEMA": ("schema",),
    "STATE": ("value", "state"),
    "ACTIVATE_VERSION": ("version",),
    "BATCH": ("manifest",),
    "LOG": ("log",),
    "TRACE": ("trace",),
    "CONTROL": ("control",),
}
#: The members of answers that hold the records, by source, and where they are inside.
_LISTS: Final[Mapping[str, tuple[str, ...]]] = {
    "salesforce": ("records", "result.records"),
    "hubspot": ("results", "contacts"),
}
#: Where a change event is inside its channel.
_EVENTS: Final = ("data.payload", "payload", "detail.payload", "data")
_EVENT: Final = "ChangeEventHeader"
#: What the names of streams contain that are about leads.
_STREAMS: Final[Mapping[str, tuple[str, ...]]] = {
    "salesforce": ("lead",),
    "hubspot": ("contact", "lead"),
}


@frozen
class Unwrapper:
    """Unwraps the records of one source, and keeps what their wrappers say."""

    _source: str
    _writer: FactWriter

    def records(self, entry: Entry) -> Iterator[Entry]:
        """Return the records in an entry: itself, if it is no wrapper."""
        line = _text_at(entry.value, "type")
        if line == _RECORD and isinstance(entry.value.get("record"), dict):
            yield from self.records(_of_stream(entry))
        elif any(member in entry.value for member in _OTHER_LINES.get(line, ())):
            self._writer.tally.records += 1
            self._writer.leave_out(f"{line} line")
        elif _AIRBYTE_DATA in entry.value:
            yield from self.records(_of_airbyte(entry))
        else:
            yield from self._answered(entry)

    def is_wrapper(self, head: Entry) -> bool:
        """Return whether the records of a table are inside its cells."""
        return _AIRBYTE_DATA in head.value

    def is_about_leads(self, entry: Entry) -> bool:
        """Return whether the wrapper of an entry says that it is about a lead, or nothing."""
        parts = _STREAMS.get(self._source)
        stream = (entry.stream or "").casefold()
        return not stream or parts is None or any(part in stream for part in parts)

    def _answered(self, entry: Entry) -> Iterator[Entry]:
        for path in _LISTS.get(self._source, ()):
            records = _at(entry.value, path)
            if isinstance(records, list):
                self._note_rest(entry)
                for number, record in enumerate(records):
                    inner = entry.inner(record, f"{path}[{number}]")
                    yield evolve(inner, stream=_text_at(record, "attributes.type") or inner.stream)
                return
        if self._source not in _LISTS:
            yield entry
            return
        if problem := _failure(entry.value):
            raise entry.error(f"this is an error that the API answered ({problem}), no records")
        for path in _EVENTS:
            event = _at(entry.value, path)
            if isinstance(event, dict) and _EVENT in event:
                yield entry.inner(event, path)
                return
        yield entry

    def _note_rest(self, entry: Entry) -> None:
        """Keep what an answer says of records that are not in it."""
        value = entry.value
        inner = value.get("result")
        answer = inner if isinstance(inner, dict) else value
        if (
            answer.get("done") is False
            or answer.get("nextRecordsUrl")
            or value.get("has-more") is True
            or _at(value, "paging.next")
        ):
            self._say(entry, "more records follow on a next page: import it, too")
        errors = value.get("errors")
        count = value.get("numErrors") or (len(errors) if isinstance(errors, list) else 0)
        if count:
            self._say(entry, f"the API could not read {count} of the objects: ask for them again")

    def _say(self, entry: Entry, sentence: str) -> None:
        where = entry.where + f", {entry.path}" * bool(entry.path)
        self._writer.say_incomplete(f"{entry.file}: {where}: {sentence}")


def _of_stream(line: Entry) -> Entry:
    """Return the record in a line of Singer or Airbyte."""
    record = line.inner(line.value["record"], "record", _text_at(line.value, "stream"))
    if record.stream is None:
        # Airbyte has the name of the stream inside.
        data = record.value.get("data")
        record = record.inner(data, "data", _text_at(record.value, "stream"))
    return record


def _of_airbyte(entry: Entry) -> Entry:
    """Return the record in a row of a raw table of Airbyte, which may be JSON text."""
    data = entry.value[_AIRBYTE_DATA]
    if isinstance(data, str):
        try:
            data = parse(data.encode(), max_bytes=LARGEST)
        except MessageError as error:
            raise entry.error(str(error), _AIRBYTE_DATA) from None
    return evolve(entry, table=None).inner(data, _AIRBYTE_DATA)


def _failure(value: Mapping[str, Any]) -> str | None:
    """Return what an API says that went wrong."""
    status, message = value.get("status"), value.get("message")
    has_failed = "errorCode" in value or status == "error" or (type(status) is int and status != 0)
    if not has_failed or not isinstance(message, str):
        return None
    code = value.get("errorCode") or value.get("category") or value.get("name")
    return f"{code}: {message:.200}" if code else f"{message:.200}"


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _text_at(value: Any, path: str) -> str | None:
    text = _at(value, path)
    return text if isinstance(text, str) else None
