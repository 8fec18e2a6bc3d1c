"""Exports as Parquet: typed columns, written in groups of rows as they stream.

The only importer of pyarrow, which is an extra.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
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
}


def write_parquet(table: Table, rows: Iterable[Row], file: IO[bytes]) -> int:
    """Write rows to a file, which may be a pipe; how many."""
    schema = pa.schema([(column.name, _TYPES[column.kind]) for column in table.columns])
    written = 0
    with ParquetWriter(file, schema, compression="zstd") as writer:
        for group in _groups(table, rows):
            columns = zip(table.columns, zip(*group, strict=True), strict=True)
            arrays = [_array(column, values) for column, values in columns]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
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
