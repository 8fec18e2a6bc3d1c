"""``lifecycle explain``: why a lead is in its state, as a story."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lifecycle.auditing.allowed import ANYBODY, NOBODY
from lifecycle.auditing.explanation import Copy, Correction, Explanation, Step
from lifecycle.auditing.explanation import explain as explained
from lifecycle.auditing.words import edit_in_words, moment
from lifecycle.cli import options
from lifecycle.cli.find import offering
from lifecycle.cli.output import emit_one, to_json
from lifecycle.cli.timeline import SEVERITY_STYLE, STATE_STYLE
from lifecycle.cli.wrapping import print_words
from lifecycle.domain import refused_in_words
from lifecycle.store import FindingEntry, HistoryEntry, LeadReader, StoredMessage
from lifecycle.text import clean, counted, reason_in_words, short

if TYPE_CHECKING:
    from lifecycle.auditing.edits import Edit
    from lifecycle.domain import Lead, Party

Told = TypeVar("Told")

#: So many messages that moved nothing are named.
_SHOWN = 5
#: An id that was made of a content: its beginning tells it from others, where its line is named.
_HEX = re.compile(r"^(urn:[a-z0-9:_-]+:[0-9a-f]{12})[0-9a-f]{52}$")
#: Findings whose name does not say what they mean.
_MEANINGS = {"joined_midway": "; what happened before its first message is not known"}


@click.command()
@options.database
@options.lead
@options.table_or_json
def explain(database: Path, lead: str, style: str) -> None:
    """Tell why a lead is in its state.

    How it got there, message by message; what was refused, and why; what arrived late, and what it
    changed; what may happen next, and who may do it. LEAD is any of its names.
    """
    with LeadReader(database) as store, offering(store, lead):
        found = explained(store, lead)
    if style != "table":
        emit_one(found.as_dict(), style)
        return
    _tell(_Story(), found)


class _Story:
    """Prints lines, each as far in as it belongs; what does not fit goes on below it."""

    def __init__(self) -> None:
        from rich.text import Text  # noqa: PLC0415

        self._text = Text

    def say(self, indent: int, *parts: str | tuple[str, str], hanging: int = 2) -> None:
        """Print a line, and below it, farther in, what does not fit."""
        print_words(self._text.assemble(*parts), indent, hanging)

    def part(self, title: str) -> None:
        """Print the heading of a part."""
        click.echo()
        self.say(0, (title, "bold"))


def _tell(story: _Story, found: Explanation) -> None:
    _tell_opening(story, found.lead)
    _tell_path(story, found)
    tell_correction = partial(_tell_correction, found.lead.lead_id)
    _tell_part(story, "What was refused", found.refused, _tell_refusal)
    proved = found.repair is None or found.repair.proved_smallest
    doubt = "" if proved else ", not proved smallest"
    _tell_part(story, f"The smallest repair (a proposal{doubt})", found.edits, _tell_edit)
    _tell_part(story, "What came late, and what it changed", found.corrections, tell_correction)
    _tell_part(story, "What came with another content under a known id", found.copies, _tell_copy)
    _tell_next(story, found)
    _tell_part(story, "What else is known", found.findings, _tell_finding)


def _tell_part(
    story: _Story, title: str, all_of_it: Sequence[Told], tell: Callable[[_Story, Told], None]
) -> None:
    if all_of_it:
        story.part(title)
    for one in all_of_it:
        tell(story, one)


def _tell_edit(story: _Story, edit: Edit) -> None:
    story.say(2, clean(edit_in_words(edit)))


def _tell_opening(story: _Story, lead: Lead) -> None:
    parts: list[str | tuple[str, str]] = [
        (clean(lead.lead_id), "bold"),
        " is ",
        (lead.state, f"bold {STATE_STYLE[lead.state]}"),
    ]
    if lead.since is not None:
        parts.append(f" since {moment(lead.since)}")
    if lead.holder is not None:
        parts.append(f", held by {_name(lead.holder)}")
    if lead.contact_deleted_at is not None:
        parts.append(f"; its contact was deleted at {moment(lead.contact_deleted_at)}")
    story.say(0, *parts)


def _tell_path(story: _Story, found: Explanation) -> None:
    story.part("How it got there")
    holder = None
    for number, step in enumerate(found.path, 1):
        row = step.entry
        held = f"; held by {_name(row.holder)} from then on" if row.holder else ""
        story.say(
            2,
            f"{number}. {moment(row.at)}  {row.trigger}: {row.source} → ",
            (row.target, STATE_STYLE[row.target]),
            _by(row.by),
            held if row.holder not in (row.by, holder) else "",
            f", “{clean(reason_in_words(row.reason))}”" if row.reason else "",
            hanging=3,
        )
        what = f"implied by {row.implied_by} in" if row.implied_by else "message"
        _tell_source(story, what, step.message, f"; {_may(step.who)}")
        holder = row.holder
    if not found.path:
        story.say(2, "nothing valid has happened to it")
    if found.noted:
        idle = [f"{one.trigger} of {moment(one.time)}" for one in found.noted[:_SHOWN]]
        more = ", ..." if len(found.noted) > _SHOWN else ""
        what = counted(len(found.noted), "message")
        story.say(2, (f"and {what} that moved nothing: {', '.join(idle)}{more}", "dim"))


def _tell_refusal(story: _Story, step: Step) -> None:
    row = step.entry
    story.say(
        2,
        ("✗ ", "bold red"),
        f"{moment(row.at)}  {row.trigger}{_by(row.by)}, when it was {row.source}: ",
        (clean(short(_refused(row))), "red"),
    )
    _tell_source(story, "message", step.message)


def _refused(row: HistoryEntry) -> str:
    return refused_in_words(row.refusal, row.trigger, row.source) if row.refusal else ""


def _may(who: str) -> str:
    """Say who may do it."""
    if who in (ANYBODY, NOBODY):
        return f"{who} may do it"
    words = who if ". " in who else who.removesuffix(".")
    return clean(short(f"{words[:1].lower()}{words[1:]}"))


def _tell_source(story: _Story, what: str, message: StoredMessage, more: str = "") -> None:
    place = f", {clean(message.log)} line {message.line}" if message.log else ""
    late = ", arrived late" if message.late else ""
    erased = f", content erased {moment(message.erased_at)}" if message.erased_at else ""
    name = clean(message.event_id)
    if message.log:
        name = _HEX.sub(r"\1…", name)
    story.say(5, (f"{what} {name}{place}{late}{erased}{more}", "dim"))


def _tell_correction(lead_id: str, story: _Story, one: Correction) -> None:
    names = ", ".join(f"{late.trigger} of {moment(late.time)}" for late in one.because[:_SHOWN])
    if len(one.because) > _SHOWN:
        names += f" and {counted(len(one.because) - _SHOWN, 'message')} more"
    if not names:
        names = "keys that were linked"
        if one.other_rules or one.erased:
            names = "other rules" if one.other_rules else "an erasure"
    came = "arrived" if one.because else "changed it"
    story.say(2, f"{names}: {came} {moment(one.at)}")
    for change in one.changes:
        what = f"{change.trigger} of {moment(change.at)}"
        now = "another lead's" if change.moved else _rows(change.now, lead_id)
        story.say(5, f"{what}: was {_rows(change.was, lead_id)}, is {now}")
    if not one.changes:
        story.say(5, ("changed nothing that was known before", "dim"))


def _tell_copy(story: _Story, found: Copy) -> None:
    copy = found.copy
    arrived = f"arrived {moment(copy.recorded_at)}"
    story.say(2, f"{clean(copy.event_id)}: {copy.trigger} of {moment(copy.time)}, {arrived}")
    for path, there, counts in found.differences[:_SHOWN]:
        story.say(5, f"{clean(path)}: {_json(there)}; counts: {_json(counts)}")
    more = len(found.differences) - _SHOWN
    if more > 0:
        story.say(5, (f"and {counted(more, 'difference')} more", "dim"))


def _json(value: Any) -> str:
    return "nothing" if value is None else clean(short(to_json(value)))


def _tell_next(story: _Story, found: Explanation) -> None:
    story.part("What may happen next")
    for allowed in found.next:
        target = f"→ {allowed.target}" if allowed.target else "stays as it is"
        story.say(2, f"{allowed.trigger} {target}: {_may(allowed.who)}")
    if not found.next:
        why = "" if found.lead.contact_deleted_at is None else "its contact was deleted; "
        story.say(2, f"nothing: {why}every message is refused")


def _tell_finding(story: _Story, found: FindingEntry) -> None:
    meaning = _MEANINGS.get(found.code, "")
    words = f"{found.code.replace('_', ' ')} ({found.severity}{meaning})"
    words += f": {clean(short(found.detail))}" if found.detail else ""
    story.say(2, ("! ", SEVERITY_STYLE[found.severity]), words)


def _by(party: Party | None) -> str:
    return f", by {_name(party)}" if party else ""


def _name(party: Party) -> str:
    return clean(short(str(party)))


def _rows(entries: Sequence[HistoryEntry], lead_id: str) -> str:
    """Return steps in words; of another lead with its name."""
    return ", ".join(_row(one, lead_id) for one in entries) or "nothing that moved it"


def _row(row: HistoryEntry, lead_id: str) -> str:
    words = f"refused in {row.source}" if row.refused else f"{row.source} → {row.target}"
    return words + (f" of {clean(row.lead_id)}" if row.lead_id != lead_id else "")
