"""Damaged files: bits flipped, pages zeroed, files cut short, a write-ahead log that is cut."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from click.testing import CliRunner
from result import Amount, Result
from stores import folder, said
from stories import Message, messages

from lifecycle import Head, LeadReader, LeadStore
from lifecycle.cli import cli
from lifecycle.errors import LifecycleError

DOES: Final = (
    "damaged files: bit flips, zeroed pages, truncation, cut and damaged WAL: {runs:,} files of"
    " stores of {size:,} events"
)
HOLDS: Final = (
    "never a traceback, or a wrong answer that verify calls right; verify finds all that changed"
    " content"
)
FULL: Final = Amount(1000, 120)
QUICK: Final = Amount(25, 40)
_PAGE: Final = 4096
_COMMANDS: Final = ("leads", "changes", "quarantine", "doctor")
_BATCHES: Final = 4
_STATUSES: Final = (0, 1, 3)
#: How a command says what it did not foresee, in one sentence.
_UNFORESEEN: Final = "lifecycle: failed ("
_VAGUE: Final = "said in one sentence, without naming the damage"
Damage = Callable[[Random, bytearray], None]


def _flip(rng: Random, content: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 1, 3, 20))):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _zero(rng: Random, content: bytearray) -> None:
    start = rng.randrange(0, len(content), _PAGE)
    content[start : start + _PAGE] = bytes(len(content[start : start + _PAGE]))


def _truncate(rng: Random, content: bytearray) -> None:
    del content[rng.randrange(len(content)) :]


def _cut_pages(rng: Random, content: bytearray) -> None:
    del content[rng.randrange(0, len(content), _PAGE) :]


#: What is done, and to which file of a store.
_KINDS: Final[tuple[tuple[str, Damage], ...]] = (
    ("", _flip),
    ("", _zero),
    ("", _flip),
    ("", _cut_pages),
    ("", _flip),
    ("", _truncate),
    ("", _flip),
    ("-wal", _truncate),
    ("-wal", _flip),
)


class _Whole:
    """A store, and one whose last batches are still in its write-ahead log."""

    def __init__(self, place: Path, some: list[Message]) -> None:
        self.folders = {"": place / "plain", "-wal": place / "wal"}
        for one in self.folders.values():
            one.mkdir()
        size = len(some) // _BATCHES
        path = place / "leads.db"
        #: What it said after each batch.
        self.said = []
        with LeadStore(path) as store:
            store._connection.execute("PRAGMA wal_autocheckpoint = 0")
            self.said.append(said(store))
            store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            for start in range(0, len(some), size):
                store.apply_many(some[start : start + size])
                self.said.append(said(store))
            self.head: Head = store.head()
            for suffix in ("", "-wal"):
                shutil.copy(f"{path}{suffix}", self.folders["-wal"] / f"leads.db{suffix}")
        shutil.copy(path, self.folders[""])


def run(seed: int, amount: Amount) -> Result:
    """Damage files, and read them."""
    result = Result()
    counts: Counter[str] = Counter()
    with folder() as place:
        whole = _Whole(place, messages(seed, amount.size))
        for number in range(seed, seed + amount.runs):
            rng = Random(f"damage/{number}")
            suffix, damage = _KINDS[number % len(_KINDS)]
            damaged = place / "damaged"
            shutil.copytree(whole.folders[suffix], damaged)
            file = damaged / f"leads.db{suffix}"
            content = bytearray(file.read_bytes())
            damage(rng, content)
            file.write_bytes(content)
            name = f"seed {number}: {damage.__name__.strip('_')}{suffix}"
            wrong, verdict = _judge(damaged / "leads.db", whole, suffix, counts)
            counts[verdict] += 1
            result.runs += 1
            result.failures += [f"{name}: {one}" for one in wrong]
            shutil.rmtree(damaged)
    result.notes += [f"{verdict}: {count:,}" for verdict, count in sorted(counts.items())]
    return result


def _judge(path: Path, whole: _Whole, suffix: str, counts: Counter[str]) -> tuple[list[str], str]:
    """Return what is wrong with what is said of a damaged file, and what became of it."""
    wrong = [found for command in _COMMANDS if (found := _traceback(command, path, counts))]
    try:
        with LeadReader(path) as store:
            found = store.verify(whole.head)
            sound = store.verify().sound
            now = said(store) if sound else ""
    except LifecycleError:
        return wrong, "refused as unreadable"
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        return [*wrong, f"verify: {type(error).__name__}: {error}"], "traceback"
    if not sound:
        return wrong, "found by verify"
    if now == whole.said[-1]:
        return wrong, "no content changed"
    if suffix and now in whole.said:
        if found.sound:
            wrong.append("messages are missing, and the noted head does not tell")
        return wrong, "an earlier whole state, found by the noted head"
    return [*wrong, "content changed, and verify calls it sound"], "missed"


def _traceback(command: str, path: Path, counts: Counter[str]) -> str | None:
    """How a command ended that did not end with data or one sentence."""
    done = CliRunner().invoke(cli, [command, str(path)])
    counts[_VAGUE] += _UNFORESEEN in done.stderr
    ended = done.exception is None or isinstance(done.exception, SystemExit)
    if ended and done.exit_code in _STATUSES and "Traceback" not in done.output:
        return None
    return f"{command}: status {done.exit_code}: {done.exception!r}"
