"""What a power loss may leave of files: by POSIX, any part of what was not synced may be lost."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Final, TypeAlias

from strace import SAID, Call

#: Decides whether a change, or a part of a write, reached the disk.
Reached: TypeAlias = Callable[[], bool]

#: Writes are torn between such parts of a file; 0: they are not torn.
_SECTORS: Final = (0, 512, 4096)
#: How likely a change is to be kept.
_LIKELY: Final = (0.0, 0.1, 0.5, 0.9, 1.0)


class _File:
    """What is surely on the disk of a file, and the writes and cuts since then."""

    def __init__(self) -> None:
        self._kept = b""
        self._since: list[Call] = []

    def change(self, call: Call) -> None:
        """Write or cut."""
        self._since.append(call)

    def sync(self) -> None:
        """Keep all of it."""
        self._kept = self.content(0, _all)
        self._since.clear()

    def content(self, sector: int, reached: Reached) -> bytes:
        """Return what is read of it when only so much reached the disk."""
        data = bytearray(self._kept)
        for call in self._since:
            if call.kind == "write":
                for start, end in _parts(call.at, call.at + len(call.data), sector):
                    if reached():
                        data.extend(bytes(max(0, end - len(data))))
                        data[start:end] = call.data[start - call.at : end - call.at]
            elif reached():
                del data[call.at :]
                data.extend(bytes(call.at - len(data)))
        return bytes(data)


def _parts(start: int, end: int, sector: int) -> list[tuple[int, int]]:
    """Cut a range where sectors end."""
    if not sector:
        return [(start, end)]
    cuts = [start, *range((start // sector + 1) * sector, end, sector), end]
    return list(pairwise(cuts))


class Disk:
    """A directory whose files change by system calls, and what is on the disk of it.

    A name is on the disk once the directory is synced; until then each name that came or went
    since may or may not have.

    Attributes:
        said: What the program said so far, a line each.
    """

    def __init__(self) -> None:
        self.said: list[str] = []
        self._files: dict[str, _File] = {}
        self._kept: dict[str, _File] = {}
        self._since: list[tuple[str, _File | None]] = []

    def do(self, call: Call) -> None:
        """Follow a call."""
        name = call.name
        if call.kind == "say":
            self.said += call.data.decode().splitlines()
        elif name.endswith((SAID, "-shm")):
            return  # shared memory: SQLite makes it anew
        elif call.kind == "make":
            if name not in self._files:
                self._link(name, _File())
        elif call.kind == "remove":
            self._link(name, None)
        elif call.kind == "sync":
            if name in self._files:
                self._files[name].sync()
            elif not name:
                self._kept = dict(self._files)
                self._since.clear()
        elif name in self._files:
            self._files[name].change(call)

    def _link(self, name: str, file: _File | None) -> None:
        """Let a name stand for a file, or for none."""
        self._since.append((name, file))
        _set(self._files, name, file)

    def image(self, rng: Random) -> dict[str, bytes]:
        """Return the files that a power loss may leave now."""
        likely, sector = rng.choice(_LIKELY), rng.choice(_SECTORS)
        names = dict(self._kept)
        for name, file in self._since:
            if rng.random() < likely:
                _set(names, name, file)
        return {
            name: file.content(sector, lambda: rng.random() < likely)
            for name, file in names.items()
        }

    def whole(self) -> dict[str, bytes]:
        """Return the files as the program sees them."""
        return {name: file.content(0, _all) for name, file in self._files.items()}


def _all() -> bool:
    return True


def _set(files: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        files.pop(name, None)
    else:
        files[name] = file
