"""The schema of a store beside that of a new one; tables of other tools are nobody's business.

A trigger or a view can change what is written and what is read, so none but ours may concern our
tables. Tables, views and triggers of other tools that keep to themselves are let be. Nothing is
selected from a view: it may have no end.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final, NamedTuple

from sqlite_utils import Database

from lifecycle.domain import Rules
from lifecycle.errors import RulesError
from lifecycle.store.db.schema import APPLICATION_ID, migrations
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import time_words, words

#: Tables whose rows are the same in every store.
_FIXED: Final = (
    *("dictionary", "outcome_name", "severity", "state_name", "trigger_name", "verdict_name"),
)
_OBJECTS: Final = "SELECT type, name, tbl_name, sql FROM {schema} ORDER BY type, name"
_TOUCHES: Final = (
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_UPDATE,
)
#: What sqlite-utils and SQLite make for themselves: their text may differ between versions.
_THEIRS: Final = ("_sqlite_migrations", "sqlite_")
#: A view that stands for more of others than this is not compiled, which could take for ever.
_MOST_VIEWS: Final = 100


class _Object(NamedTuple):
    type: str
    name: str
    table: str
    sql: str | None

    @property
    def where(self) -> str:
        return f"{self.type} {self.name}"


class Schema:
    """The check of the schema, of what is fixed in it, and of the rules that were in force.

    Attributes:
        checked: How many tables, indices and views were compared.
        is_ours: Whether every table, index and view is as lifecycle makes it, so that the tables
            can be read.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._views: dict[str, str] = {}
        self._sizes: dict[str, int] = {}
        self.checked = 0
        self.is_ours = False

    def check(self) -> Iterator[Defect]:
        """Yield everything that is not as in a new store."""
        with closing(new_store(":memory:")) as new:
            ours = _objects(new)
            self.checked = len(ours)
            foreign = list(self._compare(ours))
            yield from foreign
            yield from self._strangers(ours)
            if foreign:
                return
            self.is_ours = True
            yield from self._identity(new)
            for table in _FIXED:
                yield from self._rows(new, table)
        yield from self._rules()

    def _identity(self, new: sqlite3.Connection) -> Iterator[Defect]:
        found = self._connection.execute("PRAGMA application_id").fetchone()[0]
        if found != APPLICATION_ID:
            yield _defect("application_id", words(found), f"expected {APPLICATION_ID}")
        select = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'lifecycle' ORDER BY 1"
        wanted, there = (
            ", ".join(str(name) for (name,) in connection.execute(select))
            for connection in (new, self._connection)
        )
        if wanted != there:
            yield _defect("migrations", there or "none", f"expected {wanted}")

    def _compare(self, ours: list[_Object]) -> Iterator[Defect]:
        there = {(one.type, one.name): one for one in _objects(self._connection)}
        for one in ours:
            found = there.get((one.type, one.name))
            if found is None:
                yield _defect(one.where, "missing", "expected as lifecycle makes it")
            elif found != one and not (_is_theirs(one) and _is_table(found)):
                yield _defect(one.where, words(found.sql), "expected as lifecycle makes it")

    def _strangers(self, ours: list[_Object]) -> Iterator[Defect]:
        """Yield what others attached to our tables, or put in their place."""
        own = {(one.type, one.name) for one in ours}
        names = {one.name.lower() for one in ours if one.type in ("table", "view")}
        for schema in ("sqlite_master", "sqlite_temp_master"):
            objects = _objects(self._connection, schema)
            self._views = {one.name.lower(): one.sql or "" for one in objects if one.type == "view"}
            for one in objects:
                if schema == "sqlite_master" and (one.type, one.name) in own:
                    continue
                touched = self._touched(one, names) if one.name.lower() not in names else {one.name}
                if touched:
                    found = f"another tool's, on {', '.join(sorted(touched))}"
                    yield _defect(one.where, found, "expected nothing of others on our tables")

    def _touched(self, one: _Object, names: set[str]) -> set[str]:
        """Return which of our tables a thing of another tool concerns."""
        if one.table.lower() in names:
            return {one.table}
        if one.type not in ("view", "trigger"):
            return set()
        touched: set[str] = set()
        if self._size(one.sql or "") > _MOST_VIEWS:
            touched.update(re.findall(r"\w+", one.sql or ""))
        elif one.type == "view":
            touched |= self._compiled(f"SELECT * FROM {_quoted(one.name)}", one.sql or "")
        else:
            for statement in self._writes(one.table):
                touched |= self._compiled(statement, one.sql or "")
        return {name for name in touched if name.lower() in names}

    def _size(self, sql: str) -> int:
        """Return how many views a text stands for at most, those in views that it names too."""
        if sql not in self._sizes:
            self._sizes[sql] = _MOST_VIEWS + 1  # a view that names itself
            text = sql.lower()
            size = 1
            for name, inner in self._views.items():
                count = text.count(name) if name.isidentifier() else _MOST_VIEWS
                if count and inner != sql and size <= _MOST_VIEWS:
                    size += count * self._size(inner)
            self._sizes[sql] = size
        return self._sizes[sql]

    def _writes(self, table: str) -> list[str]:
        """Return statements that fire every trigger of a table."""
        rows = self._connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
        columns = [_quoted(name) for (name,) in rows]
        name = _quoted(table)
        updates = ", ".join(f"{column} = {column}" for column in columns)
        return [
            f"INSERT INTO {name} DEFAULT VALUES",
            f"UPDATE {name} SET {updates}",
            f"DELETE FROM {name}",
        ]

    def _compiled(self, statement: str, sql: str) -> set[str]:
        """Return the tables that a statement concerns; what it names, if it cannot be compiled."""
        touched: set[str] = set()

        def note(action: int, name: str | None, *_: Any) -> int:
            if action in _TOUCHES and name:
                touched.add(name)
            return sqlite3.SQLITE_OK

        self._connection.set_authorizer(note)
        try:
            self._connection.execute(f"EXPLAIN {statement}").fetchall()
        except sqlite3.Error:
            touched.update(re.findall(r"\w+", sql))
        finally:
            self._connection.set_authorizer(None)
        return touched

    def _rows(self, new: sqlite3.Connection, table: str) -> Iterator[Defect]:
        select = f"SELECT * FROM {table} ORDER BY 1"
        wanted, found = new.execute(select).fetchall(), self._connection.execute(select).fetchall()
        if wanted != found:
            yield _defect(f"table {table}", "other rows", "expected those of a new store")

    def _rules(self) -> Iterator[Defect]:
        rows = self._connection.execute("SELECT digest, toml, recorded_at FROM rules ORDER BY id")
        for digest, toml, at in rows.fetchall():
            where = f"rules of {time_words(at)}"
            try:
                wanted = Rules.loads(toml).digest
            except RulesError as error:
                yield _defect(where, str(error), "expected rules that can be used")
                continue
            if wanted != digest:
                yield _defect(where, f"digest {words(digest)}", f"expected {wanted}")


def new_store(path: str) -> sqlite3.Connection:
    """Return a connection to a new store; without a path it is a temporary file."""
    connection = sqlite3.connect(path, isolation_level=None)
    migrations.apply(Database(connection, execute_plugins=False))
    return connection


def _defect(where: str, found: str, expected: str) -> Defect:
    return Defect("schema", where, found, expected)


def _is_theirs(one: _Object) -> bool:
    return one.name.startswith(_THEIRS)


def _is_table(one: _Object) -> bool:
    return one.type == "table" and (one.sql or "").lower().startswith("create table")


def _objects(connection: sqlite3.Connection, schema: str = "sqlite_master") -> list[_Object]:
    return [_Object(*row) for row in connection.execute(_OBJECTS.format(schema=schema))]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
