"""Facts: the messages of field changes, as records to be put in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from lifecycle.systems.layout import Layout
from lifecycle.systems.message import Party, change_message
from lifecycle.systems.moments import Moment
from lifecycle.systems.spool import Record
from lifecycle.systems.tally import Tally

#: The schemes of ids of which a source's objects have one: the key tells which object it is.
_OWN_SCHEME: Final = {"salesforce": "salesforceId", "hubspot": "hubspotId"}


@define
class FactWriter:
    """Writes the facts of one source.

    Attributes:
        source: The source's name in messages.
        layout: How its files are read.
        tally: What became of its records.
        incomplete: What an export says itself that it lacks, as sentences.
    """

    source: str
    layout: Layout
    tally: Tally
    incomplete: list[str]
    _names_field: Callable[[str, str], bool]
    _named: dict[str, bool] = field(factory=dict)

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

    def fact(
        self,
        line: int,
        lead_id: str,
        name: str,
        moment: Moment,
        *,
        lead: dict[str, Any] | None = None,
        record: str | None = None,
        **said: Any,
    ) -> Record:
        """Return the record of one fact; ``lead`` has the lead's keys, if there are several."""
        self.tally.facts += 1
        scheme = self.layout.scheme
        if record is None and _OWN_SCHEME.get(self.source) != scheme:
            record = lead_id
        keys = lead or {scheme: lead_id}
        message = change_message(
            self.source, name, time=moment.text, lead=keys, record=record, **said
        )
        return Record(f"{scheme}:{lead_id}", moment.micros, line, message)

    def merger(
        self, line: int, winner: str, loser: str, moment: Moment, agent: Party | None = None
    ) -> Record:
        """Return the record of the fact that one object was merged into another."""
        keys = {self.layout.scheme: [winner, loser]}
        return self.fact(
            line, loser, "merged", moment, lead=keys, record=loser, new=winner, agent=agent
        )
