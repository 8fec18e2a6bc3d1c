"""The steps that the rules allow, and who may take them, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lifecycle.domain import HistoryRow, Lead, Rules, State, Trigger, condition_of, immutable

#: Who may do what no guard is in the way of.
ANYBODY = "anybody"
NOBODY = "nobody"


@immutable
class NextStep:
    """A step that may happen next, and who may do it.

    Attributes:
        target: The state that it leads to; None: it stays as it is.
        guards: The conditions, by name.
        who: Who may do it, in words.
    """

    trigger: Trigger
    target: State | None
    guards: tuple[str, ...]
    who: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "trigger": self.trigger,
            "to": self.target,
            "guards": list(self.guards),
            "who": self.who,
        }


def who_may(rules: Rules, row: HistoryRow) -> str:
    """Return who may do this in the lead's state: by each row of the rules, or nobody."""
    rows = [
        edge for edge in rules.edges if edge.trigger == row.trigger and row.source in edge.sources
    ]
    words = [" ".join(map(condition_of, edge.guards)) or ANYBODY for edge in rows]
    return " Or: ".join(words) or NOBODY


def next_steps(rules: Rules, lead: Lead) -> list[NextStep]:
    """Return what the rules allow in a lead's state, and who may do it."""
    if lead.contact_deleted_at is not None:
        return []
    return [
        NextStep(edge.trigger, edge.target, edge.guards, _who(edge.guards, lead))
        for edge in rules.edges
        if lead.state in edge.sources
    ]


def _who(guards: Sequence[str], lead: Lead) -> str:
    """Return who may do it, in words: what the guards say of themselves, and the parties known."""
    if not guards:
        return ANYBODY
    conditions = " ".join(condition_of(name) for name in guards)
    known = [
        f"{what} {party}"
        for what, party in (("held by", lead.holder), ("owned by", lead.owner))
        if party is not None
    ]
    return conditions + (f" It is {' and '.join(known)}." if known else "")
