"""TOML files and the parts of their tables, with errors that name the row and the field."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

from lifecycle.errors import InputError, RulesError

Read = TypeVar("Read")


def read_file(path: str | Path, loads: Callable[[str], Read]) -> Read:
    """Read a file of TOML; a RulesError names the file, too."""
    try:
        return loads(Path(path).read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise RulesError(str(path), "is not UTF-8 text") from None
    except RulesError as error:
        raise RulesError(f"{path}: {error.where}".rstrip(": "), error.expected) from None


def parse(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulesError("", f"not valid TOML: {error}") from None
    except RecursionError:
        raise RulesError("", "nested too deep") from None


def table_of(where: str, value: object, known: Collection[str] | None = None) -> dict[str, Any]:
    """Return a value that must be a table; it has none but the known fields."""
    if not isinstance(value, dict):
        raise RulesError(where, f"expected a table, got {_got(value)}")
    for name in value:
        if known is not None and name not in known:
            expected = f"unknown field; expected one of {', '.join(known)}"
            raise RulesError(f"{where}, {name}" if where else name, expected)
    return value


def flag_of(where: str, value: object) -> bool:
    """Return a value that must be true or false."""
    if not isinstance(value, bool):
        raise RulesError(where, f"expected true or false, got {value!r}")
    return value


def choice_of(where: str, value: object, allowed: Collection[str]) -> Any:
    """Return a value that must be one of those that are allowed."""
    if value not in allowed:
        raise RulesError(where, f"expected one of {', '.join(allowed)}; got {_got(value)}")
    return value


def text_of(where: str, value: object) -> str:
    """Return a value that must be a text, and not a blank one."""
    if not isinstance(value, str) or not value.strip():
        raise RulesError(where, f"expected a text, got {_got(value)}")
    return value


def texts_of(where: str, value: object, *, least: int = 0) -> tuple[str, ...]:
    """Return a value that must be a text, or a list of ``least`` texts or more."""
    several = value if isinstance(value, list) else [value]
    if len(several) < least or not all(isinstance(one, str) for one in several):
        raise RulesError(where, f"expected a text or several, got {_got(value or None)}")
    return tuple(several)


def _got(value: object) -> str:
    return "nothing" if value is None else repr(value)
