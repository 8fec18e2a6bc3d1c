"""Evolve: a lead being folded, event by event. What was decided is done; nothing refuses here."""

from __future__ import annotations

from typing import Final

from attrs import define, evolve, field

from lifecycle.domain.decision import Decision, Step, decide
from lifecycle.domain.event import LeadEvent, Party, Position, Snapshot
from lifecycle.domain.history import Finding, HistoryRow, Verdicts
from lifecycle.domain.key import Key
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine
from lifecycle.domain.memory import Memory
from lifecycle.domain.several import Doubts, Holdings, several_ids
from lifecycle.domain.states import TRIGGERS, Trigger
from lifecycle.reasons import Refusal

#: The findings of a lead that a later event may close.
OPEN_FINDINGS: Final = ("several_ids", "unwitnessed_decision")
_DELETED: Final = Refusal("contact_deleted")
#: The place of a trigger among the steps of one event.
OWN_STEP: Final = {trigger: {"send": 0, "receive": 1}.get(trigger, 2) for trigger in TRIGGERS}


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
        memory: What it remembers of its fields in other systems.
        doubts: The values of one scheme that no event stated together, before this fold.
        held: Its values by scheme, once an event brought another one.
        rows: The rows that this fold added.
        findings: The findings that this fold added.
    """

    lead: Lead
    position: Position | None = None
    decisions: dict[str, str | None] = field(factory=dict)
    contact_only: int = 0
    pieces: list[set[Key]] = field(factory=list)
    keys: set[Key] = field(factory=set)
    memory: Memory = field(factory=Memory)
    doubts: Doubts = field(factory=dict)
    held: Holdings | None = None
    rows: list[HistoryRow] = field(factory=list)
    findings: list[Finding] = field(factory=list)

    def take(self, machine: LeadMachine, event: LeadEvent, *, deleted: bool) -> Verdicts:
        """Fold one event, the next in order, onto the lead."""
        self.name(event)
        decision = _DELETED if deleted else decide(machine, self.lead, event)
        self.note(event)
        self.begin(event, event.trigger)
        self.position = event.position
        self.lead.events += 1
        if isinstance(decision, Refusal):
            by = _actor(self.lead, event)
            own, reason = event.trigger, event.reason
            self.refuse(event, decision, own, step=OWN_STEP[own], by=by, reason=reason)
            return "refused"
        return "applied" if self._evolve(event, decision) else "noted"

    def force(self, machine: LeadMachine, event: LeadEvent) -> None:
        """Let the step that was refused last have its way: only to compare with other tools."""
        lead, refused = self.lead, self.rows[-1]
        learn(lead, event.snapshot)
        lead.holder = _holder_after(refused.trigger, lead, event, refused.by) or lead.holder
        lead.state = machine.forced(refused.trigger, lead.state)
        lead.since_micros = event.time
        self.rows[-1] = evolve(refused, target=lead.state, holder=lead.holder)

    def open_findings(self) -> list[Finding]:
        """Return the findings that a later event may close (OPEN_FINDINGS)."""
        unwitnessed = [
            Finding("unwitnessed_decision", event_id, decision)
            for decision, event_id in sorted(self.decisions.items())
            if event_id is not None
        ]
        return [*unwitnessed, *several_ids(self.doubts_left())]

    def doubts_left(self) -> Doubts:
        """Return the values of one scheme that no event has stated together so far."""
        return self.doubts if self.held is None else self.held.doubts()

    def begin(self, event: LeadEvent, trigger: str) -> None:
        """Say so if the lead is first seen in the midst of its life."""
        if self.position is None:
            self.position = event.position
            if trigger != "send":
                self.find("joined_midway", event, f"began with {trigger}")

    def find(self, code: str, event: LeadEvent, detail: str = "") -> None:
        """Add a finding that an event shows."""
        self.findings.append(Finding(code, event.id, detail))

    def name(self, event: LeadEvent) -> None:
        """Take up the event's keys; two names that were apart until now are a finding."""
        names = event.lead_keys
        if names and self.pieces:
            self._hold(event)
        self.keys.update(event.keys)
        if not names:
            self.contact_only += 1
        elif len(self.pieces) == 1 and self.pieces[0].issuperset(names):
            return
        elif not self.pieces:
            self.lead.lead_id = min(names).lead_id
            self.pieces.append(set(names))
        else:
            self._link(event)

    def _hold(self, event: LeadEvent) -> None:
        """Follow the values of each scheme, once there may be two of one."""
        if self.held is None:
            if not self.doubts and self.keys.issuperset(event.lead_keys):
                return
            own = (key for key in self.keys if key.kind == "lead")
            self.held = Holdings.of(own, self.doubts)
        self.held.take(event.id, event.lead_keys)

    def _link(self, event: LeadEvent) -> None:
        names = event.lead_keys
        linked = [piece for piece in self.pieces if not piece.isdisjoint(names)]
        if len(linked) > 1:
            parts = sorted(min(piece.intersection(names)).lead_id for piece in linked)
            self.find("merged", event, " = ".join(parts))
        self.pieces = [piece for piece in self.pieces if piece not in linked]
        self.pieces.append(set(names).union(*linked))

    def note(self, event: LeadEvent) -> None:
        """Add the findings that the decoder noticed."""
        for note in event.notes:
            self.find(note.code, event, note.detail)

    def refuse(
        self,
        event: LeadEvent,
        refusal: Refusal,
        trigger: Trigger,
        *,
        step: int,
        by: Party | None,
        reason: str | None,
    ) -> None:
        """Record that a step was not allowed; the lead stays as it is."""
        lead = self.lead
        lead.refusals += 1
        row = HistoryRow(
            trigger,
            source=lead.state,
            target=lead.state,
            verdict=refusal.kind,
            at_micros=event.time,
            event_id=event.id,
            step=step,
            by=by,
            holder=lead.holder,
            reason=reason,
            refusal=refusal,
        )
        self.rows.append(row)
        if refusal.kind == "contact_deleted":
            self.find("after_contact_deleted", event, trigger)
        else:
            self.find("invalid_transition", event, f"{trigger} from {lead.state}")

    def _evolve(self, event: LeadEvent, decision: Decision) -> bool:
        """Bring the lead up to date, move it; whether a step moved it."""
        learn(self.lead, event.snapshot)
        if event.trigger in ("reject", "retract"):
            self._check_party(event)
        if decision.odd_dates:
            self.find("odd_dates", event, "; ".join(decision.odd_dates))
        moved = False
        for step in decision.steps:
            moved |= self._step(event, step)
        self._remember_decisions(event)
        return moved

    def _step(self, event: LeadEvent, step: Step) -> bool:
        lead = self.lead
        by = None if step.implied else _actor(lead, event)
        source = lead.state
        if not _move(lead, event, step, by):
            return False
        self.rows.append(
            HistoryRow(
                step.trigger,
                source,
                lead.state,
                "implied" if step.implied else "stated",
                step.at,
                event.id,
                OWN_STEP[step.trigger],
                by,
                lead.holder,
                None if step.implied else event.reason,
            )
        )
        return True

    def _check_party(self, event: LeadEvent) -> None:
        lead = self.lead
        if event.trigger == "retract" and event.participant and lead.holder:
            if event.participant.contradicts(lead.holder):
                self.find("wrong_party", event, f"from {event.participant}, held by {lead.holder}")
        elif event.trigger == "reject" and event.agent:
            known = [one for one in (lead.holder, lead.recipient, lead.owner) if one]
            if known and all(event.agent.contradicts(one) for one in known):
                self.find("wrong_party", event, f"by {event.agent}, held by {lead.holder}")

    def _remember_decisions(self, event: LeadEvent) -> None:
        snapshot = event.snapshot
        if event.trigger in ("accept", "reject"):
            self.decisions[event.trigger] = None
        if snapshot.date_accepted is not None:
            self.decisions.setdefault("accept", event.id)
        if snapshot.date_rejected is not None:
            self.decisions.setdefault("reject", event.id)


def advance(machine: LeadMachine, lead: Lead, event: LeadEvent) -> bool:
    """Let an event move a lead and bring it up to date, if it may, without a history."""
    decision = decide(machine, lead, event)
    if isinstance(decision, Refusal):
        return False
    lead.events += 1
    learn(lead, event.snapshot)
    for step in decision.steps:
        _move(lead, event, step, None if step.implied else _actor(lead, event))
    return True


def learn(lead: Lead, snapshot: Snapshot) -> None:
    """Bring up to date what an event's snapshot names."""
    lead.owner = snapshot.owner or lead.owner
    lead.sender = snapshot.sender or lead.sender
    lead.recipient = snapshot.recipient or lead.recipient
    lead.source = snapshot.lead_source or lead.source
    if snapshot.contact is not None:
        lead.contact = lead.contact.updated(snapshot.contact)


def _move(lead: Lead, event: LeadEvent, step: Step, by: Party | None) -> bool:
    """Take one step; whether it moved the lead."""
    lead.holder = _holder_after(step.trigger, lead, event, by) or lead.holder
    if step.edge.moves:
        step.edge.move(lead)
        lead.since_micros = step.at
    return step.edge.moves


def _actor(lead: Lead, event: LeadEvent) -> Party | None:
    """Return who did it, as the message says (design.md section 3, Parties)."""
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
    """Return who has the lead after this step; None: the message names nobody, and it stays."""
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
