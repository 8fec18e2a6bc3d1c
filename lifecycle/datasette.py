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
#: Steps of leads in fold order, each with the time of the next one.
_STAYS: Final = """WITH stay AS (
  SELECT event.lead, history.target AS state, history.at AS since,
    lead(history.at) OVER (PARTITION BY event.lead ORDER BY event.time, event.trigger,
      history.step / 8, event.id, history.step) AS until
  FROM history JOIN event ON event.seq = history.event
  WHERE history.superseded_at IS NULL AND history.refusal IS NULL
)"""
_ISO: Final = "'%Y-%m-%dT%H:%M:%SZ'"
_QUERIES: Final = {
    "contacts": {
        "title": "Leads and the people behind them",
        "description": "A part of a name, an e-mail, a telephone or an id; empty for all leads.",
        "sql": """SELECT lead_list.lead_id, lead_list.state, lead_list.since, lead_list.holder,
  json_extract(lead.contact, '$[0]') AS contact_name,
  json_extract(lead.contact, '$[1]') AS contact_email,
  json_extract(lead.contact, '$[2]') AS contact_telephone
FROM lead JOIN lead_list ON lead_list.lead_id = lead.lead_id
WHERE instr(lower(coalesce(lead.contact, '') || lead.keys), lower(:text))
ORDER BY lead.since DESC""",
    },
    "durations": {
        "title": "Time in each state",
        "description": "Stays that ended, in hours; open: those that have not.",
        "sql": f"""{_STAYS}, ended AS (
  SELECT state, (until - since) / 3.6e9 AS hours,
    row_number() OVER (PARTITION BY state ORDER BY until - since) AS place,
    count(*) OVER (PARTITION BY state) AS stays
  FROM stay WHERE until IS NOT NULL
)
SELECT name AS state, coalesce(max(stays), 0) AS stays,
  round(min(CASE WHEN place >= stays * 0.5 THEN hours END), 2) AS median,
  round(min(CASE WHEN place >= stays * 0.9 THEN hours END), 2) AS "90 %",
  round(max(hours), 2) AS longest,
  (SELECT count(*) FROM stay WHERE until IS NULL AND stay.state = state_name.id) AS open
FROM state_name LEFT JOIN ended ON ended.state = state_name.id
GROUP BY state_name.id HAVING stays > 0 OR open > 0 ORDER BY state_name.id""",
    },
    "overdue": {
        "title": "Leads that are overdue",
        "description": "Leads that are in a state for more than so many hours, at a moment such as"
        " 2026-03-01T10:00:00Z; without one at the time of the latest event. Leads whose contact"
        " was deleted wait for nobody.",
        "sql": f"""WITH moment AS (
  SELECT coalesce(strftime('%s', nullif(:now, '')) * 1000000,
    (SELECT max(time) FROM event)) AS now
)
SELECT lead.lead_id, lead_list.state, strftime({_ISO}, lead.since / 1e6, 'unixepoch') AS since,
  round((now - lead.since) / 3.6e9, 2) AS hours, lead_list.holder
FROM lead JOIN lead_list ON lead_list.lead_id = lead.lead_id, moment
WHERE lead.deleted_at IS NULL AND lead.sealed IS NULL AND lead_list.state = :state
  AND now - lead.since > :hours * 3.6e9
ORDER BY hours DESC, lead.lead_id""",
    },
    "feed": {
        "title": "What changed, in order",
        "description": "The changes behind a number; begin with 0, and go on with the last one.",
        "sql": f"""SELECT number, kind, coalesce(lead.lead_id, (SELECT lead_id FROM former_lead
    WHERE former_lead.lead = change.lead ORDER BY known_since DESC LIMIT 1)) AS lead_id,
  strftime({_ISO}, change.at / 1e6, 'unixepoch') AS at, trigger_name.name AS trigger,
  source.name AS "from", target.name AS "to", event.id AS event_id
FROM (
  SELECT id AS number, 'recorded' AS kind, lead, event, trigger, source, target, at
  FROM history WHERE id > :after
  UNION ALL
  SELECT superseded_change, 'superseded', lead, event, trigger, source, target, at
  FROM history WHERE superseded_change > :after
  UNION ALL
  SELECT change, 'erased', lead, NULL, NULL, NULL, NULL, NULL FROM sealed WHERE change > :after
) AS change
LEFT JOIN event ON event.seq = change.event LEFT JOIN lead ON lead.id = change.lead
LEFT JOIN trigger_name ON trigger_name.id = change.trigger
LEFT JOIN state_name AS source ON source.id = change.source
LEFT JOIN state_name AS target ON target.id = change.target
ORDER BY number LIMIT 1000""",
    },
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
    """Return views with facets, and queries; a metadata file has the last word."""
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
    """Return the stores, with the tables that nobody needs to see."""
    found: dict[str, list[str]] = getattr(datasette, _FOUND, {})
    return found


def _link(path: str, text: str, **query: str) -> Markup:
    return Markup('<a href="{}?{}">{}</a>').format(path, urlencode(query), text)
