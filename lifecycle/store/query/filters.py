"""The leads that are asked for, and their order: one declaration for commands, calls and pages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from lifecycle.domain import STATES, Lead, Party, State, compared, normal_scheme
from lifecycle.errors import ArgumentError
from lifecycle.store.db.rows import STATE_NUMBER

#: How the value of a filter is read: a state, a text, `NAME=VALUE`, a time, a time span before now.
FilterKind: TypeAlias = Literal["state", "text", "pair", "time", "age"]


@frozen
class FilterOption:
    """A filter as people give it.

    Attributes:
        name: Its name; a command has ``-`` for ``_``.
        kind: How its value is read.
        meaning: Which leads it leaves.
        attribute: The attribute of LeadFilter that it sets.
    """

    name: str
    kind: FilterKind
    meaning: str
    attribute: str


#: What a command, a call and a page offer.
FILTERS: Final = (
    FilterOption("state", "state", "Only those in this state.", "state"),
    FilterOption("holder", "text", "Only those held by this party, as lists show it.", "holder"),
    FilterOption("owner", "text", "Only those owned by this party.", "owner"),
    FilterOption("source", "text", "Only those that came from there (leadSource).", "source"),
    FilterOption("system", "text", "Only those of which this system told field changes.", "system"),
    FilterOption("field", "pair", "Only those with this value in another system.", "field"),
    FilterOption("since", "time", "Only those in their state since this time or later.", "since"),
    FilterOption("older_than", "age", "Only those in their state for longer than this.", "until"),
)
_SHOWN: Final = (
    "replace(replace(replace(replace(replace(lower(uri), 'https://', ''), 'http://', ''),"
    " '/profile/card#me', ''), '#me', ''), '/profile/card', '')"
)
_PARTIES: Final = (
    f"(SELECT id FROM party WHERE ?1 IN (lower(uri), lower(name), {_SHOWN}) AND ?1 <> '')"
)
#: The place of a value in a condition.
_NUMBER: Final = re.compile(r"\?(\d)")
_TEXTS: Final = ("lead_id", "keys", "coalesce(contact, '')")
_HAS_SYSTEM: Final = (
    "EXISTS (SELECT 1 FROM json_each(memory, '$[0]') AS said"
    " WHERE json_extract(said.value, '$[0]') = ?1)"
)
_HAS_FIELD: Final = (
    "EXISTS (SELECT 1 FROM json_each(memory, '$[2]') AS said WHERE json_extract(said.value, '$[2]')"
    " = ?1 AND ?2 IN (json_extract(said.value, '$[1]'),"
    " json_extract(said.value, '$[0]') || '.' || json_extract(said.value, '$[1]')))"
)


@frozen
class LeadFilter:
    """A selection of leads; what is None is not asked.

    Attributes:
        state: Those in this state.
        holder: Those held by this party: a URI, a name, or the short form that lists show.
        owner: Those owned by this party.
        since: Those that came into their state at this time or later, microseconds since 1970.
        text: Those with this text in a name, or in what is known of their contact. Letters of
            ASCII compare without case, here and in parties and sources.
        source: Those that came from there.
        system: Those of which this other system told field changes.
        field: Those whose field in another system has this value: a name, or ``system.name``.
        until: Those that came into their state before this time.
    """

    state: State | None = None
    holder: str | None = None
    owner: str | None = None
    since: int | None = None
    text: str | None = None
    source: str | None = None
    system: str | None = None
    field: tuple[str, str] | None = None
    until: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.state not in (None, *STATES):
            raise ArgumentError(f"expected one of {', '.join(STATES)}; got {self.state!r}")

    def conditions(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield conditions in SQL on a lead's row, each with its values, which are ?1 and ?2."""
        if self.state is not None:
            yield "state = ?1", (STATE_NUMBER[self.state],)
        for name in ("holder", "owner"):
            if (party := getattr(self, name)) is not None:
                yield f"{name} IN {_PARTIES}", (_lower(party),)
        if self.since is not None:
            yield "since >= ?1", (self.since,)
        if self.until is not None:
            yield "since < ?1", (self.until,)
        if self.text is not None:
            some = " OR ".join(f"instr(lower({column}), ?1)" for column in _TEXTS)
            yield f"({some})", (_lower(self.text),)
        if self.source is not None:
            yield "lower(source) = ?1", (_lower(self.source),)
        if self.system is not None:
            yield _HAS_SYSTEM, (normal_scheme(self.system),)
        if self.field is not None:
            name, value = self.field
            yield _HAS_FIELD, (compared(value), normal_scheme(name))

    def where(self) -> tuple[str, list[Any]]:
        """Return all conditions as one, with their values in its order."""
        parts, values = ["true"], list[Any]()
        for condition, some in self.conditions():
            parts.append(_renumbered(condition, len(values)))
            values += some
        return " AND ".join(parts), values

    def matches(self, lead: Lead) -> bool:
        """Return whether a lead is one of these, as the conditions say of its row."""
        since = lead.since_micros
        return (
            self.state in (None, lead.state)
            and (self.holder is None or _is_party(lead.holder, self.holder))
            and (self.owner is None or _is_party(lead.owner, self.owner))
            and (self.since is None or (since is not None and since >= self.since))
            and (self.until is None or (since is not None and since < self.until))
            and (self.text is None or any(_lower(self.text) in text for text in _texts(lead)))
            and (self.source is None or _lower(lead.source or "\0") == _lower(self.source))
            and (self.system is None or normal_scheme(self.system) in lead.systems)
            and (self.field is None or _has_field(lead, *self.field))
        )


def _renumbered(condition: str, before: int) -> str:
    """Return a condition whose values stand behind so many others."""
    return _NUMBER.sub(lambda mark: f"?{before + int(mark[1])}", condition)


EVERY_LEAD: Final = LeadFilter()


def _party(column: str) -> str:
    return f"(SELECT coalesce(nullif(uri, ''), name) FROM party WHERE id = lead.{column})"


def _party_text(party: Party | None) -> str | None:
    return None if party is None else str(party)


#: What a list may be sorted by: an expression in SQL, and the same of a lead.
_SORTS: Final[Mapping[str, tuple[str, Callable[[Lead], Any]]]] = {
    "lead_id": ("lead_id", lambda lead: lead.lead_id),
    "state": ("state", lambda lead: STATE_NUMBER[lead.state]),
    "since": ("since", lambda lead: lead.since_micros),
    "holder": (_party("holder"), lambda lead: _party_text(lead.holder)),
    "owner": (_party("owner"), lambda lead: _party_text(lead.owner)),
    "source": ("source", lambda lead: lead.source),
    "events": ("events", lambda lead: lead.events),
    "refusals": ("refusals", lambda lead: lead.refusals),
}
#: What a list may be sorted by; a ``-`` before it turns the order round.
SORTS: Final = tuple(_SORTS)
BY_NAME: Final = "lead_id"


def order_by(sort: str) -> str:
    """Return the order of a list in SQL: nothing comes last, equal ones by name."""
    expression, _ = _sort(sort)
    direction = "DESC" if sort.startswith("-") else "ASC"
    return f"{expression} IS NULL, {expression} {direction}, lead_id, id"


def in_order(leads: Iterable[Lead], sort: str) -> list[Lead]:
    """Return leads in the order of a list, as ``order_by`` has it."""
    _, value_of = _sort(sort)
    by_name = sorted(leads, key=lambda lead: lead.lead_id)
    known = [lead for lead in by_name if value_of(lead) is not None]
    known.sort(key=value_of, reverse=sort.startswith("-"))
    return known + [lead for lead in by_name if value_of(lead) is None]


def _sort(sort: str) -> tuple[str, Callable[[Lead], Any]]:
    name = sort.removeprefix("-")
    if name not in _SORTS:
        raise ArgumentError(f"expected one of {', '.join(SORTS)} to sort by; got {sort!r:.80}")
    return _SORTS[name]


def _lower(text: str) -> str:
    """Return a text without the case of ASCII's letters, as SQLite has it."""
    return text.encode("utf-8", "replace").lower().decode()


def _is_party(party: Party | None, text: str) -> bool:
    if party is None or not text:
        return False
    uri, name = _lower(party.id or ""), _lower(party.name or "")
    shown = uri
    for common in ("https://", "http://", "/profile/card#me", "#me", "/profile/card"):
        shown = shown.replace(common, "")
    return _lower(text) in (uri, name, shown)


def _texts(lead: Lead) -> Iterator[str]:
    yield _lower(lead.lead_id)
    yield from (_lower(text) for key in lead.keys for text in key)
    contact = (lead.contact.name, lead.contact.email, lead.contact.telephone)
    yield from (_lower(part) for part in contact if part)


def _has_field(lead: Lead, name: str, value: str) -> bool:
    name, value = normal_scheme(name), compared(value)
    return any(
        compared(written) == value and name in (field, f"{system}.{field}")
        for system, fields in lead.fields.items()
        for field, written in fields.items()
    )
