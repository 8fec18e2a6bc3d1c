"""A power loss at any moment: what was not synced is lost in part, torn and out of order."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Final

import acts
from acts import ACTS, LOG, RULES, STORE, Act, people, write_rules
from images import Disk
from result import Amount, Result
from stores import folder
from stories import write_log
from strace import Call, UntracedError, calls_of

from lifecycle import LeadReader
from lifecycle.errors import LifecycleError

DOES: Final = (
    "a power loss at {runs:,} moments while {size:,} messages are applied (WAL with FULL, DELETE"
    " with EXTRA) and replayed, people erased and rules changed: what was not synced is dropped,"
    " torn or out of order, names of files, too"
)
HOLDS: Final = (
    "the store opens, verifies with the last acknowledged head and resumes to what an undisturbed"
    " run says; nothing personal is left in any file after an acknowledged erasure"
)
FULL: Final = Amount(2000, 60)
QUICK: Final = Amount(18, 12)

#: What was erased is looked for by so many pieces, each so long, of values that are so long.
_PIECES, _PIECE, _LONG = 200, 16, 64


def run(seed: int, amount: Amount) -> Result:
    """Cut the power while stores are written."""
    result = Result()
    with folder() as place:
        write_log(place / LOG, people(amount.size))
        write_rules(place / RULES)
        try:
            calls = calls_of(place / "acted", Path(acts.__file__), amount.size)
        except UntracedError as error:
            result.failures.append(f"seed {seed}: {error}")
            return result
        for number, (name, act) in enumerate(ACTS.items()):
            own = [one._replace(name=_within(one, name)) for one in calls if _is_of(one, name)]
            case = _Case(place / "cut" / name, act, amount.size, own)
            moments = len(range(number, amount.runs, len(ACTS)))
            wrong = case.cut(Random(f"power/{seed}/{name}"), moments)
            result.failures += [f"seed {seed}: {name}: {one}" for one in wrong]
            result.runs += moments
            result.notes.append(f"{name}: {len(own):,} calls")
    return result


def _is_of(call: Call, name: str) -> bool:
    return call.name.split("/")[0] == name


def _within(call: Call, name: str) -> str:
    return call.name.removeprefix(name).strip("/")


class _Case:
    """The calls of an act, and what is looked at after a power loss."""

    def __init__(self, place: Path, act: Act, size: int, calls: list[Call]) -> None:
        place.mkdir(parents=True)
        self._place = place
        self._path = place / STORE
        self._act = act
        self._messages = people(size)
        self._calls = calls
        act.go_on(self._path, self._messages)
        with LeadReader(self._path) as store:
            self._wanted = act.says(store)
        self._gone = self._find_gone()

    def cut(self, rng: Random, times: int) -> Iterator[str]:
        """Cut the power so often; yield what is wrong then."""
        disk, done = Disk(), 0
        for moment in sorted(rng.randrange(1, len(self._calls) + 1) for _ in range(times)):
            for call in self._calls[done:moment]:
                disk.do(call)
            done = moment
            self._put(disk.image(rng))
            yield from (f"after call {moment}: {wrong}" for wrong in self._look(disk.said))

    def _put(self, files: dict[str, bytes]) -> None:
        """Let these be all files there are."""
        for file in self._place.iterdir():
            file.unlink()
        for name, data in files.items():
            (self._place / name).write_bytes(data)

    def _look(self, acknowledged: list[str]) -> Iterator[str]:
        """Look at what is left, then go on."""
        erased = [int(one.split()[1]) for one in acknowledged if one.startswith("erased")]
        yield from self._traces(erased)
        try:
            yield from self._opened(acknowledged, erased)
        except LifecycleError as error:
            if acknowledged:
                yield f"{type(error).__name__}: {error}"
        try:
            self._act.go_on(self._path, self._messages)
            with LeadReader(self._path) as store:
                yield from (f"resumed, {one.check}: {one}" for one in store.verify().defects[:3])
                if self._act.says(store) != self._wanted:
                    yield "resumed, it says something else"
        except (LifecycleError, sqlite3.Error) as error:
            yield f"resumed, {type(error).__name__}: {error}"
        else:
            yield from (f"resumed, {one}" for one in self._traces(list(self._gone)))

    def _opened(self, acknowledged: list[str], erased: list[int]) -> Iterator[str]:
        """Verify it with the last head that was acknowledged, and read its messages."""
        with LeadReader(self._path) as store:
            heads = [one.split()[-1] for one in acknowledged[-1:]]
            yield from (f"{one.check}: {one}" for one in store.verify(*heads).defects[:3])
            if erased:
                text = "".join(repr(store.messages(lead.lead_id)) for lead in store.leads())
                yield from (f"it tells of {one}" for one in erased if _names(text.encode(), one))

    def _traces(self, erased: list[int]) -> Iterator[str]:
        """Look for the erased in the bytes of all files."""
        for name, data in {one.name: one.read_bytes() for one in self._place.iterdir()}.items():
            yield from (f"{name} names {one}" for one in erased if _names(data, one))
            pieces = [piece for one in erased for piece in self._gone[one] if piece in data]
            live = b"\0".join(_values(self._path)) if pieces else b""
            left = [piece for piece in pieces if piece not in live]
            yield from (f"{name} has traces of what is erased: {piece!r}" for piece in left[:1])

    def _find_gone(self) -> dict[int, list[bytes]]:
        """Find pieces of values that each erasure removed: compressed, no name is seen in them."""
        gone: dict[int, list[bytes]] = {}
        disk, before = Disk(), set[bytes]()
        erases = any(call.data.startswith(b"erased") for call in self._calls)
        for call in self._calls if erases else ():
            disk.do(call)
            if call.kind != "say":
                continue
            self._put(disk.whole())
            after = _values(self._path)
            if disk.said[-1].startswith("erased"):
                live = b"\0".join(after)
                pieces = [one for value in sorted(before - after) for one in _pieces(value)]
                left = [one for one in pieces if one not in live]
                gone[int(disk.said[-1].split()[1])] = left[:: len(left) // _PIECES + 1]
            before = after
        return gone


def _names(data: bytes, lead: int) -> bool:
    """Tell whether a person's name or address is in some bytes."""
    return re.search(rb"(?i)zebedee%d(?!\d)" % lead, data) is not None


def _values(path: Path) -> set[bytes]:
    """Return all long texts and binary values of a database."""
    with closing(sqlite3.connect(path)) as plain:
        tables = plain.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = [row for (table,) in tables for row in plain.execute(f'SELECT * FROM "{table}"')]
    texts = (one.encode() if isinstance(one, str) else one for row in rows for one in row)
    return {one for one in texts if isinstance(one, bytes) and len(one) >= _LONG}


def _pieces(value: bytes) -> list[bytes]:
    return [value[at : at + _PIECE] for at in range(0, len(value) - _PIECE, _PIECE)]
