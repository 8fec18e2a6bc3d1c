"""The arguments and options that commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import click

from lifecycle.cli.moments import AgeType, MomentType, remember_zone
from lifecycle.domain import STATES
from lifecycle.errors import LifecycleError
from lifecycle.store import FILTERS, SORTS, LeadFilter
from lifecycle.text import excerpt

Decorator: TypeAlias = Callable[[Any], Any]
FORMATS = ("table", "json", "jsonl", "csv", "tsv")


MOMENT = MomentType()
AGE = AgeType()
PATH = click.Path(path_type=Path, readable=False)


class Number(click.IntRange):
    """A whole number within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Take the number; say of anything else that a number was expected."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"expected a number, got {excerpt(value)!r}", param, ctx)
        return super().convert(number, param, ctx)


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


def complete_lead(ctx: click.Context, _: click.Parameter, beginning: str) -> list[str]:
    """Return names of leads that begin so, for a shell that completes them."""
    from lifecycle.store import LeadReader  # noqa: PLC0415 - few ask for it

    place = ctx.params.get("database")
    if place is None or not Path(place).is_file():
        return []
    try:
        with LeadReader(place) as store:
            return store.names(beginning)
    except LifecycleError:
        return []


lead = click.argument("lead", metavar="LEAD", shell_complete=complete_lead)


def style(names: Sequence[str], meaning: str = "How to print.") -> Decorator:
    """Return the option ``--format`` with these formats, of which ``table`` is the default."""
    choice = click.Choice(names)
    return click.option(
        "--format", "style", type=choice, default="table", show_default=True, help=meaning
    )


_JSON = "lifecycle.json"


def _remember_json(ctx: click.Context, _: click.Parameter, value: str) -> None:
    ctx.meta[_JSON] = value == "json"


def _is_json(ctx: click.Context, _: click.Parameter, value: bool) -> bool:  # noqa: FBT001
    return value or ctx.meta.get(_JSON, False)


def as_json(function: Any) -> Any:
    """Add ``--format table|json`` for one result; ``--json``, an older way to say it, is hidden."""
    older = click.option("--json", "as_json", is_flag=True, hidden=True, callback=_is_json)
    return click.option(
        "--format",
        type=click.Choice(["table", "json"]),
        default="table",
        show_default=True,
        is_eager=True,
        expose_value=False,
        callback=_remember_json,
        help="How to print the result.",
    )(older(function))


def file(*names: str, meaning: str) -> Decorator:
    """Return an option that takes the path of a file."""
    return click.option(*names, type=PATH, metavar="FILE", help=meaning)


def time(name: str, meaning: str) -> Decorator:
    """Return an option that takes a moment, with --zone beside."""

    def decorate(function: Any) -> Any:
        option = click.option(name, type=MOMENT, metavar="TIME", help=meaning)
        return option(zone(function))

    return decorate


def zone(function: Any) -> Any:
    """Add the option ``--zone``, once."""
    known = getattr(function, "__click_params__", [])
    if any(one.name == "zone" for one in known):
        return function
    return click.option(
        "--zone",
        metavar="NAME",
        is_eager=True,
        expose_value=False,
        callback=remember_zone,
        help="The zone of times that name none, as Europe/Berlin; without it the local one.",
    )(function)


def _pair(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, str] | None:
    """Return the name and the value of ``NAME=VALUE``."""
    if value is None:
        return None
    name, equals, its_value = value.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"expected NAME=VALUE, got {excerpt(value)!r}")
    return name, its_value


_FILTER_KINDS: dict[str, dict[str, Any]] = {
    "state": {"type": click.Choice(STATES)},
    "text": {"metavar": "TEXT"},
    "pair": {"metavar": "NAME=VALUE", "callback": _pair},
    "time": {"type": MOMENT, "metavar": "TIME"},
    "age": {"type": AGE, "metavar": "SPAN"},
}


def filters(function: Any) -> Any:
    """Add the options that say which leads are asked for; ``filter_of`` reads them."""
    function = zone(function)
    for one in reversed(FILTERS):
        name = f"--{one.name.replace('_', '-')}"
        kind = _FILTER_KINDS[one.kind]
        function = click.option(name, one.attribute, help=one.meaning, **kind)(function)
    return function


def filter_of(given: dict[str, Any]) -> LeadFilter:
    """Return the leads that are asked for, and take the options of ``filters`` out of the given."""
    return LeadFilter(**{one.attribute: given.pop(one.attribute) for one in FILTERS})


def _sort(_: click.Context, __: click.Parameter, value: str) -> str:
    if value.removeprefix("-") not in SORTS:
        raise click.BadParameter(f"expected one of {', '.join(SORTS)}, got {excerpt(value)!r}")
    return value


sort = click.option(
    "--sort",
    default="lead_id",
    metavar="COLUMN",
    callback=_sort,
    help=f"Sort by one of {', '.join(SORTS)}; -COLUMN turns the order round.",
)
limit = click.option("--limit", type=Number(min=1), metavar="N", help="At most N of them.")


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
