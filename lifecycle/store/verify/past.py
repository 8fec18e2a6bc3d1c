"""What was known at every past moment, folded again, beside the rows of history that stood then.

At each moment at which something of a subject came, or a row of it was recorded or superseded, the
rows that stood must be what a fold of the contents known by then says, with the rules of then. So
no row that was superseded can be changed, taken out or made up, and none of their times.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Final, TypeAlias

from attrs import define, field

from lifecycle.domain import Components, HistoryRow, LeadEvent, Rules, fold
from lifecycle.messages import format_time
from lifecycle.store.db.codec import unpack
from lifecycle.store.db.lookups import UNNAMED, WorkingSet, all_subjects
from lifecycle.store.db.rows import HISTORY_CONTENT, Parties, history_row, key_hash, select_in
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import UNREADABLE, words

_COPIES: Final = (
    "SELECT copy.recorded_at, event.id, copy.digest, copy.trigger, copy.time, copy.content"
    " FROM copy JOIN event ON event.seq = copy.event"
)
_COPIES_HOME: Final = (
    "SELECT coalesce(event.subject, lead.subject), event.id, copy.digest, copy.trigger, copy.time,"
    " copy.content FROM copy JOIN event ON event.seq = copy.event"
    " LEFT JOIN lead ON lead.id = event.lead"
)
_ROWS: Final = (
    f"SELECT event, step, recorded_at, superseded_at, {HISTORY_CONTENT} FROM history WHERE event IN"
)
# Events of which contents were erased, and those that these may have concerned.
_TOUCHED: Final = (
    "SELECT event FROM erased WHERE event IS NOT NULL UNION SELECT event FROM erased_copy"
    " UNION SELECT event FROM erased_link"
)


#: A step of an event.
Place: TypeAlias = tuple[str, int]


@define
class _Group:
    """Some subjects that hang together, or did while other copies counted.

    Attributes:
        contents: Everything that came of them, with the time.
        rows: Their rows of history with the times between which they stood.
        seqs: The numbers of their events.
    """

    contents: list[tuple[int, LeadEvent]] = field(factory=list)
    rows: list[tuple[int, int | None, HistoryRow]] = field(factory=list)
    seqs: set[int] = field(factory=set)


class Past:
    """Every moment of every subject.

    Attributes:
        checked: How many moments were folded.
        left_out: How many subjects were not looked at, as something about them was erased.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parties = Parties(connection)
        self.checked = self.left_out = 0

    def check(self) -> Iterator[Defect]:
        """The rows that did not stand as a fold says that they did."""
        rules = [
            (recorded_at, Rules.loads(toml))
            for recorded_at, toml in self._connection.execute(
                "SELECT recorded_at, toml FROM rules ORDER BY id"
            ).fetchall()
        ]
        touched = {number for (number,) in self._connection.execute(_TOUCHED)}
        working = WorkingSet(self._connection, self._parties, rules[-1][1].identity)
        for subjects in self._groups(rules):
            try:
                group = self._read(working, subjects)
                # Of what was erased nobody can tell any more what it said before.
                if touched.isdisjoint(group.seqs):
                    yield from self._group(group, rules)
                else:
                    self.left_out += len(subjects)
            except UNREADABLE as error:
                found = f"{type(error).__name__}: {error}"
                yield _defect(f"subject {words(subjects[0])}", "rows that can be read", found)

    def _groups(self, in_force: Sequence[tuple[int, Rules]]) -> list[list[int]]:
        """The subjects, those together that copies link: by keys that no lead may have now.

        Where the identity policy was another once, all of them may have hung together.
        """
        if len({rules.identity for _, rules in in_force}) > 1:
            return [[UNNAMED, *all_subjects(self._connection)]]
        components: Components[int | bytes] = Components()
        for subject, *packed in self._connection.execute(_COPIES_HOME).fetchall():
            event = unpack(*packed, identity=in_force[-1][1].identity)
            keys = [key_hash(key) for key in event.keys]
            rows = select_in(self._connection, "SELECT subject FROM key WHERE hash IN", keys)
            components.link((subject, *keys, *(row[0] for row in rows)))
        groups: dict[int | bytes, list[int]] = defaultdict(list)
        for subject in all_subjects(self._connection):
            groups[components.find(subject)].append(subject)
        return list(groups.values())

    def _read(self, working: WorkingSet, subjects: list[int]) -> _Group:
        group, ids = _Group(), {}
        leads = working.leads_of(subjects)
        deletions = working.deletions_of(subjects)
        for one in chain(working.events_of_leads(leads), deletions):
            group.contents.append((one.recorded_at, one.own))
            ids[one.seq] = one.event.id
        for recorded_at, *packed in select_in(
            self._connection, f"{_COPIES} WHERE copy.event IN", ids
        ):
            group.contents.append((recorded_at, unpack(*packed)))
        rows = select_in(self._connection, _ROWS, ids)
        for event, step, recorded_at, superseded_at, *content in rows:
            row = history_row(content, ids[event], step, self._parties)
            group.rows.append((recorded_at, superseded_at, row))
        group.seqs.update(ids)
        return group

    def _group(self, group: _Group, rules: Sequence[tuple[int, Rules]]) -> Iterator[Defect]:
        first = min((recorded_at for recorded_at, _ in group.contents), default=0)
        moments = {recorded_at for recorded_at, _ in group.contents}
        moments.update(at for at, _ in rules if at > first)
        moments.update(at for *times, _ in group.rows for at in times if at is not None)
        for moment in sorted(moments):
            self.checked += 1
            in_force = [one for at, one in rules if at <= moment][-1]
            known = [event for at, event in group.contents if at <= moment]
            said = {
                (row.event_id, row.step): [row]
                for lead in fold(in_force, known).leads
                for row in lead.rows
            }
            yield from _compare(moment, said, _standing(group, moment))


def _standing(group: _Group, moment: int) -> dict[Place, list[HistoryRow]]:
    """The rows that stood at a moment: of each step of an event there must be no more than one."""
    stood = defaultdict(list)
    for recorded_at, superseded_at, row in group.rows:
        if recorded_at <= moment and (superseded_at is None or superseded_at > moment):
            stood[row.event_id, row.step].append(row)
    return stood


def _compare(
    moment: int, said: dict[Place, list[HistoryRow]], stood: dict[Place, list[HistoryRow]]
) -> Iterator[Defect]:
    """What a fold says of a moment beside what stood then."""
    for place in sorted(said.keys() | stood.keys()):
        wanted, found = said.get(place, []), stood.get(place, [])
        if wanted != found:
            where = f"history of {place[0]}, step {place[1]}, as known at {format_time(moment)}"
            expected, there = (" and ".join(map(_row, rows)) for rows in (wanted, found))
            yield _defect(where, expected or "none", there or "none")


def _row(row: HistoryRow) -> str:
    """A row in words."""
    values: tuple[Any, ...] = (row.by, row.holder, row.reason, row.refusal)
    rest = ", ".join(str(one) for one in values if one is not None)
    step = f"{row.trigger} {row.source} to {row.target}, {row.verdict}, at {format_time(row.at)}"
    return f"{step}, {rest}" if rest else step


def _defect(where: str, expected: str, found: str) -> Defect:
    return Defect("past", where, expected, found)
