"""The order of the changes of one field within one moment (design.md section 4a, a walk).

Values are places and changes are ways between them: each change begins where the last one ended.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence

from lifecycle.domain.event import LeadEvent
from lifecycle.immutable import immutable


@immutable
class Change:
    """A change of a field as it is folded: its event, and its values in compared form.

    ``old`` is None where it is not stated.
    """

    event: LeadEvent
    old: str | None
    new: str

    @property
    def order(self) -> tuple[str, str, str]:
        """Sort by new value, then old value, then event."""
        return (self.new, self.old or "", self.event.id)


def in_walk(
    changes: Sequence[Change], known: str | None, later: Callable[[], str | None]
) -> tuple[list[Change], bool]:
    """Return changes in the order of their walk, and whether only a later change tells it.

    ``known`` is the value before them, ``later`` finds the one where the next moment begins.
    """
    if len(changes) == 1:
        return list(changes), False
    ordered = sorted(changes, key=lambda one: one.order)
    stated = [one for one in ordered if one.old is not None]
    silent = [one for one in ordered if one.old is None]
    if not stated:
        return silent, False
    starts = departures(stated)
    is_open = not starts and known is None
    walk = _walked(stated, _begins(stated, starts, later() if is_open else known))
    before = [one for one in silent if one.new == walk[0].old]
    return [*before, *walk, *(one for one in silent if one not in before)], is_open


def departures(stated: Iterable[Change]) -> list[str]:
    """Return the values that more changes leave than reach, sorted."""
    balance = Counter[str]()
    for one in stated:
        balance[one.old or ""] += 1
        balance[one.new] -= 1
    return sorted(value for value, more in balance.items() for _ in range(more))


def _begins(stated: Sequence[Change], starts: list[str], told: str | None) -> list[str]:
    """Return where walks begin, the first one first."""
    olds = sorted({one.old or "" for one in stated})
    if told in olds and (told in starts or not starts):
        return [str(told), *starts, *olds]
    return [*starts, *olds]


def _walked(stated: Iterable[Change], begins: Iterable[str]) -> list[Change]:
    """Return all changes, walk by walk."""
    ways: dict[str, list[Change]] = defaultdict(list)
    for one in sorted(stated, key=lambda one: one.order, reverse=True):
        ways[one.old or ""].append(one)
    return [one for place in begins for one in _walk(ways, place)]


def _walk(ways: dict[str, list[Change]], place: str) -> list[Change]:
    """Return a walk over all ways that can be reached (Hierholzer's); it uses them up."""
    walk: list[Change] = []
    stack: list[tuple[str, Change | None]] = [(place, None)]
    while stack:
        here = stack[-1][0]
        if ways.get(here):
            way = ways[here].pop()
            stack.append((way.new, way))
        else:
            _, gone = stack.pop()
            if gone is not None:
                walk.append(gone)
    return walk[::-1]
