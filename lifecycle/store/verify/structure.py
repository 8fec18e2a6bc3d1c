"""The schema of a store beside that of a new one; tables of other tools are nobody's business.

A trigger or a view can change what is written and what is read, so none but ours may concern our
tables. Tables, views and triggers of other tools that keep to themselves are let be. Nothing is
selected from a view: it may have no end.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, Final, NamedTuple

from sqlite_utils import Database

from lifecycle.store.db.schema import APPLICATION_ID, migrations
from lifecycle.store.verify.compare import Table, compare
from lifecycle.store.verify.result import Defect

_OBJECTS: Final = (
    "(SELECT type, name, tbl_name,"
    # Their text may differ between versions of sqlite-utils and SQLite.
    " CASE WHEN type = 'table' AND (name = '_sqlite_migrations' OR name LIKE 'sqlite_%')"
    " THEN lower(substr(sql, 1, 13)) ELSE sql END AS sql FROM sqlite_master) AS object"
)
#: What is the same in every store.
_FIXED: Final = (
    Table("dictionary", "table dictionary, row {id}", "id", "content"),
    Table("severity", "table severity, row {code}", "code", "severity"),
    *(
        Table(f"{name}_name", f"table {name}_name, row {{id}}", "id", "name")
        for name in ("outcome", "state", "trigger", "verdict")
    ),
    Table("pragma_application_id", "the file", "application_id"),
    Table(
        *("_sqlite_migrations", "migration {name}", "name"),
        rows="migration_set = 'lifecycle'",
    ),
)
_TOUCHES: Final = (
    *(sqlite3.SQLITE_DELETE, sqlite3.SQLITE_INSERT, sqlite3.SQLITE_READ, sqlite3.SQLITE_UPDATE),
)


class _Object(NamedTuple):
    type: str
    name: str
    table: str
    sql: str | None


class Schema:
    """The check of the schema, and of what is fixed in it.

    Attributes:
        is_ours: Whether every table, index and view is as lifecycle makes it, so that the tables
            can be read.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.is_ours = False

    def check(self) -> Generator[Defect, None, int]:
        """Yield everything that is not as in a new store; return how many things are compared."""
        with closing(new_store(":memory:")) as new:
            ours = _objects(new, "sqlite_master")
            names = ", ".join(f"'{one.name}'" for one in ours)
            table = Table(
                *("object", "{type} {name}", "type name", "tbl_name sql", _OBJECTS),
                rows=f"name IN ({names})",
            )
            others = list(self._compare([table], new))
            self.is_ours = not others
            yield from others
            yield from self._strangers(ours)
            if self.is_ours:
                yield from self._compare(_FIXED, new)
        return len(ours)

    def _compare(self, tables: Iterable[Table], new: sqlite3.Connection) -> Iterator[Defect]:
        return compare("schema", tables, self._connection, new, said="a new store has")

    def _strangers(self, ours: list[_Object]) -> Iterator[Defect]:
        """Yield what others attached to our tables, or put in their place."""
        own = {(one.type, one.name) for one in ours}
        names = {one.name.lower() for one in ours if one.type in ("table", "view")}
        for schema in ("sqlite_master", "sqlite_temp_master"):
            for one in _objects(self._connection, schema):
                if schema == "sqlite_master" and (one.type, one.name) in own:
                    continue
                touched = {one.name, one.table, *self._reached(one)}
                if ours_of_it := sorted(name for name in touched if name.lower() in names):
                    found = f"another tool's, on {', '.join(ours_of_it)}"
                    expected = "expected nothing of others on our tables"
                    yield Defect("schema", f"{one.type} {one.name}", found, expected)

    def _reached(self, one: _Object) -> set[str]:
        """Return the tables that a view or a trigger concerns, as SQLite compiles it."""
        name = _quoted(one.table)
        if one.type == "view":
            return self._compiled(one, [f"SELECT * FROM {name}"])
        if one.type != "trigger":
            return set()
        rows = self._connection.execute("SELECT name FROM pragma_table_info(?)", (one.table,))
        updates = ", ".join(f"{column} = {column}" for column in (_quoted(row[0]) for row in rows))
        writes = (
            "INSERT INTO {0} DEFAULT VALUES",
            f"UPDATE {{0}} SET {updates}",
            "DELETE FROM {0}",
        )
        return self._compiled(one, [write.format(name) for write in writes])

    def _compiled(self, one: _Object, statements: list[str]) -> set[str]:
        """Return the tables that statements concern; all words, where they cannot be compiled."""
        touched: set[str] = set()

        def note(action: int, name: str | None, *_: Any) -> int:
            if action in _TOUCHES and name:
                touched.add(name)
            return sqlite3.SQLITE_OK

        self._connection.set_authorizer(note)
        try:
            for statement in statements:
                self._connection.execute(f"EXPLAIN {statement}").fetchall()
        except sqlite3.Error:
            touched.update(re.findall(r"\w+", one.sql or ""))
        finally:
            self._connection.set_authorizer(None)
        return touched


def new_store(path: str) -> sqlite3.Connection:
    """Return a connection to a new store; without a path it is a temporary file."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    migrations.apply(Database(connection, execute_plugins=False))
    return connection


def _objects(connection: sqlite3.Connection, schema: str) -> list[_Object]:
    select = f"SELECT type, name, tbl_name, sql FROM {schema} ORDER BY type, name"
    return [_Object(*row) for row in connection.execute(select)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
