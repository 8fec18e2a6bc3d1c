"""Fold one cluster, whose leads all share a contact's key, as an engine's task does.

``hub.py EVENTS PIECE`` folds so many events, in pieces of so many where there are more.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson

from lifecycle import Rules
from lifecycle.domain import Identity, machine_for
from lifecycle.engine import ContentEvent, contents_by_id, fold_clusters, message_rows

_STEPS: Final = ("add", "update", "assign", "accept", "update")
_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


def rows(events: int, identity: Identity) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a cluster in fold order: five events a lead, one lead after the other."""
    for number in range(events):
        body = orjson.dumps(message(number))
        (row,) = message_rows(body, identity, int(_START.timestamp() + events) * 1_000_000)
        (one,) = contents_by_id([ContentEvent(*row[1:8])], identity)
        yield ("hub", *one[:4], one.merged or one.content, one.conflicts)


def message(number: int) -> dict[str, Any]:
    """Return the message of this number, from 0 on."""
    lead, step = divmod(number, len(_STEPS))
    agent = {"id": "https://crm.example.com/profile/card#me"}
    return {
        "topic": f"realestate/lead#{_STEPS[step]}",
        "time": (_START + timedelta(seconds=number)).isoformat(),
        "id": f"urn:hub:{number}",
        "agent": agent,
        "data": {
            "type": f"{_STEPS[step].title()}Action",
            "agent": agent,
            "object": {
                "type": "Lead",
                "identifier": {"crmLeadId": lead + 1},
                "object": {"type": "Contact", "identifier": {"crmContactId": "hub"}},
            },
        },
    }


def main() -> None:
    """Fold the cluster, and say how many leads it has."""
    events, piece = map(int, sys.argv[1:])
    rules = Rules.default()
    its_rows = rows(events, rules.identity)
    parts = fold_clusters(machine_for(rules), its_rows, rules.identity, size=piece, giant=piece)
    print(sum(len(part.leads) for part in parts))


if __name__ == "__main__":
    main()
