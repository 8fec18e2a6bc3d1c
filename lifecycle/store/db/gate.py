"""The gate of an open store: one thread at a time, in the process that opened it, until it closes.

SQLite's connection is one for all threads of an object. What one of them does within a transaction
or a snapshot must not mix with what another does, so that calls wait for each other.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lifecycle.errors import StoreError

#: Connections that a fork brought along. SQLite must not close them there: it would let go of the
#: locks of the process that opened them.
_FROM_BEFORE_A_FORK: Final[list[sqlite3.Connection]] = []


class Gate:
    """Lets one thread after the other use a connection."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._lock = threading.RLock()
        self._process = os.getpid()
        self._is_closed = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no other thread use the connection meanwhile.

        Raises:
            StoreError: The store was closed, or opened before the process forked.
        """
        self._check_process()
        with self._lock:
            if self._is_closed:
                raise StoreError(f"{self.path}: this store was closed; open it again")
            yield

    def close(self) -> None:
        """Close the connection when no thread uses it; doing it again changes nothing."""
        if self._is_forked():
            _FROM_BEFORE_A_FORK.append(self._connection)
            return
        with self._lock:
            self._is_closed = True
            self._connection.close()

    def _check_process(self) -> None:
        if self._is_forked():
            raise StoreError(
                f"{self.path}: this store was opened before the process forked;"
                " open it in each process"
            )

    def _is_forked(self) -> bool:
        return os.getpid() != self._process
