"""``lifecycle explain``: why a lead is in its state, as a story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lifecycle.auditing.explanation import Change, Correction, Explanation, Step
from lifecycle.auditing.explanation import explain as explained
from lifecycle.auditing.words import clean, counted, moment, short
from lifecycle.cli import options
from lifecycle.cli.output import console, emit_one
from lifecycle.cli.timeline import SEVERITY_STYLE, STATE_STYLE
from lifecycle.store import LeadReader, StoredMessage

if TYPE_CHECKING:
    from rich.text import Text

    from lifecycle.domain import HistoryRow, Lead


@click.command()
@options.database
@options.lead
@options.output
def explain(database: Path, lead: str, style: str) -> None:
    """Tell why a lead is in its state.

    How it got there, message by message; what was refused, and why; what arrived late, and what it
    changed; what may happen next, and who may do it. LEAD is any of its names.
    """
    with LeadReader(database) as store:
        found = explained(store, lead)
    if style != "table":
        emit_one(found.as_dict(), style)
        return
    _tell(found)


def _tell(found: Explanation) -> None:
    _say(_opening(found.lead))
    _tell_past(found)
    if found.corrections:
        _part("What came late, and what it changed")
    for one in found.corrections:
        _correct(one)
    _part("What may happen next")
    for allowed in found.next:
        target = f"→ {allowed.target}" if allowed.target else "stays as it is"
        _say(f"  {allowed.trigger} {target}: {clean(short(allowed.who))}")
    if not found.next:
        _say(_soft("nothing: its contact was deleted, and it refuses what comes"))
    if found.findings:
        _part("What else is known")
    for entry in found.findings:
        _say(_finding(entry.finding.severity, entry.finding.code, entry.finding.detail))


def _tell_past(found: Explanation) -> None:
    _part("How it got there")
    holder = None
    for number, step in enumerate(found.path, 1):
        row = step.entry.row
        _say(_transition(number, row, changes_hands=row.holder not in (None, row.by, holder)))
        _say(_source(step.message, implied=row.verdict == "implied"))
        holder = row.holder
    if not found.path:
        _say(_soft("nothing valid has happened to it"))
    if found.noted:
        _say(_soft(f"and {counted(len(found.noted), 'message')} that moved nothing"))
    if found.refused:
        _part("What was refused")
    for step in found.refused:
        _say(_refusal(step))
        _say(_source(step.message))


def _say(text: str | Text) -> None:
    from rich.text import Text  # noqa: PLC0415

    console().print(Text(text) if isinstance(text, str) else text)


def _styled(*parts: str | tuple[str, str]) -> Text:
    from rich.text import Text  # noqa: PLC0415

    return Text.assemble(*parts)


def _soft(text: str) -> Text:
    return _styled(("  " + text, "dim"))


def _part(title: str) -> None:
    _say(_styled(("\n" + title, "bold")))


def _opening(lead: Lead) -> Text:
    parts: list[str | tuple[str, str]] = [
        (clean(lead.lead_id), "bold"),
        " is ",
        (lead.state, f"bold {STATE_STYLE[lead.state]}"),
    ]
    if lead.since is not None:
        parts.append(f" since {moment(lead.since)}")
    if lead.holder is not None:
        parts.append(f", held by {clean(short(str(lead.holder)))}")
    if lead.contact_deleted_at is not None:
        parts.append(f"; its contact was deleted at {moment(lead.contact_deleted_at)}")
    return _styled(*parts)


def _transition(number: int, row: HistoryRow, *, changes_hands: bool) -> Text:
    parts: list[str | tuple[str, str]] = [
        f"  {number}. {moment(row.at)}  {row.trigger}: {row.source} → ",
        (row.target, STATE_STYLE[row.target]),
        _by(row),
    ]
    if changes_hands:
        parts.append(f"; held by {clean(short(str(row.holder)))} from then on")
    if row.reason:
        parts.append(f", “{clean(row.reason)}”")
    return _styled(*parts)


def _refusal(step: Step) -> Text:
    row = step.entry.row
    return _styled(
        ("  ✗ ", "bold red"),
        f"{moment(row.at)}  {row.trigger}{_by(row)}, when it was {row.source}: ",
        (clean(short(str(row.refusal))), "red"),
    )


def _by(row: HistoryRow) -> str:
    return f", by {clean(short(str(row.by)))}" if row.by else ""


def _source(message: StoredMessage, *, implied: bool = False) -> Text:
    place = f", {clean(message.log)} line {message.line}" if message.log else ""
    what = "implied by a date in" if implied else "message"
    late = ", arrived late" if message.late else ""
    return _styled((f"     {what} {clean(message.event_id)}{place}{late}", "dim"))


def _correct(one: Correction) -> None:
    names = ", ".join(f"{late.trigger} of {moment(late.time)}" for late in one.because)
    if not names:
        names = "other rules" if one.other_rules else "what it is known by"
    came = "arrived" if one.because else "changed it"
    _say(f"  {names}: {came} {moment(one.at)}")
    for change in one.changes:
        _say(f"     {_change(change)}")
    if not one.changes:
        _say(_soft("   changed nothing that was known before"))


def _change(change: Change) -> str:
    what = f"{change.trigger} of {moment(change.at)}"
    return f"{what}: was {_rows(change.was)}, is {_rows(change.now)}"


def _rows(rows: tuple[HistoryRow, ...]) -> str:
    if not rows:
        return "nothing that moved it"
    return ", ".join(
        f"refused in {row.source}" if row.refused else f"{row.source} → {row.target}"
        for row in rows
    )


def _finding(severity: str, code: str, detail: str) -> Text:
    words = code.replace("_", " ") + (f": {clean(short(detail))}" if detail else "")
    return _styled(("  ! ", SEVERITY_STYLE[severity]), words)
