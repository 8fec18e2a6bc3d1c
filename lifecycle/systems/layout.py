"""Layouts: how a file of another system is read. Data, in TOML (``maps/``)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from attrs import field, frozen

from lifecycle.errors import InputError, MappingError
from lifecycle.systems.columns import Columns, Names
from lifecycle.systems.moments import Moment, read_moment

#: What a column can be for. ``id`` may be named, and is not read: a fact is known by what it says.
COLUMNS: Final = (
    *("field", "old", "new", "time", "by", "user", "source", "assignee", "reason", "id"),
    *("name", "email", "telephone"),
)
_NEEDED: Final = ("new", "time")
_TABLES: Final = ("name", "party", "people", "lead", "contact", "columns", "fields", "time")
#: Tables of the same file that say what changes mean: the rules read them.
_RULES: Final = ("meaning", "source", "facts")


@frozen
class Layout:
    """How the files of a source are read.

    Attributes:
        name: The source's name in messages.
        party: The scheme of the ids of people who are named by anything but a URI.
        people: The fields whose values are people.
        lead: Columns of the lead's keys, by scheme.
        contact: Columns of its contact's keys, by scheme.
        columns: Columns by what they are for, one of COLUMNS.
        fields: The API's names of fields that have other names in some files.
        time_format: As ``datetime.strptime`` takes it; None for RFC 3339.
        zone: The time zone of times without an offset; None if nobody said.
    """

    name: str
    party: str = ""
    people: Names = ()
    lead: Columns = field(factory=dict)
    contact: Columns = field(factory=dict)
    columns: Columns = field(factory=dict)
    fields: Mapping[str, str] = field(factory=dict)
    time_format: str | None = None
    zone: ZoneInfo | None = None

    @classmethod
    def default(cls, source: str) -> Self:
        """Return the layout that comes with lifecycle: of a source, or to begin a csv with."""
        # Records of Genesys have one form: nothing of it is to be configured.
        return cls(source) if source == "genesys" else cls.loads(default_text(source))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a layout from a TOML file.

        Raises:
            InputError: The file cannot be read.
            MappingError: It is no layout; the message names the file, the line and the field.
        """
        try:
            text = Path(path).read_text("utf-8-sig")
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise MappingError(str(path), "is not UTF-8 text, expected a layout in TOML") from None
        try:
            return cls.loads(text)
        except MappingError as error:
            raise MappingError(f"{path}: {error.where}".rstrip(": "), error.expected) from None

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read a layout from TOML text; the tables of the rules in it are passed over.

        Raises:
            MappingError: It is no layout; the message names the line and the field.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise MappingError("", f"not valid TOML: {error}") from None
        except RecursionError:
            raise MappingError("", "nested too deep, expected a layout") from None
        return cls(**_Reader(text.splitlines()).layout(table))

    @property
    def scheme(self) -> str:
        """The scheme of the lead's first key."""
        return next(iter(self.lead))

    @property
    def needs(self) -> dict[str, Names]:
        """The names of the columns that rows of changes must have, by what they are for."""
        roles = [role for role in ("field", *_NEEDED) if role in self.columns]
        return {"lead": self.lead[self.scheme], **{role: self.columns[role] for role in roles}}

    def moment(self, text: str) -> Moment:
        """Return the moment that a text of the file names.

        Raises:
            TimeFormatError: It is none, or exists twice or not at all in the time zone.
        """
        return read_moment(text, self.time_format, self.zone)


def default_text(source: str) -> str:
    """Return the layout that comes with lifecycle, as TOML with comments."""
    return (resources.files(__package__) / "maps" / f"{source}.toml").read_text("utf-8")


@frozen
class _Reader:
    """Reads the parts of a layout, and says on which line of its text one is wrong."""

    lines: list[str]

    def layout(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return the layout's attributes."""
        self.known("", {name: part for name, part in table.items() if name not in _RULES}, _TABLES)
        columns = self.columns("columns", table.get("columns"), COLUMNS)
        for role in _NEEDED:
            if role not in columns:
                raise MappingError("columns", f"expected a column for {role!r}, got none")
        lead = self.columns("lead", table.get("lead"))
        if not lead:
            raise MappingError("lead", "expected a scheme and its column, got none")
        time_format, zone = self.times(self.table("time", table.get("time", {})))
        fields = self.table("fields", table.get("fields", {}))
        return {
            "name": self.text("name", table.get("name")),
            "party": self.text("party", table.get("party")),
            "people": self.texts("people", table["people"]) if "people" in table else (),
            "lead": lead,
            "contact": self.columns("contact", table.get("contact", {})),
            "columns": columns,
            "fields": {name: self.text(f"fields, {name}", one) for name, one in fields.items()},
            "time_format": time_format,
            "zone": zone,
        }

    def columns(self, where: str, value: Any, known: Sequence[str] | None = None) -> Columns:
        """Return a table of names of columns."""
        table = self.table(where, value)
        if known is not None:
            self.known(where, table, known)
        if not all(name.strip() for name in table):
            raise self.error(where, "expected a name, got an empty one")
        return {name: self.texts(f"{where}, {name}", one) for name, one in table.items()}

    def known(self, where: str, table: Mapping[str, Any], known: Sequence[str]) -> None:
        for name in table:
            if name not in known:
                place = f"{where}, {name}" if where else name
                raise self.error(place, f"unknown field; expected one of {', '.join(known)}")

    def table(self, where: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise self.error(where, f"expected a table, got {_got(value)}")
        return value

    def text(self, where: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise self.error(where, f"expected a text, got {_got(value)}")
        return value

    def texts(self, where: str, value: Any) -> Names:
        several = value if isinstance(value, list) else [value]
        if not several or not all(isinstance(one, str) for one in several):
            raise self.error(where, f"expected a text or several, got {_got(value)}")
        return tuple(several)

    def times(self, table: Mapping[str, Any]) -> tuple[str | None, ZoneInfo | None]:
        """Return the format and the zone of times, if they are there."""
        self.known("time", table, ("format", "zone"))
        form, zone = (
            self.text(f"time, {name}", table[name]) if name in table else None
            for name in ("format", "zone")
        )
        try:
            if form is not None:
                sample = datetime(2026, 3, 1, tzinfo=UTC).strftime(form)
                datetime.strptime(sample, form)  # noqa: DTZ007 - nobody looks at the time
        except (ValueError, re.error) as error:
            expected = f"expected a format such as '%d.%m.%Y %H:%M', got {form!r} ({error})"
            raise self.error("time, format", expected) from None
        try:
            return form, None if zone is None else ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            expected = f"expected a time zone such as Europe/Berlin, got {zone!r}"
            raise self.error("time, zone", expected) from None

    def error(self, where: str, expected: str) -> MappingError:
        """Return the error with the line that it stands on, as far as that can be found."""
        table, _, name = where.rpartition(", ")
        line = self._line(table or where, name)
        return MappingError(f"line {line}, {where}" if line else where, expected)

    def _line(self, table: str, name: str) -> int | None:
        """Return the line of a name in a table, else of the table."""
        begins = re.compile(rf"\s*\[+\s*{re.escape(table)}\s*\]")
        named = re.compile(rf"\s*[\"']?{re.escape(name or table)}[\"']?\s*=")
        start = next((at for at, line in enumerate(self.lines, 1) if begins.match(line)), None)
        for at, line in enumerate(self.lines[start or 0 :], (start or 0) + 1):
            if named.match(line):
                return at
            if start and line.lstrip().startswith("["):
                break
        return start


def _got(value: Any) -> str:
    return "nothing" if value is None else repr(value)
