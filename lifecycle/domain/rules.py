"""Rules: the table of what is allowed. Every edge is a row; the rest is made from the rows."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen

from lifecycle.domain.guards import guard_names
from lifecycle.domain.identity import Identity
from lifecycle.domain.meaning import TABLES, Meanings
from lifecycle.domain.states import RULED_TRIGGERS, STATES, State, Trigger
from lifecycle.domain.toml import choice_of, parse, read_file, table_of
from lifecycle.errors import RulesError


@frozen(cache_hash=True)
class Edge:
    """One row: from these states this trigger leads to ``target``, if the guards let it.

    Without a target the state stays as it is, and the step leaves no row in the history.

    Raises:
        RulesError: A trigger or a state is none, or nothing leads from or back to ``new``.
    """

    trigger: Trigger
    sources: tuple[State, ...]
    target: State | None = None
    guards: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        choice_of("trigger", self.trigger, RULED_TRIGGERS)
        _several_of("from", list(self.sources), STATES)
        _target("to", self.target)

    def as_row(self) -> dict[str, Any]:
        """Return the row as it stands in TOML."""
        row: dict[str, Any] = {"trigger": self.trigger, "from": list(self.sources)}
        if self.target is not None:
            row["to"] = self.target
        if self.guards:
            row["guards"] = list(self.guards)
        return row


@frozen
class Rules:
    """The rules: the table of edges, what changes of fields mean, and the identity policy.

    Rows of the same trigger and state are tried in their order; the first whose guards pass
    counts. What no row allows is refused.
    """

    name: str
    edges: tuple[Edge, ...] = field()
    identity: Identity = field(factory=Identity)
    meanings: Meanings = field(factory=Meanings.default)

    @classmethod
    def default(cls) -> Rules:
        """Return the rules of design.md section 4."""
        return cls("default", _DEFAULT)

    @classmethod
    def from_toml(cls, path: str | Path) -> Rules:
        """Read rules from a TOML file.

        It may have a ``name``, one ``[[edge]]`` a row, ``[identity]``, and what changes of fields
        mean: ``[[meaning]]``, ``[[source]]`` and ``[facts]``. The parts that it does not have are
        the default ones.

        Raises:
            InputError: The file cannot be read.
            RulesError: It is not TOML, or a row is wrong; the message names the file, the row and
                the field.
        """
        return read_file(path, cls.loads)

    @classmethod
    @lru_cache(maxsize=8)  # whoever verifies or folds again reads the same few over and over
    def loads(cls, text: str) -> Rules:
        """Read rules from TOML text."""
        table = parse(text)
        known = ("name", "edge", "identity", *TABLES)
        # The map of an import says how files are read besides, and what changes mean.
        table_of("", table, known + (_OF_FILES if "meaning" in table else ()))
        name = table.get("name", "unnamed")
        if not isinstance(name, str):
            raise RulesError("name", f"expected a text, got {name!r}")
        return cls(
            name,
            _edges(table),
            Identity.from_table(table.get("identity", {})),
            Meanings.from_tables(table),
        )

    def to_toml(self) -> str:
        """Return the rules as TOML text, defaults included, which ``loads`` reads back."""
        import tomli_w  # noqa: PLC0415 - needed for this alone, and the import stays light

        return tomli_w.dumps(
            {
                "name": self.name,
                "edge": [edge.as_row() for edge in self.edges],
                "identity": self.identity.as_table(),
                **self.meanings.as_tables(),
            }
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the rows and the policy, in hexadecimal; the name does not matter."""
        return _digest(self.edges, self.identity, self.meanings)


@lru_cache(maxsize=32)
def _digest(edges: tuple[Edge, ...], identity: Identity, meanings: Meanings) -> str:
    parts = [[edge.as_row() for edge in edges], identity.as_table(), meanings.as_tables()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _edges(table: dict[str, Any]) -> tuple[Edge, ...]:
    """Read the rows; a file that has other parts alone has the default ones."""
    rows = table.get("edge")
    if rows is None and not {"identity", *TABLES}.isdisjoint(table):
        return _DEFAULT
    if not isinstance(rows, list) or not rows:
        expected = "expected at least one [[edge]] row, or [identity] or [[meaning]] alone"
        raise RulesError("edge", expected)
    return tuple(_edge(number, row) for number, row in enumerate(rows, 1))


def _edge(number: int, row: object) -> Edge:
    where = f"edge {number}"
    table = table_of(where, row, ("trigger", "from", "to", "guards"))
    return Edge(
        trigger=choice_of(f"{where}, trigger", table.get("trigger"), RULED_TRIGGERS),
        sources=_several_of(f"{where}, from", table.get("from"), STATES),
        target=_target(f"{where}, to", table.get("to")),
        guards=_several_of(f"{where}, guards", table.get("guards", []), guard_names()),
    )


#: What a map says of how files are read.
_OF_FILES: Final = ("party", "people", "lead", "contact", "columns", "fields", "time")


def _target(where: str, value: object) -> State | None:
    if value is None:
        return None
    state: State = choice_of(where, value, STATES)
    if state == "new":
        raise RulesError(where, "nothing leads back to 'new'")
    return state


def _several_of(where: str, value: object, allowed: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list) or (not value and "from" in where):
        got = "nothing" if value is None else repr(value)
        raise RulesError(where, f"expected a list of {', '.join(allowed)}; got {got}")
    return tuple(choice_of(where, one, allowed) for one in value)


def usable(rules: object) -> Rules:
    """Return these rules, if rules they are, and every guard that they name is registered."""
    if not isinstance(rules, Rules):
        got = type(rules).__name__
        raise TypeError(f"expected Rules, got {got}: Rules.from_toml reads a file of them")
    for number, edge in enumerate(rules.edges, 1):
        for name in edge.guards:
            choice_of(f"edge {number}, guards", name, guard_names())
    return rules


def state_diagram(rules: Rules) -> str:
    """Return the states and edges, as a Mermaid ``stateDiagram-v2``; guards stand in brackets."""
    labels: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge in rules.edges:
        condition = f" [{', '.join(edge.guards)}]" if edge.guards else ""
        for source in edge.sources:
            target = edge.target or source
            stays = "" if edge.target else " (stays)"
            labels[source, target].append(f"{edge.trigger}{condition}{stays}")
    lines = ["stateDiagram-v2", "    [*] --> new"]
    lines += [
        f"    {source} --> {target}: {' / '.join(names)}"
        for (source, target), names in labels.items()
    ]
    return "\n".join(lines) + "\n"


# The default rules (design.md section 4). A rejected or retracted lead is offered again.
_DEFAULT = (
    Edge("send", ("new", "rejected", "retracted"), "sent"),
    Edge("receive", ("new", "sent"), "received"),
    Edge("assign", ("new", "sent", "received", "assigned", "rejected", "retracted"), "assigned"),
    Edge("assign", ("accepted",), "assigned", ("by_holder_or_owner",)),
    Edge("accept", ("new", "sent", "received", "assigned"), "accepted"),
    Edge("reject", ("new", "sent", "received", "assigned"), "rejected"),
    Edge("retract", ("new", "sent", "received", "assigned", "accepted"), "retracted"),
    Edge("update", ("new",), "sent"),
    Edge("update", ("sent", "received", "assigned", "accepted", "rejected", "retracted")),
)
