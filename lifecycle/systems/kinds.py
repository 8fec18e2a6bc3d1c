"""Kinds of files: each is recognised by the names of its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from attrs import frozen

from lifecycle.errors import InputError
from lifecycle.systems.columns import Names, flatten, plain
from lifecycle.systems.entries import Entry
from lifecycle.systems.layout import Layout
from lifecycle.systems.spool import Record
from lifecycle.text import clean

#: So many forms of records and names are remembered, and so many of a record's names are shown.
_FORMS: Final = 1000
_NAMES: Final = 10_000
_SHOWN: Final = 8


@frozen
class Kind:
    """A kind of file.

    Attributes:
        name: The name that ``--kind`` takes.
        sentence: How it is recognised, and where such files come from.
        needs: The fields that it has: of each tuple one. Empty: those that the layout needs.
        read: A method of the source's reader: the facts of an entry.
    """

    name: str
    sentence: str
    needs: tuple[Names, ...]
    read: Callable[[Any, Entry], Iterator[Record]]

    @property
    def needs_layout(self) -> bool:
        """Return whether the layout names its fields."""
        return not self.needs


class Recognizer:
    """Finds the kind of each entry by the names of its fields, or takes the one that is forced."""

    def __init__(self, kinds: Sequence[Kind], layout: Layout, forced: str | None = None) -> None:
        self._needs = {kind.name: kind.needs or tuple(layout.needs.values()) for kind in kinds}
        self._plain_needs = {
            name: [frozenset(map(plain, names)) for names in needs]
            for name, needs in self._needs.items()
        }
        self._needed = frozenset().union(*chain.from_iterable(self._plain_needs.values()))
        self._kinds = kinds
        self._forced = next((kind for kind in kinds if kind.name == forced), None)
        self._needed_in = lru_cache(_NAMES)(self._find_needed)
        self._of_names = lru_cache(_FORMS)(self._find)

    def kind_of(self, entry: Entry) -> Kind | None:
        """Return the kind of an entry; None if it is of none."""
        if self._forced is not None or len(self._kinds) == 1:
            return self._forced or self._kinds[0]
        return self._of_names(frozenset(chain.from_iterable(map(self._needed_in, _names(entry)))))

    def unknown(self, entry: Entry) -> InputError:
        """Return that an entry is of no kind, with the kinds that were tried."""
        tried = "; ".join(
            f"{name} ({', '.join(names[0] for names in needs)})"
            for name, needs in self._needs.items()
        )
        names = [clean(name) for name in entry.value if name]
        found = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        return entry.error(f"expected one of these kinds: {tried}; got the fields {found}")

    def _find(self, names: frozenset[str]) -> Kind | None:
        """Return the kind of entries that have these of the names that kinds need."""
        missing = {
            kind.name: sum(names.isdisjoint(one) for one in self._plain_needs[kind.name])
            for kind in self._kinds
        }
        # Rows that lack one column are rows all the same: their reader says what is missing.
        near = (kind for kind in self._kinds if kind.needs_layout and missing[kind.name] == 1)
        return next((kind for kind in self._kinds if not missing[kind.name]), next(near, None))

    def _find_needed(self, name: str) -> frozenset[str]:
        """Return which of the needed names a name is: ``Owner.Id`` counts as ``Owner``, too."""
        return self._needed & {plain(name), plain(name.partition(".")[0])}


def _names(entry: Entry) -> Iterator[str]:
    """Return the names of all that an entry has, and its objects have.

    An object that is empty counts by its own name.
    """
    names = flatten(entry.value)
    return iter(names) if names is entry.value else chain(entry.value, names)
