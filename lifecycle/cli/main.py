"""``lifecycle``: the group of commands, and what becomes of errors.

Exit status: 0 done and accounted for; 1 what was asked for was found wanting; 2 wrong usage; 3 the
input or the store could not be read or written; 130 interrupted. (design.md section 10)
"""

from __future__ import annotations

from typing import Any

import click

from lifecycle.cli.audit import audit
from lifecycle.cli.output import clean
from lifecycle.cli.quarantine import quarantine
from lifecycle.cli.reading import changes, history, leads, show
from lifecycle.cli.rules import rules
from lifecycle.cli.writing import apply, rebuild, replay
from lifecycle.errors import (
    InputError,
    LeadLookupError,
    LifecycleError,
    OtherRulesError,
    StoreError,
    UnknownMessageError,
)

_WANTING = (LeadLookupError, UnknownMessageError)
_UNREADABLE = (InputError, StoreError)
INTERRUPTED = 130


class Commands(click.Group):
    """A group whose commands answer errors with one sentence and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LifecycleError as error:
            click.echo(f"lifecycle: {clean(str(error))}", err=True)
            ctx.exit(_status(error))
        except KeyboardInterrupt:
            click.echo(
                "lifecycle: interrupted; what was committed is whole, run it again to go on",
                err=True,
            )
            ctx.exit(INTERRUPTED)


def _status(error: LifecycleError) -> int:
    if isinstance(error, _WANTING):
        return 1
    if isinstance(error, _UNREADABLE) and not isinstance(error, OtherRulesError):
        return 3
    return 2


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lead-lifecycle", prog_name="lifecycle")
def cli() -> None:
    """CRM lead messages in; every lead's state, history and refusals out.

    Begin with `lifecycle replay leads.db LOG`, then look at `lifecycle leads leads.db` and
    `lifecycle show leads.db LEAD`.
    """


for command in (replay, apply, leads, show, history, changes, audit, quarantine, rules, rebuild):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    cli(prog_name="lifecycle")
