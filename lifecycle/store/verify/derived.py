"""What is compared of each table: its columns, with names in the place of numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

#: The cluster of each number, by the first of its leads, else of its deletions.
_HOME: Final = (
    "WITH home (cluster, name) AS MATERIALIZED ("
    "SELECT cluster, min(lead_id) FROM lead WHERE sealed IS NULL GROUP BY cluster UNION ALL"
    " SELECT cluster, CASE WHEN cluster = 0 THEN 'nobody' ELSE min(id) END FROM event"
    " WHERE cluster IS NOT NULL AND cluster NOT IN (SELECT cluster FROM lead) GROUP BY cluster)"
)
#: Leads and clusters that were sealed: the ledger commits to their rows.
_GONE: Final = "(SELECT lead FROM sealed WHERE change IS NOT NULL)"
_GONE_EVENTS: Final = "(SELECT seq FROM event WHERE hash = 0 AND id = 'erased:' || seq)"
_GONE_CLUSTERS: Final = (
    "(SELECT cluster FROM lead WHERE sealed IS NOT NULL"
    f" UNION SELECT cluster FROM event WHERE cluster > 0 AND seq IN {_GONE_EVENTS})"
)
#: Events with rows that cannot be derived any more, but for those that are current.
LOOSE_EVENTS: Final = (
    "(SELECT seq FROM event WHERE lead IN (SELECT lead FROM sealed) UNION SELECT event FROM history"
    " WHERE superseded_at IS NOT NULL AND lead IN (SELECT lead FROM sealed) UNION"
    " SELECT event FROM copy WHERE entry IN (SELECT value FROM erasure, json_each(entries)))"
)
#: What is said of a content that was erased: the messages that are left do not give it.
_ERASED_CONFLICT: Final = "another content, erased: "


class Table(NamedTuple):
    """What is compared of a table: its first ``key`` columns tell its rows apart.

    ``where`` is how a row is called, with the columns in braces.
    """

    name: str
    where: str
    key: int
    columns: dict[str, str]
    source: str

    @property
    def select(self) -> str:
        """The statement that reads its rows, sorted by what tells them apart."""
        names = [f"c{place}" for place in range(len(self.columns))]
        columns = ", ".join(
            f"{sql} AS {name}" for sql, name in zip(self.columns.values(), names, strict=True)
        )
        order = ", ".join(names[: self.key])
        return f"{_HOME} SELECT {columns} FROM {self.source} ORDER BY {order}"


def _name(column: str, select: str) -> str:
    """Return an expression for the name behind a number; a number that names nothing is told."""
    return f"iif({column} IS NULL, NULL, coalesce({select}, 'unknown'))"


def _party(column: str) -> str:
    select = f"(SELECT iif(name = '', uri, uri || ' ' || name) FROM party WHERE id = {column})"
    return _name(column, select)


def _lead(column: str) -> str:
    select = (
        f"(SELECT lead_id FROM lead WHERE id = {column}), (SELECT lead_id FROM former_lead AS once"
        f" WHERE once.lead = {column} ORDER BY known_since DESC LIMIT 1)"
    )
    return _name(column, select)


def _event(column: str) -> str:
    return _name(column, f"(SELECT id FROM event WHERE seq = {column})")


def _home(column: str) -> str:
    return _name(column, "home.name")


def tables(loose_events: str, *, quick: bool) -> Iterator[Table]:
    """Yield what is compared; of what hung together with the erased, only what is current."""
    loose = "1" if quick else "{0} IN (SELECT lead FROM sealed)"
    past = f"{{0}} NOT IN {_GONE} AND (superseded_at IS NULL OR NOT {loose}"

    def known(column: str, lead: str) -> str:
        return f"iif({loose.format(lead)}, NULL, {column})"

    def stands(lead: str) -> str:
        return f"{past.format(lead)} AND coalesce(event NOT IN {loose_events}, 1))"

    yield Table(
        *("lead", "lead {name}", 1),
        {
            "name": "lead_id",
            "state": "state",
            "since": "since",
            **{name: _party(name) for name in ("holder", "owner", "sender", "recipient")},
            **{name: name for name in ("contact", "events", "refusals", "decisions", "memory")},
            **{name: name for name in ("doubts", "keys")},
            "last time": "last_time",
            "last trigger": "last_trigger",
            "last event": "last_id",
            "events of the contact alone": "contact_only",
            "contact deleted": "deleted_at",
            "holder kept": known(_party("kept_holder"), "id"),
            "known since": known("known_since", "id"),
            "cluster": _home("lead.cluster"),
        },
        f"lead LEFT JOIN home ON home.cluster = lead.cluster WHERE id NOT IN {_GONE}",
    )
    yield Table(
        *("former_lead", "former name {name} of lead {lead}, known since {known since}", 3),
        {
            "lead": _lead("former_lead.lead"),
            "name": "lead_id",
            "known since": "known_since",
            "contact deleted": "deleted_at",
            "holder kept": _party("kept_holder"),
            "superseded": "superseded_at",
        },
        f"former_lead WHERE {past.format('lead')})",
    )
    yield Table(
        *("key", "key {kind}:{scheme}:{value}", 1),
        {
            **{name: name for name in ("hash", "kind", "scheme", "value")},
            "lead": _lead("key.lead"),
            "cluster": _home("key.cluster"),
            "leads that share it": "leads",
        },
        "key LEFT JOIN home ON home.cluster = key.cluster",
    )
    yield Table(
        *("cluster", "cluster of {cluster}", 1),
        {
            "cluster": _home("cluster.id"),
            "events of the contact alone": "contact_only",
            "deletion": _event("deletion"),
        },
        "cluster LEFT JOIN home ON home.cluster = cluster.id",
    )
    # Which events have no name is not found out again where all come in under the rules of now.
    named = "AND event.cluster IS NOT 0" if quick else ""
    yield Table(
        *("event", "event {id}", 1),
        {
            "number": "seq",
            "id": "id",
            "entry": "entry",
            "hash of the id": "hash",
            "trigger": "trigger",
            "time": "time",
            "lead": _lead("event.lead"),
            "cluster": _home("event.cluster"),
            "outcome": "outcome",
            "late": known("late", "lead"),
            "recorded": "NULL" if quick else "recorded_at",
            "log": "log",
            "line": "line",
        },
        "event LEFT JOIN home ON home.cluster = event.cluster"
        f" WHERE coalesce(lead NOT IN {_GONE}, 1) {named}",
    )
    yield Table(
        *("copy", "other content of event {id}, entry {entry}", 2),
        {
            "number": "event",
            "entry": "entry",
            "id": _event("copy.event"),
            "canonical entry": "(SELECT entry FROM event WHERE seq = copy.event)",
        },
        "copy",
    )
    yield Table(
        *("history", "history of lead {lead}, event {event}, step {step}, recorded {recorded}", 3),
        {
            "number": "event",
            "step": "step",
            "recorded": known("recorded_at", "lead"),
            "lead": _lead("history.lead"),
            "event": _event("history.event"),
            "trigger": "trigger",
            "state before the step": "source",
            "state after the step": "target",
            "verdict": "verdict",
            "at": "at",
            "by": _party("by"),
            "holder": _party("holder"),
            "reason": "reason",
            "refusal": "refusal",
            "superseded": "superseded_at",
        },
        f"history WHERE {stands('lead')}",
    )
    yield Table(
        *("finding", "finding {code} of lead {lead}, event {event}: {detail}", 6),
        {
            "lead": _lead("finding.lead"),
            "cluster": _home("finding.cluster"),
            "number": "event",
            "code": "code",
            "detail": "detail",
            "recorded": known("recorded_at", "lead"),
            "event": _event("finding.event"),
            "superseded": "superseded_at",
        },
        "finding LEFT JOIN home ON home.cluster = finding.cluster"
        f" WHERE iif(lead IS NULL, finding.cluster NOT IN {_GONE_CLUSTERS}"
        f" AND (superseded_at IS NULL OR NOT {int(quick)}"
        f" AND coalesce(event NOT IN {loose_events}, 1)), {stands('lead')})"
        f" AND coalesce(finding.event NOT IN {_GONE_EVENTS}, 1)"
        f" AND NOT (code = 'conflict' AND detail LIKE '{_ERASED_CONFLICT}%')",
    )
    if quick:
        return
    yield Table(
        *("party", "party {uri} {name}", 2),
        {"uri": "uri", "name": "name"},
        "party",
    )
