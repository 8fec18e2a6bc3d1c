"""The options of an audit, whatever it is that is audited."""

from __future__ import annotations

from typing import Any, Final

import click

from lifecycle.auditing import TOP
from lifecycle.auditing.tallies import BY
from lifecycle.cli import options
from lifecycle.domain import ON_INVALID

_OPTIONS: Final = (
    click.option(
        "--on-invalid",
        type=click.Choice(ON_INVALID),
        default="skip",
        show_default=True,
        help="At a refusal, leave the lead as it is, move it all the same, or judge it no further.",
    ),
    click.option(
        "--overdue",
        multiple=True,
        metavar="STATE>DURATION",
        help="Find leads that are in a state for longer: 'assigned>2h', 'sent > 1 day'. May be"
        " repeated.",
    ),
    click.option(
        "--by",
        type=click.Choice(BY),
        multiple=True,
        help="Figures by who had the leads, where they came from, when they began. May be"
        " repeated.",
    ),
    options.file("--users", meaning="Names of people by their ids: CSV or JSON with id and name."),
    options.time("--now", "Until when open stays last; without it the time of the latest event."),
    click.option(
        "--top",
        type=options.Number(min=1),
        default=TOP,
        show_default=True,
        help="How many variants, edits and leads to tell of.",
    ),
)


def judging(command: Any) -> Any:
    """Add the options of how an audit judges, and of how much it tells, to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
