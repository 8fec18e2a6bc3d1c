"""Leads and histories at a past moment, from rows that have both times.

A lead existed then if a version of it stood; its rows are those recorded by then and not superseded
yet. What no row holds is that of now (owner, sender, recipient, contact, keys), or not told (the
number of events). (design.md section 8)
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from attrs import evolve

from lifecycle.domain import Key, Lead
from lifecycle.errors import NotFoundError
from lifecycle.store.db.lookups import COPIES, WorkingSet
from lifecycle.store.db.rows import complete_lead, select_in
from lifecycle.store.db.rules import rules_at
from lifecycle.store.query.find import find_lead, leads_of, possible_keys, sealed_leads, the_one
from lifecycle.store.query.history import NOW, add_steps, entry_of, full_history, read_rows
from lifecycle.store.query.results import HistoryEntry

#: So many leads are read together.
_TOGETHER: Final = 256


class Version(NamedTuple):
    """A lead as it was known during a time: its number, its name, its marks (table ``lead``)."""

    lead: int
    lead_id: str
    deleted_at: int | None
    kept_holder: int | None


class KnownAt:
    """The store as it was known at a moment (microseconds), or as it is (None)."""

    def __init__(self, working: WorkingSet, at: int | None) -> None:
        self._working = working
        self._connection = working.connection
        self._is_past = at is not None
        self._at = NOW if at is None else at
        columns = "lead_id, deleted_at, kept_holder"
        self._select = f"SELECT id, {columns} FROM lead WHERE known_since <= {self._at}"
        self._select_former = (
            f"SELECT lead, {columns} FROM former_lead"
            f" WHERE known_since <= {self._at} AND superseded_at > {self._at}"
        )

    def lead(self, alias: str, as_of: int | None) -> Lead:
        """Return the lead of a name; ``as_of``: as it was at that moment.

        Raises:
            NotFoundError: No lead had this name.
            AmbiguousLeadError: Several had.
        """
        return next(self._leads([self.find(alias)], as_of))

    def leads(self, as_of: int | None) -> Iterator[Lead]:
        """Yield all leads by ``lead_id``; with ``as_of`` those to which something had happened."""
        rows = [*self._connection.execute(self._select)]
        rows += self._connection.execute(self._select_former)
        versions = sorted((Version(*row) for row in rows), key=lambda one: (one.lead_id, one.lead))
        for start in range(0, len(versions), _TOGETHER):
            for lead in self._leads(versions[start : start + _TOGETHER], as_of):
                if as_of is None or lead.events or lead.state != "new":
                    yield lead

    def numbered(self, leads: Iterable[int], as_of: int | None = None) -> dict[int, Lead]:
        """Return those of these leads that existed, by number."""
        numbers = sorted(set(leads))
        versions = {version.lead: version for version in self.versions(numbers)}
        return dict(zip(versions, self._leads([*versions.values()], as_of), strict=True))

    def history(
        self, alias: str, as_of: int | None, *, superseded: bool = False
    ) -> list[HistoryEntry]:
        """Return the rows of the lead of a name; raise as ``lead`` does."""
        version = self.find(alias)
        if superseded and not self._is_past:
            entries = full_history(self._connection, self._working.parties, version.lead)
        else:
            entries = self._histories([version])[version.lead]
        shown = (entry for entry in entries if as_of is None or entry.at_micros <= as_of)
        return [evolve(entry, seq=seq) for seq, entry in enumerate(shown, 1)]

    def find(self, alias: str) -> Version:
        """Return the lead of a name; raise as ``lead`` does.

        The name may be the one that the lead had then, one that it has now, or one that a lead has
        now which took over the events.
        """
        if not self._is_past:
            return self.versions([find_lead(self._working, alias)])[0]
        policies = (rules_at(self._connection, self._at).identity, self._working.identity)
        readings = (possible_keys(alias, policy) for policy in policies)
        for keys_then, keys_now in zip(*readings, strict=True):
            if versions := self._named(keys_then) or self._having(keys_now):
                return _only(alias, versions)
        if versions := self.versions(sealed_leads(self._connection, alias)):
            return versions[0]
        raise NotFoundError(alias, " (at that moment)")

    def versions(self, leads: Collection[int]) -> list[Version]:
        """Return those of these leads that existed."""
        rows = select_in(self._connection, f"{self._select} AND id IN", leads)
        rows += select_in(self._connection, f"{self._select_former} AND lead IN", leads)
        return [Version(*row) for row in rows]

    def _named(self, keys: Sequence[Key]) -> list[Version]:
        """Return the leads whose name one of these keys was."""
        names = {key.lead_id for key in keys}
        rows = self._working.key_row
        clusters = {cluster for key in keys if (cluster := rows(key).cluster) is not None}
        found = select_in(self._connection, f"{self._select} AND cluster IN", clusters)
        found += select_in(self._connection, f"{self._select_former} AND lead_id IN", names)
        return [Version(*row) for row in found if row[1] in names]

    def _having(self, keys: Sequence[Key]) -> list[Version]:
        """Return the leads that have one of these keys now, or those whose events went to them."""
        leads = leads_of(self._working, keys)
        return self.versions(leads) or self.versions(self._origins(leads))

    def _origins(self, leads: Iterable[int]) -> set[int]:
        """Return the leads that the rows were of then, of events that belong to these leads."""
        select = (
            "SELECT history.lead FROM event JOIN history ON history.event = event.seq"
            f" WHERE history.recorded_at <= {self._at}"
            f" AND (superseded_at IS NULL OR superseded_at > {self._at}) AND event.lead IN"
        )
        return {lead for (lead,) in select_in(self._connection, select, leads)}

    def _leads(self, versions: Sequence[Version], as_of: int | None) -> Iterator[Lead]:
        numbers = [version.lead for version in versions]
        rows = self._working.lead_rows(numbers)
        if as_of is None and not self._is_past:
            leads = {one: complete_lead(rows[one], self._working.parties) for one in numbers}
            add_steps(self._connection, leads)
            yield from leads.values()
            return
        histories = self._histories(versions)
        events: Counter[int] = Counter()
        if not self._is_past:
            select = f"SELECT lead, seq FROM event WHERE time <= {as_of} AND lead IN"
            events.update(lead for lead, _ in select_in(self._connection, select, numbers))
        for version in versions:
            row, entries = rows.get(version.lead), histories[version.lead]
            lead = complete_lead(row, self._working.parties) if row else Lead(version.lead_id)
            lead = evolve(lead, lead_id=version.lead_id, events=events[version.lead])
            yield self._at_moment(lead, version, entries, as_of)

    def _at_moment(
        self, lead: Lead, version: Version, entries: Iterable[HistoryEntry], as_of: int | None
    ) -> Lead:
        """Return a lead with its state, its holder and its marks as they were."""
        rows = [row for row in entries if as_of is None or row.at_micros <= as_of]
        moves = [row for row in rows if not row.refused]
        last = moves[-1] if moves else None
        holder = last.holder if last else None
        if as_of is None and version.kept_holder is not None:
            holder = self._working.parties.party(version.kept_holder)
        deleted_at = version.deleted_at
        if as_of is not None and deleted_at is not None and deleted_at > as_of:
            deleted_at = None
        return evolve(
            lead,
            state=last.target if last else "new",
            since_micros=last.at_micros if last else None,
            holder=holder,
            refusals=sum(row.refused for row in rows),
            contact_deleted_micros=deleted_at,
            reached={row.target: row.at_micros for row in moves},
            reason=last.reason if last else None,
        )

    def _histories(self, versions: Sequence[Version]) -> dict[int, list[HistoryEntry]]:
        """Return the rows of leads in fold order, as they were known then."""
        names = {version.lead: version.lead_id for version in versions}
        rows = read_rows(self._connection, names, self._at)
        positions = self._positions({row[10]: row[11] for row in rows}) if self._is_past else {}
        rows.sort(key=lambda row: (*positions.get(row[10], row[1:3]), *row[3:7]))
        histories: dict[int, list[HistoryEntry]] = defaultdict(list)
        for row in rows:
            entry = entry_of(row, names[row[0]], self._working.parties)
            histories[row[0]].append(evolve(entry, superseded_at=None))
        return histories

    def _positions(self, entries: dict[int, int]) -> dict[int, tuple[Any, ...]]:
        """Return time and trigger of events as of then, where another content was canonical."""
        contents = defaultdict(list)
        for event, entry in dict.fromkeys(select_in(self._connection, COPIES, entries)):
            contents[event].append(self._working.blocks.entry(entry))
        positions = {}
        for event, others in contents.items():
            some = [self._working.blocks.entry(entries[event]), *others]
            known = [one for one in some if one.recorded_at <= self._at and not one.is_erased]
            if known:
                canonical = min(known, key=lambda one: (one.digest, one.time))
                positions[event] = (canonical.time, canonical.trigger)
        return positions


def _only(alias: str, versions: Iterable[Version]) -> Version:
    by_lead = {version.lead: version for version in versions}
    return by_lead[the_one(alias, {lead: one.lead_id for lead, one in by_lead.items()})]
