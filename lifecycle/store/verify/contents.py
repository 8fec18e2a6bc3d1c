"""The contents beside the ledger: what was stored is still there, and is what was stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from lifecycle.domain import Problem
from lifecycle.errors import MessageError
from lifecycle.messages import Decoded, Undecodable, read_message
from lifecycle.store.db.codec import TRIGGER_NUMBER, content_of, hashed, unpack
from lifecycle.store.db.compression import ERASED, payload_text
from lifecycle.store.db.erased import ERASED_DIGEST, is_pseudonym
from lifecycle.store.ledger.chain import (
    BEGINNING,
    SALT_BYTES,
    Content,
    Entry,
    Head,
    commitment_of,
    commitment_of_rules,
)
from lifecycle.store.verify.result import Defect
from lifecycle.store.verify.wording import UNREADABLE, both, words

_ENTRY: Final = (
    "ledger.recorded_at, ledger.id_hash, ledger.trigger, ledger.time, ledger.salt,"
    " ledger.commitment"
)
_EVENTS: Final = (
    f"SELECT event.seq, event.id_hash, event.recorded_at, event.ledger, {_ENTRY}, event.id,"
    " event.digest, event.trigger, event.time, event.content, event.body"
    " FROM event LEFT JOIN ledger ON ledger.number = event.ledger ORDER BY event.seq"
)
_COPIES: Final = (
    "SELECT copy.id, event.digest, event.time, copy.recorded_at, copy.ledger,"
    f" {_ENTRY}, event.id, copy.digest, copy.trigger, copy.time, copy.content, copy.body"
    " FROM copy LEFT JOIN event ON event.seq = copy.event"
    " LEFT JOIN ledger ON ledger.number = copy.ledger ORDER BY copy.id"
)
_ERASED: Final = (
    "SELECT event.seq, event.recorded_at, erased.ledger, former.recorded_at, former.id_hash,"
    " former.trigger, former.time, former.salt, former.commitment, erased.id_hash, event.trigger,"
    " event.time, event.id, erased.erased_at, ledger.recorded_at"
    " FROM erased JOIN event ON event.seq = erased.event"
    " LEFT JOIN ledger AS former ON former.number = erased.ledger"
    " LEFT JOIN ledger ON ledger.number = event.ledger ORDER BY event.seq"
)
_TOMBSTONES: Final = "SELECT ledger FROM erased_copy"
_OF_ITS_EVENT: Final = (
    "SELECT EXISTS (SELECT 1 FROM erased_copy JOIN event ON event.seq = erased_copy.event"
    " LEFT JOIN erased ON erased.event = event.seq WHERE erased_copy.ledger = ?1"
    " AND ?2 = coalesce(erased.id_hash, event.id_hash))"
)
_LEDGER: Final = (
    "SELECT number, recorded_at, id_hash, trigger, time, commitment, salt, link FROM ledger"
    " ORDER BY number"
)
_RULES: Final = (
    f"SELECT rules.id, rules.toml, rules.recorded_at, rules.ledger, {_ENTRY}"
    " FROM rules LEFT JOIN ledger ON ledger.number = rules.ledger ORDER BY rules.id"
)
#: Where in such a row the columns of the content begin, behind those of what tells it.
_CONTENT: Final = 8
_NO_CONTENT: Final = "no content: it was erased"
_PARTS: Final = ("id", "digest", "trigger", "time", "content")


class _Entry(NamedTuple):
    """When something was recorded and under which number, beside the ledger's entry of it."""

    recorded_at: int
    number: int
    entered_at: int | None
    id_hash: bytes | None
    trigger: int | None
    time: int | None
    salt: bytes | None
    commitment: bytes | None


class Contents:
    """The events, copies and rules, and the ledger, which must be checked after them.

    Attributes:
        checked: How many contents and rules were looked at.
        entries: How many entries of the ledger were.
        erased: How many of these have no content any more.
        head: The end of the ledger.
    """

    def __init__(self, connection: sqlite3.Connection, noted: tuple[Head, ...]) -> None:
        self._connection = connection
        self._noted = noted
        # A bit for each entry: whether something was seen that has its number.
        self._carried = bytearray()
        self.checked = self.entries = self.erased = 0
        self.head = Head(0, BEGINNING)
        self._tombstones: set[int] = set()

    def check(self) -> Iterator[Defect]:
        """What is wrong with events, copies and rules."""
        (entries,) = self._connection.execute("SELECT count(*) FROM ledger").fetchone()
        self._carried = bytearray(entries // 8 + 1)
        for seq, id_hash, *entered in self._connection.execute(_EVENTS):
            where = f"event {words(seq)}"
            try:
                content = entered[_CONTENT:]
                if content[-1] == ERASED:
                    yield from self._erased_content(where, *entered)
                else:
                    yield from self._content(where, *entered)
                if hashed(content[0]) != id_hash:
                    yield _defect(where, "the hash of its id", words(id_hash))
            except UNREADABLE as error:
                yield _unreadable(where, error)
        for copy, digest, time, *entered in self._connection.execute(_COPIES):
            where = f"copy {words(copy)}"
            try:
                if digest is None:
                    yield _defect(where, "the event that it is a copy of", "none")
                    continue
                yield from self._content(where, *entered)
                content = entered[_CONTENT:]
                if (content[1], content[3]) <= (digest, time):
                    yield _defect(where, "a content behind the one that counts", "one before it")
            except UNREADABLE as error:
                yield _unreadable(where, error)
        yield from self._erased()
        yield from self._rules()

    def _erased(self) -> Iterator[Defect]:
        """Check that erased events were those that they were made of, as far as that stays."""
        for seq, *entered in self._connection.execute(_ERASED):
            where = f"event {words(seq)}"
            entry = _Entry(*entered[:_CONTENT])
            *about, event_id, erased_at, entered_at = entered[_CONTENT:]
            try:
                yield from self._entry(where, entry, about, None)
                if hashed(event_id) != about[0] and not is_pseudonym(event_id):
                    yield _defect(where, "its own id, or a pseudonym", words(event_id))
            except UNREADABLE as error:
                yield _unreadable(where, error)
            if erased_at != entered_at:
                yield _defect(where, f"erased_at {words(entered_at)}", words(erased_at))

    def _rules(self) -> Iterator[Defect]:
        """Check that the rules are those that were put in force."""
        last = 0
        for number, toml, *entered in self._connection.execute(_RULES):
            self.checked += 1
            where = f"rules {words(number)}"
            if entered[1] <= last:
                yield _defect(where, f"an entry behind {last}", f"entry {words(entered[1])}")
            last = max(last, entered[1])
            try:
                commit = partial(commitment_of_rules, toml=toml)
                yield from self._entry(where, _Entry(*entered), [None] * 3, commit)
            except UNREADABLE as error:
                yield _unreadable(where, error)

    def _content(self, where: str, *entered: Any) -> Iterator[Defect]:
        """Check one content: against its entry, and against what its message says."""
        self.checked += 1
        content: Content = (*entered[_CONTENT:],)
        yield from self._committed(where, _Entry(*entered[:_CONTENT]), content)
        for name, wanted, found in zip(_PARTS, _decoded(content), content, strict=False):
            if wanted != found:
                expected, there = both(wanted, found)
                yield _defect(where, f"{name} {expected} by its message", there)

    def _committed(self, where: str, entry: _Entry, content: Content) -> Iterator[Defect]:
        """Check that a content has its entry."""
        event_id, _, trigger, time, _, _ = content
        about = [hashed(event_id), trigger, time]
        yield from self._entry(where, entry, about, partial(commitment_of, content=content))

    def _entry(
        self,
        where: str,
        entry: _Entry,
        about: list[Any],
        commit: Callable[[bytes], bytes] | None,
    ) -> Iterator[Defect]:
        """Check that there is an entry of its own, made for it; no ``commit``: it was erased."""
        number = words(entry.number)
        if entry.entered_at is None:
            yield _defect(where, f"entry {number} in the ledger", "none")
        elif not self._carry(entry.number):
            yield _defect(where, "an entry of its own", f"entry {number}, which is another's")
        elif (entry.salt is None) != (commit is None):
            wanted = ("its message", "none") if commit is None else (_NO_CONTENT, "one")
            yield _defect(where, *wanted)
        elif commit and entry.salt is not None and commit(entry.salt) != entry.commitment:
            yield _defect(
                where, f"what entry {number} of the ledger was made for", "something else"
            )
        elif [entry.id_hash, entry.trigger, entry.time] != about:
            yield _defect(where, f"what entry {number} of the ledger is about", "another event")
        elif entry.recorded_at != entry.entered_at:
            yield _defect(where, f"recorded_at {entry.entered_at}", words(entry.recorded_at))

    def _erased_content(self, where: str, *entered: Any) -> Iterator[Defect]:
        """Check what stays of an erased content: its entry, and that nothing personal does."""
        self.checked += 1
        entry, content = _Entry(*entered[:_CONTENT]), (*entered[_CONTENT:],)
        # It was entered when it was erased; when it came, its former entry says.
        entry = entry._replace(recorded_at=entry.entered_at or 0)
        yield from self._committed(where, entry, content)
        event_id, digest, *columns, _ = content
        if digest != ERASED_DIGEST:
            yield _defect(where, "no digest: it was erased", words(digest))
        event = unpack(event_id, digest, *columns)
        if (event.snapshot.contact, event.reason) != (None, None):
            yield _defect(where, "no contact and no reason: it was erased", "some")

    def _carry(self, number: int) -> bool:
        """Note that something has this number; False where something else has."""
        byte, bit = number >> 3, 1 << (number & 7)
        if not 0 <= byte < len(self._carried):
            return True
        free = not self._carried[byte] & bit
        self._carried[byte] |= bit
        return free

    def _is_carried(self, number: int) -> bool:
        byte = number >> 3
        return 0 <= byte < len(self._carried) and bool(self._carried[byte] & 1 << (number & 7))

    def check_ledger(self) -> Iterator[Defect]:
        """What is wrong with the ledger: gaps, links, contents that are not there any more."""
        missing, last = set(self._noted) - {self.head}, 0
        self._tombstones = {number for (number,) in self._connection.execute(_TOMBSTONES)}
        for *values, salt, link in self._connection.execute(_LEDGER):
            entry = Entry(*values)
            number = entry.number
            where = f"entry {words(number)}"
            previous = self.head
            if not isinstance(entry.recorded_at, int) or entry.recorded_at < last:
                yield _broken(where, f"recorded_at not before {last}", words(entry.recorded_at))
            else:
                last = entry.recorded_at
            if number != previous.count + 1:
                yield _broken(where, f"entry {previous.count + 1}", f"entry {words(number)}")
            try:
                if entry.link(previous.link) != link:
                    yield _broken(where, "a link that binds it to the one before", words(link))
            except UNREADABLE as error:
                yield _broken(where, "values that can be read", words(error))
            yield from self._carrier(where, entry, salt)
            self.entries += 1
            self.head = Head(number, link if isinstance(link, bytes) else b"")
            missing.discard(self.head)
        for head in sorted(missing, key=lambda one: one.count):
            yield self._lost(head)

    def _carrier(self, where: str, entry: Entry, salt: object) -> Iterator[Defect]:
        """What an entry was made for is there; or it was erased, and has a tombstone."""
        self.erased += salt is None
        carried = self._is_carried(entry.number)
        erased = entry.number in self._tombstones
        if not carried and not erased:
            yield _broken(where, "what it was made for", "nothing")
        elif carried and erased:
            yield _broken(where, "what it was made for, or its tombstone", "both")
        elif erased and (salt is not None or not self._is_erased(entry)):
            yield _broken(where, "a tombstone of the event whose id it came under", "another")
        elif salt is not None and (not isinstance(salt, bytes) or len(salt) != SALT_BYTES):
            yield _broken(where, f"a salt of {SALT_BYTES} bytes", words(salt))

    def _is_erased(self, entry: Entry) -> bool:
        """Whether its tombstone is of the event whose id it came under."""
        values = (entry.number, entry.id_hash)
        return bool(self._connection.execute(_OF_ITS_EVENT, values).fetchone()[0])

    def _lost(self, head: Head) -> Defect:
        if head.count > self.head.count:
            found = f"an end at number {self.head.count}: the last entries were cut off"
        else:
            found = "another link: what was stored until then was written anew"
        return _broken(f"the head noted as {head.count}", f"link {head.link.hex()}", found)


def _decoded(content: Content) -> tuple[object, ...]:
    """The columns of a content as its message says them."""
    _, _, _, time, _, body = content
    # Whether its names are names is the policy's to say, and was said when it came.
    (reading,) = read_message(payload_text(body) or "", received_at=time, identity=None)
    if isinstance(reading, Undecodable):
        raise MessageError(reading.problems)
    if not isinstance(reading, Decoded):
        raise MessageError([Problem("topic", "expected one that concerns leads")])
    event = reading.event
    number = TRIGGER_NUMBER[event.trigger]
    return (event.id, event.digest, number, event.time, content_of(event))


def _defect(where: str, expected: str, found: str) -> Defect:
    return Defect("contents", where, expected, found)


def _broken(where: str, expected: str, found: str) -> Defect:
    return Defect("ledger", where, expected, found)


def _unreadable(where: str, error: Exception) -> Defect:
    return _defect(where, "values that can be read", f"{type(error).__name__}: {error}")
