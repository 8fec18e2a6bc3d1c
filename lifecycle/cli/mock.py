"""``lifecycle mock``: sample messages, and whole stories of leads with their truth."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from lifecycle.cli import options
from lifecycle.errors import InputError
from lifecycle.messages.topics import plain_topic
from lifecycle.mocking import (
    SYSTEMS,
    TOPICS,
    Delivery,
    Plan,
    Properties,
    Truth,
    samples,
    stories,
)
from lifecycle.mocking.plan import LONGEST_AVERAGE
from lifecycle.replacing import check_replaceable, replacing
from lifecycle.text import excerpt

_STANDARD_OUTPUT: Final = "-"
#: How every truth file begins.
_MARK: Final = b'{"lead_id":'
_MOST_LEADS: Final = 10**9
#: What only stories have, and what only samples have.
_OF_STORIES: Final = (
    "events_per_lead",
    "invalid",
    "duplicates",
    "late",
    "joined_midway",
    "changes",
    "systems",
    "truth",
)
_OF_SAMPLES: Final = ("topics", "count")


class RateType(click.ParamType):  # type: ignore[type-arg] # generic since click 8.3
    """A share from 0 to 1."""

    name = "rate"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse the text."""
        try:
            rate = float(value)
        except ValueError:
            rate = -1.0
        if not 0 <= rate <= 1:
            self.fail(f"expected a rate from 0 to 1, got {excerpt(value)!r}", param, ctx)
        return rate


class TopicType(click.ParamType):  # type: ignore[type-arg] # generic since click 8.3
    """A topic that there are samples of, with or without its prefix."""

    name = "topic"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Find the topic."""
        topic = plain_topic(value)
        if topic not in TOPICS:
            self.fail(f"expected one of {', '.join(TOPICS)}; got {excerpt(value)!r}", param, ctx)
        return topic


def _rate(name: str, meaning: str) -> Callable[[Any], Any]:
    default = getattr(Plan(leads=0), name.removeprefix("--").replace("-", "_"))
    return click.option(
        name, type=RateType(), metavar="RATE", default=default, show_default=True, help=meaning
    )


@click.command()
@click.argument("topics", metavar="[TOPIC]...", type=TopicType(), nargs=-1)
@click.option(
    "--count",
    type=options.Number(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Samples of each topic.",
)
@click.option(
    "--leads", type=options.Number(1, _MOST_LEADS), metavar="N", help="Stories of so many leads."
)
@click.option(
    "--events-per-lead",
    type=options.Number(1, LONGEST_AVERAGE),
    metavar="N",
    default=6,
    show_default=True,
    help="Messages of a lead, on average.",
)
@_rate("--invalid", "Messages that ask for what is not allowed then.")
@_rate("--duplicates", "Messages that are delivered twice.")
@_rate("--late", "Messages that are delivered after a later one of their lead.")
@_rate("--joined-midway", "Leads whose first messages were never delivered.")
@_rate("--changes", "Leads that a CRM tells of, by changes of fields.")
@click.option(
    "--systems",
    type=options.Number(1, len(SYSTEMS)),
    metavar="N",
    default=2,
    show_default=True,
    help=f"Systems, each with its own names for the leads; {len(SYSTEMS)} at most.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="What chance begins with.")
@click.option("--required-only", is_flag=True, help="Only the properties that decoding needs.")
@click.option("--random-optionals", is_flag=True, help="Each optional property or not, by chance.")
@click.option("--sort-properties", is_flag=True, help="Sort the properties by name.")
@options.file("--truth", meaning="Write what must become of each lead: its state and refusals.")
@click.pass_context
def mock(
    ctx: click.Context,
    /,
    *,
    topics: tuple[str, ...],
    count: int,
    leads: int | None,
    seed: int,
    required_only: bool,
    random_optionals: bool,
    sort_properties: bool,
    truth: Path | None,
    **rates: Any,
) -> None:
    """Make up messages, and stories with their truth.

    TOPIC is one of the network's, such as lead#accept, or lead#change: a sample of it is printed.
    Without any there is a sample of each, and with --leads there are the stories of so many leads.
    The same seed and options give the same bytes. Nobody in them is real.
    """
    _check_together(ctx, leads)
    properties = _properties(required_only=required_only, random_optionals=random_optionals)
    encode = json.JSONEncoder(separators=(",", ":"), sort_keys=sort_properties).encode
    if leads is None:
        found = samples(topics or TOPICS, count=count, seed=seed, properties=properties)
        _print(encode(message) for message in found)
        return
    plan = Plan(leads=leads, seed=seed, properties=properties, **rates)
    if truth is not None:
        _check_truth(truth)
    told = stories(plan)
    with _truth_file(truth) as note:
        _print(encode(delivery.message) for delivery in _noted(told, note))


def _check_together(ctx: click.Context, leads: int | None) -> None:
    """Check that options of stories stand with --leads, and those of samples without.

    Raises:
        click.UsageError: They do not.
    """
    default = click.core.ParameterSource.DEFAULT
    for name in _OF_STORIES if leads is None else _OF_SAMPLES:
        if ctx.get_parameter_source(name) is default:
            continue
        shown = "TOPIC" if name == "topics" else f"--{name.replace('_', '-')}"
        kind = "stories: give --leads, too" if leads is None else "samples, not for --leads"
        raise click.UsageError(f"{shown} is for {kind}")


def _properties(*, required_only: bool, random_optionals: bool) -> Properties:
    if required_only and random_optionals:
        raise click.UsageError("--required-only leaves --random-optionals nothing to choose")
    if required_only:
        return "required"
    return "random" if random_optionals else "all"


def _print(lines: Iterable[str]) -> None:
    """Print lines, many at a time."""
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _check_truth(path: Path) -> None:
    """Check that a truth file can be written, before anything is printed.

    Raises:
        InputError: It cannot, or it is where the messages go.
    """
    if str(path) == _STANDARD_OUTPUT:
        raise click.UsageError("--truth needs a file: the messages go to standard output")
    try:
        same = os.path.samestat(path.stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        same = False
    if same:
        raise InputError(f"{path}: cannot be written: the messages go there")
    check_replaceable(path, _MARK, by="mock run")


@contextmanager
def _truth_file(path: Path | None) -> Iterator[Callable[[Truth], None] | None]:
    """Provide what notes a truth in the file; the file is complete at the end."""
    if path is None:
        yield None
        return
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        yield lambda truth: _write(file, truth)


def _write(file: Any, truth: Truth) -> None:
    file.write(json.dumps(truth.as_dict(), separators=(",", ":")) + "\n")


def _noted(told: Iterable[Delivery], note: Callable[[Truth], None] | None) -> Iterator[Delivery]:
    """Yield the deliveries, each truth noted as it comes."""
    for delivery in told:
        if note is not None and delivery.truth is not None:
            note(delivery.truth)
        yield delivery
