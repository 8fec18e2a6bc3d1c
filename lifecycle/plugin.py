"""For sqlite-utils: every connection that it opens can read the messages in a store."""

from __future__ import annotations

import sqlite3

from sqlite_utils import hookimpl


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    """Add the SQL function ``lifecycle_payload``."""
    conn.create_function("lifecycle_payload", 1, _payload_text, deterministic=True)


def _payload_text(frame: bytes | None) -> str | None:
    # sqlite-utils loads its plugins with every start: only who calls this waits for it.
    from lifecycle.store.db.compression import payload_text  # noqa: PLC0415

    return payload_text(frame)
