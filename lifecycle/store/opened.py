"""An open store: its connection, moments to read as of, pages."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from lifecycle.store.db.lookups import WorkingSet
from lifecycle.store.db.rows import Parties
from lifecycle.store.db.rules import rules_at
from lifecycle.store.db.transaction import Gate, snapshot

if TYPE_CHECKING:
    from lifecycle.store.db.file import Mode

_LOG: Final = logging.getLogger("lifecycle")
_PAGE: Final = 1000
Result = TypeVar("Result")


class OpenStore:
    """A store that was opened; it is closed when its ``with`` block ends."""

    def __init__(self, path: str | Path, mode: Mode = "read", *, permissions: int = 0o600) -> None:
        place = Path(path)
        from lifecycle.store.db.file import open_store  # noqa: PLC0415 - takes a while to import

        self._connection = open_store(place, mode, permissions)
        self._gate = Gate(place, self._connection)
        self._parties = Parties(self._connection)
        _LOG.debug("%s: opened to %s", place, mode)

    @property
    def path(self) -> Path:
        """The file, as errors name it."""
        return self._gate.path

    def __enter__(self) -> Self:
        with self._gate.held():
            return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; what is used of this object from now on raises a StoreError."""
        self._gate.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read within a ``with`` block be as of one moment.

        Each method does so by itself. Meanwhile other threads wait.

        Raises:
            StoreError: The store cannot be read, was closed, or was opened before a fork.
        """
        with self._gate.held(), snapshot(self._connection, self.path):
            yield

    def _working(self) -> WorkingSet:
        return WorkingSet(
            self._connection, self._parties, rules_at(self._connection, None).identity
        )

    def _paged(self, items: Iterator[Result], size: int = _PAGE) -> Iterator[Result]:
        """Return items that are read a page at a time, each page as of one moment."""

        def next_page() -> list[Result]:
            with self.snapshot():
                return list(islice(items, size))

        with self._gate.held():
            return chain.from_iterable(iter(next_page, []))
