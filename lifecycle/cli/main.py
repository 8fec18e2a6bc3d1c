"""``lifecycle``: the group of commands, and what becomes of errors.

Exit status: 0 done and accounted for; 1 what was asked for was found wanting; 2 wrong usage; 3 the
input or the store could not be read or written; 130 interrupted. (design.md section 10)
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Any, cast

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
#: Set this variable to see where an error that nobody foresaw comes from.
_TRACEBACK = "LIFECYCLE_TRACEBACK"


class Commands(click.Group):
    """A group whose commands answer errors with one sentence and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LifecycleError as error:
            click.echo(f"lifecycle: {clean(str(error))}", err=True)
            ctx.exit(_status(error))
        except BrokenPipeError:
            # Nobody reads on: nothing more to say, and nothing wrong.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except Exception as error:
            if _TRACEBACK in os.environ:
                raise
            what = clean(f"{type(error).__name__}: {error}")
            click.echo(f"lifecycle: failed ({what}); {_TRACEBACK}=1 shows where", err=True)
            ctx.exit(3)
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
    for stream in (sys.stdout, sys.stderr):
        # What the terminal cannot show is shown as an escape.
        cast("TextIOWrapper", stream).reconfigure(errors="backslashreplace")
    cli(prog_name="lifecycle")
