"""The same log with the eventsourcing library: SQLite, an aggregate for each lead.

    peer_eventsourcing.py single DB LOG     one save a message
    peer_eventsourcing.py batched DB LOG    a save for every 500 aggregates
    peer_eventsourcing.py rebuild DB        every aggregate of the file, from its stored events

Prints seconds as JSON. Importing is not counted; opening and closing the file is.

The library is set up as its documentation suggests for one writer that is in a hurry: aggregates
stay in its cache, which is not brought up to date from the file, and hands out the aggregate
itself, no copy. An aggregate has a method for each trigger, and what the rules forbid is not done.
Its events keep the message, as it came, as lifecycle and the floor do. Copies and late messages are
taken as they come.
"""

# ruff: noqa: ARG002 - what a method is given is kept in its event

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.domain import Aggregate, event

_BATCH: Final = 500
_EVERYWHERE: Final = ("new", "sent", "assigned", "accepted", "rejected", "retracted")
_ALLOWED: Final = {
    "update": _EVERYWHERE,
    "add": ("new", "rejected", "retracted"),
    "assign": _EVERYWHERE,
    "accept": ("new", "sent", "assigned"),
    "reject": ("new", "sent", "assigned"),
    "retract": ("new", "sent", "assigned", "accepted"),
}


class Lead(Aggregate):
    """A lead: its state, and who holds it."""

    @event("Opened")
    def __init__(self, key: str, owner: str) -> None:
        self.key = key
        self.owner = owner
        self.state = "new"
        self.holder = owner

    @staticmethod
    def create_id(key: str, **_: Any) -> UUID:
        """Return the id of the aggregate, which the name of the lead gives."""
        return uuid5(NAMESPACE_URL, key)

    def take(self, message: dict[str, Any], body: str) -> None:
        """Do what a message asks for, if it is allowed."""
        action = message["topic"].partition("#")[2]
        data = message["data"]
        told = {"message_id": message["id"], "at": message["time"], "body": body}
        if self.state not in _ALLOWED[action]:
            return
        if action == "assign":
            self.assign(recipient=data["recipient"], **told)
        elif action == "accept":
            self.accept(agent=data["agent"], **told)
        else:
            getattr(self, action)(**told)

    @event("Updated")
    def update(self, message_id: str, at: str, body: str) -> None:
        """Change what is known of it; a new one was sent, then."""
        if self.state == "new":
            self.state = "sent"

    @event("Added")
    def add(self, message_id: str, at: str, body: str) -> None:
        """Send it."""
        self.state, self.holder = "sent", self.owner

    @event("Assigned")
    def assign(self, message_id: str, at: str, body: str, recipient: str) -> None:
        """Give it to somebody."""
        self.state, self.holder = "assigned", recipient

    @event("Accepted")
    def accept(self, message_id: str, at: str, body: str, agent: str) -> None:
        """Somebody took it."""
        self.state, self.holder = "accepted", agent

    @event("Rejected")
    def reject(self, message_id: str, at: str, body: str) -> None:
        """Somebody did not want it."""
        self.state, self.holder = "rejected", self.owner

    @event("Retracted")
    def retract(self, message_id: str, at: str, body: str) -> None:
        """Take it back."""
        self.state, self.holder = "retracted", self.owner


class Leads(Application):
    """The application: messages in, aggregates kept."""

    def single(self, log: Path) -> None:
        """Save after each message."""
        for message, body in _messages(log):
            lead = self._lead(message)
            lead.take(message, body)
            self.save(lead)

    def batched(self, log: Path) -> None:
        """Save whenever so many aggregates were touched."""
        touched: dict[str, Lead] = {}
        for message, body in _messages(log):
            key = _key(message)
            lead = touched.get(key)
            if lead is None:
                lead = touched[key] = self._lead(message)
            lead.take(message, body)
            if len(touched) == _BATCH:
                self.save(*touched.values())
                touched.clear()
        self.save(*touched.values())

    def rebuild(self) -> None:
        """Make every aggregate from its stored events."""
        for number in self._numbers():
            self.repository.get(number)

    def _lead(self, message: dict[str, Any]) -> Lead:
        key = _key(message)
        try:
            lead: Lead = self.repository.get(Lead.create_id(key))
        except AggregateNotFoundError:
            lead = Lead(key=key, owner=message["data"]["object"]["owner"])
        return lead

    def _numbers(self) -> list[UUID]:
        """Return the ids of all aggregates."""
        recorder: Any = self.recorder
        select = f"SELECT DISTINCT originator_id FROM {recorder.events_table_name}"
        with recorder.datastore.transaction(commit=False) as cursor:
            cursor.execute(select)
            return [UUID(row[0]) for row in cursor.fetchall()]


def _messages(log: Path) -> Iterator[tuple[dict[str, Any], str]]:
    """Each message, parsed and as it came."""
    with log.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line), line.decode()


def _key(message: dict[str, Any]) -> str:
    key: str = message["data"]["object"]["identifier"]["salesforceid"]
    return key


def _settings(kind: str, path: str) -> dict[str, str]:
    file = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": path}
    cache = {
        "AGGREGATE_CACHE_MAXSIZE": "0",  # without bounds
        "AGGREGATE_CACHE_FASTFORWARD": "n",
        "DEEPCOPY_FROM_AGGREGATE_CACHE": "n",
    }
    return file if kind == "rebuild" else file | cache


def main(kind: str, path: str, *log: str) -> None:
    """Do it, and print how long it took."""
    started = time.perf_counter()
    with Leads(env=_settings(kind, path)) as leads:
        getattr(leads, kind)(*map(Path, log))
    print(json.dumps({"seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(*sys.argv[1:])
