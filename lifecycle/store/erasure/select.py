"""Selection of contents, leads and rows that go with a person, and reasons to leave one alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from attrs import define, frozen

from lifecycle.domain import HUB_SIZE, Components, Key, LeadEvent, names_contact
from lifecycle.store.db.lookups import UNNAMED, WorkingSet
from lifecycle.store.db.rows import key_hash, select_in
from lifecycle.store.erasure.person import Person

_COPIES: Final = (
    "SELECT event.seq, copy.entry, event.id, event.entry"
    " FROM copy JOIN event ON event.seq = abs(copy.event) ORDER BY copy.entry"
)
_UNNAMED: Final = "SELECT seq, entry, id FROM event WHERE cluster = ? ORDER BY entry"
_REASONS: Final = (
    "SELECT code, detail FROM finding"
    " WHERE superseded_at IS NULL AND code IN ('hub', 'several_ids')"
    " AND (cluster = ?1 OR lead IN (SELECT id FROM lead WHERE cluster = ?1)) ORDER BY id"
)
_SAID: Final = {"hub": f"more than {HUB_SIZE} leads share ", "several_ids": "several ids, "}
_SHOWN: Final = 5

_STEPS: Final = "SELECT id, lead, event, by, holder FROM history WHERE superseded_at IS"
_FINDINGS: Final = "SELECT id, lead FROM finding WHERE"
_NAMED: Final = "(SELECT id, lead_id FROM lead UNION ALL SELECT lead, lead_id FROM former_lead)"
_FORMER: Final = "SELECT lead, known_since, kept_holder FROM former_lead WHERE"


@frozen
class Content:
    """A content that goes: the event under whose id it came, its entry, and what it says."""

    seq: int
    entry: int
    event: LeadEvent


@define
class Contents:
    """The contents of a person.

    Attributes:
        keys: All names of the person.
        events: Those that are canonical.
        copies: Others under the ids of these, and theirs under the ids of others.
        contested: The numbers of events of other people that lose a content.
        linked: The clusters that contents which are not canonical name, where an event that has
            such contents loses one.
    """

    keys: set[Key]
    events: list[Content]
    copies: list[Content]
    contested: set[int]
    linked: set[int]

    @property
    def entries(self) -> list[int]:
        """The numbers of all entries that lose their content."""
        return sorted(one.entry for one in self.events + self.copies)


@define
class Leads:
    """The rows that an erasure seals or changes.

    Attributes:
        live: The leads of the person.
        former: Leads of the person that turned out to be others.
        others: Leads whose rows so far cannot be derived any more, though they are not sealed.
        former_rows: Names that they had once: the lead, since when, and who held it.
        steps: Rows of history that lose their words: their number, who acted, who held.
        findings: The numbers of findings that lose their details.
    """

    live: set[int]
    former: set[int]
    others: set[int]
    former_rows: list[tuple[Any, ...]]
    steps: list[tuple[Any, ...]]
    findings: list[int]

    @property
    def sealed(self) -> set[int]:
        """All leads that are sealed."""
        return self.live | self.former


def select(
    working: WorkingSet, clusters: Collection[int], keys: Collection[Key]
) -> tuple[Contents, Person]:
    """Return what goes with these clusters, and with contents under these keys."""
    leads = working.leads_of(clusters)
    stored = working.events_of_leads(leads) + working.deletions_of(clusters)
    events = [Content(one.seq, one.entry, one.event) for one in stored]
    names = set(keys).union(*(one.event.keys for one in events))
    own = {one.seq for one in events}
    rest, erased = _other_contents(working)
    owners = _owners(working, {key for one in rest for key in one.event.keys})
    copies: list[Content] = []
    about = list(events)
    while found := [one for one in rest if not names.isdisjoint(one.event.keys)]:
        copies += found
        rest = [one for one in rest if names.isdisjoint(one.event.keys)]
        # What names somebody else, too, does not tell who this person is.
        theirs = [one for one in found if _owners_of(one, owners) <= set(clusters)]
        about += theirs
        names.update(key for one in theirs for key in one.event.keys)
    bodies = (_body(working, one) for one in about)
    person = Person([one.event for one in about], bodies, names)
    copies += [one for one in rest if one.seq in own and _is_theirs(working, one, person)]
    events += [one for one in _unnamed(working) if person.is_in_message(_body(working, one))]
    contested = {one.seq for one in copies} - own - erased
    gone = {one.seq for one in events}
    linked = set(owners.values()) if copies or any(one.seq in gone for one in rest) else set()
    return Contents(names, events, copies, contested, linked), person


def leads_of(working: WorkingSet, clusters: Collection[int], contents: Contents) -> Leads:
    """Return the leads of these clusters, and what their contents changed elsewhere."""
    connection = working.connection
    own, contested = {one.seq for one in contents.events}, contents.contested
    live = set(working.leads_of(clusters))
    steps = select_in(connection, f"{_STEPS} NULL AND event IN", own)
    steps += select_in(connection, f"{_STEPS} NOT NULL AND event IN", own | contested)
    findings = select_in(connection, f"{_FINDINGS} event IN", own)
    # Which of what was superseded the other content had said, nothing tells.
    findings += select_in(
        connection, f"{_FINDINGS} superseded_at IS NOT NULL AND event IN", contested
    )
    names = {key.lead_id for key in contents.keys}
    former_rows = select_in(connection, f"{_FORMER} lead_id IN", names)
    touched = {row[1] for row in steps + findings if row[1] is not None}
    touched.update(row[0] for row in former_rows)
    former = _former(connection, touched, own)
    sealed = live | former
    steps += select_in(connection, f"{_STEPS} NOT NULL AND lead IN", sealed)
    findings += select_in(connection, f"{_FINDINGS} lead IN", sealed)
    findings += select_in(connection, f"{_FINDINGS} cluster IN", clusters)
    former_rows += select_in(connection, f"{_FORMER} lead IN", sealed)
    others = (touched | _linked(working, contents)) - sealed
    others |= _namesakes(connection, others) - sealed
    return Leads(
        live,
        former,
        others,
        sorted(set(former_rows)),
        [(number, by, holder) for number, _, _, by, holder in sorted(set(steps))],
        sorted({number for number, _ in findings}),
    )


def single_persons(
    working: WorkingSet, clusters: Iterable[int]
) -> tuple[list[int], tuple[str, ...]]:
    """Return the clusters that are one person each, and why the others may be many people."""
    reasons = {cluster: _reasons_to_refuse(working, cluster) for cluster in clusters}
    why = dict.fromkeys(one for some in reasons.values() for one in some)
    return [cluster for cluster, some in reasons.items() if not some], tuple(why)


def _reasons_to_refuse(working: WorkingSet, cluster: int) -> list[str]:
    """Return why a cluster may be many people: a hub, several ids, or more than one contact."""
    rows = working.connection.execute(_REASONS, (cluster,)).fetchall()
    reasons = [_SAID[code] + detail for code, detail in rows]
    if any(code == "hub" for code, _ in rows):
        return reasons
    contacts: Components[Key] = Components()
    for one in working.events_of_cluster(cluster):
        contacts.link(sorted(filter(names_contact, one.event.contact_keys)))
    first: dict[Key, Key] = {}
    for key in sorted(contacts):
        first.setdefault(contacts.find(key), key)
    if len(first) > 1:
        shown = [*map(str, sorted(first.values())[:_SHOWN]), *["..."][: len(first) - _SHOWN]]
        reasons.append(f"{len(first):,} contacts, {', '.join(shown)}")
    return reasons


def deleted_clusters(connection: sqlite3.Connection) -> list[int]:
    """Return the clusters whose contact is deleted."""
    rows = connection.execute("SELECT id FROM cluster WHERE deletion IS NOT NULL ORDER BY id")
    return [number for (number,) in rows]


def _other_contents(working: WorkingSet) -> tuple[list[Content], set[int]]:
    """Return all contents that are not canonical, and the numbers of events that were erased."""
    contents, erased = [], set()
    for seq, entry, event_id, canonical in working.connection.execute(_COPIES).fetchall():
        if not working.blocks.entry(entry).is_erased:
            contents.append(Content(seq, entry, working.content(entry, event_id)))
        if working.blocks.entry(canonical).is_erased:
            erased.add(seq)
    return contents, erased


def _owners(working: WorkingSet, keys: Iterable[Key]) -> dict[Key, int]:
    """Return the clusters whose names these keys are now."""
    hashes = {key_hash(working.numbers.secret, key): key for key in keys}
    rows = select_in(working.connection, "SELECT hash, cluster FROM key WHERE hash IN", hashes)
    return {hashes[number]: cluster for number, cluster in rows}


def _owners_of(content: Content, owners: Mapping[Key, int]) -> set[int]:
    return {owners[key] for key in content.event.keys if key in owners}


def _unnamed(working: WorkingSet) -> Iterator[Content]:
    """Yield the events in which the identity policy finds no name."""
    for seq, entry, event_id in working.connection.execute(_UNNAMED, (UNNAMED,)).fetchall():
        if not working.blocks.entry(entry).is_erased:
            yield Content(seq, entry, working.content(entry, event_id))


def _is_theirs(working: WorkingSet, content: Content, person: Person) -> bool:
    """Return whether a content without a key of the person names them, or nobody."""
    return not content.event.keys or person.is_in_message(_body(working, content))


def _body(working: WorkingSet, content: Content) -> bytes:
    return working.blocks.body(content.entry)


def _linked(working: WorkingSet, contents: Contents) -> set[int]:
    """Return the leads that may once have hung together with contents under the ids of others.

    Nothing tells it exactly: they are among those that hang together with them now, and those that
    once had the same events.
    """
    connection, contested = working.connection, contents.contested
    rows = select_in(connection, "SELECT lead, cluster FROM event WHERE seq IN", contested)
    linked = {*working.leads_of(contents.linked | {cluster for _, cluster in rows if cluster})}
    linked.update(lead for lead, _ in rows if lead is not None)
    events = [
        seq for (seq,) in select_in(connection, "SELECT seq FROM event WHERE lead IN", linked)
    ]
    once = select_in(connection, f"{_STEPS} NOT NULL AND event IN", events)
    return linked | {lead for _, lead, *_ in once}


def _namesakes(connection: sqlite3.Connection, leads: Iterable[int]) -> set[int]:
    """Return all leads that have or had a name of one of these."""
    rows = select_in(connection, f"SELECT lead_id FROM {_NAMED} WHERE id IN", leads)
    names = {name for (name,) in rows}
    rows = select_in(connection, f"SELECT id FROM {_NAMED} WHERE lead_id IN", names)
    return {lead for (lead,) in rows}


def _former(connection: sqlite3.Connection, leads: Iterable[int], own: set[int]) -> set[int]:
    """Return those of some leads that are none any more, and have rows of these events alone."""
    former = set(leads)
    for table in ("lead", "sealed"):
        column = "id" if table == "lead" else "lead"
        select = f"SELECT {column} FROM {table} WHERE {column} IN"
        former.difference_update(lead for (lead,) in select_in(connection, select, former))
    rows = select_in(connection, f"{_STEPS} NOT NULL AND lead IN", former)
    return former - {lead for _, lead, event, _, _ in rows if event not in own}
