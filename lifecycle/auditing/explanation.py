"""Explanations of one lead: its path, its refusals, what came late and what may follow.

Read from a store in one snapshot, by its own rules.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import frozen

from lifecycle.auditing.allowed import NextStep, next_steps, who_may
from lifecycle.auditing.differences import Difference, differences
from lifecycle.auditing.edits import Edit
from lifecycle.auditing.repair import Repair, repairs_of
from lifecycle.domain import (
    Lead,
    Rules,
    Trigger,
    immutable,
    machine_for,
    subject_history,
)
from lifecycle.messages import format_time
from lifecycle.store import (
    FindingEntry,
    HistoryEntry,
    LeadReader,
    StoredCopy,
    StoredMessage,
    lead_dict,
)

_STORY = ("path", "refused", "noted", "copies", "corrections")


@immutable
class Step:
    """A transition or a refusal, and the message that it comes from.

    Attributes:
        entry: What happened.
        message: What said so.
        who: Who may do it in that state, in words: for a transition, who was allowed to.
    """

    entry: HistoryEntry
    message: StoredMessage
    who: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        row = self.entry.as_dict()
        holder = self.entry.holder
        return {
            **{name: row[name] for name in ("at", "trigger", "from", "to", "verdict", "by")},
            "holder": None if holder is None else str(holder),
            "who": self.who,
            "reason": row["reason"],
            "message": self.message.as_dict(),
        }


@immutable
class Change:
    """The steps that a message was thought to have made, and those that it is known to have made.

    ``was`` and ``now`` are the rows of its steps, each with the lead it belongs to; without any it
    moved nothing. ``moved``: it was found to be another lead's.
    """

    event_id: str
    trigger: Trigger
    at: datetime
    was: tuple[HistoryEntry, ...]
    now: tuple[HistoryEntry, ...]
    moved: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "event_id": self.event_id,
            "trigger": self.trigger,
            "at": format_time(self.at),
            "was": list(map(_row_dict, self.was)),
            "now": list(map(_row_dict, self.now)),
            "moved": self.moved,
        }


@immutable
class Correction:
    """A moment at which what was known of the lead's past changed.

    Attributes:
        at: When.
        because: The messages that came then, or came to count: late ones, deletions of the contact,
            and such that name other leads of the subject. Without any other rules came into force,
            or keys were linked.
        other_rules: Whether other rules came into force.
        erased: Whether contents were erased.
        changes: What changed; a late message may change nothing.
    """

    at: datetime
    because: tuple[StoredMessage, ...]
    other_rules: bool
    erased: bool
    changes: tuple[Change, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "at": format_time(self.at),
            "because": _dicts(self.because),
            "other_rules": self.other_rules,
            "erased": self.erased,
            "changes": _dicts(self.changes),
        }


@immutable
class Copy:
    """Another content under the id of a message, which does not count.

    Attributes:
        copy: The content.
        differences: Where it differs from the one that counts: the place in the message, what
            stands there, and what stands there in the other; None for nothing.
    """

    copy: StoredCopy
    differences: tuple[Difference, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        names = ("path", "copy", "counts")
        differing = [dict(zip(names, one, strict=True)) for one in self.differences]
        return self.copy.as_dict() | {"differences": differing}


@frozen
class Explanation:
    """The reasons for which a lead is in its state.

    Attributes:
        lead: The lead.
        rules: The rules that it was folded with.
        path: The transitions that led to its state, in order.
        refused: The attempts that were not allowed, in order.
        noted: The messages that were valid and moved nothing, in order.
        copies: What came with another content under the id of one of its messages.
        corrections: What came late, and what it changed.
        repair: The smallest repair of what was refused: a proposal; None where nothing was, or
            where the person was erased.
        next: What may happen next; nothing, once the contact was deleted.
        findings: What else an auditor should know.
    """

    lead: Lead
    rules: Rules
    path: Sequence[Step]
    refused: Sequence[Step]
    noted: Sequence[StoredMessage]
    copies: Sequence[Copy]
    corrections: Sequence[Correction]
    repair: Repair | None
    next: Sequence[NextStep]
    findings: Sequence[FindingEntry]

    @property
    def edits(self) -> Sequence[Edit]:
        """Return the edits of the repair."""
        return self.repair.edits if self.repair else ()

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "lead": lead_dict(self.lead),
            "rules": {"name": self.rules.name, "digest": self.rules.digest},
            **{name: _dicts(getattr(self, name)) for name in _STORY},
            "repair": [{"proposal": str(one), **one.as_dict()} for one in self.edits],
            "proved_smallest": self.repair.proved_smallest if self.repair else None,
            "next": _dicts(self.next),
            "findings": _dicts(self.findings),
        }


def explain(store: LeadReader, alias: str) -> Explanation:
    """Explain why the lead of this name is in its state.

    Raises:
        NotFoundError: No lead has this name.
        AmbiguousLeadError: It is the name of a contact with several leads.
    """
    with store.snapshot():
        lead, rules = store.lead(alias), store.rules
        messages = {one.event_id: one for one in store.messages(alias)}
        entries = store.history(alias, superseded=True)
        standing = [
            Step(one, messages[one.event_id], who_may(rules, one))
            for one in entries
            if one.superseded_at is None
        ]
        return Explanation(
            lead=lead,
            rules=rules,
            path=[one for one in standing if not one.entry.refused],
            refused=[one for one in standing if one.entry.refused],
            noted=[one for one in messages.values() if one.outcome == "noted"],
            copies=[
                Copy(one, tuple(differences(one.payload, messages[one.event_id].payload)))
                for one in store.copies(alias)
            ],
            corrections=_corrections(store, entries, messages),
            repair=_repair(store, rules, standing) if lead.refusals and lead.keys else None,
            next=next_steps(rules, lead),
            findings=store.findings(alias),
        )


def _repair(store: LeadReader, rules: Rules, steps: Sequence[Step]) -> Repair:
    """Find the smallest repair of the lead that made these steps."""
    event_id = steps[-1].entry.event_id
    machine = machine_for(rules)
    events = store.evidence().subject_of(event_id)
    history = subject_history(machine, events, {})
    repairs = repairs_of(machine, history, events)
    return next(one for found, one in repairs if event_id in found.event_ids)


def _corrections(
    store: LeadReader, entries: Sequence[HistoryEntry], messages: Mapping[str, StoredMessage]
) -> list[Correction]:
    """Return what was recorded of each message after it came first, by the moment."""
    came: dict[str, datetime] = {}
    for entry in entries:
        event_id = entry.event_id
        came[event_id] = min(entry.recorded_at, came.get(event_id, entry.recorded_at))
    changed: dict[datetime, dict[str, list[HistoryEntry]]] = defaultdict(lambda: defaultdict(list))
    for entry in entries:
        event_id = entry.event_id
        known = messages.get(event_id)
        first = came[event_id] if known is None else min(came[event_id], known.recorded_at)
        if entry.superseded_at is not None:
            changed[entry.superseded_at][event_id].append(entry)
        if entry.recorded_at > first:
            changed[entry.recorded_at][event_id].append(entry)
    late = {one.recorded_at for one in messages.values() if one.late}
    moments = sorted({*late, *changed})
    if not moments:
        return []
    because = store.evidence().came_at(next(iter(messages)), moments)
    rules_times = store.rules_times()
    erased = {one.erased_at for one in messages.values()}
    return [
        Correction(
            at=at,
            because=() if at in rules_times else tuple(because.get(at, ())),
            other_rules=at in rules_times,
            erased=at in erased,
            changes=tuple(
                _change(at, rows, moved=event_id not in messages)
                for event_id, rows in changed[at].items()
            ),
        )
        for at in moments
    ]


def _change(at: datetime, entries: list[HistoryEntry], *, moved: bool) -> Change:
    last = entries[-1]
    now = tuple(one for one in entries if one.recorded_at == at)
    return Change(
        last.event_id,
        next((one.trigger for one in entries if one.verdict != "implied"), last.trigger),
        last.at,
        tuple(one for one in entries if one.superseded_at == at),
        now,
        moved=moved and not now,
    )


def _dicts(listed: Sequence[Any]) -> list[dict[str, Any]]:
    return [one.as_dict() for one in listed]


def _row_dict(entry: HistoryEntry) -> dict[str, Any]:
    row = entry.as_dict()
    names = ("trigger", "from", "to", "verdict", "reason")
    return {"lead_id": entry.lead_id, **{name: row[name] for name in names}}
