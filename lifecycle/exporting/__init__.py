"""Exports: all leads, all history or all events of a store as flat tables, for other tools."""

from lifecycle.exporting.tables import TABLES, Column, Kind, Row, Table, plain_rows

__all__ = ["TABLES", "Column", "Kind", "Row", "Table", "plain_rows"]
