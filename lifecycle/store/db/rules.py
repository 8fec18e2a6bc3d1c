"""The rules that a store was folded with, now and at a moment."""

from __future__ import annotations

import sqlite3
from functools import lru_cache
from typing import Final

from lifecycle.domain import Rules
from lifecycle.errors import RulesError


def rules_at(connection: sqlite3.Connection, at: int | None) -> Rules:
    """Return the rules in force at a moment; those of now for None, the first for one before them.

    Raises:
        RulesError: They cannot be used.
    """
    row = (
        connection.execute(
            "SELECT toml FROM rules WHERE ?1 IS NULL OR recorded_at <= ?1 ORDER BY id DESC LIMIT 1",
            (at,),
        ).fetchone()
        or connection.execute("SELECT toml FROM rules ORDER BY id LIMIT 1").fetchone()
    )
    if row is None:
        return Rules.default()
    try:
        return _loaded(row[0])
    except RulesError as error:
        where = f"the rules that the store was folded with, {error.where}"
        hint = "; a guard of your own must be registered before the store is opened"
        raise RulesError(where, error.expected + hint) from error


_loaded: Final = lru_cache(maxsize=32)(Rules.loads)
