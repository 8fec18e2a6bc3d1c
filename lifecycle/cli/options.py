"""The arguments and options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

from lifecycle.errors import ArgumentError
from lifecycle.messages import parse_time

Decorator: TypeAlias = Callable[[Any], Any]
FORMATS = ("table", "json", "jsonl", "csv", "tsv")


class MomentType(click.ParamType):  # type: ignore[type-arg] # generic since click 8.3
    """A time in RFC 3339, as microseconds since 1970 in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse the text."""
        if isinstance(value, int):
            return value
        try:
            return parse_time(value).micros
        except ArgumentError as error:
            self.fail(str(error), param, ctx)


MOMENT = MomentType()
PATH = click.Path(path_type=Path, readable=False)


class DatabaseType(click.Path):
    """The file of a store."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take the path, unless it means a stream."""
        if str(value) == "-":
            self.fail("expected the file of a store, not standard input", param, ctx)
        return super().convert(value, param, ctx)


database = click.argument(
    "database", metavar="DB", type=DatabaseType(path_type=Path, readable=False)
)
lead = click.argument("lead", metavar="LEAD")


def style(names: Sequence[str], meaning: str = "How to print.") -> Decorator:
    """Return the option ``--format`` with these formats, of which ``table`` is the default."""
    choice = click.Choice(names)
    return click.option(
        "--format", "style", type=choice, default="table", show_default=True, help=meaning
    )


def file(*names: str, meaning: str) -> Decorator:
    """Return an option that takes the path of a file."""
    return click.option(*names, type=PATH, metavar="FILE", help=meaning)


def time(name: str, meaning: str) -> Decorator:
    """Return an option that takes a moment."""
    return click.option(name, type=MOMENT, metavar="TIME", help=meaning)


output = style(FORMATS)
table_or_json = style(("table", "json"), "How to print: for people, or all of it as data.")
as_of = time("--as-of", "As it was at that time, by what is known now.")
as_known_at = time(
    "--as-known-at", "As it was known at that time, before later messages corrected it."
)
_CLOCK = "lifecycle.accept_clock"


def _remember_clock(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
    ctx.meta[_CLOCK] = value


accept_clock = click.option(
    "--accept-clock",
    is_flag=True,
    expose_value=False,
    callback=_remember_clock,
    help="Write though the clock is far from the last transaction.",
)


def is_clock_accepted() -> bool:
    """Return whether the command that runs was given --accept-clock."""
    return bool(click.get_current_context().meta.get(_CLOCK))


rules_file = file(
    *("--rules", "rules_path"),
    meaning="Rules in TOML for a new store; one that exists has its own.",
)
on_contact_delete = click.option(
    "--on-contact-delete",
    type=click.Choice(["keep", "erase"]),
    default="keep",
    show_default=True,
    help="Whether what is taken in of a person whose contact is deleted stays, or is erased.",
)


def store_files(store: Path) -> set[Path]:
    """Return the files that a store may consist of."""
    ends = ("", "-wal", "-shm", "-journal")
    return {Path(f"{store.resolve()}{end}") for end in ends}
