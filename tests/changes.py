"""Field changes for tests, in few words: ``change("Status", 20, "Working", old="New")``."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

LIVES = json.loads((Path(__file__).parent / "lives.json").read_text("utf-8"))
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SCHEMES = {
    "salesforce": ("salesforceId", "salesforceUserId"),
    "hubspot": ("hubspotId", "hubspotOwnerId"),
    "genesys": ("genesysInteractionId", "genesysAgentId"),
}


def change(field, at=0, new=None, *, source="salesforce", lead="L1", by=None, to=None, **data):
    """Return a message of one change; ``at`` is in seconds from START, or a text."""
    scheme, people = SCHEMES.get(source, (f"{source}Id", f"{source}UserId"))
    said = {"new": new, "agent": _person(people, by), "recipient": _person(people, to), **data}
    names = lead if isinstance(lead, dict) else {scheme: lead}
    return {
        "topic": "realestate/lead#change",
        "time": at if isinstance(at, str) else (START + timedelta(seconds=at)).isoformat(),
        "data": {
            "type": "ChangeAction",
            "source": source,
            "field": field,
            **{name: value for name, value in said.items() if value is not None},
            "object": {"type": "Lead", "identifier": names},
        },
    }


def _person(scheme, value):
    return {"type": "Person", "identifier": {scheme: value}} if value else None


def messages_of(life):
    """Return the changes of a life as messages."""
    return [
        change(
            fact["field"],
            fact["at"],
            fact["new"],
            source=fact["source"],
            lead=fact["object"],
            by=fact.get("by"),
            to=fact.get("to"),
            **({"old": fact["old"]} if fact.get("old") is not None else {}),
        )
        for fact in life["facts"]
    ]
