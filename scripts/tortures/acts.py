"""What programs do with a store while the power may go, and how they go on afterwards.

`acts.py PLACE SIZE` does each act once, in a directory of its own, and says after each step which
head the ledger has: by then it must be on the disk.
"""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Final, NamedTuple, TypeAlias

from stores import said
from stories import TYPES, Message, letter
from strace import SAID

from lifecycle import LeadReader, LeadStore, Rules
from lifecycle.replay import replay

Say: TypeAlias = Callable[..., None]

STORE: Final = "leads.db"
#: The leads whose people are erased, one after the other.
ERASED: Final = (3, 5)
#: Two directories above the stores.
LOG: Final = "log.jsonl"
RULES: Final = "rules.toml"
_LEADS: Final = 12
#: Checkpoints come so often, in pages, as in a store that is larger.
_CHECKPOINT: Final = "PRAGMA wal_autocheckpoint = 20"
_BATCH: Final = 4
_LEADS_WITHOUT_NAMES: Final = "SELECT state, since, events, refusals FROM lead_list"
_STEPS_WITHOUT_NAMES: Final = (
    'SELECT at, trigger, "from", "to", verdict FROM lead_history WHERE superseded_at IS NULL'
)


class Act(NamedTuple):
    """What a program does, and how it goes on after a power loss: again from the start."""

    do: Callable[[Path, list[Message], Say], None]
    go_on: Callable[[Path, list[Message]], None]
    says: Callable[[LeadReader], str] = said


def people(size: int) -> list[Message]:
    """Make messages about people, each with something that cannot be compressed."""
    rng = Random("power")
    actions = list(TYPES)
    return [_about(number % _LEADS, number, rng.choice(actions), rng) for number in range(size)]


def _about(lead: int, number: int, action: str, rng: Random) -> Message:
    contact = {"contactid": f"C-{lead}", "email": f"zebedee{lead}@quux.example"}
    reason = f"Mr Zebedee{lead} wants {rng.randbytes(40).hex()}"
    keys = {"crm": f"{lead}"}
    return letter(action, number, number, keys=keys, contact=contact, reason=reason)


def _apply(path: Path, some: list[Message], say: Say, *, journal: str) -> None:
    _make(path, say, journal)
    third = max(1, len(some) // 3)
    for start in range(0, len(some), third):
        with LeadStore(path) as store:
            if start:
                store._connection.execute(_CHECKPOINT)
            for message in some[start : start + third]:
                store.apply(message)
                say(store)


def _make(path: Path, say: Say, journal: str, some: list[Message] | None = None) -> None:
    """Make a store, with such a journal and these messages."""
    with LeadStore(path) as store:
        store.apply_many(some or ())
        say(store)
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(f"PRAGMA journal_mode = {journal}")


def _apply_again(path: Path, some: list[Message]) -> None:
    with LeadStore(path) as store:
        store.apply_many(some)


def _replay(path: Path, _: list[Message], say: Say) -> None:
    """Replay a log without waiting for the disk, but when the store is closed."""
    with LeadStore(path) as store:
        for setting in ("PRAGMA synchronous = NORMAL", _CHECKPOINT):
            store._connection.execute(setting)
        replay(store, [path.parents[2] / LOG], batch=_BATCH)
        head = store.head()
    say(head)


def _replay_again(path: Path, _: list[Message]) -> None:
    with LeadStore(path) as store:
        replay(store, [path.parents[2] / LOG], batch=_BATCH)


def _erase(path: Path, some: list[Message], say: Say, *, journal: str) -> None:
    _make(path, say, journal, some)
    with LeadStore(path) as store:
        for number, lead in enumerate(ERASED):
            store.erase(f"crm:{lead}")
            say(store, "erased", lead)
            store.apply(_later(len(some) + number))
            say(store)


def _later(number: int) -> Message:
    """Make a message about somebody who is not erased."""
    return _about(number % min(ERASED), number, "update", Random(number))


def _erase_again(path: Path, some: list[Message]) -> None:
    with LeadStore(path) as store:
        store.apply_many([*some, *(_later(len(some) + number) for number in range(len(ERASED)))])
        for lead in ERASED:
            with suppress(LookupError):  # where they have lost the name
                store.erase(f"crm:{lead}")
        store.purge()


def _outline(store: LeadReader) -> str:
    """Tell what happened without names: the erased get new ones, each time others."""
    with store.snapshot():
        leads = store._connection.execute(_LEADS_WITHOUT_NAMES).fetchall()
        return repr(
            (sorted(leads), sorted(store._connection.execute(_STEPS_WITHOUT_NAMES), key=repr))
        )


def _rebuild(path: Path, some: list[Message], say: Say) -> None:
    _make(path, say, "WAL", some)
    for rules in (Rules.from_toml(path.parents[2] / RULES), Rules.default()) * 2:
        with LeadStore(path) as store:
            store._connection.execute(_CHECKPOINT)
            store.rebuild(rules)
            say(store)


def _rebuild_again(path: Path, some: list[Message]) -> None:
    with LeadStore(path) as store:
        store.apply_many(some)
        store.rebuild(Rules.default())


def write_rules(path: Path) -> None:
    """Write rules that allow less than the default ones."""
    *edges, last = Rules.default().to_toml().split("[[edge]]")
    _, *rest = last.partition("\n[")
    path.write_text("[[edge]]".join(edges) + "".join(rest), "utf-8")


ACTS: Final = {
    "apply": Act(partial(_apply, journal="WAL"), _apply_again),
    "apply in DELETE mode": Act(partial(_apply, journal="DELETE"), _apply_again),
    "replay": Act(_replay, _replay_again),
    "erase": Act(partial(_erase, journal="WAL"), _erase_again, _outline),
    "erase in DELETE mode": Act(partial(_erase, journal="DELETE"), _erase_again, _outline),
    "rebuild": Act(_rebuild, _rebuild_again),
}


def _main(place: Path, size: int) -> None:
    for name, act in ACTS.items():
        folder = place / name
        folder.mkdir(parents=True)
        told = os.open(folder / SAID, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

        def say(store: object, *words: object, told: int = told) -> None:
            head = store.head() if isinstance(store, LeadReader) else store
            os.write(told, (" ".join(map(str, (*words, head))) + "\n").encode())

        act.do(folder / STORE, people(size), say)
        os.close(told)


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]))
