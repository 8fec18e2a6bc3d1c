"""A source: files of another system, read to their end, and what they say of each lead.

What is wrong with a file is known before a store is opened. What it says comes as messages of the
network; what is not said by any message is tallied, so that every record is accounted for.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple, Self, TypeAlias

from attrs import define, field

from lifecycle.errors import LeadLookupError
from lifecycle.messages import read_message
from lifecycle.replay import Progress
from lifecycle.store import LeadStore, Outcome, OutcomeKind, Place, StoredMessage, taken
from lifecycle.systems.message import Message
from lifecycle.systems.spool import Record, Spool

#: So many messages are in a transaction.
_BATCH: Final = 2000
_ARRIVED_BEFORE: Final[tuple[OutcomeKind, ...]] = ("duplicate", "conflict", "quarantined")


class Made(NamedTuple):
    """A message that was made, and the line that it was made of."""

    message: Message
    line: int


@define
class Unmapped:
    """A value that no row of the mapping fits: how many records have it, and where the first is."""

    field: str
    value: str
    records: int
    line: int


@define
class Tally:
    """What became of the records: ``records = told + left_out + unmapped``.

    Attributes:
        records: How many were read.
        told: How many of them messages tell.
        left_out: How many say nothing of a lead, or nothing new, by reason.
        unmapped: Values that nobody gave a meaning.
        absent: Columns that the mapping names, and the file has not.
    """

    records: int = 0
    told: int = 0
    left_out: Counter[str] = field(factory=Counter)
    unmapped: dict[tuple[str, str], Unmapped] = field(factory=dict)
    absent: list[str] = field(factory=list)

    def leave_unmapped(self, name: str, value: str, line: int) -> None:
        """Note a value that no row of the mapping fits."""
        found = self.unmapped.setdefault((name, value), Unmapped(name, value, 0, line))
        found.records += 1
        found.line = min(found.line, line)


#: The messages of a lead that a store has already.
Recall: TypeAlias = Callable[[str], list[StoredMessage]]
#: What the records of one lead say, in their order.
Make: TypeAlias = Callable[[list[Record], Recall, Tally], Iterator[Made]]


def _recall_nothing(_: str) -> list[StoredMessage]:
    return []


@define
class Source:
    """Files of another system that were read.

    Attributes:
        path: The file that lines are counted in.
        tally: What became of its records.
    """

    path: Path
    tally: Tally
    _spool: Spool
    _make: Make
    _read: Tally = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._read = deepcopy(self.tally)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what was read."""
        self._spool.close()

    def messages(self, recall: Recall = _recall_nothing) -> Iterator[Made]:
        """The messages, lead by lead; they fill the tally, which begins anew.

        ``recall`` gives what a store knows of a lead: an interaction goes on where it was.
        """
        self.tally = deepcopy(self._read)
        for records in self._spool.leads():
            yield from self._make(records, recall, self.tally)


@define
class Imported:
    """What came of an import; applied, refused and noted as they are when it ends.

    Attributes:
        tally: What became of the records.
        messages: How many messages were made of them.
        outcomes: What became of the messages.
        leads: Leads in the store at the end.
        seconds: How long it took.
    """

    tally: Tally
    messages: int
    outcomes: dict[str, int]
    leads: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "records": self.tally.records,
            "told": self.tally.told,
            "left_out": dict(sorted(self.tally.left_out.items())),
            "unmapped": [
                {"field": one.field, "value": one.value, "records": one.records, "line": one.line}
                for one in self.tally.unmapped.values()
            ],
            "messages": self.messages,
            **self.outcomes,
            "leads": self.leads,
            "seconds": self.seconds,
        }


def load(
    store: LeadStore, source: Source, *, tell: Callable[[Progress], None] = lambda _: None
) -> Imported:
    """Apply what a source says. Doing it again changes nothing.

    Raises:
        StoreError: The store cannot be written; earlier transactions are in it, and the source may
            be loaded again.
    """
    started = time.monotonic()
    run, log = store.begin_run(), store.cursor(str(source.path.resolve())).log
    counts: Counter[OutcomeKind] = Counter()
    rest, made = source.messages(recall_from(store)), 0
    while batch := list(islice(rest, _BATCH)):
        for outcome in _apply(store, batch, log, run):
            counts[outcome.kind] += 1
        made += len(batch)
        tell(Progress(str(source.path), None, 0, made))
    outcomes: dict[str, int] = {**store.run_counts(run)}
    outcomes |= {name: counts[name] for name in _ARRIVED_BEFORE}
    seconds = round(time.monotonic() - started, 3)
    return Imported(source.tally, made, outcomes, store.lead_count(), seconds)


def recall_from(store: LeadStore) -> Recall:
    """What this store knows of a lead, by one of its names."""

    def recall(name: str) -> list[StoredMessage]:
        with suppress(LeadLookupError):
            return store.messages(name)
        return []

    return recall


def _apply(store: LeadStore, batch: list[Made], log: int, run: int) -> list[Outcome]:
    messages = [
        (taken(reading), Place(log, line, run))
        for message, line in batch
        for reading in read_message(message)
    ]
    with store.transaction():
        return store.take(messages)
