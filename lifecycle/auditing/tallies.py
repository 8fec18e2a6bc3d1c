"""Counts of groups of leads: who had them, where they came from, when they began.

A lead counts in one group of its owner, sender, source, week and month. By holder it counts with
everybody who had it, and each with what happened while they had it.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from attrs import define, field

from lifecycle.auditing.overdue import Limit, Watch
from lifecycle.auditing.people import party_key
from lifecycle.auditing.stays import Milestones, Stay, Times
from lifecycle.domain import STATES, LeadHistory, State, immutable, trimmed
from lifecycle.utc import as_datetime

#: What leads can be grouped by.
BY: Final = ("holder", "owner", "sender", "source", "week", "month")
#: The way of a lead, of those that were sent.
FUNNEL: Final[tuple[State, ...]] = ("sent", "received", "assigned", "accepted")
#: What became of a lead in somebody's hands, besides the states: somebody else has it.
PASSED_ON: Final = "passed_on"
OUTCOMES: Final = (*STATES, PASSED_ON)

Key: TypeAlias = "str | None"


@immutable
class Story:
    """A lead as figures see it: its history, its stays, and when it came into its states."""

    found: LeadHistory
    stays: Sequence[Stay]
    milestones: Milestones
    watched: Sequence[Stay]


def _reached() -> dict[State, array[int]]:
    return {step: array("q") for step in FUNNEL}


@define
class Tally:
    """Counts of the leads of one group.

    Attributes:
        text: What the group is called, as the leads write it: the smallest of their texts.
        leads: How many leads are in it.
        outcomes: The states that they are in; by holder what became of them in those hands.
        accepted: How many were ever accepted; by holder by whom they were.
        refusals: How many messages were refused.
        reached: Of those that were sent, how long each step of the funnel took.
    """

    watch: Watch
    text: str | None = None
    leads: int = 0
    outcomes: Counter[str] = field(factory=Counter)
    accepted: int = 0
    refusals: int = 0
    times: Times = field(factory=Times)
    reached: dict[State, array[int]] = field(factory=_reached)

    def add(self, story: Story) -> None:
        """Take up a lead."""
        lead = story.found.lead
        self.leads += 1
        self.outcomes[lead.state] += 1
        self.accepted += any(stay.state == "accepted" for stay in story.stays)
        self.refusals += lead.refusals
        self.times.add(story.stays, story.milestones)
        self.watch.add(story.watched)
        for step, durations in self.reached.items():
            took = story.milestones.until(step)
            if took is not None:
                durations.append(took)

    def join(self, other: Tally) -> None:
        """Take up what another part counted."""
        self.name(other.text)
        self.leads += other.leads
        self.outcomes.update(other.outcomes)
        self.accepted += other.accepted
        self.refusals += other.refusals
        self.times.join(other.times)
        self.watch.join(other.watch)
        for step, durations in other.reached.items():
            self.reached[step].extend(durations)

    def name(self, text: str | None) -> None:
        """Take up how the group is written."""
        if text is not None:
            self.text = text if self.text is None else min(text, self.text)


@define
class Tallies:
    """Counts of many leads: of all of them, and by what was asked for."""

    by: tuple[str, ...]
    limits: tuple[Limit, ...]
    total: Tally = field(init=False)
    _tallies: dict[str, dict[Key, Tally]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.total = Tally(Watch(self.limits))
        self._tallies = {by: {} for by in self.by}

    def add(self, story: Story) -> None:
        """Take up a lead."""
        self.total.add(story)
        for by, tallies in self._tallies.items():
            if by == "holder":
                self._add_shares(tallies, story)
            else:
                key, text = _KEYS[by](story)
                tally = self._tally(tallies, key, text)
                tally.add(story)

    def join(self, other: Tallies) -> None:
        """Take up what another part counted."""
        self.total.join(other.total)
        for by, tallies in other._tallies.items():
            for key, tally in tallies.items():
                self._tally(self._tallies[by], key, tally.text).join(tally)

    def of(self, by: str) -> Mapping[Key, Tally]:
        """Return what was counted for a grouping, by the keys of its groups."""
        return self._tallies[by]

    def _tally(self, tallies: dict[Key, Tally], key: Key, text: str | None) -> Tally:
        tally = tallies.get(key)
        if tally is None:
            tally = tallies[key] = Tally(Watch(self.limits))
        tally.name(text)
        return tally

    def _add_shares(self, tallies: dict[Key, Tally], story: Story) -> None:
        """Take up a lead with everybody who had it."""
        refusals: Counter[Key] = Counter()
        if story.found.lead.refusals:
            refusals.update(party_key(row.holder) for row in story.found.rows if row.refused)
        keys = [party_key(stay.holder) for stay in story.stays]
        shares = _shares(story, keys)
        for key in {**shares, **refusals}:
            its_stays = shares.get(key, [])
            text = next((str(stay.holder) for stay in its_stays if stay.holder), None)
            tally = self._tally(tallies, key, text)
            tally.refusals += refusals[key]
            if key in shares:
                _add_share(tally, key, its_stays, story, keys)


def _shares(story: Story, keys: Sequence[Key]) -> dict[Key, list[Stay]]:
    shares: dict[Key, list[Stay]] = defaultdict(list)
    for stay, key in zip(story.stays, keys, strict=True):
        shares[key].append(stay)
    return dict(shares) or {None: []}


def _add_share(
    tally: Tally, key: Key, its_stays: Sequence[Stay], story: Story, keys: Sequence[Key]
) -> None:
    """Take up what happened to a lead while one party had it; ``keys`` are those of all stays."""
    tally.leads += 1
    tally.outcomes[_outcome(its_stays, story)] += 1
    tally.accepted += any(stay.state == "accepted" for stay in its_stays)
    tally.times.add_stays(its_stays)
    took = _response(key, story.stays, keys)
    if took is not None:
        tally.times.to_accepted.append(took)
    if tally.watch.limits:
        watched = zip(story.watched, keys, strict=True)
        tally.watch.add([stay for stay, holder in watched if holder == key])


def _outcome(its_stays: Sequence[Stay], story: Story) -> str:
    """Return what became of a lead in somebody's hands: the last time, if there were several."""
    if not its_stays:
        return story.found.lead.state
    last = its_stays[-1]
    if last.until is None:
        return last.state
    ended_by = next(
        after for stay, after in zip(story.stays, story.stays[1:], strict=False) if stay is last
    )
    return ended_by.state if ended_by.state in ("rejected", "retracted") else PASSED_ON


def _response(key: Key, its_stays: Sequence[Stay], keys: Sequence[Key]) -> int | None:
    """Return how long somebody first had a lead until they accepted it.

    None where they did not, or where accepting it was how they came to have it.
    """
    began: int | None = None
    for stay, holder in zip(its_stays, keys, strict=True):
        if holder != key:
            began = None
        elif stay.state == "accepted":
            if began is not None:
                return stay.since - began
        elif began is None:
            began = stay.since
    return None


def _cohort(story: Story) -> int | None:
    """Return when a lead began: its first ``sent``, else its first step."""
    sent = story.milestones.first.get("sent")
    return sent if sent is not None or not story.stays else story.stays[0].since


def _week(story: Story) -> tuple[Key, str | None]:
    began = _cohort(story)
    if began is None:
        return None, None
    year, week, _ = as_datetime(began).isocalendar()
    return (text := f"{year}-W{week:02}"), text


def _month(story: Story) -> tuple[Key, str | None]:
    began = _cohort(story)
    return (None, None) if began is None else ((text := f"{as_datetime(began):%Y-%m}"), text)


def _party(which: Literal["owner", "sender"]) -> Callable[[Story], tuple[Key, str | None]]:
    def key(story: Story) -> tuple[Key, str | None]:
        party = getattr(story.found.lead, which)
        return party_key(party), None if party is None else str(party)

    return key


def _source(story: Story) -> tuple[Key, str | None]:
    """Group sources as people write them: without case and spaces around them."""
    text = story.found.lead.source
    return (None, None) if text is None else (trimmed(text).casefold() or None, trimmed(text))


#: The key of a lead's group, and the group's text.
_KEYS: Final[dict[str, Callable[[Story], tuple[Key, str | None]]]] = {
    "owner": _party("owner"),
    "sender": _party("sender"),
    "source": _source,
    "week": _week,
    "month": _month,
}
