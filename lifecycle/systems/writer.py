"""Facts: the messages of field changes, as records to be put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from attrs import define, field

from lifecycle.systems.layout import Layout
from lifecycle.systems.message import Party, change_message
from lifecycle.systems.moments import Moment
from lifecycle.systems.spool import Record
from lifecycle.systems.tally import Tally

#: What records say beside changes of fields: fields of their own, the same for every source.
CREATED: Final = "created"
DELETED: Final = "deleted"
_MERGED: Final = "merged"
#: The schemes of ids of which a source's objects have one: the key tells which object it is.
_OWN_SCHEME: Final = {"salesforce": "salesforceId", "hubspot": "hubspotId"}


class At(NamedTuple):
    """The place of a fact in a file, and of which object and moment it is."""

    line: int
    object: str
    moment: Moment


@define
class FactWriter:
    """Writes the facts of one source.

    Attributes:
        source: The source's name in messages.
        layout: How its files are read.
        tally: What became of its records.
        incomplete: What an export says itself that it lacks, as sentences.
        scheme: The scheme of its objects' ids.
        has_own_scheme: Whether that is the source's own: such a key says which object it is.
    """

    source: str
    layout: Layout
    tally: Tally
    incomplete: list[str]
    _names_field: Callable[[str, str], bool]
    scheme: str = field(init=False)
    has_own_scheme: bool = field(init=False)
    _named: dict[str, bool] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.scheme = self.layout.scheme
        self.has_own_scheme = _OWN_SCHEME.get(self.source) == self.scheme

    def names(self, name: str) -> bool:
        """Return whether the rules give changes of this field a meaning."""
        named = self._named.get(name)
        if named is None:
            named = self._named[name] = self._names_field(self.source, name)
        return named

    def leave_out(self, reason: str) -> None:
        """Count a record that says no fact."""
        self.tally.left_out[reason] += 1

    def say_incomplete(self, sentence: str) -> None:
        """Keep what an export says itself that it lacks, once."""
        if sentence not in self.incomplete:
            self.incomplete.append(sentence)

    def account(
        self, records: Iterator[Record], reason: str = "no field with a meaning"
    ) -> Iterator[Record]:
        """Return the facts of one record; if there are none, it is left out for this reason."""
        tally = self.tally
        tally.records += 1
        before = tally.facts + tally.left_out.total()
        yield from records
        if tally.facts + tally.left_out.total() == before:
            self.leave_out(reason)

    def fact(
        self,
        at: At,
        name: str,
        *,
        lead: Mapping[str, Any] | None = None,
        record: str | None = None,
        **said: Any,
    ) -> Record:
        """Return the record of one fact; ``lead`` has the lead's keys, if there are several."""
        self.tally.facts += 1
        self.tally.zoneless += not at.moment.has_zone
        if record is None and not self.has_own_scheme:
            record = at.object
        keys = lead or {self.scheme: at.object}
        message = change_message(
            self.source, name, time=at.moment.text, lead=keys, record=record, **said
        )
        return Record(at.object, at.moment.micros, at.line, message)

    def merger(self, at: At, winner: str, agent: Party | None = None) -> Record:
        """Return the record of the fact that one object was merged into another."""
        keys = {self.scheme: [winner, at.object]}
        return self.fact(at, _MERGED, lead=keys, record=at.object, new=winner, agent=agent)
