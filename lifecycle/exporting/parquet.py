"""Exports as Parquet: typed columns, written in groups of rows as they stream.

The only importer of pyarrow, which is an extra.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Final

import pyarrow as pa
from pyarrow.parquet import ParquetWriter

from lifecycle.exporting.tables import Column, Kind, Row, Table

#: A group ends after so many rows, or so many characters of payload: messages may be large.
_GROUP_ROWS: Final = 20_000
_GROUP_CHARACTERS: Final = 8_000_000
_TYPES: Final[dict[Kind, pa.DataType]] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.string()),
    "reason": pa.string(),
    "payload": pa.string(),
    "fields": pa.string(),
    "bytes": pa.binary(),
    "digests": pa.list_(pa.binary()),
}


def schema_of(table: Table) -> pa.Schema:
    """Return the Arrow schema of a table."""
    return pa.schema([(column.name, _TYPES[column.kind]) for column in table.columns])


def batch_of(table: Table, rows: Sequence[Row]) -> pa.RecordBatch:
    """Return rows as a batch with the schema of their table."""
    values = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    columns = zip(table.columns, values, strict=True)
    arrays = [_array(column, its_values) for column, its_values in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema_of(table))


def write_parquet(table: Table, rows: Iterable[Row], file: IO[bytes]) -> int:
    """Write rows to a file, which may be a pipe; how many."""
    written = 0
    with ParquetWriter(file, schema_of(table), compression="zstd") as writer:
        for group in _groups(table, rows):
            writer.write_batch(batch_of(table, group))
            written += len(group)
    return written


def _groups(table: Table, rows: Iterable[Row]) -> Iterator[list[Row]]:
    payloads = [at for at, column in enumerate(table.columns) if column.kind == "payload"]
    group: list[Row] = []
    characters = 0
    for row in rows:
        group.append(row)
        characters += sum(len(row[at] or "") for at in payloads)
        if len(group) >= _GROUP_ROWS or characters >= _GROUP_CHARACTERS:
            yield group
            group, characters = [], 0
    if group:
        yield group


def _array(column: Column, values: Row) -> pa.Array:
    if column.kind == "reason":
        values = tuple(json.dumps(one) if isinstance(one, dict) else one for one in values)
    return pa.array(values, type=_TYPES[column.kind])
