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

from lifecycle.domain.event import FieldChange, LeadEvent, Party
from lifecycle.domain.fact import OCCURRENCES, compared, source_name
from lifecycle.domain.history import STEPS, HistoryRow, Meant, Verdicts
from lifecycle.domain.lead import Lead
from lifecycle.domain.machine import LeadMachine, LeadTransition
from lifecycle.domain.meaning import Meaning, Source, matches
from lifecycle.domain.memory import Place
from lifecycle.domain.states import State, Trigger
from lifecycle.domain.track import Track, learn
from lifecycle.domain.walk import Change, in_walk
from lifecycle.reasons import Refusal

#: Values are shown up to this length.
_SHOWN: Final = 200
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


#: The edge of a trigger in a state, or why there is none.
Edges: TypeAlias = "Callable[[Trigger, State], LeadTransition | Refusal]"


def steps_of(state: State, triggers: Sequence[Trigger], edge_of: Edges) -> list[Trigger] | None:
    """Return the triggers that are taken of several; None where the last is not allowed.

    Each but the last is left out if the rest is legal without it.
    """
    kept = list(triggers)
    place = 0
    while place < len(kept) - 1:
        rest = kept[:place] + kept[place + 1 :]
        if path_of(state, rest, edge_of) is not None:
            kept = rest
        else:
            place += 1
    return None if path_of(state, kept, edge_of) is None else kept


def path_of(
    state: State, triggers: Sequence[Trigger], edge_of: Edges
) -> list[LeadTransition] | None:
    """Return the edges of these triggers, one after the other; None where one is refused."""
    edges: list[LeadTransition] = []
    for trigger in triggers:
        edge = edge_of(trigger, state)
        if isinstance(edge, Refusal):
            return None
        edges.append(edge)
        state = edge.target
    return edges


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
    _after: dict[str, str] = field(factory=dict)
    #: The changes of each field that are left, the next one last.
    _queues: dict[Place, list[Change]] = field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self._about = self.machine.meanings.source(self.source)

    def fold(self, events: Sequence[LeadEvent]) -> None:
        """Fold these changes."""
        statements = [one for one in events if _change(one).current is not None]
        changes = [one for one in events if _change(one).current is None]
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
            by_place[_change(event).place].append(self._read(event))
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
        change = _change(event)
        old = None if change.old is None else self._value(change.place, change.old)
        return Change(event, old, self._value(change.place, change.new))

    def _known(self, place: Place) -> str | None:
        """Return the last value of a field in compared form; None where it is unknown."""
        known = self.track.memory.values.get(place)
        return None if known is None else self._value(place, known)

    def _value(self, place: Place, value: str) -> str:
        """Return a value in compared form; the name of a person as the id that it stands for."""
        value = compared(value)
        if place[2] in self._about.people_fields:
            known = self.track.memory.names.get((self.source, value))
            return value if known is None else compared(known)
        return value

    def _names_people(self, event: LeadEvent) -> bool:
        return _change(event).place[2] in self._about.people_fields

    def _without_names(self, events: Sequence[LeadEvent]) -> Sequence[LeadEvent]:
        """Leave rows aside that name a person beside a row that has the id."""
        if len(events) == 1:
            return events
        source = self._about
        if not source.ids:
            return events
        by_place: dict[Place, list[LeadEvent]] = defaultdict(list)
        for event in filter(self._names_people, events):
            by_place[_change(event).place].append(event)
        aside = {one.id for people in by_place.values() for one in self._names_beside_ids(people)}
        return [one for one in events if one.id not in aside]

    def _names_beside_ids(self, people: Sequence[LeadEvent]) -> list[LeadEvent]:
        """Return the rows of one field that name a person, if others have ids; they are spent."""
        ids = [one for one in people if self._about.is_id(_change(one).new)]
        names = [one for one in people if one not in ids and _change(one).new]
        if not ids:
            return []
        if len(ids) == len(names) == 1:
            self._learn_names(ids[0], names[0])
        for one in names:
            self._note(one)
        return names

    def _learn_names(self, by_id: LeadEvent, by_name: LeadEvent) -> None:
        name, known, call = _change(by_name), _change(by_id), self.track.memory.call
        call(self.source, compared(name.new), known.new)
        if name.old and known.old:
            call(self.source, compared(name.old), known.old)

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
        is_fit = _fits_lead(row, self.track.lead, change.event)
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
        begun = row.triggers[-1] if row and row.triggers else f"a change of {_shown_field(event)}"
        self.track.begin(event, begun)
        self.track.memory.remember(place, change.new, _change(event).new)
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
        lead.holder = self._holder_after(trigger, event) or lead.holder
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

    def _holder_after(self, trigger: Trigger, event: LeadEvent) -> Party | None:
        """Return who has the lead after a step; None: it stays with whoever has it."""
        lead = self.track.lead
        match trigger:
            case "send":
                return event.recipient or event.snapshot.recipient
            case "assign":
                return event.recipient or lead.holder or event.agent
            case "accept":
                return event.recipient or self._acceptor(event)
            case "reject":
                return lead.owner or lead.sender
            case "retract":
                return event.recipient or lead.owner or lead.sender
            case _:
                return None

    def _acceptor(self, event: LeadEvent) -> Party | None:
        """Return who accepts: where a field names who has the lead, an agent only acts."""
        lead = self.track.lead
        if self._about.people:
            return lead.holder or event.agent
        return event.agent or lead.holder

    def _name_people(self, event: LeadEvent) -> None:
        """Follow whom the source's field of people names."""
        if self._names_people(event):
            self.track.memory.people[self.source] = self._named(event)
            self._held()

    def _named(self, event: LeadEvent) -> Party | None:
        """Return whom a field of people names: of a name whose id is known the one with the id."""
        value = _change(event).new
        known_id = self.track.memory.names.get((self.source, compared(value)))
        if known_id is not None:
            return self._about.person(known_id)
        return event.recipient or self._about.person(value)

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
        to = self._named(event) if self._names_people(event) else event.recipient
        return to is not None and to.matches(lead.holder)

    def _contradict(self, place: Place, change: Change) -> None:
        known = self._known(place)
        if known is not None and change.old is not None and known != change.old:
            said = _change(change.event)
            was = _shown(self.track.memory.values[place])
            detail = f"{_short(said.field)} was {was} before, and {_shown(said.old or '')} by this"
            self.track.find("contradiction", change.event, f"{detail} change")

    def _compare(self, event: LeadEvent) -> None:
        """Compare what a record says of a field with the newest change of it."""
        said = _change(event)
        known = self._known(said.place)
        if known is not None and known != self._value(said.place, said.current or ""):
            was = _shown(self.track.memory.values[said.place])
            detail = f"{_short(said.field)} is {_shown(said.current or '')} by this record, and was"
            self.track.find("contradiction", event, f"{detail} {was} by its changes")
        self.track.begin(event, f"a statement of {_shown_field(event)}")
        self._note(event)

    def _say_unmapped(self, place: Place, change: Change) -> None:
        if self.track.memory.is_unsaid((self.source, place[2], change.new)):
            said = _change(change.event)
            detail = f"{self.source} {said.field} = {_shown(said.new)}"
            self.track.find("unmapped_value", change.event, detail)

    def _tell_sources(self, event: LeadEvent) -> None:
        moved = self.track.memory.moved
        if self.source not in moved:
            if moved:
                self.track.find("two_sources", event, f"moved by {moved[0]} and {self.source}")
            moved.append(self.source)


def _by_field(place: Place) -> tuple[str, str]:
    return (place[2], place[1])


def _contradict(one: Party | None, other: Party | None) -> bool:
    return one is not None and other is not None and one.contradicts(other)


def advance_change(machine: LeadMachine, lead: Lead, event: LeadEvent, meant: Meant) -> bool:
    """Let a change move a lead, if it may, without a history.

    ``meant`` is what it meant in the fold (``SubjectFold.meant``).
    """

    def edge_of(trigger: Trigger, state: State) -> LeadTransition | Refusal:
        return machine.decide(trigger, state, lead, event)

    row = next((one for one in meant.rows if _fits_lead(one, lead, event)), None)
    triggers: list[Trigger] | None = []
    if row is not None and row.triggers:
        triggers = steps_of(lead.state, row.triggers, edge_of)
    if triggers is None:
        return False
    for edge in path_of(lead.state, triggers, edge_of) or []:
        if edge.moves:
            edge.move(lead)
            lead.since_micros = event.time
    lead.events += 1
    learn(lead, event.snapshot)
    lead.holder = meant.holder or lead.holder
    return True


def _fits_lead(row: Meaning, lead: Lead, event: LeadEvent) -> bool:
    """Return whether a row fits the lead's state, and its holder where it asks for that."""
    if row.states is not None and lead.state not in row.states:
        return False
    return not (row.holder_only and _contradict(event.agent, lead.holder))


def change_text(event: LeadEvent) -> str:
    """Return a change in words, which is the reason of its steps: ``Status: New → Working``."""
    change = _change(event)
    values = [_short(one) for one in (change.old, change.new) if one]
    if change.old is not None or len(values) > 1:
        text = f"{_short(change.field)}: {_short(change.old or '')} → {_short(change.new)}"
    else:
        text = ": ".join([_short(change.field), *values])
    return f"{text.strip()} ({event.reason})" if event.reason else text.strip()


def _change(event: LeadEvent) -> FieldChange:
    """Return what an event of a change says."""
    assert event.field_change is not None  # noqa: S101 - the decoder sees to it
    return event.field_change


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _shown_field(event: LeadEvent) -> str:
    return _short(_change(event).field)


def _shown(text: str) -> str:
    return repr(_short(text))
