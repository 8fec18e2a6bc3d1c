"""For sqlite-utils: every connection that it opens can read the messages in a store."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Any

from sqlite_utils import hookimpl


@hookimpl
def prepare_connection(conn: sqlite3.Connection) -> None:
    """Add the SQL functions ``lifecycle_payload`` and ``lifecycle_content``."""
    for name in ("payload", "content"):
        function = partial(_call, name)
        conn.create_function(f"lifecycle_{name}", 3, function, deterministic=True)


def _call(name: str, *arguments: Any) -> Any:
    # sqlite-utils loads its plugins with every start: only who calls one of these waits for it.
    from lifecycle.store.db import functions  # noqa: PLC0415

    return getattr(functions, name)(*arguments)
