"""The fold: a set of events in, leads and their history out. Pure: the definition of the store.

``fold`` is for a whole set; ``SubjectFold`` (``subject.py``) goes on from leads that are known
already, which is how the store applies an event that is last in its order. (design.md 4 to 6)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from lifecycle.domain.event import LeadEvent, Position
from lifecycle.domain.fact import merged
from lifecycle.domain.future import DELETED, MERGED, Group
from lifecycle.domain.history import (
    HUB_SIZE,
    EventFate,
    Finding,
    History,
    LeadHistory,
)
from lifecycle.domain.key import Components, Key
from lifecycle.domain.machine import LeadMachine, machine_for
from lifecycle.domain.rules import Rules
from lifecycle.domain.several import are_several, contact_ids
from lifecycle.domain.subject import OnInvalid, SubjectFold
from lifecycle.domain.track import Track


def fold(rules: Rules, events: Iterable[LeadEvent]) -> History:
    """Fold a set of events, whatever their order: the definition of what a store says.

    Of several copies under one id the one with the smallest digest counts; each other content is a
    ``conflict``. Events in which the rules' identity policy finds no name are left out: a store
    quarantines them.

    Raises:
        RulesError: The rules name a guard that nobody registered.
        TypeError: These are no rules, or no events.
    """
    machine = machine_for(rules)
    named = (one for event in events if (one := rules.identity.named(_event(event))).keys)
    standing, conflicts = _standing(map(rules.identity.named, joined(named)))
    parts = [subject_history(machine, one, conflicts) for one in subjects_of(standing)]
    return History(
        leads=tuple(sorted((lead for one in parts for lead in one.leads), key=_by_lead_id)),
        findings=tuple(sorted((one for part in parts for one in part.findings), key=_in_order)),
        fates={event_id: fate for part in parts for event_id, fate in part.fates.items()},
    )


def _event(value: object) -> LeadEvent:
    """Return an event; a message is none yet."""
    if not isinstance(value, LeadEvent):
        got = type(value).__name__
        raise TypeError(f"expected a LeadEvent, got {got}: decode makes one of a message")
    return value


def joined(events: Iterable[LeadEvent]) -> list[LeadEvent]:
    """Return events with the copies of each change merged into one."""
    copies: dict[str, dict[tuple[bytes, int], LeadEvent]] = defaultdict(dict)
    found: list[LeadEvent] = []
    for event in events:
        if event.trigger == "change":
            copies[event.id].setdefault(event.version, event)
        else:
            found.append(event)
    return found + [merged(list(some.values())) for some in copies.values()]


def is_refolded(event: LeadEvent, track: Track) -> bool:
    """Return whether an event changes what was folded of a lead: it cannot be folded on.

    It precedes the last event, or is a change of the moment of the last one; tells where a walk
    began; or says that an object was merged away or deleted.
    """
    last = track.position or (0, 0, "")
    if event.position < last:
        return True
    change = event.field_change
    if event.trigger != "change" or change is None:
        return False
    place = change.place
    same_moment = event.position[:2] == last[:2]
    return same_moment or place in track.memory.open_walks or place[2] in (MERGED, DELETED)


def _standing(
    events: Iterable[LeadEvent],
) -> tuple[list[LeadEvent], dict[str, list[Finding]]]:
    """Return the copies that count, in fold order; and the conflicts, by event id."""
    copies: dict[str, dict[bytes, LeadEvent]] = defaultdict(dict)
    for event in events:
        same = copies[event.id].get(event.digest)
        if same is None or event.version < same.version:
            copies[event.id][event.digest] = event
    standing = [min(some.values(), key=lambda one: one.version) for some in copies.values()]
    standing.sort(key=lambda event: event.position)
    conflicts = {
        event.id: [
            conflict(event.id, digest)
            for digest in sorted(copies[event.id])
            if digest != event.digest
        ]
        for event in standing
        if len(copies[event.id]) > 1
    }
    return standing, conflicts


def conflict(event_id: str, digest: bytes) -> Finding:
    """Return the finding for a copy that does not count."""
    return Finding("conflict", event_id, f"another content, digest {digest.hex()[:16]}")


def subjects_of(events: Sequence[LeadEvent]) -> list[list[LeadEvent]]:
    """Return the events by subject, in order: components over all keys (design.md section 6)."""
    components: Components[Key] = Components()
    for event in events:
        components.link(event.keys)
    subjects: dict[Key, list[LeadEvent]] = defaultdict(list)
    for event in events:
        subjects[components.find(event.keys[0])].append(event)
    return list(subjects.values())


def lead_groups(events: Iterable[LeadEvent]) -> dict[str, Group]:
    """Return the lead of each event with lead keys, by event id: components over lead keys."""
    components: Components[Key] = Components()
    named = [event for event in events if event.lead_keys]
    for event in named:
        components.link(event.lead_keys)
    return {event.id: components.find(event.lead_keys[0]) for event in named}


def subject_history(
    machine: LeadMachine,
    events: Sequence[LeadEvent],
    conflicts: Mapping[str, Sequence[Finding]],
    on_invalid: OnInvalid = "skip",
) -> History:
    """Fold the events of one subject, given in fold order; each is the copy that counts."""
    part = SubjectFold(machine, on_invalid=on_invalid, explains=True)
    part.run(events, lead_groups(events))
    findings = part.findings + hubs(part.tracks.values())
    findings += contact_findings(events, part.tracks.values())
    fates = {}
    event_ids: dict[Group | None, list[str]] = defaultdict(list)
    for event, verdict, group in part.fates.values():
        event_ids[group].append(event.id)
        track = None if group is None else part.tracks[group]
        its = findings if track is None else track.findings
        its += conflicts.get(event.id, ())
        lead_id = None if track is None else track.lead.lead_id
        fates[event.id] = EventFate(event.position, verdict, lead_id, part.meant.get(event.id))
    leads = [
        _lead_history(track, part.deletion, event_ids[group])
        for group, track in part.tracks.items()
    ]
    return History(
        tuple(sorted(leads, key=_by_lead_id)), tuple(sorted(findings, key=_in_order)), fates
    )


def _lead_history(track: Track, deletion: Position | None, event_ids: Iterable[str]) -> LeadHistory:
    track.lead.keys = tuple(sorted(track.keys, key=Key.order))
    track.lead.fields = track.memory.fields()
    moves = [row for row in track.rows if not row.refused]
    track.lead.reached = {row.target: row.at_micros for row in moves}
    track.lead.reason = moves[-1].reason if moves else None
    if deletion is not None:
        track.lead.contact_deleted_micros = deletion[0]
    findings = sorted(track.findings + track.open_findings(), key=_in_order)
    return LeadHistory(track.lead, tuple(track.rows), tuple(findings), tuple(event_ids))


def _by_lead_id(one: LeadHistory) -> str:
    return one.lead.lead_id


def _in_order(finding: Finding) -> tuple[str, str, str]:
    return (finding.code, finding.event_id or "", finding.detail)


def hubs(tracks: Iterable[Track]) -> list[Finding]:
    """Return a finding for each contact key that very many leads share."""
    return [hub(key) for key in _hub_keys(tracks)]


def hub(key: Key) -> Finding:
    """Return the finding for a contact key that very many leads share."""
    return Finding("hub", None, str(key))


def contact_findings(events: Iterable[LeadEvent], tracks: Iterable[Track]) -> list[Finding]:
    """Return the findings for the contacts of a cluster, given its events in fold order.

    They are gone through twice.
    """
    if not are_several(key for event in events for key in event.contact_keys):
        return []
    return contact_ids(events, _hub_keys(tracks))


def _hub_keys(tracks: Iterable[Track]) -> list[Key]:
    shared = Counter(key for track in tracks for key in track.keys if key.kind == "contact")
    return [key for key, leads in shared.items() if leads > HUB_SIZE]
