"""A lead and its history as a timeline for people.

A filled dot is a step that a message states, a ring one that a date implies, a cross an attempt
that was refused; what is not true any more is struck out, and says how long it was thought true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from lifecycle.cli.grid import Cells, print_grid
from lifecycle.cli.wrapping import joined, plain, print_line, print_words
from lifecycle.domain import refused_in_words
from lifecycle.messages import format_time
from lifecycle.text import clean, reason_in_words, short

if TYPE_CHECKING:
    from rich.text import Text

    from lifecycle.domain import Lead
    from lifecycle.store import FindingEntry, HistoryEntry

STATE_STYLE: Final = {
    "new": "dim",
    "sent": "cyan",
    "received": "blue",
    "assigned": "yellow",
    "accepted": "green",
    "rejected": "red",
    "retracted": "magenta",
}
SEVERITY_STYLE: Final = {"error": "red", "warning": "yellow", "info": "dim"}
_SHOWN_KEYS: Final = 12
_HEADS: Final = ("when (UTC)", "what", "who", "why")


def print_lead(lead: Lead, findings: Sequence[FindingEntry]) -> None:
    """Print the lead: its state, who has it, its names, and what was found."""
    from rich.text import Text  # noqa: PLC0415

    title = Text()
    title.append(clean(lead.lead_id), style="bold")
    title.append("  is  ")
    title.append(lead.state, style=f"bold {STATE_STYLE[lead.state]}")
    if lead.since is not None:
        title.append(f"  since {_time(lead.since)}", style="dim")
    print_words(title)
    facts = _facts(lead)
    margin = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        head = name
        for words in map(clean, value):
            print_line(Text(head.ljust(margin), style="dim") + Text(words))
            head = ""
    for one in findings:
        line = Text("! ", style="dim" if one.superseded_at else SEVERITY_STYLE[one.severity])
        line.append(f"{one.code.replace('_', ' ')} ({one.severity})")
        line.append(f": {clean(one.detail)}" if one.detail else "", style="default")
        if one.superseded_at is not None:
            line.append(f" (thought so until {_second(one.superseded_at)})")
        print_words(line, hanging=2)


def print_history(entries: Sequence[HistoryEntry], *, superseded: bool) -> None:
    """Print the timeline."""
    if not entries:
        click.echo("nothing has happened to this lead", err=True)
        return
    cells = list(_timeline(entries, superseded=superseded))
    numeric = [False] * len(_HEADS)
    print_grid(_HEADS, cells, numeric, whole=("when (UTC)", "what"), stack=_print_stacked)


def _print_stacked(cells: Cells) -> None:
    """Print each row over lines: when and what, then who and why below it."""
    for when, what, *more in cells:
        print_line(joined(when, "  ", what))
        for text in more:
            if plain(text):
                print_words(text, indent=4)


def _timeline(entries: Sequence[HistoryEntry], *, superseded: bool) -> Iterator[list[Text]]:
    """Yield the cells of each row of history."""
    from rich.text import Text  # noqa: PLC0415

    first = min(row.recorded_at for row in entries)
    for row in entries:
        old = "strike dim" if row.superseded_at is not None else ""
        cells = [
            Text(_time(row.at), style=old),
            Text.assemble(_mark(row), " ", (row.trigger, old), " ") + _state(row),
            Text(clean(_who(row)), style=old),
            Text(clean(short(_why(row))), style="red" if row.refused and not old else old),
        ]
        if superseded and (old or row.recorded_at > first):
            cells[-1].append(_known(row, cells[-1].plain), style="not strike dim")
        yield cells


def _mark(row: HistoryEntry) -> tuple[str, str]:
    if row.refused:
        return ("✗", "bold red")
    if row.verdict == "implied":
        return ("○", "dim")
    return ("●", STATE_STYLE[row.target])


def _state(row: HistoryEntry) -> Text:
    """Return the state that a step led to, or that a refusal left as it was."""
    from rich.text import Text  # noqa: PLC0415

    word = "stays" if row.refused else "→"
    style = "strike dim" if row.superseded_at is not None else STATE_STYLE[row.target]
    return Text.assemble((word, "dim"), " ", (row.target, style))


def _why(row: HistoryEntry) -> str:
    parts = []
    if row.refusal is not None:
        parts.append(refused_in_words(row.refusal, row.trigger, row.source))
    if row.implied_by:
        parts.append(f"implied by {row.implied_by}")
    if row.reason:
        reason = reason_in_words(row.reason)
        parts.append(f"“{reason}”" if row.refused else reason)
    if row.late:
        parts.append("arrived late")
    return " · ".join(parts)


def _who(row: HistoryEntry) -> str:
    """Return who did it, and who has the lead since, where that is somebody else."""
    actor = short(str(row.by)) if row.by else ""
    if row.refused or row.holder is None or row.holder == row.by:
        return actor
    return f"{actor} → {short(str(row.holder))}".strip()


def _known(row: HistoryEntry, before: str) -> str:
    """Say since when the store says so, or until when it did, on a line of its own."""
    times = [one for one in (row.recorded_at, row.superseded_at) if one is not None]
    shown = list(dict.fromkeys(map(_second, times)))
    if len(shown) < len(times):
        shown = list(map(_time, times))
    known = f"known since {' until '.join(shown)}"
    return f"\n{known}" if before else known


def _facts(lead: Lead) -> list[tuple[str, list[str]]]:
    """Return what there is to say of a lead, line by line, without what is not known."""
    contact = (lead.contact.name, lead.contact.email, lead.contact.telephone)
    keys = [str(key) for key in lead.keys]
    if len(keys) > _SHOWN_KEYS:
        keys = [*keys[:_SHOWN_KEYS], f"and {len(keys) - _SHOWN_KEYS} more"]
    facts = [
        ("holder", [str(lead.holder or "not known")]),
        ("owner", [str(lead.owner or "")]),
        ("sender", [str(lead.sender or "")]),
        ("recipient", [str(lead.recipient or "")]),
        ("contact", [", ".join(part for part in contact if part)]),
        ("source", [lead.source or ""]),
        ("known as", keys),
        ("fields", [_fields(system, its) for system, its in sorted(lead.fields.items())]),
        ("events", [f"{lead.events}, {lead.refusals} of them refused"]),
    ]
    if lead.contact_deleted_at is not None:
        facts.append(("contact deleted", [_time(lead.contact_deleted_at)]))
    return [(name, lines) for name, lines in facts if any(lines)]


def _fields(system: str, fields: Mapping[str, str]) -> str:
    said = ", ".join(f"{name} {value!r}" for name, value in sorted(fields.items()))
    return f"{system}: {said}"


def _time(at: datetime) -> str:
    return short(format_time(at))


def _second(at: datetime) -> str:
    return _time(at).partition(".")[0]
