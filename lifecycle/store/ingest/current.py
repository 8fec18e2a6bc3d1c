"""Rows that stand of what is folded again: those that the fold does not say are superseded."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final, NamedTuple

from lifecycle.domain import OPEN_FINDINGS
from lifecycle.store.db.rows import HISTORY_CONTENT, select_in

_CONTENT: Final = ", ".join(f"history.{name}" for name in HISTORY_CONTENT.split(", "))
_ROWS: Final = (
    f"SELECT history.id, history.lead, event, step, {_CONTENT} FROM event"
    " JOIN history ON history.event = event.seq"
    " WHERE history.superseded_at IS NULL AND event.lead IN"
)
_FINDINGS: Final = (
    "SELECT code, event, detail, id, lead, cluster FROM finding WHERE superseded_at IS NULL"
)
_OPEN: Final = ", ".join(f"'{code}'" for code in OPEN_FINDINGS)
_CONTESTED: Final = "SELECT DISTINCT event FROM copy WHERE event IN"


class CurrentFinding(NamedTuple):
    """A finding that stands: its number, and the lead or the cluster that it concerns."""

    id: int
    lead: int | None
    cluster: int | None


class Current:
    """The rows of history and the findings that stand, of what is folded again.

    ``additions`` is what the fold says and they do not.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: dict[tuple[int, int], tuple[int, int, tuple[Any, ...]]] = {}
        self._findings: dict[tuple[str, int | None, str], list[CurrentFinding]] = defaultdict(list)
        self.additions: list[tuple[Any, ...]] = []

    def read_several(self, clusters: Collection[int]) -> None:
        """Read the findings of contacts of these clusters that hold several ids."""
        self._read_findings(f"{_FINDINGS} AND code = 'several_ids' AND cluster IN", clusters)

    def read(self, leads: Collection[int], clusters: Collection[int]) -> None:
        """Read what stands of these leads, and of these clusters themselves.

        Conflicts and hubs are left out: they are settled when everything else is written.
        """
        for number, lead, event, step, *content in select_in(self._connection, _ROWS, leads):
            self._rows[event, step] = (number, lead, tuple(content))
        folded = f"{_FINDINGS} AND code NOT IN ('conflict', 'hub')"
        self._read_findings(f"{folded} AND lead IN", leads)
        self._read_findings(f"{folded} AND cluster IN", clusters)

    def read_open(self, lead: int) -> None:
        """Read the findings that a lead which is folded on may close."""
        self._read_findings(f"{_FINDINGS} AND code IN ({_OPEN}) AND lead IN", [lead])

    def contested(self, events: Iterable[int]) -> list[int]:
        """Return those of these events that have other contents."""
        return [seq for (seq,) in select_in(self._connection, _CONTESTED, events)]

    def match_row(self, event: int, step: int, lead: int, content: tuple[Any, ...]) -> bool:
        """Return whether this very row stands already; it is true still."""
        was = self._rows.get((event, step))
        if was is None or was[1:] != (lead, content):
            return False
        del self._rows[event, step]
        return True

    def match_finding(
        self, code: str, event: int | None, detail: str, lead: int | None
    ) -> CurrentFinding | None:
        """Return this very finding, if it stands already; it is true still."""
        were = self._findings.get((code, event, detail), [])
        match = next((one for one in were if one.lead == lead), None)
        if match is not None:
            were.remove(match)
        return match

    def untrue_rows(self) -> list[int]:
        """The numbers of the rows that were not said again."""
        return [number for number, _, _ in self._rows.values()]

    def untrue_findings(self) -> list[int]:
        """The numbers of the findings that were not said again."""
        return [one.id for were in self._findings.values() for one in were]

    def _read_findings(self, select: str, numbers: Iterable[int]) -> None:
        rows = select_in(self._connection, select, numbers)
        for code, event, detail, number, lead, cluster in rows:
            self._findings[code, event, detail].append(CurrentFinding(number, lead, cluster))
