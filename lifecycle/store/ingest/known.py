"""Outcomes of messages that are not new, with their leads, or their numbers in the quarantine."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from attrs import evolve

from lifecycle.domain import STATES
from lifecycle.messages import Undecodable
from lifecycle.store.db.codec import Packed
from lifecycle.store.db.rows import id_hash, select_in
from lifecycle.store.ingest.item import (
    Conflict,
    Duplicate,
    IngestItem,
    Items,
    Outcome,
    Quarantined,
)

_EVENTS: Final = (
    "SELECT event.id, lead.lead_id, lead.state FROM event JOIN lead ON lead.id = event.lead"
    " WHERE event.hash IN"
)
_QUARANTINED: Final = "SELECT digest, id FROM quarantine WHERE digest IN"


def with_what_is_known(
    connection: sqlite3.Connection, secret: bytes, messages: Items, outcomes: Sequence[Outcome]
) -> list[Outcome]:
    """Return outcomes that say which lead a known message is of, and under which number it is kept.

    ``messages`` are those of the outcomes, in the same order, and in the store by now.
    """
    ids = [one.event_id for one in outcomes if isinstance(one, (Duplicate, Conflict))]
    hashes = [id_hash(secret, event_id) for event_id in dict.fromkeys(ids)]
    leads = {event_id: about for event_id, *about in select_in(connection, _EVENTS, hashes)}
    digests = [
        _digest(item) if isinstance(one, Quarantined) else b""
        for (item, _), one in zip(messages, outcomes, strict=True)
    ]
    numbers = dict(select_in(connection, _QUARANTINED, filter(None, digests)))
    told: list[Outcome] = []
    for one, digest in zip(outcomes, digests, strict=True):
        if isinstance(one, Quarantined):
            told.append(evolve(one, number=numbers.get(digest)))
        elif isinstance(one, (Duplicate, Conflict)) and one.event_id in leads:
            lead_id, state = leads[one.event_id]
            told.append(evolve(one, lead_id=lead_id, state=STATES[state]))
        else:
            told.append(one)
    return told


def _digest(item: IngestItem) -> bytes:
    """Return the digest that a message is quarantined under; nothing of what never is."""
    if isinstance(item, Packed):
        return sha256(item.body).digest()
    return item.digest if isinstance(item, Undecodable) else b""
