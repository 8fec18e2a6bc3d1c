"""Files and folders wherever Spark can write: paths and URLs that Hadoop knows."""

from __future__ import annotations

import json
from typing import Any

#: Hadoop takes no names for its arguments.
_ALL_WITHIN = _OVERWRITE = True


class Folder:
    """A folder that a job writes to.

    Attributes:
        path: Its path or URL.
    """

    def __init__(self, session: Any, path: str) -> None:
        self.path = path.rstrip("/")
        self._session = session
        self._system, _ = _place(session, self.path)
        self._system.setWriteChecksum(False)

    def within(self, name: str) -> str:
        """Return the path of something in it."""
        return f"{self.path}/{name}"

    def has(self, name: str) -> bool:
        """Return whether something of this name is in it."""
        return bool(self._system.exists(self._path(name)))

    def is_empty(self) -> bool:
        """Return whether it is not there, or has nothing in it."""
        path = self._path("")
        return not self._system.exists(path) or not self._system.listStatus(path)

    def remove(self, name: str) -> None:
        """Remove something and all within it, if it is there."""
        self._system.delete(self._path(name), _ALL_WITHIN)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """Return what a file holds; None where there is no such file."""
        if not self.has(name):
            return None
        stream = self._system.open(self._path(name))
        try:
            value: dict[str, Any] = json.loads(bytes(stream.readAllBytes()))
        finally:
            stream.close()
        return value

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write a file, which is there once it is whole."""
        unfinished, path = self._path(f"_{name}.unfinished"), self._path(name)
        stream = self._system.create(unfinished, _OVERWRITE)
        try:
            stream.write(bytearray(json.dumps(value, indent=2).encode() + b"\n"))
        finally:
            stream.close()
        self._system.delete(path, _ALL_WITHIN)
        self._system.rename(unfinished, path)

    def _path(self, name: str) -> Any:
        return _place(self._session, self.within(name) if name else self.path)[1]


def list_files(session: Any, path: str) -> list[tuple[str, int, int]]:
    """Return the files that a path, a pattern or a folder names: path, size, time of change."""
    system, place = _place(session, path)
    files: list[tuple[str, int, int]] = []
    for status in system.globStatus(place) or ():
        listing = system.listFiles(status.getPath(), _ALL_WITHIN)
        while listing.hasNext():
            file = listing.next()
            if not file.getPath().getName().startswith(("_", ".")):
                name = file.getPath().toString()
                files.append((name, file.getLen(), file.getModificationTime()))
    return sorted(files)


def _place(session: Any, path: str) -> tuple[Any, Any]:
    """Return Hadoop's file system and path; pyspark has no other way to them."""
    context = session.sparkContext
    place = context._jvm.org.apache.hadoop.fs.Path(path)  # noqa: SLF001
    return place.getFileSystem(context._jsc.hadoopConfiguration()), place  # noqa: SLF001
