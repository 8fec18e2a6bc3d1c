"""Exports as an Excel workbook: typed cells, written row by row as they stream.

The only importer of xlsxwriter, which is an extra. Text is written as text: no cell is a formula or
a link, whatever it begins with.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import IO, Any, Final

from xlsxwriter import Workbook

from lifecycle.errors import ArgumentError
from lifecycle.exporting.tables import Kind, Row, Table

#: What a sheet and a cell of Excel hold.
MOST_ROWS: Final = 1_048_575
MOST_CHARACTERS: Final = 32_767
_CUT: Final = "…"
_WIDTHS: Final[dict[Kind, int]] = {"time": 20, "integer": 9, "boolean": 9}
_USUAL_WIDTH: Final = 24
_OPTIONS: Final = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write_sheet(
    table: Table, rows: Iterable[Row], file: IO[bytes], to_local: Callable[[datetime], datetime]
) -> tuple[int, int]:
    """Write rows to a file; return how many, and how many cells were too long and were cut.

    ``to_local`` makes a time one without an offset: Excel knows no zones.

    Raises:
        ArgumentError: There are more rows than a sheet of Excel holds.
    """
    cut = written = 0
    with Workbook(file, _OPTIONS) as book:
        sheet = book.add_worksheet(table.name)
        bold = book.add_format({"bold": True})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        for place, column in enumerate(table.columns):
            sheet.set_column(place, place, _WIDTHS.get(column.kind, _USUAL_WIDTH))
            sheet.write_string(0, place, column.name, bold)
        sheet.freeze_panes(1, 1)
        for row in rows:
            written += 1
            if written > MOST_ROWS:
                raise ArgumentError(
                    f"a sheet of Excel holds {MOST_ROWS:,} rows: filter, or take csv or parquet"
                )
            for place, value in enumerate(row):
                if isinstance(value, datetime):
                    sheet.write_datetime(written, place, to_local(value), moment)
                elif isinstance(value, bool):
                    sheet.write_boolean(written, place, value)
                elif isinstance(value, int):
                    sheet.write_number(written, place, value)
                elif value not in (None, "", {}, []):
                    text = _text(value)
                    cut += len(text) > MOST_CHARACTERS
                    sheet.write_string(written, place, _fitting(text))
        sheet.autofilter(0, 0, written, len(table.columns) - 1)
    return written, cut


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fitting(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return text[: MOST_CHARACTERS - len(_CUT)] + _CUT
