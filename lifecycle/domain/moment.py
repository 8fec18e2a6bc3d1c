"""The fold of a moment: all changes of one lead from one source at one time (design.md 4a).

A row of the meanings is taken if it fits an open change; then the rows are tried from the top
again, until every change is spent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from attrs import define, field

from lifecycle.domain.event import LeadEvent, Party
from lifecycle.domain.fact import OCCURRENCES, source_name
from lifecycle.domain.history import STEPS, HistoryRow, Meant, Verdicts
from lifecycle.domain.machine import LeadMachine, LeadTransition
from lifecycle.domain.meaning import Meaning, Source, matches
from lifecycle.domain.memory import Place
from lifecycle.domain.people import People
from lifecycle.domain.states import State, Trigger
from lifecycle.domain.steps import fits_lead, holder_after, path_of, steps_of
from lifecycle.domain.track import Track, learn
from lifecycle.domain.walk import Change, in_walk
from lifecycle.domain.words import change_of, change_text, short, shown, shown_field
from lifecycle.reasons import Refusal

#: The states in which somebody has the lead.
_HELD: Final = ("assigned", "accepted")
#: What a change may mean, but for the lead's state and holder.
Rows: TypeAlias = tuple[Meaning, ...]
_Steps: TypeAlias = "list[tuple[Trigger, LeadTransition]] | Refusal"


@define
class Spent:
    """The fate of a change: its verdict, and what it meant."""

    verdict: Verdicts
    meant: Meant


@define(eq=False)
class Moment:
    """A moment being folded onto a lead.

    Attributes:
        later: Finds the value where the next moment of a field begins.
        is_deleted: Whether the contact was deleted before.
        turn: The number of the last change that was taken in the lead's instant.
        forces: Whether a refused step is taken all the same: only to compare with other tools.
        explains: Whether the rows that fit each change are kept: a repair asks for them.
        spent: By event id what became of each change.
    """

    machine: LeadMachine
    track: Track
    source: str
    later: Callable[[Place], str | None]
    is_deleted: bool = False
    turn: int = 0
    forces: bool = False
    explains: bool = False
    spent: dict[str, Spent] = field(factory=dict)
    _about: Source = field(init=False)
    _people: People = field(init=False)
    _after: dict[str, str] = field(factory=dict)
    #: The changes of each field that are left, the next one last.
    _queues: dict[Place, list[Change]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._about = self.machine.meanings.source(self.source)
        self._people = People(self.source, self._about, self.track.memory)

    def fold(self, events: Sequence[LeadEvent]) -> None:
        """Fold these changes."""
        statements = [one for one in events if change_of(one).current is not None]
        changes = [one for one in events if change_of(one).current is None]
        self._queue(self._without_names(changes))
        while self._queues:
            heads = [(place, queue[-1]) for place, queue in self._queues.items()]
            place, change, row = self._chosen(heads)
            self._queues[place].pop()
            if not self._queues[place]:
                del self._queues[place]
            self._spend(place, change, row)
        for event in sorted(statements, key=lambda one: one.id):
            self._compare(event)

    # --- the order ----------------------------------------------------------------------------

    def _queue(self, events: Sequence[LeadEvent]) -> None:
        """Put the changes of each field in the order of their walk; the fields by name."""
        memory = self.track.memory
        by_place: dict[Place, list[Change]] = defaultdict(list)
        for event in events:
            by_place[change_of(event).place].append(self._read(event))
        for place in sorted(by_place, key=_by_field) if len(by_place) > 1 else by_place:
            known = self._known(place)
            queue, is_open = in_walk(by_place[place], known, partial(self.later, place))
            self._queues[place] = queue[::-1]
            if is_open:
                memory.open_walks.add(place)
            elif any(one.old is not None for one in queue):
                memory.open_walks.discard(place)
            self._after[place[2]] = queue[-1].new

    def _read(self, event: LeadEvent) -> Change:
        change = change_of(event)
        old = None if change.old is None else self._people.value(change.place, change.old)
        return Change(event, old, self._people.value(change.place, change.new))

    def _known(self, place: Place) -> str | None:
        """Return the last value of a field in compared form; None where it is unknown."""
        known = self.track.memory.values.get(place)
        return None if known is None else self._people.value(place, known)

    def _without_names(self, events: Sequence[LeadEvent]) -> Sequence[LeadEvent]:
        """Leave changes aside that name a person beside one that has the id: they are spent."""
        aside = {one.id: one for one in self._people.beside_ids(events)}
        for one in aside.values():
            self._note(one)
        return [one for one in events if one.id not in aside]

    # --- the meaning --------------------------------------------------------------------------

    def _chosen(
        self, open_changes: Sequence[tuple[Place, Change]]
    ) -> tuple[Place, Change, Meaning | None]:
        """Return the change whose row stands first; without any the first change."""
        best: tuple[int, Place, Change, Meaning] | None = None
        for place, change in open_changes:
            for number, row in self.machine.meanings.fitting(self.source, place[2], change.new):
                if best is not None and number >= best[0]:
                    break
                if self._fits(row, place, change):
                    best = (number, place, change, row)
                    break
        if best is None:
            return (*open_changes[0], None)
        return best[1:]

    def _fits(self, row: Meaning, place: Place, change: Change) -> bool:
        is_fit = fits_lead(row, self.track.lead, change.event)
        return is_fit and self._fits_values(row, place, change)

    def _fits_values(self, row: Meaning, place: Place, change: Change) -> bool:
        """Return whether the value before and the values of other fields are as a row wants."""
        if row.old is not None:
            known = self._known(place) or ""
            if not matches(row.old, known if change.old is None else change.old):
                return False
        for name, globs in row.when:
            value = self._value_after(source_name(name))
            if value is None or not matches(globs, value):
                return False
        return True

    def _value_after(self, name: str) -> str | None:
        """Return what a field is after the moment; None where that is unknown."""
        if name in self._after:
            return self._after[name]
        return self.track.memory.newest.get((self.source, name))

    def _rows(self, place: Place, change: Change) -> Rows:
        fitting = self.machine.meanings.fitting(self.source, place[2], change.new)
        return tuple(row for _, row in fitting if self._fits_values(row, place, change))

    # --- what is done -------------------------------------------------------------------------

    def _spend(self, place: Place, change: Change, row: Meaning | None) -> None:
        """Let a change do what it means."""
        event = change.event
        self._contradict(place, change)
        again = self._is_again(place, change)
        again |= row is not None and self._is_handed_again(event, row)
        rows = self._rows(place, change) if self.explains and not again else ()
        begun = row.triggers[-1] if row and row.triggers else f"a change of {shown_field(event)}"
        self.track.begin(event, begun)
        self.track.memory.remember(place, change.new, change_of(event).new)
        if row is None and self.machine.meanings.names_field(self.source, place[2]):
            self._say_unmapped(place, change)
        if row is None or not row.triggers or again:
            self._name_people(event)
            # After a deletion what is noted stays so, whatever the state.
            self._note(event, () if self.is_deleted else rows)
            return
        self._take(event, row, rows)

    def _take(self, event: LeadEvent, row: Meaning, rows: Rows) -> None:
        """Take the steps of a row, or the refusal of its last one."""
        steps = self._steps(event, row)
        if isinstance(steps, Refusal):
            self._refuse(event, row.triggers[-1], steps)
            self._spent(event, "refused", rows)
            return
        learn(self.track.lead, event.snapshot)
        self._name_people(event)
        moved = False
        self.turn += 1
        for number, (trigger, edge) in enumerate(steps):
            is_last = number == len(steps) - 1
            moved |= self._step(event, trigger, edge, number, is_last=is_last)
        self._spent(event, "applied" if moved else "noted", rows)
        if moved:
            self._tell_sources(event)

    def _steps(self, event: LeadEvent, row: Meaning) -> _Steps:
        if self.is_deleted:
            return Refusal("contact_deleted")
        lead, decide = self.track.lead, self.machine.decide

        def edge_of(trigger: Trigger, state: State) -> LeadTransition | Refusal:
            return decide(trigger, state, lead, event)

        triggers = steps_of(lead.state, row.triggers, edge_of)
        if triggers is None:
            refusal = edge_of(row.triggers[-1], lead.state)
            return refusal if isinstance(refusal, Refusal) else Refusal("no_edge")
        edges = path_of(lead.state, triggers, edge_of) or []
        return list(zip(triggers, edges, strict=True))

    def _step(
        self,
        event: LeadEvent,
        trigger: Trigger,
        edge: LeadTransition,
        number: int,
        *,
        is_last: bool,
    ) -> bool:
        lead = self.track.lead
        lead.holder = (
            holder_after(lead, trigger, event, is_named=bool(self._about.people)) or lead.holder
        )
        source = lead.state
        if not edge.moves:
            return False
        edge.move(lead)
        lead.since_micros = event.time
        self.track.rows.append(
            HistoryRow(
                trigger,
                source,
                lead.state,
                "stated" if is_last else "implied",
                event.time,
                event.id,
                STEPS * self.turn + number,
                event.agent if is_last else None,
                self._held(),
                change_text(event),
            )
        )
        return True

    def _held(self) -> Party | None:
        """Let whom the field of people names have the lead, while it is somebody's."""
        lead, named = self.track.lead, self.track.memory.people.get(self.source)
        if lead.state in _HELD and named is not None:
            lead.holder = named
        return lead.holder

    def _name_people(self, event: LeadEvent) -> None:
        """Follow whom the source's field of people names."""
        if self._people.are_named_by(event):
            self.track.memory.people[self.source] = self._people.named(event)
            self._held()

    def _refuse(self, event: LeadEvent, trigger: Trigger, refusal: Refusal) -> None:
        self.turn += 1
        self.track.refuse(
            event,
            refusal,
            trigger,
            step=STEPS * self.turn,
            by=event.agent,
            reason=change_text(event),
        )
        if self.forces and not self.is_deleted:
            self.track.force(self.machine, event)

    def _note(self, event: LeadEvent, rows: Rows = ()) -> None:
        if not self.is_deleted:
            learn(self.track.lead, event.snapshot)
        self._spent(event, "noted", rows)

    def _spent(self, event: LeadEvent, verdict: Verdicts, rows: Rows) -> None:
        self.spent[event.id] = Spent(verdict, Meant(rows, self.track.lead.holder))

    # --- what is said -------------------------------------------------------------------------

    def _is_again(self, place: Place, change: Change) -> bool:
        """Return whether a field has this value already, and the change does not deny it."""
        if self.source in OCCURRENCES:
            return False
        known = self.track.memory.newest.get((self.source, place[2]))
        return known == change.new and change.old in (None, known)

    def _is_handed_again(self, event: LeadEvent, row: Meaning) -> bool:
        """Return whether a change assigns a lead to who has it already."""
        lead = self.track.lead
        if row.triggers != ("assign",) or lead.state not in _HELD or lead.holder is None:
            return False
        to = self._people.named(event) if self._people.are_named_by(event) else event.recipient
        return to is not None and to.matches(lead.holder)

    def _contradict(self, place: Place, change: Change) -> None:
        known = self._known(place)
        if known is not None and change.old is not None and known != change.old:
            said = change_of(change.event)
            was = shown(self.track.memory.values[place])
            detail = f"{short(said.field)} was {was} before, and {shown(said.old or '')} by this"
            self.track.find("contradiction", change.event, f"{detail} change")

    def _compare(self, event: LeadEvent) -> None:
        """Compare what a record says of a field with the newest change of it."""
        said = change_of(event)
        known = self._known(said.place)
        if known is not None and known != self._people.value(said.place, said.current or ""):
            was = shown(self.track.memory.values[said.place])
            detail = f"{short(said.field)} is {shown(said.current or '')} by this record, and was"
            self.track.find("contradiction", event, f"{detail} {was} by its changes")
        self.track.begin(event, f"a statement of {shown_field(event)}")
        self._note(event)

    def _say_unmapped(self, place: Place, change: Change) -> None:
        if self.track.memory.is_unsaid((self.source, place[2], change.new)):
            said = change_of(change.event)
            detail = f"{self.source} {said.field} = {shown(said.new)}"
            self.track.find("unmapped_value", change.event, detail)

    def _tell_sources(self, event: LeadEvent) -> None:
        moved = self.track.memory.moved
        if self.source not in moved:
            if moved:
                self.track.find("two_sources", event, f"moved by {moved[0]} and {self.source}")
            moved.append(self.source)


def _by_field(place: Place) -> tuple[str, str]:
    return (place[2], place[1])
