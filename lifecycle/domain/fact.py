"""Facts: changes of fields in other systems, their identity, and how copies of one merge.

The identity of a fact is what it says: source, object, field, time and new value. Whatever else a
copy of it says (who did it, the old value, further identifiers) completes it. (design.md 4a)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Final, TypeVar
from urllib.parse import quote

from attrs import evolve

from lifecycle.domain.event import (
    Contact,
    FieldChange,
    LeadEvent,
    Party,
    Snapshot,
    WrittenNames,
)
from lifecycle.domain.names import (
    by_looks,
    lowered,
    normal_party,
    normal_scheme,
    salesforce_id,
    says_salesforce,
    trimmed,
)

Value = TypeVar("Value")

#: Sources whose records are occurrences: each counts, at its exact time, with who acted.
OCCURRENCES: Final = frozenset(("genesys",))
#: Other sources keep whole seconds: times are cut to these, in microseconds.
_SECOND: Final = 1_000_000
#: The scheme of a source's own ids.
_OWN_SCHEMES: Final = {
    "salesforce": "salesforceid",
    "hubspot": "hubspotid",
    "genesys": "genesysinteractionid",
}
_RUNS: Final = re.compile(r"[\s_]++")
_RECORD_ID: Final = re.compile(r"00[0-9A-Za-z]{13}(?:[0-9A-Za-z]{3})?")
_USUAL: Final = 200


def source_name(source: str) -> str:
    """Return the form in which sources and fields are compared: trimmed, without case."""
    return normal_scheme(source)


def _new_compared(value: str) -> str:
    text = trimmed(value)
    text = salesforce_id(text) if _RECORD_ID.fullmatch(text) else by_looks(text)
    return _RUNS.sub(" ", lowered(text)).strip()


_usual_compared: Final = lru_cache(maxsize=4096)(_new_compared)


def compared(value: str) -> str:
    """Return the form in which values are compared: as names, without case and underscores."""
    return _usual_compared(value) if len(value) <= _USUAL else _new_compared(value)


def cut(source: str, time: int) -> int:
    """Return the moment to which a fact belongs; occurrences have their exact time."""
    return time if source in OCCURRENCES else time - time % _SECOND


@lru_cache(maxsize=4096)
def _normal_id(source: str, scheme: str, value: str) -> str:
    form = salesforce_id if source == "salesforce" or says_salesforce(scheme) else by_looks
    return form(trimmed(value))


def object_id(source: str, record: str | None, names: WrittenNames) -> str:
    """Return the source's own id of the changed object, in the built-in normal form.

    It is the ``record``, else the lead's key of that source, else its smallest name.
    """
    if record:
        return _normal_id(source, "", record)
    for pairs, own in ((names.lead, names.lead_own), (names.contact, names.contact_own)):
        named = [(normal_scheme(scheme), value) for scheme, value in pairs]
        ids = [value for scheme, value in named if scheme == _OWN_SCHEMES.get(source)]
        if ids:
            return min(_normal_id(source, "", value) for value in ids)
        if named or own:
            named = named or [("id", one) for one in own]
            return min(f"{scheme}:{_normal_id(source, scheme, value)}" for scheme, value in named)
    return ""


def fact_id(change: FieldChange, time: int, agent: Party | None, recipient: Party | None) -> str:
    """Return the id of the event of a fact, which is a digest of what makes it one.

    ``time`` is cut. The agent and the recipient belong to the identity of an occurrence.
    """
    source = change.place[0]
    parts = [*change.place, str(time)]
    if change.current is not None:
        parts += ["current", compared(change.current)]
    else:
        parts.append(compared(change.new))
    if source in OCCURRENCES:
        parts += [_party_key(agent), _party_key(recipient)]
    text = "".join(f"{len(part)}:{part}" for part in parts)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"urn:lifecycle:{quote(source[:_USUAL], safe='')}:{digest}"


def merged(copies: Sequence[LeadEvent]) -> LeadEvent:
    """Return the one event that the copies of a fact make.

    Identifiers are united; of every other particular the smallest in normal form counts. Its keys
    are those of the copies: whoever knows the identity policy finds them in its names.
    """
    if len(copies) == 1:
        return copies[0]
    first = min(copies, key=lambda one: one.version)
    return evolve(
        first,
        lead_keys=_united(one.lead_keys for one in copies),
        contact_keys=_united(one.contact_keys for one in copies),
        agent=_smallest_party(one.agent for one in copies),
        recipient=_smallest_party(one.recipient for one in copies),
        snapshot=_merged_snapshot([one.snapshot for one in copies]),
        reason=_smallest(one.reason for one in copies),
        notes=tuple(
            sorted({note for one in copies for note in one.notes}, key=attrgetter("code", "detail"))
        ),
        field_change=_merged_change([one.field_change for one in copies if one.field_change]),
        names=_merged_names([one.names for one in copies if one.names]),
    )


def _merged_change(changes: Sequence[FieldChange]) -> FieldChange:
    first = changes[0]
    return FieldChange(
        source=min(one.source for one in changes),
        field=min(one.field for one in changes),
        object=first.object,
        old=_smallest(one.old for one in changes),
        new=_smallest(one.new for one in changes) or "",
        current=_smallest(one.current for one in changes),
    )


def _merged_names(names: Sequence[WrittenNames]) -> WrittenNames | None:
    if not names:
        return None
    return WrittenNames(
        lead=_united(one.lead for one in names),
        lead_own=_united(one.lead_own for one in names),
        contact=_united(one.contact for one in names),
        contact_own=_united(one.contact_own for one in names),
    )


def _merged_snapshot(snapshots: Sequence[Snapshot]) -> Snapshot:
    contacts = [one.contact for one in snapshots if one.contact]
    return Snapshot(
        owner=_smallest_party(one.owner for one in snapshots),
        sender=_smallest_party(one.sender for one in snapshots),
        recipient=_smallest_party(one.recipient for one in snapshots),
        contact=Contact(
            _smallest(one.name for one in contacts),
            _smallest(one.email for one in contacts),
            _smallest(one.telephone for one in contacts),
        )
        if contacts
        else None,
        lead_source=_smallest(one.lead_source for one in snapshots),
    )


def _united(parts: Iterable[tuple[Value, ...]]) -> tuple[Value, ...]:
    return tuple(sorted({one for part in parts for one in part}))  # type: ignore[type-var]


def _smallest(texts: Iterable[str | None]) -> str | None:
    return min(
        (one for one in texts if one is not None),
        key=lambda one: (compared(one), one),
        default=None,
    )


def _smallest_party(parties: Iterable[Party | None]) -> Party | None:
    return min((one for one in parties if one is not None), key=_party_order, default=None)


def _party_order(party: Party) -> tuple[str, int, str, str]:
    """Sort in normal form; of one party's ids the longest, which says the most."""
    return (_party_key(party), -len(party.id or ""), party.id or "", party.name or "")


def _party_key(party: Party | None) -> str:
    if party is None:
        return ""
    return normal_party(party.id) if party.id else f"name {compared(party.name or '')}"
