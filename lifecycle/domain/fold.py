"""The fold: a set of events in, leads and their history out. Pure: the definition of the store.

An event is decided first (``decide``: nothing changes), then the lead evolves (``Track.evolve``:
nothing refuses). ``fold`` is for a whole set; ``SubjectFold`` goes on from leads that are known
already, which is how the store applies an event that is last in its order. (design.md 4 to 6)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from attrs import define, field, frozen

from lifecycle.domain.history import (
    HUB_SIZE,
    EventFate,
    Finding,
    History,
    HistoryRow,
    LeadHistory,
    Verdicts,
)
from lifecycle.domain.key import Components, Key
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine, LeadTransition, Refusal, machine_for

if TYPE_CHECKING:
    from lifecycle.domain.event import LeadEvent, Party, Position
    from lifecycle.domain.rules import Rules
    from lifecycle.domain.states import State, Trigger

#: What tells the leads of a subject apart while they are folded.
Group: TypeAlias = Hashable

_DELETED: Final = Refusal("contact_deleted")


@frozen
class _Step:
    """One step that an event is allowed to make."""

    trigger: Trigger
    edge: LeadTransition
    at: int
    implied: bool


@define
class _Decision:
    """What an event may do: its steps in order, and the dates that were brought into bounds."""

    steps: list[_Step] = field(factory=list)
    odd_dates: list[str] = field(factory=list)


def decide(machine: LeadMachine, lead: Lead, event: LeadEvent) -> _Decision | Refusal:
    """What this event would do to this lead: steps in the order send, receive, own trigger.

    An event whose own trigger is refused takes no implied step either.
    """
    decision = _Decision()
    own = event.trigger
    state = _send_step(machine, lead, event, decision)
    if isinstance(state, Refusal):
        return state
    if own != "receive":
        state = _receive_step(machine, lead, event, decision, state)
    if own != "send":
        edge = machine.decide(own, state, lead, event)
        if isinstance(edge, Refusal):
            return edge
        decision.steps.append(_Step(own, edge, event.time, implied=False))
    return decision


def _send_step(
    machine: LeadMachine, lead: Lead, event: LeadEvent, decision: _Decision
) -> State | Refusal:
    """The add's own send, or one that ``dateSent`` implies; the state after it."""
    stated = event.snapshot.date_sent
    own = event.trigger == "send"
    if not own and (stated is None or lead.state != "new"):
        return lead.state
    edge = machine.decide("send", lead.state, lead, event)
    if isinstance(edge, Refusal):
        return edge if own else lead.state
    if not own and not edge.moves:
        return lead.state
    at = _within_bounds("dateSent", stated, lead.since, event.time, decision)
    decision.steps.append(_Step("send", edge, at, implied=not own))
    return edge.target


def _receive_step(
    machine: LeadMachine, lead: Lead, event: LeadEvent, decision: _Decision, state: State
) -> State:
    """The receive that ``dateReceived`` implies, unless it is stale; the state after it."""
    stated = event.snapshot.date_received
    if stated is None or state not in ("new", "sent"):
        return state
    last = decision.steps[-1].at if decision.steps else lead.since
    if state == "sent" and last is not None and stated < last:
        decision.odd_dates.append("dateReceived is older than the sending")
        return state
    edge = machine.decide("receive", state, lead, event)
    if isinstance(edge, Refusal) or not edge.moves:
        return state
    at = _within_bounds("dateReceived", stated, last, event.time, decision)
    decision.steps.append(_Step("receive", edge, at, implied=True))
    return edge.target


def _within_bounds(
    name: str, stated: int | None, last: int | None, time: int, decision: _Decision
) -> int:
    """The stated date, brought within the lead's last step and the event's own time."""
    if stated is None:
        return time
    if stated > time:
        decision.odd_dates.append(f"{name} is later than the event")
        return time
    if last is not None and stated < last:
        decision.odd_dates.append(f"{name} is older than the lead's last step")
        return last
    return stated


@define
class Track:
    """A lead being folded: what it shows, and what its next event must know of it besides.

    Attributes:
        lead: The lead so far.
        position: That of its last event.
        decisions: Per decision (accept, reject): the id of the event that first stated its date,
            None once an event witnessed it.
        contact_only: How many of its events name no lead key.
        pieces: Its lead keys as far as they are linked by the events so far.
        keys: Its keys so far.
        rows: The rows that this fold added.
        findings: The findings that this fold added.
    """

    lead: Lead
    position: Position | None = None
    decisions: dict[str, str | None] = field(factory=dict)
    contact_only: int = 0
    pieces: list[set[Key]] = field(factory=list)
    keys: set[Key] = field(factory=set)
    rows: list[HistoryRow] = field(factory=list)
    findings: list[Finding] = field(factory=list)

    def take(self, machine: LeadMachine, event: LeadEvent, *, deleted: bool) -> Verdicts:
        """Fold one event, the next in order, onto the lead."""
        self._name(event)
        decision = _DELETED if deleted else decide(machine, self.lead, event)
        self._notes(event)
        self.position = event.position
        self.lead.events += 1
        if isinstance(decision, Refusal):
            self._refuse(event, decision)
            return "refused"
        return "applied" if self._evolve(event, decision) else "noted"

    def unwitnessed(self) -> list[Finding]:
        """Decisions that a snapshot dates and no event witnessed, as far as is known."""
        return [
            Finding("unwitnessed_decision", event_id, decision)
            for decision, event_id in sorted(self.decisions.items())
            if event_id is not None
        ]

    def _find(self, code: str, event: LeadEvent, detail: str = "") -> None:
        self.findings.append(Finding(code, event.id, detail))

    def _name(self, event: LeadEvent) -> None:
        """Take up the event's keys; two names that were apart until now are a finding."""
        self.keys.update(event.keys)
        if not event.lead_keys:
            self.contact_only += 1
            return
        if not self.pieces:
            self.lead.lead_id = min(event.lead_keys).lead_id
        linked = [piece for piece in self.pieces if not piece.isdisjoint(event.lead_keys)]
        if len(linked) == 1:
            linked[0].update(event.lead_keys)
            return
        if linked:
            names = sorted(min(piece.intersection(event.lead_keys)).lead_id for piece in linked)
            self._find("merged", event, " = ".join(names))
        self.pieces = [piece for piece in self.pieces if piece not in linked]
        self.pieces.append(set(event.lead_keys).union(*linked))

    def _notes(self, event: LeadEvent) -> None:
        for note in event.notes:
            self._find(note.code, event, note.detail)
        if self.position is None and event.trigger != "send":
            self._find("joined_midway", event, f"began with {event.trigger}")

    def _refuse(self, event: LeadEvent, refusal: Refusal) -> None:
        lead = self.lead
        lead.refusals += 1
        self.rows.append(
            HistoryRow(
                trigger=event.trigger,
                source=lead.state,
                target=lead.state,
                verdict=refusal.kind,
                at=event.time,
                event_id=event.id,
                step=_own_step(event.trigger),
                by=_actor(lead, event),
                holder=lead.holder,
                reason=event.reason,
                refusal=refusal,
            )
        )
        if refusal.kind == "contact_deleted":
            self._find("after_contact_deleted", event, event.trigger)
        else:
            self._find("invalid_transition", event, f"{event.trigger} from {lead.state}")

    def _evolve(self, event: LeadEvent, decision: _Decision) -> bool:
        """Bring the lead up to date, move it; whether a step moved it."""
        self._update_snapshot(event)
        self._check_party(event)
        if decision.odd_dates:
            self._find("odd_dates", event, "; ".join(decision.odd_dates))
        moved = False
        for step in decision.steps:
            moved |= self._step(event, step)
        self._remember_decisions(event)
        return moved

    def _step(self, event: LeadEvent, step: _Step) -> bool:
        lead = self.lead
        by = None if step.implied else _actor(lead, event)
        lead.holder = _holder_after(step.trigger, lead, event, by) or lead.holder
        if not step.edge.moves:
            return False
        source = step.edge.move(lead)
        lead.since = step.at
        self.rows.append(
            HistoryRow(
                trigger=step.trigger,
                source=source,
                target=lead.state,
                verdict="implied" if step.implied else "stated",
                at=step.at,
                event_id=event.id,
                step=_own_step(step.trigger),
                by=by,
                holder=lead.holder,
                reason=None if step.implied else event.reason,
            )
        )
        return True

    def _update_snapshot(self, event: LeadEvent) -> None:
        lead, snapshot = self.lead, event.snapshot
        lead.owner = snapshot.owner or lead.owner
        lead.sender = snapshot.sender or lead.sender
        lead.recipient = snapshot.recipient or lead.recipient
        if snapshot.contact is not None:
            lead.contact = lead.contact.updated(snapshot.contact)

    def _check_party(self, event: LeadEvent) -> None:
        lead = self.lead
        if event.trigger == "retract" and event.participant and lead.holder:
            if event.participant.contradicts(lead.holder):
                self._find("wrong_party", event, f"from {event.participant}, held by {lead.holder}")
        elif event.trigger == "reject" and event.agent:
            known = [one for one in (lead.holder, lead.recipient, lead.owner) if one]
            if known and all(event.agent.contradicts(one) for one in known):
                self._find("wrong_party", event, f"by {event.agent}, held by {lead.holder}")

    def _remember_decisions(self, event: LeadEvent) -> None:
        snapshot = event.snapshot
        if event.trigger in ("accept", "reject"):
            self.decisions[event.trigger] = None
        if snapshot.date_accepted is not None:
            self.decisions.setdefault("accept", event.id)
        if snapshot.date_rejected is not None:
            self.decisions.setdefault("reject", event.id)


def _own_step(trigger: Trigger) -> int:
    """The place of a trigger among the steps of one event."""
    return {"send": 0, "receive": 1}.get(trigger, 2)


def _actor(lead: Lead, event: LeadEvent) -> Party | None:
    """Who did it, as the message says (design.md section 3, Parties)."""
    if event.agent is not None:
        return event.agent
    match event.trigger:
        case "send":
            return event.snapshot.sender or lead.sender
        case "accept":
            return event.recipient or event.snapshot.recipient
        case "reject" | "receive":
            return event.snapshot.recipient
        case _:
            return None


def _holder_after(trigger: Trigger, lead: Lead, event: LeadEvent, by: Party | None) -> Party | None:
    """Who has the lead after this step; None: the message names nobody, and it stays."""
    match trigger:
        case "send":
            return event.snapshot.recipient or event.recipient
        case "assign":
            return event.recipient or event.snapshot.recipient
        case "accept":
            return by
        case "reject":
            return lead.owner or lead.sender
        case "retract":
            return event.recipient or lead.owner or lead.sender
        case _:
            return None


@define
class SubjectFold:
    """The events of one subject, folded in order.

    Start it empty, or with the ``tracks`` and the first ``deletion`` (its position) that are known.

    Attributes:
        machine: What moves the leads.
        tracks: The leads so far, by group.
        deletion: The position of the first ``contact#delete``.
        findings: Those that concern no single lead.
        fates: Per event id: its verdict, and the group of the lead that it was bound to.
    """

    machine: LeadMachine
    tracks: dict[Group, Track] = field(factory=dict)
    deletion: Position | None = None
    findings: list[Finding] = field(factory=list)
    fates: dict[str, tuple[LeadEvent, Verdicts, Group | None]] = field(factory=dict)

    def run(self, events: Iterable[LeadEvent], groups: Mapping[str, Group]) -> None:
        """Fold these events, in this order; ``groups`` has those with lead keys, by event id."""
        known = set(groups.values()).union(self.tracks)
        for event in events:
            if event.trigger == "delete":
                self._delete(event)
                continue
            group = groups.get(event.id)
            ambiguous = False
            if group is None:
                group, ambiguous = self._bind(event, known)
            track = self.tracks.get(group)
            if track is None:
                track = self.tracks[group] = Track(_new_lead(event))
            verdict = track.take(self.machine, event, deleted=self._deleted_before(event))
            if ambiguous:
                track.findings.append(Finding("ambiguous_lead", event.id))
            self.fates[event.id] = (event, verdict, group)

    def _deleted_before(self, event: LeadEvent) -> bool:
        return self.deletion is not None and self.deletion < event.position

    def _delete(self, event: LeadEvent) -> None:
        """Mark the subject: its leads keep their state, and refuse what comes later."""
        if self.deletion is None or event.position < self.deletion:
            self.deletion = event.position
        self.findings += [Finding(note.code, event.id, note.detail) for note in event.notes]
        self.fates[event.id] = (event, "noted", None)

    def _bind(self, event: LeadEvent, known: set[Group]) -> tuple[Group, bool]:
        """The lead that an event without lead keys means, and whether others were possible."""
        if self.tracks:
            return self._choose(event)
        if len(known) == 1:
            return next(iter(known)), False
        return min(event.contact_keys), False

    def _choose(self, event: LeadEvent) -> tuple[Group, bool]:
        """Narrow the leads down: legal, then held by the party named, then touched last."""
        candidates = list(self.tracks.items())
        if not self._deleted_before(event):
            candidates = [
                one
                for one in candidates
                if not isinstance(decide(self.machine, one[1].lead, event), Refusal)
            ] or candidates
        party = _party_named(event)
        candidates = [one for one in candidates if _held_by(one[1].lead, party)] or candidates
        latest = max(one[1].position or (0, 0, "") for one in candidates)[0]
        touched_last = [
            one for one in candidates if one[1].position and one[1].position[0] == latest
        ]
        group, _ = min(touched_last, key=lambda one: _smallest_key(one[1]))
        return group, len(candidates) > 1


def _new_lead(event: LeadEvent) -> Lead:
    return Lead(min(event.lead_keys or event.contact_keys).lead_id)


def _party_named(event: LeadEvent) -> Party | None:
    if event.trigger == "retract":
        return event.participant
    return event.agent or event.recipient


def _held_by(lead: Lead, party: Party | None) -> bool:
    return party is not None and lead.holder is not None and party.matches(lead.holder)


def _smallest_key(track: Track) -> Key:
    """The smallest of its lead keys, of its contact keys for a lead that has none."""
    return min((key for key in track.keys if key.kind == "lead"), default=min(track.keys))


def fold(rules: Rules, events: Iterable[LeadEvent]) -> History:
    """What this set of events says, whatever their order: the definition of what a store says.

    Of several copies under one id the one with the smallest digest counts; each other content is a
    ``conflict``. Events must have at least one key, as those from ``decode`` do.

    Raises:
        RulesError: The rules name a guard that nobody registered.
    """
    machine = machine_for(rules)
    standing, conflicts = _standing(events)
    result = _HistoryBuilder(conflicts)
    for subject in subjects_of(standing):
        part = SubjectFold(machine)
        part.run(subject, lead_groups(subject))
        result.add(part)
    return result.history()


def _standing(
    events: Iterable[LeadEvent],
) -> tuple[list[LeadEvent], dict[str, list[Finding]]]:
    """The copies that count, in fold order; and the conflicts, by event id."""
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
    """The finding for a copy that does not count."""
    return Finding("conflict", event_id, f"another content, digest {digest.hex()[:16]}")


def subjects_of(events: Sequence[LeadEvent]) -> list[list[LeadEvent]]:
    """The events by subject, in their order: the components over all keys (design.md section 6)."""
    components: Components[Key] = Components()
    for event in events:
        components.link(event.keys)
    subjects: dict[Key, list[LeadEvent]] = defaultdict(list)
    for event in events:
        subjects[components.find(event.keys[0])].append(event)
    return list(subjects.values())


def lead_groups(events: Iterable[LeadEvent]) -> dict[str, Group]:
    """The lead of each event that has lead keys, by event id: the components over lead keys."""
    components: Components[Key] = Components()
    named = [event for event in events if event.lead_keys]
    for event in named:
        components.link(event.lead_keys)
    return {event.id: components.find(event.lead_keys[0]) for event in named}


class _HistoryBuilder:
    """Puts the folds of subjects together."""

    def __init__(self, conflicts: dict[str, list[Finding]]) -> None:
        self._conflicts = conflicts
        self._leads: list[LeadHistory] = []
        self._findings: list[Finding] = []
        self._fates: dict[str, EventFate] = {}

    def add(self, part: SubjectFold) -> None:
        """Take up one subject."""
        self._findings += part.findings + hubs(part.tracks.values())
        for event, verdict, group in part.fates.values():
            track = None if group is None else part.tracks[group]
            findings = self._findings if track is None else track.findings
            findings += self._conflicts.get(event.id, ())
            lead_id = None if track is None else track.lead.lead_id
            self._fates[event.id] = EventFate(event.position, verdict, lead_id)
        for track in part.tracks.values():
            track.lead.keys = tuple(sorted(track.keys, key=Key.order))
            if part.deletion is not None:
                track.lead.contact_deleted_at = part.deletion[0]
            findings = sorted(track.findings + track.unwitnessed(), key=_finding_order)
            self._leads.append(LeadHistory(track.lead, tuple(track.rows), tuple(findings)))

    def history(self) -> History:
        """What was put together."""
        leads = sorted(self._leads, key=lambda one: one.lead.lead_id)
        findings = sorted(self._findings, key=_finding_order)
        return History(tuple(leads), tuple(findings), self._fates)


def _finding_order(finding: Finding) -> tuple[str, str, str]:
    return (finding.code, finding.event_id or "", finding.detail)


def hubs(tracks: Iterable[Track]) -> list[Finding]:
    """A finding for each contact key that very many leads share."""
    shared = Counter(key for track in tracks for key in track.keys if key.kind == "contact")
    return [Finding("hub", None, str(key)) for key, leads in shared.items() if leads > HUB_SIZE]
