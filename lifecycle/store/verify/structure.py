"""The schema of a store beside that of a new one; tables of other tools are nobody's business.

A trigger or a view can change what is written and what is read, so none but ours may concern our
tables. Tables, views and triggers of other tools that keep to themselves are let be.
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
from lifecycle.store.verify.wording import words

#: Tables whose rows are the same in every store.
_FIXED: Final = ("dictionary", "outcome_name", "state_name", "trigger_name", "verdict_name")
_OBJECTS: Final = "SELECT type, name, tbl_name, sql FROM {schema} ORDER BY type, name"
_TOUCHES: Final = (
    sqlite3.SQLITE_DELETE,
    sqlite3.SQLITE_INSERT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_UPDATE,
)
#: What sqlite-utils and SQLite make for themselves: their text may differ between versions.
_THEIRS: Final = ("_sqlite_migrations", "sqlite_")


class _Object(NamedTuple):
    type: str
    name: str
    table: str
    sql: str | None

    @property
    def where(self) -> str:
        return f"{self.type} {self.name}"


class Schema:
    """The schema, what is fixed in it, and the rules that were in force.

    Attributes:
        checked: How many tables, indices and views were compared.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.checked = 0

    def check(self) -> Iterator[Defect]:
        """Everything that is not as in a new store."""
        with closing(_new_store()) as new:
            ours = _objects(new)
            self.checked = len(ours)
            yield from self._identity(new)
            yield from self._compare(ours)
            yield from self._strangers(ours)
            for table in _FIXED:
                yield from self._rows(new, table)
        yield from self._rules()

    def _identity(self, new: sqlite3.Connection) -> Iterator[Defect]:
        found = self._connection.execute("PRAGMA application_id").fetchone()[0]
        if found != APPLICATION_ID:
            yield _defect("application_id", words(APPLICATION_ID), words(found))
        select = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'lifecycle' ORDER BY 1"
        wanted, there = (
            ", ".join(str(name) for (name,) in connection.execute(select))
            for connection in (new, self._connection)
        )
        if wanted != there:
            yield _defect("migrations", wanted, there or "none")

    def _compare(self, ours: list[_Object]) -> Iterator[Defect]:
        there = {(one.type, one.name): one for one in _objects(self._connection)}
        for one in ours:
            found = there.get((one.type, one.name))
            if found is None:
                yield _defect(one.where, "it to be there", "nothing")
            elif found != one and not one.name.startswith(_THEIRS):
                yield _defect(one.where, "it as lifecycle makes it", words(found.sql))

    def _strangers(self, ours: list[_Object]) -> Iterator[Defect]:
        """What others attached to our tables, or put in their place."""
        own = {(one.type, one.name) for one in ours}
        names = {one.name.lower() for one in ours if one.type in ("table", "view")}
        for schema in ("sqlite_master", "sqlite_temp_master"):
            for one in _objects(self._connection, schema):
                if schema == "sqlite_master" and (one.type, one.name) in own:
                    continue
                touched = self._touched(one, names) if one.name.lower() not in names else {one.name}
                if touched:
                    found = f"one of another tool on {', '.join(sorted(touched))}"
                    yield _defect(one.where, "no such thing on our tables", found)

    def _touched(self, one: _Object, names: set[str]) -> set[str]:
        """Which of our tables a thing of another tool concerns."""
        if one.table.lower() in names:
            return {one.table}
        if one.type == "view":
            statements = [f"SELECT * FROM {_quoted(one.name)}"]
        elif one.type == "trigger":
            statements = self._writes(one.table)
        else:
            return set()
        touched: set[str] = set()
        for statement in statements:
            touched |= self._compiled(statement, one.sql or "")
        return {name for name in touched if name.lower() in names}

    def _writes(self, table: str) -> list[str]:
        """Statements that fire every trigger of a table."""
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
        """The tables that a statement concerns; what it names, if it cannot be compiled."""
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
            yield _defect(f"table {table}", "the rows of a new store", "others")

    def _rules(self) -> Iterator[Defect]:
        rows = self._connection.execute("SELECT id, digest, toml FROM rules ORDER BY id")
        for number, digest, toml in rows.fetchall():
            try:
                found = Rules.loads(toml).digest
            except RulesError as error:
                yield _defect(f"rules {number}", "rules that can be used", str(error))
                continue
            if found != digest:
                yield _defect(f"rules {number}", f"rules of digest {words(digest)}", found)


def _defect(where: str, expected: str, found: str) -> Defect:
    return Defect("schema", where, expected, found)


def _new_store() -> sqlite3.Connection:
    database = Database(memory=True, execute_plugins=False)
    migrations.apply(database)
    return database.conn


def _objects(connection: sqlite3.Connection, schema: str = "sqlite_master") -> list[_Object]:
    return [_Object(*row) for row in connection.execute(_OBJECTS.format(schema=schema))]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
