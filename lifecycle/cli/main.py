"""``lifecycle``: the group of commands, and what becomes of errors.

Exit status: 0 done and accounted for; 1 what was asked for was found wanting; 2 wrong usage; 3 the
input or the store could not be read or written; 130 interrupted. (design.md section 10)
"""

from __future__ import annotations

import codecs
import os
import sys
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from io import BufferedWriter, RawIOBase, TextIOWrapper
from pathlib import Path
from typing import Any, Final, cast

import click

from lifecycle.errors import (
    AmbiguousLeadError,
    HubError,
    InputError,
    LifecycleError,
    NotFoundError,
    RulesMismatchError,
    StoreError,
)
from lifecycle.text import clean, excerpt

_WANTING = (AmbiguousLeadError, HubError, NotFoundError)
_UNREADABLE = (InputError, StoreError)
INTERRUPTED = 130
#: Set this variable to see where an error that nobody foresaw comes from.
_TRACEBACK = "LIFECYCLE_TRACEBACK"


#: The module of each command, and what it does in a few words. A command is imported when it is
#: asked for, so that the first screen does not wait for all of them.
COMMANDS: Final = {
    "apply": ("writing", "Apply messages as they come; say what became of each."),
    "audit": ("audit", "Find what was not allowed, and the smallest repair."),
    "backup": (
        "backup",
        "Copy a store in use as of one moment, and verify the copy.",
    ),
    "changes": ("reading", "Print what changed in the histories, in order."),
    "consume": ("consume", "Read topics of Kafka into a store."),
    "diff": ("diff", "Show what differs between two moments."),
    "doctor": ("doctor", "Look at a store's file and at where it lies."),
    "dump": ("backup", "Print a whole store as JSON lines, for `load`."),
    "erase": (
        "erase",
        "Erase a person: seal the leads, remove messages, contact, keys, texts, quarantine.",
    ),
    "explain": ("explain", "Tell why a lead is in its state."),
    "export": ("export", "Write all leads, all history or all events for other tools."),
    "find": ("find", "Find leads by any id, e-mail, telephone or name, in any spelling."),
    "history": ("reading", "Show every transition and refusal of one lead, in order."),
    "import": ("importing", "Take in what other systems export or log."),
    "leads": ("reading", "List the leads and the state each is in."),
    "load": ("backup", "Make a store of what `dump` printed, and verify it."),
    "mcp": ("assistants", "Answer assistants over MCP, on standard input and output."),
    "mock": ("mock", "Make up messages, and stories with their truth."),
    "pull": ("pull", "Read an inbox of the network into a store."),
    "quarantine": ("quarantine", "Look at undecodable messages; try them again."),
    "rebuild": ("writing", "Fold everything again, with other rules or the same."),
    "replay": ("writing", "Read logs of messages into a store."),
    "rules": ("rules", "Show, check and draw tables of rules."),
    "schema": ("schema", "Print the schema of a message, or the AsyncAPI document."),
    "serve": ("serve", "Serve a store over HTTP: inbox, webhooks, API, feed and pages."),
    "show": ("reading", "Show one lead, and how it got there."),
    "spark": ("spark", "Fold and audit on Apache Spark what one machine cannot hold."),
    "validate": ("validate", "Check messages against their schemas."),
    "verify": ("verify", "Check that nothing in a store was changed but by lifecycle."),
}


#: Commands whose names a function cannot have.
_FUNCTIONS: Final = {"import": "import_"}


class Commands(click.Group):
    """A group whose commands answer errors with one sentence and an exit status."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - as click calls it
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command of this name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"lifecycle.cli.{COMMANDS[cmd_name][0]}")
        return cast("click.Command", getattr(module, _FUNCTIONS.get(cmd_name, cmd_name)))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is meant; a misspelt one raises an error that suggests one."""
        if args[0] not in COMMANDS and (close := get_close_matches(args[0], COMMANDS)):
            meant = excerpt(clean(args[0]))
            ctx.fail(f"No such command '{meant}'. Did you mean {' or '.join(close)}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands and what each does."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except LifecycleError as error:
            click.echo(f"lifecycle: {clean(str(error))}", err=True)
            ctx.exit(_status(error))
        except BrokenPipeError:
            # Nobody reads on: nothing more to say, and nothing wrong.
            _drop_output()
            ctx.exit(0)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except OSError as error:
            if _TRACEBACK in os.environ:
                raise
            _tell(error)
            ctx.exit(3)
        except Exception as error:
            if _TRACEBACK in os.environ:
                raise
            what = clean(f"{type(error).__name__}: {error}")
            advice = "`lifecycle verify DB` tells whether a store is damaged"
            click.echo(
                f"lifecycle: failed ({what}); {advice}, {_TRACEBACK}=1 shows where", err=True
            )
            ctx.exit(3)
        except KeyboardInterrupt:
            click.echo(
                "lifecycle: interrupted; what was committed is whole, run it again to go on",
                err=True,
            )
            ctx.exit(INTERRUPTED)


def _tell(error: OSError) -> None:
    """Print an error of a file or of the output, unless nobody reads any more."""
    where = "the output" if error.filename is None else clean(str(error.filename))
    click.echo(f"lifecycle: {where}: {error.strerror or error}", err=True)
    _drop_output()


#: Our own signs, where the terminal has no UTF-8.
_SIGNS: Final = {
    "●": "*",
    "○": "o",
    "✗": "x",
    "✓": "v",
    "→": "->",
    "─": "-",
    "…": "...",
    "·": "-",
    "│": "|",
    "├": "+",
    "└": "+",
    "┬": "+",
    "┼": "+",
    "╷": "|",
    "╵": "|",
    "━": "-",
    "“": '"',
    "”": '"',
}
ASCII: Final = "lifecycle.ascii"
#: ASCII by a name of our own: click writes UTF-8 to a stream that says it is ASCII.
_ASCII_CODEC: Final = "lifecycle_ascii"


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Return what stands for characters that an encoding does not have."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    shown = [_SIGNS.get(char) or char.encode("ascii", "backslashreplace").decode() for char in text]
    return "".join(shown), error.end


def _find_codec(name: str) -> codecs.CodecInfo | None:
    """Return the codec of this name, which is ASCII."""
    if name != _ASCII_CODEC:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        encode=known.encode,
        decode=known.decode,
        streamreader=known.streamreader,
        streamwriter=known.streamwriter,
        incrementalencoder=known.incrementalencoder,
        incrementaldecoder=known.incrementaldecoder,
        name=name,
    )


codecs.register_error(ASCII, _in_ascii)
codecs.register(_find_codec)


def _show_all_in(stream: TextIOWrapper) -> None:
    """Let a stream show what its encoding has not as ASCII, or as an escape."""
    is_ascii = codecs.lookup(stream.encoding).name == "ascii"
    stream.reconfigure(encoding=_ASCII_CODEC if is_ascii else None, errors=ASCII)


def _drop_output() -> None:
    """Discard what is still to be printed: Python would try again at exit, and complain."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _status(error: LifecycleError) -> int:
    if isinstance(error, _WANTING):
        return 1
    if isinstance(error, _UNREADABLE) and not isinstance(error, RulesMismatchError):
        return 3
    return 2


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="lead-lifecycle", prog_name="lifecycle")
def cli() -> None:
    """CRM lead messages in; every lead's state, history and refusals out.

    Begin with `lifecycle replay leads.db LOG`, or with what a CRM exports: `lifecycle import`. Then
    look at `lifecycle leads leads.db` and `lifecycle show leads.db LEAD`.
    """


def main() -> None:
    """Run the command line."""
    for name in ("stdin", "stdout", "stderr"):
        # A stream that was closed: its number must not become that of a file that we open.
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - as long as we live
    if isinstance(sys.stdout.buffer, RawIOBase):
        # Python is told not to buffer, and would not notice that the disk is full.
        sys.stdout = TextIOWrapper(BufferedWriter(sys.stdout.buffer), sys.stdout.encoding)
    for stream in (sys.stdout, sys.stderr):
        _show_all_in(cast("TextIOWrapper", stream))
    try:
        cli(prog_name="lifecycle")
    except OSError as error:
        # The help, which no command prints.
        _tell(error)
        sys.exit(3)
