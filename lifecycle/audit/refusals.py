"""The refusals of a store: which event, in which state, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from lifecycle.store import HistoryEntry, LeadReader


@frozen
class RefusalEntry:
    """One refused event."""

    entry: HistoryEntry

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        row = self.entry.as_dict()
        return {
            "lead_id": self.entry.lead_id,
            "at": row["at"],
            "state": row["from"],
            "trigger": row["trigger"],
            "verdict": row["verdict"],
            "by": row["by"],
            "reason": row["reason"],
            "event_id": row["event_id"],
        }


def refusals(store: LeadReader) -> Iterator[RefusalEntry]:
    """Every refusal that stands, by lead and then in order."""
    return map(RefusalEntry, iter(store.refusals()))
