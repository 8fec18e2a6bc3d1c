"""Names of people: those that messages tell, and those of a file of users."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import define, field

from lifecycle.domain import LeadEvent, Party, Position, normal_party, salesforce_id
from lifecycle.errors import InputError

#: Columns of a file of users, without case, blanks and underscores: the first that is there counts.
_ID_COLUMNS: Final = ("id", "userid", "ownerid", "agentid", "user", "uri", "email")
_NAME_COLUMNS: Final = ("name", "fullname", "displayname", "username")
_PARTS_OF_NAME: Final = ("firstname", "lastname")
_MOST_BYTES: Final = 64 * 1024 * 1024

#: Names by ids of users, as a file has them.
Users: TypeAlias = "Mapping[str, str]"


def party_key(party: Party | None) -> str | None:
    """Return what tells parties apart, of the text that tables and exports have for one."""
    return None if party is None else normal_party(str(party)) or None


@define
class People:
    """The names of parties by their ids.

    Attributes:
        users: Those of a file, which have the last word.
    """

    users: dict[str, str] = field(factory=dict)
    _learned: dict[str, tuple[Position, str]] = field(factory=dict)

    @classmethod
    def of(cls, users: Users | None) -> People:
        """Return people of whom these are known; ids count in every form that a party may have."""
        known: dict[str, str] = {}
        for user, name in (users or {}).items():
            known |= {normal_party(user): name, salesforce_id(user): name}
        return cls(known)

    def learn(self, event: LeadEvent) -> None:
        """Note the names beside the ids of an event; the latest event has the last word."""
        snapshot = event.snapshot
        for party in (
            *(event.agent, event.recipient, event.participant),
            *(snapshot.owner, snapshot.sender, snapshot.recipient),
        ):
            if party is not None and party.name and party.id:
                self._note(normal_party(party.id), (event.position, party.name))

    def join(self, other: People) -> None:
        """Take up the names of another part."""
        for key, named in other._learned.items():
            self._note(key, named)

    def name(self, key: str | None) -> str | None:
        """Return the name of a party, by its key; None where nobody told it."""
        if key is None:
            return None
        bare = key.partition(":")[2]
        told = self.users.get(key) or self.users.get(bare) or self.users.get(salesforce_id(bare))
        return told or (self._learned[key][1] if key in self._learned else None)

    def _note(self, key: str, named: tuple[Position, str]) -> None:
        known = self._learned.get(key)
        if known is None or named > known:
            self._learned[key] = named


def read_users(path: Path) -> dict[str, str]:
    """Read a file of users: CSV or TSV with columns for id and name, or JSON.

    JSON is an object of names by ids, or a list (or lines) of objects with an id and a name.

    Raises:
        InputError: The file cannot be read, or has no such columns.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise InputError(f"{path}: expected at most {_MOST_BYTES:,} bytes of users")
        text = raw.decode("utf-8-sig")
        rows = [*_json_rows(text)] if text.lstrip()[:1] in ("{", "[") else _table_rows(text)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, csv.Error):
        raise InputError(f"{path}: expected users as CSV, TSV or JSON in UTF-8") from None
    users = dict(_named(row) for row in rows)
    users.pop("", None)
    if not users:
        raise InputError(
            f"{path}: expected columns for id and name, as in an export of users:"
            f" {' or '.join(_ID_COLUMNS)}, and {' or '.join(_NAME_COLUMNS)}"
        )
    return users


def _json_rows(text: str) -> Iterator[Mapping[str, Any]]:
    try:
        values = json.loads(text)
    except ValueError:
        values = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(values, dict) and all(isinstance(value, str) for value in values.values()):
        named = "name" in values and "id" in values
        values = [values] if named else [{"id": key, "name": name} for key, name in values.items()]
    for value in values if isinstance(values, list) else [values]:
        yield value if isinstance(value, dict) else {}


def _table_rows(text: str) -> list[dict[str, Any]]:
    first = text.partition("\n")[0]
    delimiter = max("\t;,", key=first.count)
    return list(csv.DictReader(text.splitlines(), delimiter=delimiter))


def _named(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the id and the name in a row; an empty id where one of them is missing."""
    cells = {_plain(name): value for name, value in row.items() if name is not None}
    name = _first(cells, _NAME_COLUMNS) or " ".join(
        str(cells[part]).strip() for part in _PARTS_OF_NAME if cells.get(part)
    )
    return (_first(cells, _ID_COLUMNS), name) if name else ("", "")


def _plain(name: str) -> str:
    return "".join(name.lower().replace("_", " ").split())


def _first(cells: Mapping[str, Any], names: Sequence[str]) -> str:
    values = (cells.get(name) for name in names)
    kinds = (str, int)
    texts = (str(value).strip() for value in values if isinstance(value, kinds))
    return next((text for text in texts if text), "")
