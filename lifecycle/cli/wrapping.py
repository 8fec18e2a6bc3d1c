"""Text over lines of a terminal: broken between words only, so that ids stay whole."""

from __future__ import annotations

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: What is printed: plain, or with styles. Both are sliced alike.
Shown: TypeAlias = "str | Text"

_WORD: Final = re.compile(r"[^ \n]+")
_WIDE: Final = ("W", "F")


def width() -> int | None:
    """Return how wide a table may be; None where nobody watches, and nothing is padded.

    The variable COLUMNS makes it so wide wherever it goes.
    """
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size().columns
    return None


def plain(text: Shown) -> str:
    """Return a text without its styles."""
    return text if isinstance(text, str) else text.plain


def joined(*parts: Shown) -> Shown:
    """Return texts as one, which has styles where any of them has."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) == len(parts):
        return "".join(texts)
    from rich.text import Text  # noqa: PLC0415 - one of them is such a text

    return Text.assemble(*parts)


def columns(text: str) -> int:
    """Return how many columns of the terminal a text takes, as its encoding shows it."""
    if text.isascii():
        return len(text)
    if not is_utf8():
        encoding = sys.stdout.encoding
        text = text.encode(encoding, sys.stdout.errors or "replace").decode(encoding)
    return sum(map(_columns_of, text))


def is_utf8() -> bool:
    """Return whether the output shows every character."""
    return (sys.stdout.encoding or "utf-8").lower().startswith("utf")


def _columns_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in _WIDE else 1


def longest_word(text: str) -> int:
    """Return how many columns the longest word takes."""
    return max((columns(word) for word in _WORD.findall(text)), default=0)


def spans(text: str, size: int, margin: int = 0) -> Iterator[slice]:
    """Yield the part of a text that each line shows.

    Lines behind the first are shorter by ``margin``. A word that is longer than a line stands alone
    on one.
    """
    start = 0
    for line in text.split("\n"):
        for part in _spans_of_line(line, size, margin):
            yield slice(start + part.start, start + part.stop)
            size, margin = size - margin, 0
        start += len(line) + 1


def _spans_of_line(line: str, size: int, margin: int) -> Iterator[slice]:
    if columns(line) <= size:
        yield slice(0, len(line))
        return
    begin = end = 0
    for number, word in enumerate(_WORD.finditer(line)):
        if number and columns(line[begin : word.end()]) > size:
            yield slice(begin, end)
            size, margin = size - margin, 0
            begin = word.start()
        elif not number:
            begin = word.start()
        end = word.end()
    yield slice(begin, end)


def print_words(text: Shown, indent: int = 0, hanging: int = 0, *, err: bool = False) -> None:
    """Print a text so far in, what does not fit below it, and that farther in by ``hanging``."""
    size = width()
    if size is None:
        print_line(joined(" " * indent, text), err=err)
        return
    for number, part in enumerate(spans(plain(text), max(size - indent, 1), hanging)):
        margin = " " * (indent + hanging * bool(number))
        print_line(joined(margin, text[part]), err=err)


def print_line(text: Shown, *, err: bool = False) -> None:
    """Print one line, however long it is."""
    if isinstance(text, str):
        click.echo(text, err=err)
        return
    console(err=err).print(text, soft_wrap=True)


def console(*, err: bool = False) -> Console:
    """Return where to print what has styles."""
    from rich.console import Console  # noqa: PLC0415 - only where something is printed for people

    return Console(stderr=err, highlight=False)
