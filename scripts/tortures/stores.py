"""What a store says, to be compared; whether it is whole; how one is made."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

from stories import Message

from lifecycle import LeadReader, LeadStore
from lifecycle.errors import LifecycleError
from lifecycle.replay import replay

_LEADS: Final = (
    "SELECT lead_id, state, since, holder, owner, sender, recipient, events, refusals,"
    " contact_deleted_at FROM lead_list ORDER BY 1, 2, 3, 8"
)
_HISTORY: Final = (
    'SELECT lead_id, at, trigger, "from", "to", verdict, "by", holder, reason, event_id'
    " FROM lead_history WHERE superseded_at IS NULL"
)
_FINDINGS: Final = (
    "SELECT severity, code, lead_id, event_id, detail FROM finding_list"
    " WHERE superseded_at IS NULL ORDER BY 1, 2, 3, 4, 5"
)


@contextmanager
def folder() -> Iterator[Path]:
    """Provide a place for files, which is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        yield Path(name)


def said(store: LeadReader) -> str:
    """Return a digest of all that must be the same for the same set of messages.

    The messages themselves; all leads, the current history and the open findings, by the views.
    """
    found = sha256(store.digest().encode())
    with store.snapshot():
        for view in (_LEADS, _HISTORY, _FINDINGS):
            for row in store._connection.execute(view):
                found.update(repr(row).encode())
    return found.hexdigest()


def said_by(path: Path) -> str:
    """Return the same, of the store in a file."""
    with LeadStore(path, create=False) as store:
        return said(store)


def defects(path: Path) -> list[str]:
    """Return what is wrong with a store, for a reader: file, messages, leads beside a fold."""
    try:
        with LeadReader(path) as store:
            return [f"{one.check}: {one}" for one in store.verify().defects[:3]]
    except LifecycleError as error:
        return [str(error)]


def filled(path: Path, some: Iterable[Message], *, batch: int = 5000) -> str:
    """Make a store of these messages, undisturbed; what it says."""
    with LeadStore(path) as store:
        store.session().relax()
        store.apply_many(some, batch=batch)
        return said(store)


def replayed(path: Path, log: Path, *, batch: int) -> str:
    """Replay a log, or what is left of it, undisturbed; what the store says then."""
    with LeadStore(path) as store:
        store.session().relax()
        replay(store, [log], batch=batch)
        return said(store)


def line_of(path: Path) -> int:
    """How many lines of its only log a store has, by its cursor."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as plain:
        try:
            found = plain.execute("SELECT max(line) FROM log").fetchone()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return 0
    return int(found[0] or 0)
