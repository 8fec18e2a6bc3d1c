"""The difference between two moments: leads that moved, verdicts that changed, findings.

On the axis ``as_known_at`` it is what the store learned in between, as the feed of changes has it;
on the axis ``as_of`` it is what happened in between, by what is known now. The first moment is
outside, the last one inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from lifecycle.domain import Lead, State
from lifecycle.errors import ArgumentError
from lifecycle.messages import as_micros, format_time
from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.query.as_known_at import KnownAt
from lifecycle.store.query.audit_source import StoreEvidence, VerdictChange
from lifecycle.store.query.findings import read_findings
from lifecycle.store.query.history import lead_names
from lifecycle.store.query.results import FindingEntry
from lifecycle.text import counted

Axis: TypeAlias = Literal["as_known_at", "as_of"]
AXES: Final[tuple[Axis, ...]] = ("as_known_at", "as_of")
_TOUCHED: Final = (
    "SELECT event.lead FROM history JOIN event ON event.seq = history.event WHERE {history}"
    " UNION SELECT lead FROM history WHERE {history}"
    " UNION SELECT id FROM lead WHERE known_since > ?1 AND known_since <= ?2"
    " UNION SELECT lead FROM former_lead WHERE known_since > ?1 AND known_since <= ?2"
    " OR superseded_at > ?1 AND superseded_at <= ?2"
).format(
    history="history.recorded_at > ?1 AND history.recorded_at <= ?2"
    " OR history.superseded_at > ?1 AND history.superseded_at <= ?2"
)
_HAPPENED: Final = (
    "SELECT DISTINCT event.lead FROM history JOIN event ON event.seq = history.event"
    " WHERE history.superseded_at IS NULL AND history.at > ?1 AND history.at <= ?2"
    " AND event.lead IS NOT NULL"
)
_ERASED: Final = (
    "SELECT sealed.lead FROM sealed JOIN erasure ON erasure.id = sealed.erasure"
    " WHERE sealed.change IS NOT NULL AND erased_at > ?1 AND erased_at <= ?2"
)
_EVENTS: Final = "SELECT id FROM event WHERE time > ?1 AND time <= ?2"
_NAMED: Final = 3


@frozen
class Move:
    """A lead whose state or holder differs.

    Attributes:
        lead_no: Its number, which never changes.
        lead_id: Its name at the later moment.
        source: Its state at the earlier moment; None where it was not known.
        target: Its state at the later moment; None where it is known as another lead since.
    """

    lead_no: int
    lead_id: str
    source: State | None
    target: State | None
    source_holder: str | None
    target_holder: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "lead_id": self.lead_id,
            "from": self.source,
            "to": self.target,
            "from_holder": self.source_holder,
            "to_holder": self.target_holder,
            "lead_no": self.lead_no,
        }


@frozen
class Reversal:
    """A verdict that changed, and why."""

    change: VerdictChange
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {**self.change.as_dict(), "why": self.why}


@frozen
class Difference:
    """The difference between two moments.

    Attributes:
        moved: The leads whose state or holder differs, by name.
        reversed: The verdicts that changed; on the axis ``as_of`` there are none.
        found: Findings that are new.
        settled: Findings that are no longer true.
        erased: The leads whose person was erased.
    """

    moved: tuple[Move, ...]
    reversed: tuple[Reversal, ...]
    found: tuple[FindingEntry, ...]
    settled: tuple[FindingEntry, ...]
    erased: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "moved": [one.as_dict() for one in self.moved],
            "verdicts": [one.as_dict() for one in self.reversed],
            "found": [one.as_dict() for one in self.found],
            "settled": [one.as_dict() for one in self.settled],
            "erased": list(self.erased),
        }


def read_difference(working: WorkingSet, start: int, end: int, axis: Axis) -> Difference:
    """Return the difference between two moments, in microseconds.

    Raises:
        ArgumentError: The first is the later one.
    """
    if start > end:
        first, last = format_time(start), format_time(end)
        raise ArgumentError(f"expected the earlier moment first, got {first} and then {last}")
    if axis == "as_of":
        return _happened(working, start, end)
    return _learned(working, start, end)


def _learned(working: WorkingSet, start: int, end: int) -> Difference:
    window = (start, end)
    leads = [one for (one,) in working.connection.execute(_TOUCHED, window) if one is not None]
    before = KnownAt(working, start).numbered(leads)
    after = KnownAt(working, end).numbered(leads)
    found = read_findings(working, None, end, superseded=False)
    known = read_findings(working, None, start, superseded=False)
    sealed = [lead for (lead,) in working.connection.execute(_ERASED, window)]
    names = lead_names(working.connection, sealed)
    return Difference(
        _moves(before, after),
        tuple(_reversals(working, start, end)),
        tuple(one for one in found if as_micros(one.recorded_at) > start),
        tuple(
            one
            for one in known
            if one.superseded_at is not None and as_micros(one.superseded_at) <= end
        ),
        tuple(sorted(names.values())),
    )


def _happened(working: WorkingSet, start: int, end: int) -> Difference:
    connection = working.connection
    leads = [lead for (lead,) in connection.execute(_HAPPENED, (start, end))]
    known = KnownAt(working, None)
    events = {event_id for (event_id,) in connection.execute(_EVENTS, (start, end))}
    found = read_findings(working, None, None, superseded=False)
    return Difference(
        _moves(known.numbered(leads, start), known.numbered(leads, end)),
        (),
        tuple(one for one in found if one.event_id in events),
        (),
        (),
    )


def _moves(before: dict[int, Lead], after: dict[int, Lead]) -> tuple[Move, ...]:
    moves = []
    for number in {*before, *after}:
        was, now = before.get(number), after.get(number)
        move = Move(
            number,
            (now or was).lead_id,  # type: ignore[union-attr] # one of them is there
            was.state if was else None,
            now.state if now else None,
            str(was.holder) if was and was.holder else None,
            str(now.holder) if now and now.holder else None,
        )
        if (move.source, move.source_holder) != (move.target, move.target_holder):
            moves.append(move)
    return tuple(sorted(moves, key=lambda one: (one.lead_id, one.lead_no)))


def _reversals(working: WorkingSet, start: int, end: int) -> Iterable[Reversal]:
    evidence = StoreEvidence(working)
    rules = {at for (at,) in working.connection.execute("SELECT recorded_at FROM rules")}
    for change in evidence.verdict_changes():
        changed_at = as_micros(change.changed_at)
        if not start < changed_at <= end:
            continue
        if changed_at in rules:
            yield Reversal(change, "other rules")
            continue
        messages = evidence.came_at(change.event_id, [change.changed_at])[change.changed_at]
        said = [f"{one.trigger} of {format_time(one.time)} ({one.event_id})" for one in messages]
        more = len(said) - _NAMED
        rest = f" and {counted(more, 'message')} more" if more > 0 else ""
        came = f"came later: {', '.join(said[:_NAMED])}{rest}"
        yield Reversal(change, came if said else "another content counts")
