"""JSON Schemas of what the service answers."""

from __future__ import annotations

from typing import Any, Final

from lifecycle.domain import STATES, TRIGGERS, VERDICTS

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: Final[Schema] = {"type": ["string", "null"], "format": "date-time"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_NUMBER_OR_NULL: Final[Schema] = {"type": ["integer", "null"]}
_STATE: Final[Schema] = {"enum": list(STATES)}
_TRIGGER: Final[Schema] = {"enum": list(TRIGGERS)}
_OUTCOMES: Final = (
    *("applied", "refused", "noted", "duplicate", "conflict", "ignored", "quarantined"),
)


def _object(*optional: str, **members: Schema) -> Schema:
    """Return the schema of an object that has all these members but the optional ones."""
    named = {name.rstrip("_"): schema for name, schema in members.items()}
    return {
        "type": "object",
        "properties": named,
        "required": [name for name in named if name not in optional],
    }


def _list(name: str) -> Schema:
    return {"type": "array", "items": _ref(name)}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


_LEAD: Final = _object(
    lead_id=_TEXT,
    state=_STATE,
    since=_TIME_OR_NULL,
    holder=_TEXT_OR_NULL,
    owner=_TEXT_OR_NULL,
    sender=_TEXT_OR_NULL,
    keys={"type": "array", "items": _TEXT},
    events=_COUNT,
    refusals=_COUNT,
    contact_deleted_at=_TIME_OR_NULL,
    source=_TEXT_OR_NULL,
    systems={"type": "array", "items": _TEXT},
    fields={"type": "object"},
    **{f"{state}_at": _TIME_OR_NULL for state in STATES[1:]},
    reason=_TEXT_OR_NULL,
)
_ROW: Final[dict[str, Schema]] = {
    "trigger": _TRIGGER,
    "from_": _STATE,
    "to": _STATE,
    "verdict": {"enum": list(VERDICTS)},
    "at": _TIME,
    "event_id": _TEXT,
    "by": _TEXT_OR_NULL,
    "reason": {"type": ["string", "object", "null"]},
    "recorded_at": _TIME,
    "superseded_at": _TIME_OR_NULL,
}
_QUARANTINED: Final[dict[str, Schema]] = {
    "id": _COUNT,
    "problems": {"type": "array", "items": _object(path=_TEXT, message=_TEXT, code=_TEXT)},
    "log": _TEXT_OR_NULL,
    "line": _NUMBER_OR_NULL,
    "recorded_at": _TIME,
    "due_at": _TIME_OR_NULL,
    "left_at": _TIME_OR_NULL,
    "left_as": _TEXT_OR_NULL,
    "size": _COUNT,
}
_OUTCOME: Final = _object(
    *("event_id", "trigger", "lead_id", "state", "reason", "problems", "number", "topic"),
    id=_TEXT_OR_NULL,
    outcome={"enum": list(_OUTCOMES)},
    event_id=_TEXT,
    trigger=_TRIGGER,
    lead_id=_TEXT,
    state=_STATE,
    reason=_TEXT,
    problems={"type": "array", "items": _TEXT},
    number=_COUNT,
    topic=_TEXT,
)
SCHEMAS: Final[dict[str, Schema]] = {
    "Anything": {},
    "Outcome": _OUTCOME,
    "Outcomes": {"anyOf": [_ref("Outcome"), _list("Outcome")]},
    "Lead": _LEAD,
    "Leads": _object(leads=_list("Lead"), next=_TEXT_OR_NULL),
    "Row": _object(seq=_COUNT, **_ROW),
    "History": _object(history=_list("Row"), next=_NUMBER_OR_NULL),
    "Change": _object(
        change=_COUNT,
        kind={"enum": ["recorded", "superseded", "erased"]},
        lead_id=_TEXT,
        lead_no=_COUNT,
        **{name: {"anyOf": [schema, {"type": "null"}]} for name, schema in _ROW.items()},
    ),
    "Changes": _object(changes=_list("Change"), next=_COUNT),
    "QuarantinedHead": _object(**_QUARANTINED),
    "Quarantined": _object(**_QUARANTINED, raw=_TEXT),
    "Quarantine": _object(quarantine=_list("QuarantinedHead"), next=_NUMBER_OR_NULL),
    "InboxPage": _object("next", next=_TEXT, contains={"type": "array"}),
    "Problem": _object(
        type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT, error=_TEXT
    ),
}
