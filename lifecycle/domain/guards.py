"""Named guards: conditions on an edge that compare a message's parties with what is known.

A guard takes the lead as it is before the event, and the event; it returns None to let the step
pass, or the reason why not. It refuses only on contradiction: when the message does not name the
party, or nobody is known to compare it with, it passes (design.md section 4). It must be pure.

Register your own before the rules that name it are used:

    @guard("by_sender")
    def by_sender(lead, event):
        if event.agent and lead.sender and event.agent.contradicts(lead.sender):
            return f"by {event.agent}, but sent by {lead.sender}"
        return None
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final, TypeAlias

from lifecycle.domain.event import LeadEvent, Party
from lifecycle.domain.lead import Lead
from lifecycle.errors import RulesError

Guard: TypeAlias = Callable[[Lead, LeadEvent], str | None]

_GUARDS: dict[str, Guard] = {}
_PARTY_GUARDS: set[str] = set()


def guard(name: str, *, party: bool = False) -> Callable[[Guard], Guard]:
    """Register a guard under this name.

    ``party``: it asks for a party's permission. Changes of fields are not asked for permission,
    as what another system recorded has happened (design.md section 4a).

    Raises:
        RulesError: Another function has the name already.
    """

    def register(function: Guard) -> Guard:
        if _GUARDS.setdefault(name, function) is not function:
            raise RulesError("guard", f"{name!r} is registered already")
        if party:
            _PARTY_GUARDS.add(name)
        return function

    return register


def find_guard(name: str) -> Guard | None:
    """Return the guard of this name, or None when nobody registered one."""
    return _GUARDS.get(name)


def condition_of(name: str) -> str:
    """Return what a guard asks for: the first line of its docstring, or its name."""
    function = find_guard(name)
    words = (function and inspect.getdoc(function)) or f"{name} must pass."
    return words.partition("\n")[0]


def is_party_guard(name: str) -> bool:
    """Return whether the guard of this name asks for a party's permission."""
    return name in _PARTY_GUARDS


def guard_names() -> tuple[str, ...]:
    """Return the names of all registered guards, sorted."""
    return tuple(sorted(_GUARDS))


def _owner(lead: Lead, event: LeadEvent) -> Party | None:
    return lead.owner or event.snapshot.owner


def _contradicted(party: Party | None, *known: Party | None) -> bool:
    parties = [one for one in known if one is not None]
    if party is None or not parties:
        return False
    return all(party.contradicts(one) for one in parties)


@guard("by_holder", party=True)
def by_holder(lead: Lead, event: LeadEvent) -> str | None:
    """Only who holds the lead may do it."""
    if _contradicted(event.agent, lead.holder):
        return f"by {event.agent}, but held by {lead.holder}"
    return None


@guard("by_owner", party=True)
def by_owner(lead: Lead, event: LeadEvent) -> str | None:
    """Only the owner may do it."""
    owner = _owner(lead, event)
    if _contradicted(event.agent, owner):
        return f"by {event.agent}, but owned by {owner}"
    return None


@guard("by_holder_or_owner", party=True)
def by_holder_or_owner(lead: Lead, event: LeadEvent) -> str | None:
    """Only who holds the lead, or its owner, may do it."""
    owner = _owner(lead, event)
    if _contradicted(event.agent, lead.holder, owner):
        return f"by {event.agent}, but held by {lead.holder or 'nobody known'}" + (
            f" and owned by {owner}" if owner else ""
        )
    return None


@guard("from_holder", party=True)
def from_holder(lead: Lead, event: LeadEvent) -> str | None:
    """Only from who holds the lead may it be taken (a retract's ``participant``)."""
    if _contradicted(event.participant, lead.holder):
        return f"from {event.participant}, but held by {lead.holder}"
    return None


#: The names of the guards above. Of a lead they look at nothing but its holder and its owner.
BUILT_IN: Final = frozenset(_GUARDS)
