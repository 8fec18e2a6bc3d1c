"""An audit on a terminal: what was found, in tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import click
from rich.text import Text

from lifecycle.auditing import Audit
from lifecycle.auditing.figures import Step
from lifecycle.auditing.people import party_key
from lifecycle.auditing.stays import Spread
from lifecycle.auditing.words import duration, moment, percent, sequence
from lifecycle.cli.grid import print_grid, print_pairs
from lifecycle.cli.timeline import SEVERITY_STYLE
from lifecycle.cli.wrapping import print_words
from lifecycle.domain import STATES
from lifecycle.store import VerdictChange
from lifecycle.text import clean, counted, short

Cell: TypeAlias = "str | int"


def print_audit(audit: Audit, changes: Sequence[VerdictChange], top: int) -> None:
    """Print the report."""
    _totals(audit)
    if audit.refused_by:
        _refusals(audit, top)
        _repairs(audit, top)
    _variants(audit, top)
    _times(audit)
    print_funnel(audit.funnel)
    _overdue(audit, top)
    _verdicts(changes, top)
    _findings(audit)
    _comparison(audit, top)


def heading(text: str, note: str = "") -> None:
    """Print the heading of a table, and what is to be known of it."""
    line = Text(text, style="bold")
    line.append(f"  {note}" if note else "", style="not bold dim")
    click.echo()
    print_words(line)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], going: Sequence[str] = ()
) -> None:
    """Print a table; numbers stand to the right, and of ``going`` columns go first."""
    listed = list(rows)
    numeric = [isinstance(one, int) for one in listed[0]] if listed else [False] * len(columns)
    cells = [
        [f"{one:,}" if isinstance(one, int) else clean(short(one)) for one in row] for row in listed
    ]
    gone = print_grid(columns, cells, numeric, going=going)
    if gone:
        dim(f"too wide for {', '.join(gone)}: --list with --format csv has all columns")


def dim(text: str) -> None:
    """Print a remark."""
    print_words(Text(text, style="dim"))


def more(number: int, thing: str, which: str) -> None:
    """Say how many more there are, and how to see them."""
    if number > 0:
        dim(f"and {counted(number, thing)} more: --list {which}")


def _totals(audit: Audit) -> None:
    dim(f"rules {clean(audit.rules.name)!r}, {audit.rules.digest[:16]}")
    dim(f"messages {audit.digest[:16]}")
    click.echo()
    states = _counts({state: audit.states[state] for state in STATES if state in audit.states})
    rows = [
        ("leads", audit.leads, states),
        ("conforming", audit.conforming, f"trace fitness {percent(audit.trace_fitness)}"),
        ("events", audit.events, f"event fitness {percent(audit.event_fitness)}"),
        ("applied", audit.applied, "moved a lead"),
        ("refused", audit.refused, "not allowed"),
        ("noted", audit.noted, "valid, no state change"),
        ("unjudged", audit.unjudged, "behind a lead's first refusal"),
        ("ignored", sum(audit.ignored.values()), _counts(audit.ignored)),
        ("quarantined", sum(audit.quarantined.values()), _counts(audit.quarantined)),
    ]
    always = ("leads", "conforming", "events", "refused")
    print_pairs(
        [
            (name, f"{count:,}", Text(meaning, style="dim"))
            for name, count, meaning in rows
            if count or name in always
        ],
        [False, True, False],
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{clean(name)} {count:,}" for name, count in counts.items())


def _refusals(audit: Audit, top: int) -> None:
    heading("Refused", "by state and trigger; first: how often it was a lead's first deviation")
    steps = audit.refused_by
    rows = [(one.state, one.trigger, one.events, one.leads, one.first) for one in steps[:top]]
    table(("state", "trigger", "events", "leads", "first"), rows)
    more(len(steps) - top, "step", "refused_by")


def _repairs(audit: Audit, top: int) -> None:
    cost = f"{counted(audit.repair_cost, 'edit')} in {counted(len(audit.repairs), 'lead')}"
    unproved = audit.not_proved_smallest
    doubt = f"; not proved smallest in {counted(unproved, 'lead')}" if unproved else ""
    heading("Smallest repair", f"{cost}{doubt}; a proposal, nothing is applied")
    rows = [(str(one), one.edits, one.leads) for one in audit.groups[:top]]
    table(("proposal", "edits", "leads"), rows)
    more(len(audit.groups) - top, "kind", "repairs")


def _variants(audit: Audit, top: int) -> None:
    variants = audit.variants
    if not variants:
        return
    heading("Variants", f"{counted(len(variants), 'sequence')}; ✗ is where one first deviates")
    table(
        ("leads", "triggers", "example"),
        [(one.leads, sequence(one), one.example) for one in variants[:top]],
    )
    more(len(variants) - top, "variant", "variants")


def _times(audit: Audit) -> None:
    rows: list[Sequence[Cell]] = [
        (state, *spread_cells(spread), still) for state, spread, still in audit.times.by_state()
    ]
    if not rows:
        return
    heading("Time in state", "stays that ended, and those still open")
    table(("state", "count", "median", "90 %", "99 %", "open"), rows)
    speed = audit.times.speed()
    if speed["total"].count:
        heading("Speed to lead", "sent to accepted; handed over by assigned, else received")
        parts = (
            ("total", "sent to accepted"),
            ("network", "until handed over"),
            ("human", "from then on"),
        )
        table(
            ("part", "leads", "median", "90 %", "99 %"),
            [(what, *spread_cells(speed[name])) for name, what in parts],
        )


def print_funnel(steps: Sequence[Step]) -> None:
    """Print how many of the leads that were sent came how far, and after how long."""
    if not steps or not steps[0].leads:
        return
    heading("Funnel", "of the leads that were sent, and how long after that")
    table(
        ("step", "leads", "share", "median", "90 %", "99 %"),
        [(one.step, one.leads, percent(one.share), *spread_cells(one.took)[1:]) for one in steps],
    )


def spread_cells(spread: Spread) -> tuple[Cell, ...]:
    """Return a spread as cells: how many, and three quantiles."""
    return (spread.count, *map(duration, (spread.median, spread.p90, spread.p99)))


def _overdue(audit: Audit, top: int) -> None:
    if not (audit.overdue or audit.were_overdue):
        return
    before = f"; {len(audit.were_overdue):,} had been: --list were_overdue"
    note = f"{counted(len(audit.overdue), 'lead')} at {moment(audit.now)}"
    heading("Overdue", note + before * bool(audit.were_overdue))
    if audit.overdue:
        rows = [
            (
                one.limit.text,
                one.stay.lead_id,
                moment(one.since),
                duration(one.micros),
                audit.people.name(party_key(one.holder)) or str(one.holder or ""),
            )
            for one in audit.overdue[:top]
        ]
        table(("limit", "lead", "since", "for", "holder"), rows)
    more(len(audit.overdue) - top, "lead", "overdue")


def _verdicts(changes: Sequence[VerdictChange], top: int) -> None:
    if not changes:
        return
    became = Counter(one.became for one in changes)
    words = [f"{count:,} became {one}" for one, count in sorted(became.items(), reverse=True)]
    heading("Verdicts that changed later", ", ".join(words))
    table(
        ("lead", "message", "became", "known since", "changed at"),
        [
            (
                one.lead_id,
                f"{one.trigger} of {moment(one.at)}",
                one.became,
                moment(one.known_since),
                moment(one.changed_at),
            )
            for one in changes[:top]
        ],
    )
    more(len(changes) - top, "change", "verdicts")


def _findings(audit: Audit) -> None:
    counts = Counter((one.severity, one.code) for one in audit.findings)
    if not counts:
        return
    heading("Open findings")
    rows = [
        (Text(severity, style=SEVERITY_STYLE[severity]), code.replace("_", " "), f"{count:,}")
        for (severity, code), count in counts.items()
    ]
    print_pairs(rows, [False, False, True])
    dim("all of them: --list findings")


def _comparison(audit: Audit, top: int) -> None:
    found = audit.comparison
    if found is None:
        return
    note = f"{counted(len(found.leads), 'lead')} in another state"
    heading(f"Against the rules {clean(found.rules.name)!r}", note)
    moves = [(here or "-", there or "-", count) for here, there, count in found.moves()[:top]]
    if moves:
        table(("here", "there", "leads"), moves)
    if found.refused():
        table(("refused only", "state", "trigger", "events"), found.refused()[:top])
    dim("each of them: --list differences")
