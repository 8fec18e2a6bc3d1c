"""Layouts: how a file of another system is read. Data, in TOML (``maps/``)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from attrs import field, frozen

from lifecycle.domain.toml import parse, read_file, table_of, text_of, texts_of
from lifecycle.errors import RulesError
from lifecycle.systems.columns import Columns, Names
from lifecycle.systems.moments import Moment, read_moment

#: What a column can be for. ``id`` may be named, and is not read: a fact is known by what it says.
COLUMNS: Final = (
    *("field", "old", "new", "time", "by", "user", "source", "assignee", "reason", "id"),
    *("name", "email", "telephone", "lead_source"),
)
_NEEDED: Final = ("new", "time")
_TABLES: Final = ("name", "party", "people", "lead", "contact", "columns", "fields", "time")
#: Tables of the same file that say what changes mean: the rules read them.
_RULES: Final = ("meaning", "source", "facts")


@frozen
class Layout:
    """The columns, values and times by which the files of a source are read.

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
            RulesError: It is no layout; the message names the file, the line and the field.
        """
        return read_file(path, cls.loads)

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read a layout from TOML text; the tables of the rules in it are passed over."""
        try:
            return cls(**_attributes(parse(text)))
        except RulesError as error:
            line = _line_of(error.where, text.splitlines()) if error.where else None
            where = f"line {line}, {error.where}" if line else error.where
            raise RulesError(where, error.expected) from None

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
        """Return the moment that a text of the file names."""
        return read_moment(text, self.time_format, self.zone)


def default_text(source: str) -> str:
    """Return the layout that comes with lifecycle, as TOML with comments."""
    return (resources.files(__package__) / "maps" / f"{source}.toml").read_text("utf-8")


def _attributes(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a layout."""
    table_of("", {name: part for name, part in tables.items() if name not in _RULES}, _TABLES)
    columns = _columns("columns", table_of("columns", tables.get("columns"), COLUMNS))
    for role in _NEEDED:
        if role not in columns:
            raise RulesError("columns", f"expected a column for {role!r}, got none")
    lead = _columns("lead", tables.get("lead"))
    if not lead:
        raise RulesError("lead", "expected a scheme and its column, got none")
    time_format, zone = _times(table_of("time", tables.get("time", {}), ("format", "zone")))
    fields = table_of("fields", tables.get("fields", {}))
    return {
        "name": text_of("name", tables.get("name")),
        "party": text_of("party", tables.get("party")),
        "people": texts_of("people", tables["people"], least=1) if "people" in tables else (),
        "lead": lead,
        "contact": _columns("contact", tables.get("contact", {})),
        "columns": columns,
        "fields": {name: text_of(f"fields, {name}", one) for name, one in fields.items()},
        "time_format": time_format,
        "zone": zone,
    }


def _columns(where: str, value: object) -> Columns:
    """Return a table of names of columns."""
    table = table_of(where, value)
    if not all(name.strip() for name in table):
        raise RulesError(where, "expected a name, got an empty one")
    return {name: texts_of(f"{where}, {name}", one, least=1) for name, one in table.items()}


def _times(table: Mapping[str, Any]) -> tuple[str | None, ZoneInfo | None]:
    """Return the format and the zone of times, if they are there."""
    form, zone = (
        text_of(f"time, {name}", table[name]) if name in table else None
        for name in ("format", "zone")
    )
    try:
        if form is not None:
            sample = datetime(2026, 3, 1, tzinfo=UTC).strftime(form)
            datetime.strptime(sample, form)  # noqa: DTZ007 - nobody looks at the time
    except (ValueError, re.error) as error:
        expected = f"expected a format such as '%d.%m.%Y %H:%M', got {form!r} ({error})"
        raise RulesError("time, format", expected) from None
    try:
        return form, None if zone is None else ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        expected = f"expected a time zone such as Europe/Berlin, got {zone!r}"
        raise RulesError("time, zone", expected) from None


def _line_of(where: str, lines: Sequence[str]) -> int | None:
    """Return the line of a name in a table, else of the table, as far as that can be found."""
    table, _, name = where.rpartition(", ")
    begins = re.compile(rf"\s*\[+\s*{re.escape(table or where)}\s*\]")
    named = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=")
    start = next((at for at, line in enumerate(lines, 1) if begins.match(line)), None)
    for at, line in enumerate(lines[start or 0 :], (start or 0) + 1):
        if named.match(line):
            return at
        if start and line.lstrip().startswith("["):
            break
    return start
