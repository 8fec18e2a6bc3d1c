"""Files written beside the output: there when they are whole, in place of what was there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lifecycle.errors import InputError


def _failed(path: Path) -> str:
    return f"{path}: cannot be written"


def check_replaceable(path: Path, mark: bytes, place: int = 0, *, by: str = "audit") -> None:
    """Check that a file can be written there, before there is anything to write.

    A file that is there is replaced only if it has the ``mark`` of those that we write, at this
    ``place``: any other may be somebody's work, or a store. ``by`` says what writes such files.

    Raises:
        InputError: It cannot be written there.
    """
    target = path.resolve()
    try:
        if not target.parent.is_dir():
            raise InputError(f"{_failed(path)}: the directory {target.parent} does not exist")
        if target.exists() and not target.is_file():
            raise InputError(f"{_failed(path)}: it is there, and is no file")
        if target.exists() and not _has(target, mark, place):
            raise InputError(f"{_failed(path)}: it is there, and no {by} wrote it")
        if not os.access(target.parent, os.W_OK):
            raise InputError(f"{_failed(path)}: nothing can be written in {target.parent}")
    except OSError as error:
        raise InputError(f"{_failed(path)}: {error.strerror}") from None


def _has(target: Path, mark: bytes, place: int) -> bool:
    """Return whether a file has this mark, or nothing in it."""
    with target.open("rb") as file:
        start = file.read(place + len(mark))
    return not start or start[place:] == mark


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Provide a path whose file takes another's place when it is whole, never after an error.

    Raises:
        InputError: It cannot be written.
    """
    target = path.resolve()
    unfinished = target.with_name(f".{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(target)
    except BrokenPipeError:
        raise  # nobody reads standard output any more: that is not the file's fault
    except OSError as error:
        raise InputError(f"{_failed(path)}: {error.strerror}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
