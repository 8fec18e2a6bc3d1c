"""``lifecycle validate``: messages against their schemas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
from attrs import define, field, frozen

from lifecycle.cli import options
from lifecycle.cli.output import emit, to_json
from lifecycle.messages import Checked, checked, too_large, unreadable
from lifecycle.replay import STANDARD_INPUT, Log, Text, check_log
from lifecycle.text import clean, counted, most_common


@frozen
class _Placed:
    """The result for one message, and where it came from."""

    file: str
    line: int
    checked: Checked

    def as_dict(self) -> dict[str, Any]:
        return {"file": self.file, "line": self.line, **self.checked.as_dict()}


@define
class _Tally:
    """The number of messages of each sort."""

    valid: int = 0
    decoded: int = 0
    undecodable: int = 0
    ignored: Counter[str] = field(factory=Counter)

    def count(self, checked: Checked) -> None:
        if checked.is_ignored:
            self.ignored[str(checked.topic)] += 1
        elif checked.is_valid:
            self.valid += 1
        elif checked.is_decoded:
            self.decoded += 1
        else:
            self.undecodable += 1

    @property
    def invalid(self) -> int:
        return self.decoded + self.undecodable

    def __str__(self) -> str:
        ignored = self.ignored.total()
        parts = [f"{self.valid:,} valid", f"{self.invalid:,} invalid"]
        if self.decoded:
            parts[-1] += f" ({self.decoded:,} decoded all the same)"
        if ignored:
            parts.append(f"{ignored:,} ignored ({most_common(self.ignored)})")
        total = counted(self.valid + self.invalid + ignored, "message")
        return f"{total}: {', '.join(parts)}"


@click.command()
@click.argument("files", metavar="FILE...", type=options.PATH, nargs=-1, required=True)
@options.style(("table", "json", "jsonl"))
def validate(*, files: tuple[Path, ...], style: str) -> None:
    """Check messages against their schemas.

    Prints a line for each problem; exit status 1 when there is one. A FILE has one message a line
    or over several lines, or is an array of them; it may be packed with gzip, and `-` is standard
    input.

    As json a single message gives one object, `{"isValid": ...}`; several give an array of them,
    with the file and the line of each, or as jsonl a line each.
    """
    if [str(path) for path in files].count(STANDARD_INPUT) > 1:
        raise click.UsageError("standard input can be read only once")
    for path in files:
        if str(path) != STANDARD_INPUT:
            check_log(path)
    tally = _Tally()
    _print(_counted(chain.from_iterable(map(_placed, files)), tally), style)
    click.echo(str(tally), err=True)
    if tally.invalid:
        raise SystemExit(1)


def _placed(path: Path) -> Iterator[_Placed]:
    """Check the messages of a file; flat in memory, whatever its size."""
    found = False
    with Log.standard_input() if str(path) == STANDARD_INPUT else Log.open(path) as log:
        for text in log.texts():
            for one in _checked(text):
                found = True
                yield _Placed(str(path), text.line, one)
    if not found:
        click.echo(f"{clean(str(path))}: no message in it", err=True)


def _checked(text: Text) -> Iterator[Checked]:
    for part in text.parts():
        if part.digest is not None:
            yield unreadable([too_large(part.size)])
        elif part.raw:
            yield from checked(part.raw)


def _counted(found: Iterable[_Placed], tally: _Tally) -> Iterator[_Placed]:
    for one in found:
        tally.count(one.checked)
        yield one


def _print(found: Iterator[_Placed], style: str) -> None:
    if style == "table":
        for one in found:
            _print_problems(one)
        return
    first = list(islice(found, 2)) if style == "json" else []
    if len(first) == 1:
        click.echo(to_json(first[0].checked.as_dict()))
    else:
        emit((one.as_dict() for one in chain(first, found)), (), style, nothing="")


def _print_problems(one: _Placed) -> None:
    where = clean(f"{one.file}:{one.line}")
    suffix = "; decoded all the same" if one.checked.is_decoded else ""
    for violation in one.checked.violations:
        click.echo(f"{where}: {clean(str(violation))}{suffix}")
