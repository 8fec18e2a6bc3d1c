"""A store made of what a job gave: its contents cluster by cluster, and what it set aside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from pyarrow.parquet import ParquetFile

from lifecycle.domain import Identity, Rules
from lifecycle.engine.tables import JOB, SUMMARY
from lifecycle.errors import InputError
from lifecycle.messages import Ignored, Undecodable, read_message
from lifecycle.store import (
    IngestItem,
    LeadStore,
    Packed,
    Place,
    problems_from,
    to_stored,
    unpack,
)

#: So many messages, or so many bytes of them, are in a transaction.
_TOGETHER: Final = 4000
_BYTES: Final = 48 * 1024 * 1024
#: So many rows of a file are read at a time.
_READ: Final = 1000
_PLACE: Final = Place()


def load_job(path: Path, folder: Path) -> None:
    """Make a store of the folder of a finished job; it has the job's rules and its digest.

    Memory does not depend on how much there is.

    Raises:
        InputError: The folder holds no finished job, or its contents were changed.
        RulesError: The rules name a guard that nobody registered.
    """
    job, summary = _read_json(folder, JOB), _read_json(folder, SUMMARY)
    rules = Rules.loads(job["toml"])
    with LeadStore(path, rules=rules) as store:
        _take(store, _events(folder, rules.identity))
        if store.digest() != summary["digest"]:
            raise InputError(f"{folder}: its contents do not give the digest of {SUMMARY}")
        _take(store, _set_aside(folder, rules.identity))


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads((folder / name).read_bytes())
    except (OSError, ValueError):
        expected = "expected the folder of a finished `lifecycle spark fold`"
        raise InputError(f"{folder}: {expected}; {name} is missing or damaged") from None
    return value


def _take(store: LeadStore, items: Iterable[IngestItem]) -> None:
    session = store.session()
    session.relax()
    for some in _batches(items):
        with session.transaction():
            session.take([(item, _PLACE) for item in some])


def _batches(items: Iterable[IngestItem]) -> Iterator[list[IngestItem]]:
    held: list[IngestItem] = []
    size = 0
    for item in items:
        held.append(item)
        size += len(item.body) if isinstance(item, Packed) else 0
        if len(held) >= _TOGETHER or size >= _BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _events(folder: Path, identity: Identity) -> Iterator[IngestItem]:
    """Yield all contents, each as a store takes in a message."""
    names = ["id", "digest", "trigger", "time", "content", "body"]
    for event_id, digest, trigger, time, content, body in _rows(folder / "contents", names):
        event = unpack(event_id, digest, trigger, time, content, identity=identity)
        keys = (event.lead_keys, event.contact_keys)
        yield Packed(event_id, digest, trigger, time, content, keys, body)


def _set_aside(folder: Path, identity: Identity) -> Iterator[IngestItem]:
    """Yield what was quarantined and ignored; of those that came often, the quarantined once."""
    names = ["raw", "problems", "size", "digest", "due_at"]
    for raw, problems, size, digest, due_at in _rows(folder / "quarantine", names):
        if due_at is None:
            yield Undecodable(raw, problems_from(problems), size, digest)
        else:
            yield from (to_stored(one, identity) for one in read_message(raw, identity=None))
    for topic, messages in _rows(folder / "ignored", ["topic", "messages"]):
        yield from repeat(Ignored(topic), messages)


def _rows(table: Path, names: list[str]) -> Iterator[tuple[Any, ...]]:
    """Yield columns of the rows of a table, file by file and in order."""
    for path in sorted(table.glob("*.parquet")):
        with ParquetFile(path) as file:
            for batch in file.iter_batches(_READ, columns=names):
                columns = (batch.column(name).to_pylist() for name in names)
                yield from zip(*columns, strict=True)
