"""Files that an audit writes: there when they are whole, in place of what was there before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lifecycle.errors import InputError


def check_replaceable(path: Path) -> None:
    """Check that a file can be written there, before there is anything to write.

    Raises:
        InputError: It cannot: the directory is none, or what is there is no ordinary file.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise InputError(f"{path}: cannot be written: it is there, and is no file")
    if not target.parent.is_dir():
        raise InputError(f"{path}: cannot be written: the directory {target.parent} does not exist")
    if not os.access(target.parent, os.W_OK):
        raise InputError(f"{path}: cannot be written: nothing can be written in {target.parent}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Where to write what takes the place of a file when it is whole; after an error nothing does.

    Raises:
        InputError: It cannot be written.
    """
    check_replaceable(path)
    target = path.resolve()
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(target)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        unfinished.unlink(missing_ok=True)
