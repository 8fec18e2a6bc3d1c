"""Mappings: what a value in another system means to a lead. Data, in TOML (``maps/``)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, TypeAlias
from zoneinfo import ZoneInfo

from attrs import field, frozen

from lifecycle.domain import RULED_TRIGGERS, Trigger
from lifecycle.errors import InputError, MappingError, TimeFormatError
from lifecycle.messages import parse_time

#: What a column can be for.
COLUMNS: Final = (
    "field",
    "old",
    "new",
    "time",
    "by",
    "source",
    "assignee",
    "reason",
    "id",
    "name",
    "email",
    "telephone",
)
_NEEDED: Final = ("new", "time")
_TABLES: Final = ("name", "party", "people", "lead", "contact", "columns", "fields", "time", "map")
_ROW: Final = ("field", "value", "after", "when", "trigger")

# Of the years 2001 to 5138: a day such as 20260302 and seconds since 1970 have fewer digits.
_MILLISECONDS: Final = re.compile(r"[1-9]\d{11,13}", re.ASCII)

#: Names of columns: of several the first that is there.
Names: TypeAlias = tuple[str, ...]
#: Columns by what they are for, or by the scheme that their values are keys of.
Columns: TypeAlias = MappingOf[str, Names]


_NO_VALUES: Final[MappingOf[str, str]] = MappingProxyType({})


@frozen
class MapRow:
    """One row of a mapping: a change to these values, from these, is this trigger.

    ``field`` is None for all fields, ``after`` for all values before; ``when`` has the values that
    other fields must have.
    """

    field: str | None
    value: re.Pattern[str]
    after: re.Pattern[str] | None
    when: MappingOf[str, re.Pattern[str]]
    trigger: Trigger

    def fits(self, name: str, new: str, before: str, values: MappingOf[str, str]) -> bool:
        """Whether this change is one of those."""
        return (
            (self.field is None or self.field == name)
            and self.value.fullmatch(new) is not None
            and (self.after is None or self.after.fullmatch(before) is not None)
            and all(one.fullmatch(values.get(other, "")) for other, one in self.when.items())
        )


@frozen
class Mapping:
    """What the columns of a file hold, and what a change of a value means to a lead.

    Attributes:
        name: Of the system.
        party: The scheme of the ids of people who are named by anything but a URI.
        people: The fields whose values are people.
        lead: Columns of the lead's keys, by scheme.
        contact: Columns of its contact's keys, by scheme.
        columns: Columns by what they are for, one of COLUMNS.
        fields: What fields are called that have other names in some files.
        rows: The first that fits decides.
        time_format: As ``datetime.strptime`` takes it; None for RFC 3339.
        zone: Of times without an offset.
    """

    name: str
    party: str
    people: Names
    lead: Columns
    contact: Columns
    columns: Columns
    fields: MappingOf[str, str]
    rows: tuple[MapRow, ...] = field(repr=False)
    time_format: str | None = None
    zone: ZoneInfo = field(factory=lambda: ZoneInfo("UTC"))

    @classmethod
    def default(cls, system: str) -> Self:
        """The mapping that comes with lifecycle: of salesforce, hubspot, or to begin a csv with."""
        return cls.loads(default_text(system))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
        """Read a mapping from a TOML file.

        Raises:
            InputError: The file cannot be read.
            MappingError: It is no mapping; the message names the file, the line and the field.
        """
        try:
            text = Path(path).read_text("utf-8-sig")
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise MappingError(str(path), "is not UTF-8 text, expected a mapping in TOML") from None
        try:
            return cls.loads(text)
        except MappingError as error:
            raise MappingError(f"{path}: {error.where}".rstrip(": "), error.expected) from None

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read a mapping from TOML text.

        Raises:
            MappingError: As ``from_toml`` does.
        """
        try:
            table = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise MappingError("", f"not valid TOML: {error}") from None
        except RecursionError:
            raise MappingError("", "nested too deep, expected a mapping") from None
        reader = _Reader(text.splitlines())
        reader.known("", table, _TABLES)
        columns = reader.columns("columns", table.get("columns"), COLUMNS)
        for role in _NEEDED:
            if role not in columns:
                raise MappingError("columns", f"expected a column for {role!r}, got none")
        lead = reader.columns("lead", table.get("lead"))
        if not lead:
            raise MappingError("lead", "expected a scheme and its column, got none")
        rows = table.get("map")
        if not isinstance(rows, list) or not rows:
            raise MappingError("map", "expected at least one [[map]] row")
        times = reader.table("time", table.get("time", {}))
        reader.known("time", times, ("format", "zone"))
        return cls(
            name=reader.text("name", table.get("name")),
            party=reader.text("party", table.get("party")),
            people=reader.texts("people", table["people"]) if "people" in table else (),
            lead=lead,
            contact=reader.columns("contact", table.get("contact", {})),
            columns=columns,
            fields=reader.names("fields", table.get("fields", {})),
            rows=tuple(reader.row(number, row) for number, row in enumerate(rows, 1)),
            time_format=reader.time_format(times.get("format")),
            zone=reader.zone(times.get("zone", "UTC")),
        )

    def trigger(
        self, name: str, new: str, before: str, values: MappingOf[str, str] = _NO_VALUES
    ) -> Trigger | None:
        """What a change of this field means, where fields have these values; None: nobody said."""
        for row in self.rows:
            if row.fits(name, new, before, values):
                return row.trigger
        return None

    @property
    def looks_around(self) -> bool:
        """Whether what a change means depends on the values of other fields."""
        return any(row.when for row in self.rows)

    def speaks_of(self, name: str) -> bool:
        """Whether a row is for this field: changes of any other are none of theirs."""
        return any(row.field in (None, name) for row in self.rows)

    def moment(self, text: str) -> int:
        """A time of the file in microseconds since 1970 in UTC.

        Without a format of their own times are in RFC 3339, or milliseconds since 1970.

        Raises:
            TimeFormatError: It is none, or of another format.
        """
        if self.time_format is None:
            if _MILLISECONDS.fullmatch(text):
                return int(text) * 1000
            found = parse_time(text)
            return found.micros if found.has_offset else _in_zone(found.micros, self.zone)
        try:
            moment = datetime.strptime(text, self.time_format)  # noqa: DTZ007 - the zone follows
            return _micros(moment, self.zone)
        except (ValueError, OverflowError):
            expected = f"expected a time as {self.time_format!r}, got {text[:40]!r}"
            raise TimeFormatError(expected) from None


def default_text(system: str) -> str:
    """The mapping that comes with lifecycle, as TOML with comments."""
    return (resources.files(__package__) / "maps" / f"{system}.toml").read_text("utf-8")


def _in_zone(micros: int, zone: ZoneInfo) -> int:
    """A time that was taken for one of UTC, and is one of this zone."""
    if zone.key == "UTC":
        return micros
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
        return _micros(moment.replace(tzinfo=None), zone)
    except OverflowError:
        raise TimeFormatError("no such time in that time zone") from None


def _micros(moment: datetime, zone: ZoneInfo) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=zone)
    return parse_time(aware.isoformat()).micros


@frozen
class _Reader:
    """Reads the parts of a mapping, and says on which line of its text one is wrong."""

    lines: list[str]

    def row(self, number: int, row: Any) -> MapRow:
        where = f"map {number}"
        self.known(where, self.table(where, row), _ROW)
        trigger = row.get("trigger")
        if trigger not in RULED_TRIGGERS:
            got = "nothing" if trigger is None else f"the unknown trigger {trigger!r}"
            expected = f"expected one of {', '.join(RULED_TRIGGERS)}; got {got}"
            raise self.error(f"{where}, trigger", expected)
        name = row.get("field")
        if "value" not in row:
            raise self.error(f"{where}, value", "expected a text or several, got nothing")
        return MapRow(
            field=None if name is None else self.text(f"{where}, field", name),
            value=_pattern(self.texts(f"{where}, value", row["value"])),
            after=_pattern(self.texts(f"{where}, after", row["after"])) if "after" in row else None,
            when={
                other: _pattern(texts)
                for other, texts in self.columns(f"{where}, when", row.get("when", {})).items()
            },
            trigger=trigger,
        )

    def columns(self, where: str, value: Any, known: Sequence[str] | None = None) -> Columns:
        """A table of names of columns."""
        table = self.table(where, value)
        if known is not None:
            self.known(where, table, known)
        if not all(name.strip() for name in table):
            raise self.error(where, "expected a name, got an empty one")
        return {name: self.texts(f"{where}, {name}", one) for name, one in table.items()}

    def known(self, where: str, table: MappingOf[str, Any], known: Sequence[str]) -> None:
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

    def names(self, where: str, value: Any) -> dict[str, str]:
        table = self.table(where, value)
        return {name: self.text(f"{where}, {name}", one) for name, one in table.items()}

    def time_format(self, value: Any) -> str | None:
        if value is None:
            return None
        form = self.text("time, format", value)
        try:
            datetime.strptime(datetime(2026, 3, 1, tzinfo=UTC).strftime(form), form)  # noqa: DTZ007
        except (ValueError, re.error) as error:
            expected = f"expected a format such as '%d.%m.%Y %H:%M', got {form!r} ({error})"
            raise self.error("time, format", expected) from None
        return form

    def zone(self, value: Any) -> ZoneInfo:
        try:
            return ZoneInfo(self.text("time, zone", value))
        except (KeyError, ValueError, OSError):
            expected = f"expected a time zone such as Europe/Berlin, got {value!r}"
            raise self.error("time, zone", expected) from None

    def error(self, where: str, expected: str) -> MappingError:
        """What is wrong, with the line that it stands on, as far as it can be found."""
        table, _, name = where.rpartition(", ")
        line = self._line(table or where, name)
        return MappingError(f"line {line}, {where}" if line else where, expected)

    def _line(self, table: str, name: str) -> int | None:
        """The line of a name in a table, which is called ``map 3`` where there are several."""
        heading, _, number = table.partition(" ")
        begins = re.compile(rf"\s*\[+\s*{re.escape(heading)}\s*\]")
        starts = [at for at, line in enumerate(self.lines) if begins.match(line)]
        start = starts[int(number or 1) - 1] if len(starts) >= int(number or 1) else None
        named = re.compile(rf"\s*[\"']?{re.escape(name or table)}[\"']?\s*=")
        for at, line in enumerate(self.lines[start + 1 if start is not None else 0 :]):
            if named.match(line):
                return at + 1 + (start + 1 if start is not None else 0)
            if start is not None and line.lstrip().startswith("["):
                break
        return None if start is None else start + 1


@lru_cache(maxsize=1000)
def _pattern(texts: Names) -> re.Pattern[str]:
    """These texts, in which ``*`` stands for anything."""
    return re.compile("|".join(f"(?:{_glob(text)})" for text in texts), re.DOTALL)


def _glob(text: str) -> str:
    """Each part is found where it comes first, and never looked for again (as fnmatch does)."""
    first, *parts = map(re.escape, text.split("*"))
    if not parts:
        return first
    middle = "".join(f"(?>.*?{part})" for part in parts[:-1])
    return f"{first}{middle}.*{parts[-1]}"


def _got(value: Any) -> str:
    return "nothing" if value is None else repr(value)
