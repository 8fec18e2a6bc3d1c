"""The events of one subject, folded in order, onto leads that may be known already.

An event is decided first (``decision.py``: nothing changes), then the lead evolves (``track.py``:
nothing refuses). (design.md sections 4 to 6)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Final, Literal, TypeAlias

from attrs import define, field

from lifecycle.domain.decision import decide
from lifecycle.domain.event import LeadEvent, Party, Position
from lifecycle.domain.future import DELETED, MERGED, Future, Group
from lifecycle.domain.history import (
    STEPS,
    Finding,
    Meant,
    Verdicts,
)
from lifecycle.domain.key import Key
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine
from lifecycle.domain.moment import Moment
from lifecycle.domain.track import Track
from lifecycle.reasons import Refusal

OnInvalid: TypeAlias = Literal["skip", "force", "stop"]
ON_INVALID: Final[tuple[OnInvalid, ...]] = ("skip", "force", "stop")


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
        on_invalid: What becomes of a lead at a refusal. The store knows ``skip`` alone: it stays as
            it is. Other tools ``force`` the step, or ``stop`` to judge the lead.
        rest: Other leads that are known, the latest first; they become tracks when an event that
            names no lead may mean them, so that a hub need not be loaded whole.
        explains: Whether ``meant`` is kept.
        meant: Per id of a change's event what it meant.
    """

    machine: LeadMachine
    tracks: dict[Group, Track] = field(factory=dict)
    deletion: Position | None = None
    findings: list[Finding] = field(factory=list)
    fates: dict[str, tuple[LeadEvent, Verdicts, Group | None]] = field(factory=dict)
    on_invalid: OnInvalid = "skip"
    rest: Iterator[tuple[Group, Track]] = field(factory=lambda: iter(()))
    explains: bool = False
    meant: dict[str, Meant] = field(factory=dict)
    _future: Future = field(init=False, factory=lambda: Future([], {}))
    #: The groups in the order in which they were touched, once that was asked for.
    _touched: dict[Group, None] | None = field(init=False, default=None)
    #: The first of the rest, where it was looked at and is no track yet.
    _next: tuple[Group, Track] | None = field(init=False, default=None)

    def run(self, events: Iterable[LeadEvent], groups: Mapping[str, Group]) -> None:
        """Fold these events, in this order; ``groups`` has those with lead keys, by event id."""
        events = list(events)
        self._future = Future(events, groups)
        self._touched = None
        changes: list[LeadEvent] = []
        for event in events:
            if changes and (event.trigger != "change" or event.time != changes[0].time):
                self._changes(changes, groups)
                changes = []
            if event.trigger == "change":
                changes.append(event)
            elif event.trigger == "delete":
                self._delete(event)
            else:
                self._message(event, groups)
        if changes:
            self._changes(changes, groups)

    def _message(self, event: LeadEvent, groups: Mapping[str, Group]) -> None:
        group, ambiguous = groups.get(event.id), False
        if group is None:
            group, ambiguous = self._bind(event, groups)
        track = self._track(group, event)
        if self.on_invalid == "stop" and self._is_judged(track):
            track.name(event)
            return
        deleted = self.deletion is not None and self._deleted_before(event)
        if self._touched is not None:
            self._touch(group, event)
        verdict = track.take(self.machine, event, deleted=deleted)
        if verdict == "refused" and self.on_invalid == "force" and not deleted:
            track.force(self.machine, event)
        if ambiguous:
            track.findings.append(Finding("ambiguous_lead", event.id))
        self.fates[event.id] = (event, verdict, group)

    def _track(self, group: Group, event: LeadEvent) -> Track:
        track = self.tracks.get(group)
        if track is None:
            track = self.tracks[group] = Track(_new_lead(event))
        return track

    def _touch(self, group: Group, event: LeadEvent) -> None:
        """Note that an event is bound to a lead, if the order is kept and holds."""
        if self._touched is None:
            return
        self._touched.pop(group, None)
        last = next(reversed(self._touched), None)
        if last is not None and _last_position(self.tracks[last]) > event.position:
            self._touched = None
        else:
            self._touched[group] = None

    def _latest_first(self) -> Iterator[tuple[Group, Track]]:
        """Yield the leads by when they were touched last, the latest first."""
        if self._touched is None:
            in_order = sorted(self.tracks, key=lambda one: _last_position(self.tracks[one]))
            self._touched = dict.fromkeys(in_order)
        for group in reversed(self._touched):
            yield from self._rest_after(_last_position(self.tracks[group]))
            yield group, self.tracks[group]
        yield from self._rest_after(None)

    def _rest_after(self, position: Position | None) -> Iterator[tuple[Group, Track]]:
        """Make tracks of the rest as far as they were touched after a position; None: all."""
        while (one := self._first_of_rest()) is not None:
            if position is not None and _last_position(one[1]) <= position:
                return
            self.tracks[one[0]] = one[1]
            self._touched = self._next = None
            yield one

    def _first_of_rest(self) -> tuple[Group, Track] | None:
        if self._next is None:
            self._next = next(self.rest, None)
        return self._next

    def _is_judged(self, track: Track) -> bool:
        """Return whether a lead is not folded on, as it was refused something."""
        return self.on_invalid == "stop" and bool(track.lead.refusals)

    # --- changes of fields ------------------------------------------------------------------

    def _changes(self, events: list[LeadEvent], groups: Mapping[str, Group]) -> None:
        """Fold the changes of one instant: lead by lead, each source's at once, by its name."""
        by_lead: dict[Group, list[LeadEvent]] = defaultdict(list)
        for event in events:
            if event.id in groups:
                by_lead[groups[event.id]].append(event)
        for group, its in by_lead.items():
            self._instant(group, its)
        unnamed = [event for event in events if event.id not in groups]
        for _, some in groupby(sorted(unnamed, key=_origin), _origin):
            its = list(some)
            group, ambiguous = self._bind(its[0], groups)
            self._instant(group, its)
            if ambiguous:
                self.tracks[group].findings.append(Finding("ambiguous_lead", its[0].id))

    def _instant(self, group: Group, events: list[LeadEvent]) -> None:
        """Fold the changes of one lead at one time."""
        track = self._track(group, events[0])
        for event in events:
            track.name(event)
        if self._is_judged(track):
            return
        time = events[0].time
        turn = _last_turn(track, time)
        for source, its in _by_source(events):
            live = [event for event in its if self._moves(group, source, event)]
            moment = Moment(
                self.machine,
                track,
                source,
                partial(self._future.next_begin, group, time),
                is_deleted=self._deleted_before(events[0]),
                turn=turn,
                forces=self.on_invalid == "force",
                explains=self.explains,
            )
            moment.fold(live)
            turn = moment.turn
            by_id = {event.id: event for event in its}
            for event_id, spent in moment.spent.items():
                self.fates[event_id] = (by_id.pop(event_id), spent.verdict, group)
                if self.explains:
                    self.meant[event_id] = spent.meant
            self.fates.update((one.id, (one, "noted", group)) for one in by_id.values())
        self._touch(group, events[-1])
        for event in events:
            track.note(event)
            track.lead.events += 1
        track.position = max(events[-1].position, track.position or events[-1].position)

    def _moves(self, group: Group, source: str, event: LeadEvent) -> bool:
        """Return whether a change counts: its source is followed, its object not merged away."""
        change = event.field_change
        if change is None or not self.machine.meanings.moves(source):
            return False
        merged_at = self._future.merged.get((group, source, change.object))
        if merged_at is None or change.place[2] == MERGED:
            return True
        # That it is deleted is how a system merges it away.
        return event.time > merged_at and change.place[2] != DELETED

    def _deleted_before(self, event: LeadEvent) -> bool:
        return self.deletion is not None and self.deletion < event.position

    def _delete(self, event: LeadEvent) -> None:
        """Mark the subject: its leads keep their state, and refuse what comes later."""
        if self.deletion is None or event.position < self.deletion:
            self.deletion = event.position
        self.findings += [Finding(note.code, event.id, note.detail) for note in event.notes]
        self.fates[event.id] = (event, "noted", None)

    def _bind(self, event: LeadEvent, groups: Mapping[str, Group]) -> tuple[Group, bool]:
        """Return the lead that an event without lead keys means, and whether others fit too."""
        if self.tracks or self._first_of_rest() is not None:
            return self._choose(event)
        later = set(groups.values())
        if len(later) == 1:
            return later.pop(), False
        return min(event.contact_keys), False

    def _choose(self, event: LeadEvent) -> tuple[Group, bool]:
        """Narrow the leads down: legal, then held by the party named, then touched last.

        They are looked at one by one, the latest first, and no more of them than the answer needs:
        a hub has very many.
        """
        candidates = self._latest_first()
        if not self._deleted_before(event):
            candidates = _narrowed(candidates, partial(self._is_legal, event))
        party = _party_named(event)
        if party is not None:
            candidates = _narrowed(candidates, lambda track: _held_by(track.lead, party))
        found = next(candidates)
        touched_last, is_ambiguous = [found], False
        for one in candidates:
            is_ambiguous = True
            if _last_position(one[1])[0] != _last_position(found[1])[0]:
                break
            touched_last.append(one)
        group, _ = min(touched_last, key=lambda one: _smallest_key(one[1]))
        return group, is_ambiguous

    def _is_legal(self, event: LeadEvent, track: Track) -> bool:
        return not isinstance(decide(self.machine, track.lead, event), Refusal)


def _last_turn(track: Track, time: int) -> int:
    """Return the number of the last change that was taken at this time."""
    last = track.rows[-1] if track.rows else None
    return last.step // STEPS if last is not None and last.at_micros == time else 0


def _by_source(events: list[LeadEvent]) -> list[tuple[str, list[LeadEvent]]]:
    """Return changes by source, sorted by its name."""
    if len(events) == 1:
        return [(_source(events[0]), events)]
    return [(source, list(some)) for source, some in groupby(sorted(events, key=_source), _source)]


def _source(event: LeadEvent) -> str:
    return event.field_change.place[0] if event.field_change else ""


def _origin(event: LeadEvent) -> tuple[str, str]:
    """Return the source and the object of a change."""
    return (_source(event), event.field_change.object if event.field_change else "")


def _new_lead(event: LeadEvent) -> Lead:
    return Lead(min(event.lead_keys or event.contact_keys).lead_id)


def _party_named(event: LeadEvent) -> Party | None:
    if event.trigger == "retract":
        return event.participant
    return event.agent or event.recipient


def _narrowed(
    candidates: Iterator[tuple[Group, Track]], fits: Callable[[Track], bool]
) -> Iterator[tuple[Group, Track]]:
    """Yield the candidates that fit, in their order; all of them where none does."""
    others = []
    is_met = False
    for one in candidates:
        if fits(one[1]):
            is_met = True
            yield one
        elif not is_met:
            others.append(one)
    if not is_met:
        yield from others


def _last_position(track: Track) -> Position:
    """Return the position of the last event of a lead."""
    return track.position or (0, 0, "")


def _held_by(lead: Lead, party: Party) -> bool:
    return lead.holder is not None and party.matches(lead.holder)


def _smallest_key(track: Track) -> Key:
    """Return the smallest of its lead keys, or of its contact keys for a lead that has none."""
    return min((key for key in track.keys if key.kind == "lead"), default=min(track.keys))
