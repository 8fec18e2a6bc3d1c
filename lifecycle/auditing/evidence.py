"""The evidence of an audit: the messages of a store, or of logs without a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from lifecycle.domain import (
    DatasetDigest,
    Finding,
    Identity,
    LeadEvent,
    conflict,
    merged,
    subjects_of,
)
from lifecycle.errors import InputError
from lifecycle.messages import Decoded, Ignored, Undecodable
from lifecycle.replay import Log, Progress
from lifecycle.store import Origin, StoreEvidence, ignored_digest, unfit

_SQLITE: Final = b"SQLite format 3\x00"
_TELL_EVERY: Final = 1000


def digest_of(evidence: Evidence) -> str:
    """Return the digest of the data set: the same for the same messages, and that of a store."""
    sums = DatasetDigest()
    for content in evidence.contents():
        sums.add(*content)
    return sums.hexdigest()


def is_store(path: Path) -> bool:
    """Return whether a file is a SQLite database.

    Raises:
        InputError: It cannot be read.
    """
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


class LogEvidence:
    """The messages of some logs, read into memory.

    Attributes:
        ignored: Messages of topics that do not concern leads, by topic.
        quarantined: Messages that cannot be decoded, each by the code of its first problem.
    """

    def __init__(self, now: int, identity: Identity) -> None:
        self._identity = identity
        self.ignored: Counter[str] = Counter()
        self.quarantined: Counter[str] = Counter()
        self._now = now
        self._events: dict[str, LeadEvent] = {}
        #: Of ids with several contents: the earliest time of each.
        self._copies: dict[str, dict[bytes, int]] = {}
        self._changes: dict[str, dict[bytes, LeadEvent]] = {}
        self._lines: dict[str, tuple[int, int]] = {}
        self._seen: set[bytes] = set()
        self._sources: list[str] = []

    def read(self, log: Log, name: str, tell: Callable[[Progress], None]) -> None:
        """Take in a log.

        Raises:
            InputError: It cannot be read.
        """
        self._sources.append(name)
        read = 0
        for number, text in enumerate(log.texts(), 1):
            for place, reading in enumerate(text.readings()):
                read += 1
                match reading:
                    case Decoded(event=event):
                        self._take(event, reading, text.line)
                    case Ignored(topic=topic):
                        if self._is_new(ignored_digest(text.raw, place)):
                            self.ignored[topic] += 1
                    case Undecodable():
                        self._quarantine(reading)
            if number % _TELL_EVERY == 0:
                tell(Progress(log.name, log.size, log.bytes_read, read))

    @property
    def conflicts(self) -> dict[str, list[Finding]]:
        """The findings for copies that do not count, by event id."""
        return {
            event_id: [
                conflict(event_id, digest)
                for digest in sorted(digests)
                if digest != self._events[event_id].digest
            ]
            for event_id, digests in self._copies.items()
            if event_id not in self._changes
        }

    def subjects(self) -> Iterator[list[LeadEvent]]:
        """Yield the events of each subject in fold order."""
        events = sorted(self._events.values(), key=lambda event: event.position)
        yield from subjects_of(events)

    def contents(self) -> Iterator[tuple[str, bytes, int]]:
        """Yield the id, the digest and the earliest time of each content, in any order."""
        for event_id, event in self._events.items():
            copies = self._copies.get(event_id, {event.digest: event.time})
            yield from ((event_id, digest, time) for digest, time in copies.items())

    def origins(self, event_ids: Iterable[str]) -> dict[str, Origin]:
        """Return where the messages of these events stood."""
        lines = {event_id: self._lines[event_id] for event_id in event_ids}
        return {
            event_id: Origin(self._sources[source], line)
            for event_id, (source, line) in lines.items()
        }

    def _take(self, event: LeadEvent, decoded: Decoded, line: int) -> None:
        event = self._identity.named(event)
        payload, is_named = decoded.payload, bool(event.keys)
        aside = unfit(
            payload, event.time, is_named=is_named, now=self._now, identity=self._identity
        )
        if aside is not None:
            self._quarantine(aside[0])
            return
        if event.trigger == "change":
            self._complete(event, line)
            return
        known = self._events.get(event.id)
        if known is not None:
            if known.digest != event.digest:
                self._copies.setdefault(event.id, {known.digest: known.time})
            if (times := self._copies.get(event.id)) is not None:
                times[event.digest] = min(event.time, times.get(event.digest, event.time))
            if known.version <= event.version:
                return
        self._events[event.id] = event
        self._lines[event.id] = (len(self._sources) - 1, line)

    def _complete(self, event: LeadEvent, line: int) -> None:
        """Take in a copy of a change: the event is what all its copies make."""
        copies = self._changes.setdefault(event.id, {})
        copies.setdefault(event.digest, event)
        self._events[event.id] = self._identity.named(merged(list(copies.values())))
        if len(copies) > 1:
            self._copies[event.id] = {one.digest: one.time for one in copies.values()}
        if event.digest == min(copies):
            self._lines[event.id] = (len(self._sources) - 1, line)

    def _quarantine(self, message: Undecodable) -> None:
        if self._is_new(message.digest):
            self.quarantined[message.problems[0].code] += 1

    def _is_new(self, digest: bytes) -> bool:
        """Return whether a message was not seen before: a copy counts once."""
        is_new = digest not in self._seen
        self._seen.add(digest)
        return is_new


class SetAside(Protocol):
    """Messages that became no event, and the places where those stood that did."""

    @property
    def ignored(self) -> Mapping[str, int]:
        """Messages of topics that do not concern leads, by topic."""

    @property
    def quarantined(self) -> Mapping[str, int]:
        """Undecodable messages, by the code of their first problem."""

    def origins(self, event_ids: Iterable[str], /) -> Mapping[str, Origin]:
        """Return where the messages of these events stood."""


#: The messages that an audit looks at.
Evidence: TypeAlias = LogEvidence | StoreEvidence
