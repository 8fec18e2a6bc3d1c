"""Messages for tests, in few words: ``lead("accept", "10:02", agent=ADA)``."""

from itertools import count

from attrs import fields

from lifecycle import HistoryRow

ORG, FEED, ADA, BOB = (
    f"https://{name}.example.com/profile/card#me" for name in ("org", "feed", "ada", "bob")
)
_TYPES = {
    "add": "AddAction",
    "send": "SendAction",
    "receive": "ReceiveAction",
    "update": "UpdateAction",
    "assign": "AssignAction",
    "accept": "AcceptAction",
    "reject": "RejectAction",
    "retract": "RetractAction",
    "change": "ChangeAction",
}
_NUMBERS = count(1)


def lead(action, at, *, keys="1", contact=None, snapshot=None, id=None, **data):  # noqa: A002
    """Return a lead message: ``at`` is a time of 2026-03-01, ``keys`` a mapping or a crmLeadId."""
    if action == "change":
        data = {"source": "crm", "field": "Status", "new": "Working"} | data
    value = {"type": "Lead", "object": {"type": "Contact", "identifier": contact or {}}}
    if keys is not None:
        value["identifier"] = keys if isinstance(keys, (dict, list)) else {"crmLeadId": keys}
    return {
        "topic": f"realestate/lead#{action}",
        "time": moment(at),
        "id": id or f"urn:test:{next(_NUMBERS):06}",
        "data": {"type": _TYPES[action], "object": value | (snapshot or {}), **data},
    }


def deletion(at, contact, **data):
    return {
        "topic": "realestate/contact#delete",
        "time": moment(at),
        "id": f"urn:test:{next(_NUMBERS):06}",
        "data": {
            "type": "DeleteAction",
            "object": {"type": "Contact", "identifier": contact},
            **data,
        },
    }


def rows_of(entries):
    """Rows of a store's history as a fold has them, without what the store knows besides."""
    names = [one.name for one in fields(HistoryRow)]
    return [HistoryRow(**{name: getattr(entry, name) for name in names}) for entry in entries]


def moment(at):
    return f"2026-03-01T{at}:00Z"


def states(history):
    """Return what a fold says in few words."""
    return {one.lead.lead_id: one.lead.state for one in history.leads}


def steps(rows):
    return [(row.trigger, row.source, row.target, row.verdict) for row in rows]
