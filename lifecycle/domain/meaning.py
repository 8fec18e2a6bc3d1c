"""The meanings of changes of fields: data in the rules, by source (design.md section 4a).

Rows are tried from the top; the first that fits a change in the lead's own state gives its steps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, lru_cache
from importlib import resources
from typing import Any, Final, TypeAlias

from attrs import evolve, field, frozen

from lifecycle.domain.event import Party
from lifecycle.domain.fact import compared, source_name
from lifecycle.domain.names import normal_scheme
from lifecycle.domain.states import RULED_TRIGGERS, STATES, State, Trigger
from lifecycle.domain.toml import choice_of, flag_of, parse, table_of, text_of, texts_of
from lifecycle.errors import RulesError

#: The tables of a rules file that this module reads.
TABLES: Final = ("meaning", "source", "facts")
_ROW: Final = ("source", "field", "value", "state", "old", "when", "party", "trigger")
_SOURCE: Final = ("name", "people", "ids", "nobody", "party")
_FACTS: Final = ("follow", "defaults")
_WILD: Final = frozenset("*?")
#: The most values whose rows are remembered.
_MANY: Final = 4096

#: What stands before the name of a source in the default meanings.
_RULE: Final = "# " + 64 * "-"

#: Patterns of values: ``*`` stands for any text, ``?`` for any character.
Globs: TypeAlias = tuple[str, ...]


@lru_cache(maxsize=1024)
def _compiled(globs: Globs) -> re.Pattern[str]:
    """Return one pattern of values in their compared form; it takes linear time."""
    return re.compile("|".join(f"(?:{_pattern(glob)})" for glob in globs), re.DOTALL)


def _pattern(glob: str) -> str:
    if _WILD.isdisjoint(glob):
        return re.escape(compared(glob))
    first, *parts = [_part(part) for part in glob.split("*")]
    if not parts:
        return first
    middle = "".join(f"(?>.*?{part})" for part in parts[:-1])
    return f"{first}{middle}.*{parts[-1]}"


def _part(text: str) -> str:
    """Return the pattern of a text without ``*``, in which ``?`` is any character."""
    folded = re.sub(r"[\s_]+", " ", text).lower()
    return "".join("." if char == "?" else re.escape(char) for char in folded)


def matches(globs: Globs, value: str) -> bool:
    """Return whether a value in compared form fits one of these patterns."""
    return _compiled(globs).fullmatch(value) is not None


@frozen
class Meaning:
    """One row: changes of these fields to these values, in these states, are these steps.

    Attributes:
        source: The system, in compared form.
        fields: The fields, as written.
        values: Patterns of the new value; None for any, the empty one too.
        states: The lead's states; None for any.
        old: Patterns of the value before; None for any.
        when: By other field, patterns of its value after the moment.
        holder_only: Whether it does not fit where the record's agent is not the holder.
        triggers: The steps; the last is what the row means. None: no concern of the lead's.
    """

    source: str
    fields: tuple[str, ...]
    triggers: tuple[Trigger, ...]
    values: Globs | None = None
    states: tuple[State, ...] | None = None
    old: Globs | None = None
    when: tuple[tuple[str, Globs], ...] = ()
    holder_only: bool = False

    def as_row(self) -> dict[str, Any]:
        """Return the row as it stands in TOML."""
        row: dict[str, Any] = {"source": self.source, "field": _short(self.fields)}
        for name, part in (("value", self.values), ("state", self.states), ("old", self.old)):
            if part is not None:
                row[name] = list(part) if name == "state" else _short(part)
        if self.when:
            row["when"] = {name: _short(globs) for name, globs in self.when}
        if self.holder_only:
            row["party"] = "holder"
        row["trigger"] = self.triggers[0] if len(self.triggers) == 1 else list(self.triggers)
        return row


@frozen(slots=False)
class Source:
    """A system whose changes are read.

    Attributes:
        name: In compared form.
        people: The fields that name who has the lead.
        ids: Patterns of the values of these fields that are ids; any other value is a name.
        nobody: Patterns of the values of these fields that are no person's, such as a queue's.
        party: The scheme of people's ids, for changes that state no recipient.
    """

    name: str
    people: tuple[str, ...] = ()
    ids: Globs = ()
    nobody: Globs = ()
    party: str = ""

    @cached_property
    def people_fields(self) -> frozenset[str]:
        """The fields that name who has the lead, in compared form."""
        return frozenset(map(source_name, self.people))

    def is_id(self, value: str) -> bool:
        """Return whether a value of such a field is an id."""
        return bool(self.ids) and matches(self.ids, compared(value))

    def person(self, value: str) -> Party | None:
        """Return who a value of such a field names; None where that is nobody."""
        if not value or (self.nobody and matches(self.nobody, compared(value))):
            return None
        return Party(f"{normal_scheme(self.party)}:{value}" if self.party else value)

    def as_row(self) -> dict[str, Any]:
        """Return the source as it stands in TOML."""
        parts = {name: list(getattr(self, name)) for name in ("people", "ids", "nobody")}
        row: dict[str, Any] = {"name": self.name, **parts, "party": self.party}
        return {name: part for name, part in row.items() if part}


@frozen(cache_hash=True)
class Meanings:
    """The meanings of changes: the rows, the sources, and which sources may move leads.

    Attributes:
        follow: Only these sources move leads; empty for all.
    """

    rows: tuple[Meaning, ...] = ()
    sources: tuple[Source, ...] = ()
    follow: tuple[str, ...] = ()
    _by_field: dict[tuple[str, str], list[tuple[int, Meaning]]] = field(
        init=False, repr=False, eq=False, factory=dict
    )
    _by_name: dict[str, Source] = field(init=False, repr=False, eq=False, factory=dict)
    _by_value: dict[tuple[str, str, str], tuple[tuple[int, Meaning], ...]] = field(
        init=False, repr=False, eq=False, factory=dict
    )

    def __attrs_post_init__(self) -> None:
        self._by_name.update((one.name, one) for one in self.sources)
        for number, row in enumerate(self.rows):
            for name in dict.fromkeys(map(source_name, row.fields)):
                self._by_field.setdefault((row.source, name), []).append((number, row))

    def source(self, name: str) -> Source:
        """Return a source by its name in compared form."""
        return self._by_name.get(name) or Source(name)

    def names_field(self, source: str, name: str) -> bool:
        """Return whether some row names this field of this source."""
        return (source_name(source), source_name(name)) in self._by_field

    def fitting(self, source: str, name: str, value: str) -> tuple[tuple[int, Meaning], ...]:
        """Return the rows, each with its number, that name a field and fit a new value.

        All three are in compared form.
        """
        key = (source, name, value)
        try:
            return self._by_value[key]
        except KeyError:
            rows = tuple(
                (number, row)
                for number, row in self._by_field.get((source, name), ())
                if row.values is None or matches(row.values, value)
            )
        if len(self._by_value) >= _MANY:
            self._by_value.clear()
        self._by_value[key] = rows
        return rows

    def moves(self, source: str) -> bool:
        """Return whether facts of this source may move leads."""
        return not self.follow or source in self.follow

    def of_source(self, source: str) -> tuple[object, ...]:
        """Return what these meanings say of one source, to be compared."""
        rows = tuple(row for row in self.rows if row.source == source)
        return (rows, self.source(source), self.moves(source))

    def with_source(self, other: Meanings, source: str) -> Meanings:
        """Return these meanings with what others say of one source."""
        rows = [one for one in self.rows if one.source != source]
        sources = [one for one in self.sources if one.name != source]
        rows += [one for one in other.rows if one.source == source]
        told = [one for one in other.sources if one.name == source]
        sources += told or [one for one in self.sources if one.name == source]
        return evolve(self, rows=tuple(rows), sources=tuple(sources))

    def as_tables(self) -> dict[str, Any]:
        """Return the meanings as they stand in TOML, expanded: defaults are part of them."""
        facts: dict[str, Any] = {"defaults": False}
        if self.follow:
            facts["follow"] = list(self.follow)
        rows = {
            "source": [one.as_row() for one in self.sources],
            "meaning": [row.as_row() for row in self.rows],
        }
        return {"facts": facts} | {name: some for name, some in rows.items() if some}

    @classmethod
    def default(cls) -> Meanings:
        """Return the meanings that come with lifecycle: of Salesforce, HubSpot and Genesys."""
        return _default()

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Meanings:
        """Read meanings from the tables ``meaning``, ``source`` and ``facts`` of a rules file.

        A source that they do not name has the default rows, unless ``[facts]`` says
        ``defaults = false``. In a file that tells how files of a source are read, too, ``people``
        are the fields of people of the source that ``name`` names.

        Raises:
            RulesError: Something in them is not as it must be; the message names the row.
        """
        facts = table_of("facts", tables.get("facts", {}), _FACTS)
        defaults = flag_of("facts, defaults", facts.get("defaults", True))
        own = cls(
            tuple(_rows("meaning", tables, _meaning)),
            (*_rows("source", tables, _source), *_source_of_files(tables)),
            tuple(map(source_name, texts_of("facts, follow", facts.get("follow", [])))),
        )
        return own.completed() if defaults else own

    def completed(self) -> Meanings:
        """Return these meanings with the default ones of the sources that they do not name."""
        default = _default()
        rows, sources = list(self.rows), list(self.sources)
        ruled = {one.source for one in rows}
        told = {one.name for one in sources}
        rows += [one for one in default.rows if one.source not in ruled]
        sources += [one for one in default.sources if one.name not in told]
        return evolve(self, rows=tuple(rows), sources=tuple(sources))


def default_text(source: str | None = None) -> str:
    """Return the default meanings as TOML with comments; of one source alone, where it is given."""
    text = (resources.files(__package__) / "meanings.toml").read_text("utf-8")
    if source is None:
        return text
    head, *parts = text.split(_RULE)
    return head + _RULE + next(part for part in parts if part.startswith(f" {source}\n"))


@cache
def _default() -> Meanings:
    tables = parse(default_text())
    return Meanings.from_tables(tables | {"facts": {"defaults": False}})


def _source_of_files(tables: Mapping[str, Any]) -> Iterator[Source]:
    """Yield the source whose files a map reads, where it names fields of people and no more."""
    name, people = tables.get("name"), tables.get("people")
    if not isinstance(name, str) or not people or "meaning" not in tables:
        return
    named = [row.get("name") for row in tables.get("source", []) if isinstance(row, dict)]
    if source_name(name) not in {"salesforce", "hubspot", *map(source_name, filter(None, named))}:
        party = tables.get("party", "")
        scheme = party if isinstance(party, str) else ""
        yield Source(source_name(name), texts_of("people", people), party=scheme)


def _rows(name: str, tables: Mapping[str, Any], read: Any) -> Iterator[Any]:
    rows = tables.get(name, [])
    if not isinstance(rows, list):
        raise RulesError(name, f"expected [[{name}]] rows, got {rows!r}")
    for number, row in enumerate(rows, 1):
        yield read(f"{name} {number}", row)


def _meaning(where: str, row: object) -> Meaning:
    table = table_of(where, row, _ROW)
    when = table_of(f"{where}, when", table.get("when", {}))
    choice_of(f"{where}, party", table.get("party", "holder"), ("holder",))
    return Meaning(
        source=source_name(text_of(f"{where}, source", table.get("source"))),
        fields=texts_of(f"{where}, field", table.get("field"), least=1),
        triggers=_each(f"{where}, trigger", table.get("trigger"), RULED_TRIGGERS),
        values=_globs(where, table, "value"),
        states=_each(f"{where}, state", table["state"], STATES, least=1)
        if "state" in table
        else None,
        old=_globs(where, table, "old"),
        when=tuple((name, _globs(f"{where}, when", when, name) or ()) for name in when),
        holder_only="party" in table,
    )


def _source(where: str, row: object) -> Source:
    table = table_of(where, row, _SOURCE)
    return Source(
        name=source_name(text_of(f"{where}, name", table.get("name"))),
        people=texts_of(f"{where}, people", table.get("people", [])),
        ids=texts_of(f"{where}, ids", table.get("ids", [])),
        nobody=texts_of(f"{where}, nobody", table.get("nobody", [])),
        party=text_of(f"{where}, party", table["party"]) if "party" in table else "",
    )


def _globs(where: str, table: Mapping[str, Any], name: str) -> Globs | None:
    return texts_of(f"{where}, {name}", table[name], least=1) if name in table else None


def _each(where: str, value: object, allowed: tuple[Any, ...], *, least: int = 0) -> Any:
    """Read one of these, or a list of some."""
    several = value if isinstance(value, list) else [value]
    if not least <= len(several) <= len(allowed):
        expected = f"expected {least} to {len(allowed)} of {', '.join(allowed)}"
        raise RulesError(where, f"{expected}; got {len(several)}")
    return tuple(choice_of(where, one, allowed) for one in several)


def _short(texts: tuple[str, ...]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else list(texts)
