"""The system calls of a Python script that change the files of one directory, as strace tells."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["make", "write", "truncate", "sync", "remove", "say"]

#: What is said with a plain write: no file is written so, but this one.
SAID: Final = "said"
_TRACED: Final = (
    "openat,open,pwrite64,write,?pwritev,?pwritev2,writev,ftruncate,?truncate,fsync,fdatasync,"
    "?unlink,unlinkat,?rename,renameat,?renameat2,fallocate,?link,linkat,copy_file_range,sendfile,"
    "sync_file_range"
)
_LONGEST: Final = 2**24
_CALL: Final = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+)")
_NUMBERED: Final[dict[str, Kind]] = {"pwrite64": "write", "ftruncate": "truncate"}
_PLAIN: Final[dict[str, Kind]] = {
    "write": "say",
    "fsync": "sync",
    "fdatasync": "sync",
    "unlink": "remove",
    "unlinkat": "remove",
}
_TEXT: Final = re.compile(r'"([^"]*)"')
_FILE: Final = re.compile(r"\d+<([^>]*)>")
_UNFINISHED: Final = re.compile(r"(\d+) +(.*?) *<unfinished \.\.\.>$")
_RESUMED: Final = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")


class Call(NamedTuple):
    """A call that changed a file, named from the directory: what, where and with which bytes."""

    kind: Kind
    name: str
    at: int = 0
    data: bytes = b""


class UntracedError(Exception):
    """The calls cannot be told, or not all of them."""


def calls_of(place: Path, script: Path, *arguments: object) -> list[Call]:
    """Run a script; return its calls that change files within a place, in their order.

    Raises:
        UntracedError: There is no strace, it may not trace, the script failed, or it did what is
            not understood here.
    """
    strace = shutil.which("strace")
    if strace is None:
        raise UntracedError("strace is not installed: `apt-get install strace` brings it")
    trace = place.with_name(f"{place.name}.trace")
    done = subprocess.run(
        [
            *(strace, "-f", "-y", "-xx", "-s", f"{_LONGEST}", "-e", f"trace={_TRACED}", "-o"),
            *map(str, (trace, sys.executable, script, place, *arguments)),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise UntracedError(f"strace ended with {done.returncode}: {done.stderr[-1500:]}")
    with trace.open(encoding="ascii") as lines:
        calls = [call for line in _whole(lines) for call in _calls(line, place.resolve())]
    trace.unlink()
    return calls


def _whole(lines: Iterator[str]) -> Iterator[str]:
    """Put together the lines of calls that others came between."""
    begun: dict[str, str] = {}
    for line in lines:
        if unfinished := _UNFINISHED.match(line):
            begun[unfinished[1]] = unfinished[0].removesuffix("<unfinished ...>")
        elif resumed := _RESUMED.match(line):
            yield begun.pop(resumed[1]) + resumed[2]
        else:
            yield line


def _calls(line: str, place: Path) -> Iterator[Call]:
    """Read a line of strace's: the changes within the place that it tells of."""
    if _hex(f"{place}") not in line:
        return
    if (match := _CALL.match(line)) is None:
        raise UntracedError(f"a line of strace's is not understood: {line[:200]}")
    name, arguments, returned = match[1], match[2], int(match[3])
    texts = [_bytes(text) for text in _TEXT.findall(arguments)]
    opened = _FILE.match(arguments)
    path = _bytes(opened[1]) if opened else texts[0]
    if opened and name in ("openat", "unlinkat"):
        path += b"/" + texts[0]
    if returned < 0 or not path.startswith(f"{place}".encode()):
        return
    short = path.removeprefix(f"{place}".encode()).decode().strip("/")
    if name in ("openat", "open"):
        yield from _opens(short, arguments)
    elif name in _NUMBERED:
        at = int(arguments.rpartition(",")[2])
        yield Call(_NUMBERED[name], short, at, b"".join(texts))
    elif name in _PLAIN and (name != "write" or short.endswith(SAID)):
        yield Call(_PLAIN[name], short, data=b"".join(texts))
    else:
        raise UntracedError(f"{name} of {short} is not understood")


def _opens(name: str, arguments: str) -> Iterator[Call]:
    """Tell what opening changes."""
    if "O_CREAT" in arguments:
        yield Call("make", name)
    if "O_TRUNC" in arguments:
        yield Call("truncate", name)


def _hex(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
