"""A lead and its history as a timeline for people.

A filled dot is a step that a message states, a ring one that a date implies, a cross an attempt
that was refused; what is not true any more is struck out, and says how long it was thought true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from textwrap import wrap
from typing import TYPE_CHECKING, Final

import click

from lifecycle.cli.grid import width
from lifecycle.cli.output import console
from lifecycle.messages import format_time
from lifecycle.text import clean, short

if TYPE_CHECKING:
    from rich.console import Console
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
#: Columns that are broken between words; what stands between columns.
_BROKEN: Final = (2, 3)
_GAPS: Final = 12


def print_lead(lead: Lead, findings: Sequence[FindingEntry]) -> None:
    """Print the lead: its state, who has it, its names, and what was found."""
    from rich.text import Text  # noqa: PLC0415

    out = console()
    title = Text()
    title.append(clean(lead.lead_id), style="bold")
    title.append("  is  ")
    title.append(lead.state, style=f"bold {STATE_STYLE[lead.state]}")
    if lead.since is not None:
        title.append(f"  since {_time(lead.since)}", style="dim")
    _print_words(out, title)
    facts = _facts(lead)
    margin = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        head = name
        for words in map(clean, value):
            out.print(Text(head.ljust(margin), style="dim") + Text(words), soft_wrap=True)
            head = ""
    for one in findings:
        line = Text("! ", style="dim" if one.superseded_at else SEVERITY_STYLE[one.severity])
        line.append(one.code.replace("_", " "))
        line.append(f": {clean(one.detail)}" if one.detail else "", style="default")
        if one.superseded_at is not None:
            line.append(f" (thought so until {_second(one.superseded_at)})")
        _print_words(out, line)


def print_history(entries: Sequence[HistoryEntry], *, superseded: bool) -> None:
    """Print the timeline."""
    if not entries:
        console(err=True).print("nothing has happened to this lead")
        return
    cells = list(_timeline(entries, superseded=superseded))
    wide = width()
    if wide is None:
        for row in (_HEADS, *cells):
            click.echo("\t".join(" ".join(str(cell).split()) for cell in row).rstrip("\t"))
    elif (widths := _widths(cells, wide)) is None:
        _print_stacked(cells)
    else:
        _print_table(cells, widths)


def _longest_word(cells: Sequence[Sequence[Text]], place: int) -> int:
    return max((len(word) for row in cells for word in row[place].plain.split()), default=0)


def _longest_line(cells: Sequence[Sequence[Text]], place: int) -> int:
    lines = (line for row in cells for line in row[place].plain.splitlines())
    return max(map(len, lines), default=0)


def _widths(cells: Sequence[Sequence[Text]], wide: int) -> list[int] | None:
    """Return the widths of the columns, of which no word is broken; None where there is no room."""
    when, what, who, why = (_longest_line(cells, place) for place in range(len(_HEADS)))
    room = wide - when - what - _GAPS
    least = [max(_longest_word(cells, place), len(_HEADS[place])) for place in _BROKEN]
    if sum(least) > room:
        return None
    who = max(least[0], min(who, room - least[1]))
    return [when, what, who, max(min(why, room - who), least[1])]


def _print_stacked(cells: Sequence[Sequence[Text]]) -> None:
    """Print each row over lines: when and what, then who and why below it."""
    out = console()
    for when, what, *more in cells:
        out.print(when + "  " + what, soft_wrap=True)
        for text in more:
            for line in text.split("\n"):
                if line.plain:
                    _print_words(out, line, 4)


def _print_words(out: Console, text: Text, margin: int = 0) -> None:
    """Print a text that is broken between words only, so far in."""
    place = 0
    size = max(out.width - margin, 1)
    for line in wrap(text.plain, size, break_long_words=False, break_on_hyphens=False):
        start = text.plain.index(line.split()[0], place)
        place = start + len(line)
        part = text[start:place]
        part.pad_left(margin)
        out.print(part, soft_wrap=True)


def _print_table(cells: Sequence[Sequence[Text]], widths: Sequence[int]) -> None:
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head, size in zip(_HEADS, widths, strict=True):
        table.add_column(head, width=size)
    for row in cells:
        table.add_row(*row)
    out.print(table)


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
        parts.append(f"refused: {row.refusal}")
    if row.implied_by:
        parts.append(f"implied by {row.implied_by}")
    if row.reason:
        parts.append(f"“{row.reason}”" if row.refused else row.reason)
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
