"""A plugin for Datasette: views with facets, and links from a lead to its history.

Found by its entry point where both are installed. Databases that are no stores are left alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from datasette.hookspecs import hookimpl
from markupsafe import Markup

if TYPE_CHECKING:
    from datasette.app import Datasette

#: As in ``lifecycle.store.db.schema``, which is not imported before there is a store.
_APPLICATION_ID: Final = 0x4C454144
#: Where the hidden tables of each store are kept, on the Datasette that found them.
_FOUND: Final = "_lifecycle_tables"
_VIEWS: Final = {
    "lead_list": {
        "description": "Each lead in the state it is in. Its name leads to its history.",
        "facets": ["state"],
    },
    "lead_history": {
        "description": "Transitions and refusals. Rows with superseded_at are not true any more.",
        "facets": ["trigger", "verdict"],
    },
    "finding_list": {
        "description": "What an auditor should know. Those with superseded_at are settled.",
        "facets": ["severity", "code"],
    },
    "event_list": {
        "description": "The canonical messages. An id leads to the message itself.",
        "facets": ["trigger", "outcome"],
    },
}
_QUERIES: Final = {
    "refusals": {
        "title": "Refusals by state and trigger",
        "sql": """SELECT "from" AS state, trigger, verdict, count(*) AS refusals,
  count(DISTINCT lead_id) AS leads
FROM lead_history
WHERE superseded_at IS NULL AND verdict NOT IN ('stated', 'implied')
GROUP BY 1, 2, 3 ORDER BY refusals DESC, 1, 2, 3""",
    },
    "known_at": {
        "title": "What was known of a lead at a moment",
        "description": "A moment is a time such as 2026-03-01T10:00:00Z.",
        "sql": """SELECT at, trigger, "from", "to", verdict, "by", reason, event_id, recorded_at
FROM lead_history
WHERE lead_id = :lead_id AND recorded_at <= strftime('%Y-%m-%dT%H:%M:%fZ', :moment)
  AND (superseded_at IS NULL OR superseded_at > strftime('%Y-%m-%dT%H:%M:%fZ', :moment))""",
    },
    "message": {
        "title": "A message as it came",
        "sql": """SELECT event.id AS event_id, log.name AS log, event.line,
  lifecycle_payload(block.about, block.bodies, event.entry - block.first) AS message
FROM event LEFT JOIN log ON log.id = event.log
JOIN block ON block.first = (SELECT max(first) FROM block WHERE first <= event.entry)
WHERE event.id = :event_id""",
    },
}


@hookimpl
def startup(datasette: Datasette) -> Callable[[], Awaitable[None]]:
    """Find the stores among the databases."""

    async def find() -> None:
        found = {}
        for name, database in datasette.databases.items():
            # What is wrong with a database is Datasette's to say.
            with suppress(sqlite3.Error):
                (row,) = await database.execute("PRAGMA application_id")
                if row[0] == _APPLICATION_ID:
                    found[name] = await database.table_names()
        setattr(datasette, _FOUND, found)

    return find


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    """Let SQL on a store read messages."""
    (application_id,) = conn.execute("PRAGMA application_id").fetchone()
    if application_id == _APPLICATION_ID:
        from lifecycle.store.db.functions import register  # noqa: PLC0415 - takes a while

        register(conn)


@hookimpl
def get_metadata(datasette: Datasette) -> dict[str, Any]:
    """Views with facets, and queries; a metadata file has the last word."""
    return {"databases": {name: _metadata(tables) for name, tables in _stores(datasette).items()}}


def _metadata(tables: list[str]) -> dict[str, Any]:
    # Datasette writes what a metadata file says into this: it must not be ours to keep.
    return {
        "tables": {name: {"hidden": True} for name in tables}
        | {name: dict(view) for name, view in _VIEWS.items()},
        "queries": {name: dict(query) for name, query in _QUERIES.items()},
    }


@hookimpl
def render_cell(
    value: Any, column: str, table: str | None, database: str, datasette: Datasette
) -> Markup | None:
    """Link a lead to its history and back, an event to its message."""
    if database not in _stores(datasette) or not isinstance(value, str):
        return None
    if column == "lead_id" and table == "lead_history":
        return _link(datasette.urls.table(database, "lead_list"), value, lead_id__exact=value)
    if column == "lead_id":
        history = datasette.urls.table(database, "lead_history")
        return _link(history, value, lead_id__exact=value, superseded_at__isnull="1")
    if column == "event_id" or (column == "id" and table == "event_list"):
        return _link(datasette.urls.query(database, "message"), value, event_id=value)
    return None


def _stores(datasette: Datasette) -> dict[str, list[str]]:
    """The stores, with the tables that nobody needs to see."""
    found: dict[str, list[str]] = getattr(datasette, _FOUND, {})
    return found


def _link(path: str, text: str, **query: str) -> Markup:
    return Markup('<a href="{}?{}">{}</a>').format(path, urlencode(query), text)
