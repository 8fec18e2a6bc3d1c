"""The work of Spark's Python workers: batches of Arrow rows in, batches out."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import chain
from typing import Any, Final, TypeAlias

import pyarrow as pa
from attrs import frozen

from lifecycle.auditing import Auditor
from lifecycle.auditing.overdue import Limit
from lifecycle.auditing.tallies import Tallies
from lifecycle.domain import DatasetDigest, Finding, OnInvalid, Rules, machine_for
from lifecycle.engine import (
    CHOSEN,
    FINDINGS,
    HISTORY,
    LEADS,
    MESSAGES,
    ClusterRows,
    ContentEvent,
    clusters_of,
    contents_by_id,
    fold_clusters,
    message_rows,
)
from lifecycle.exporting import Column, Row, Table
from lifecycle.exporting.parquet import batch_of, schema_of

Batches: TypeAlias = "Iterator[pa.RecordBatch]"
Work: TypeAlias = "Callable[[Batches], Batches]"

#: A batch that goes back has so many rows, or so many bytes of messages.
ROWS: Final = 2000
_BYTES: Final = 16 * 1024 * 1024

VERDICTS: Final = Table(
    "verdicts",
    tuple(Column(name, "integer", "events") for name in ("applied", "refused", "noted")),
)
_FOLDED: Final = {table.name: table for table in (LEADS, HISTORY, FINDINGS, VERDICTS)}
#: A row of one of the tables that a fold gives, in the column that is called as its table.
FOLDED_SCHEMA: Final = pa.schema(
    [(name, pa.struct(list(schema_of(table)))) for name, table in _FOLDED.items()]
)
AUDIT_SCHEMA: Final = pa.schema([("auditor", pa.binary())])
DIGEST_SCHEMA: Final = pa.schema([("lanes", pa.binary())])


@frozen
class Plan:
    """The arguments of a job that its workers need; a worker may be another process elsewhere.

    Attributes:
        rules: The rules, as TOML.
        now: The moment that messages from the future are held against, in microseconds.
        guards: The modules that register guards.
    """

    rules: str
    now: int
    guards: tuple[str, ...] = ()

    def load_rules(self) -> Rules:
        """Return the rules, once the guards that they name are registered."""
        for module in self.guards:
            import_module(module)
        return Rules.loads(self.rules)


def reading(plan: Plan) -> Work:
    """Return the work that turns lines (``raw``, ``log``) into rows of MESSAGES."""

    def work(batches: Batches) -> Batches:
        identity = plan.load_rules().identity
        rows = (
            row
            for line, log in _rows_of(batches)
            if line is not None
            for row in message_rows(line, identity, plan.now, log)
        )
        return _batched(MESSAGES, rows, MESSAGES.header.index("body"))

    return work


def choosing(plan: Plan) -> Work:
    """Return the work that turns sorted rows of ContentEvent into rows of CHOSEN."""

    def work(batches: Batches) -> Batches:
        rows = (ContentEvent(*row) for row in _rows_of(batches))
        contents = contents_by_id(rows, plan.load_rules().identity)
        return _batched(CHOSEN, contents, CHOSEN.header.index("body"))

    return work


def folding(plan: Plan) -> Work:
    """Return the work that folds sorted rows of clusters into rows of FOLDED_SCHEMA."""

    def work(batches: Batches) -> Batches:
        rules = plan.load_rules()
        machine = machine_for(rules)
        for part in fold_clusters(machine, _rows_of(batches), rules.identity, size=ROWS):
            yield from _folded(part)

    return work


def auditing(
    plan: Plan, on_invalid: OnInvalid, limits: tuple[Limit, ...], by: tuple[str, ...], top: int
) -> Work:
    """Return the work that audits sorted rows of clusters; it gives one pickled Auditor."""

    def work(batches: Batches) -> Batches:
        conflicts: dict[str, list[Finding]] = {}
        rules = plan.load_rules()
        auditor = Auditor(machine_for(rules), on_invalid, conflicts, top, Tallies(by, limits))
        for events, its_conflicts in clusters_of(_rows_of(batches), rules.identity):
            conflicts.clear()
            conflicts.update(its_conflicts)
            auditor.take(events)
        conflicts.clear()
        yield pa.RecordBatch.from_arrays([pa.array([pickle.dumps(auditor)])], schema=AUDIT_SCHEMA)

    return work


def digesting(batches: Batches) -> Batches:
    """Yield the digest of a part of the contents (id, digest, time)."""
    sums = DatasetDigest()
    for row in _rows_of(batches):
        sums.add(*row)
    yield pa.RecordBatch.from_arrays([pa.array([sums.to_bytes()])], schema=DIGEST_SCHEMA)


def _rows_of(batches: Batches) -> Iterator[tuple[Any, ...]]:
    return chain.from_iterable(
        zip(*(column.to_pylist() for column in batch.columns), strict=True) for batch in batches
    )


def _batched(table: Table, rows: Iterable[Row], body: int) -> Batches:
    """Yield rows in batches of bounded size."""
    held: list[Row] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row[body] or b"")
        if len(held) >= ROWS or size >= _BYTES:
            yield batch_of(table, held)
            held, size = [], 0
    if held:
        yield batch_of(table, held)


def _folded(part: ClusterRows) -> Batches:
    """Yield the rows of clusters, some of one table at a time."""
    verdicts = [tuple(part.verdicts[name] for name in VERDICTS.header)]
    tables: dict[str, Sequence[Row]] = {
        "leads": part.leads,
        "history": part.history,
        "findings": part.findings,
        "verdicts": verdicts,
    }
    for name, rows in tables.items():
        for start in range(0, len(rows), ROWS):
            batch = batch_of(_FOLDED[name], rows[start : start + ROWS])
            arrays = [
                batch.to_struct_array() if field.name == name else pa.nulls(len(batch), field.type)
                for field in FOLDED_SCHEMA
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=FOLDED_SCHEMA)
