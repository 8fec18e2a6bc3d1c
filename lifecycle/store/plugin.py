"""For sqlite-utils: every connection that it opens can read the messages in a store."""

from __future__ import annotations

import sqlite3

from sqlite_utils import hookimpl

from lifecycle.store.payload import register


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    """Add the SQL function ``lifecycle_payload``."""
    register(conn)
