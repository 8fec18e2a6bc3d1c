"""The options of an audit, whatever it is that is audited."""

from __future__ import annotations

from typing import Any, Final

import click

from lifecycle.auditing import TOP
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
        help="Find leads that stay in a state for longer: 'assigned>PT30M'. May be repeated.",
    ),
    options.time("--now", "Until when open stays last; without it the time of the latest event."),
    click.option(
        "--top",
        type=click.IntRange(min=1),
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
