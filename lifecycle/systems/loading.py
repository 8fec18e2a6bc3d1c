"""Loading: the facts of a reading into a store."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from attrs import define

from lifecycle.messages import read_message
from lifecycle.replay import Progress
from lifecycle.store import LeadStore, OutcomeKind, Place, UnmappedValue, to_stored
from lifecycle.systems.reading import Fact, Reading

#: So many facts are in a transaction.
_BATCH: Final = 2000
_ARRIVED_BEFORE: Final[tuple[OutcomeKind, ...]] = ("duplicate", "conflict", "quarantined")


@define
class Imported:
    """The result of an import; applied, refused and noted as they are when it ends.

    Attributes:
        reading: What was read.
        outcomes: What became of the facts.
        unmapped: The values that no row of the meanings fits: those that this import brought.
        unmapped_before: Those of this source that were in the store before.
        leads: Leads in the store at the end.
        seconds: How long it took.
    """

    reading: Reading
    outcomes: dict[str, int]
    unmapped: list[UnmappedValue]
    unmapped_before: list[UnmappedValue]
    leads: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        tally = self.reading.tally
        return {
            "kinds": {str(path): kind for path, kind in self.reading.kinds.items()},
            "records": tally.records,
            "left_out": dict(sorted(tally.left_out.items())),
            "facts": tally.facts,
            **self.outcomes,
            "unmapped": [one.as_dict() for one in self.unmapped],
            "unmapped_before": [one.as_dict() for one in self.unmapped_before],
            "incomplete": self.reading.incomplete,
            "absent": tally.absent,
            "unread": tally.unread,
            "zoneless": tally.zoneless,
            "leads": self.leads,
            "seconds": self.seconds,
        }


def load(
    store: LeadStore, reading: Reading, *, tell: Callable[[Progress], None] = lambda _: None
) -> Imported:
    """Apply what was read. Doing it again changes nothing.

    Raises:
        StoreError: The store cannot be written; earlier transactions are in it, and the same files
            may be loaded again.
    """
    started = time.monotonic()
    before = store.unmapped_values(reading.source)
    session = store.session()
    logs: dict[Path, int] = {}
    counts: Counter[OutcomeKind] = Counter()
    done = 0
    for batch in _batches(reading.facts()):
        messages = []
        for fact in batch:
            if fact.file not in logs:
                logs[fact.file] = session.cursor(str(fact.file.resolve())).log
            place = Place(logs[fact.file], fact.line)
            readings = read_message(fact.text, identity=None)
            messages += [(to_stored(one, store.rules.identity), place) for one in readings]
        with session.transaction():
            counts.update(outcome.kind for outcome in session.take(messages))
        done += len(batch)
        tell(Progress(str(batch[-1].file), None, 0, done))
    outcomes = {**session.counts()} | {name: counts[name] for name in _ARRIVED_BEFORE}
    seconds = round(time.monotonic() - started, 3)
    after = store.unmapped_values(reading.source)
    unmapped = [one for one in after if one not in before]
    known = [one for one in after if one in before]
    return Imported(reading, outcomes, unmapped, known, store.lead_count(), seconds)


def _batches(facts: Iterator[Fact]) -> Iterator[list[Fact]]:
    while batch := list(islice(facts, _BATCH)):
        yield batch
