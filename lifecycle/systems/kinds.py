"""Kinds of files: each is recognised by the names of its fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from lifecycle.errors import InputError
from lifecycle.systems.columns import Names, plain
from lifecycle.systems.entries import Entry
from lifecycle.systems.layout import Layout
from lifecycle.systems.spool import Record
from lifecycle.text import clean

#: So many forms of records are remembered, and so many of a record's names are shown.
_FORMS: Final = 1000
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
        self._kinds = kinds
        self._forced = next((kind for kind in kinds if kind.name == forced), None)
        self._known: dict[tuple[str, ...], Kind | None] = {}

    def kind_of(self, entry: Entry) -> Kind | None:
        """Return the kind of an entry; None if it is of none."""
        if self._forced is not None or len(self._kinds) == 1:
            return self._forced or self._kinds[0]
        form = tuple(entry.value)
        if form not in self._known:
            if len(self._known) == _FORMS:
                self._known.clear()
            self._known[form] = self._find(entry.flat().value)
        return self._known[form]

    def unknown(self, entry: Entry) -> InputError:
        """Return that an entry is of no kind, with the kinds that were tried."""
        tried = "; ".join(
            f"{name} ({', '.join(names[0] for names in needs)})"
            for name, needs in self._needs.items()
        )
        names = [clean(name) for name in entry.value if name]
        found = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        return entry.error(f"expected one of these kinds: {tried}; got the fields {found}")

    def _find(self, value: Mapping[str, Any]) -> Kind | None:
        names = {plain(name) for name in value}
        # An object in the record counts by its own name, too.
        names |= {plain(name.partition(".")[0]) for name in value}
        missing = {
            kind.name: sum(names.isdisjoint(map(plain, one)) for one in self._needs[kind.name])
            for kind in self._kinds
        }
        # Rows that lack one column are rows all the same: their reader says what is missing.
        near = (kind for kind in self._kinds if kind.needs_layout and missing[kind.name] == 1)
        return next((kind for kind in self._kinds if not missing[kind.name]), next(near, None))
