"""What a figure depends on: the machine, the versions, the commit. Never the machine's name."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

_PACKAGES: Final = (
    "attrs",
    "cattrs",
    "click",
    "msgspec",
    "orjson",
    "pyarrow",
    "pyspark",
    "sqlite-utils",
    "transitions",
    "eventsourcing",
    "pm4py",
)
#: What the bench writes itself makes the tree no other.
_GENERATED: Final = (
    ":(exclude)docs/benchmarks.md",
    ":(exclude)scripts/benchmarks/result.json",
)


def facts(root: Path, scratch: Path) -> dict[str, str]:
    """Return what to say of a run: ``root`` is the checkout, ``scratch`` where the files were."""
    return {
        "machine": f"{os.cpu_count()} cores ({processor()}), {_memory()} of memory",
        "system": f"{_system()}, files on {_file_system(scratch)}",
        "Python": f"{python()}, SQLite {sqlite3.sqlite_version}",
        "packages": ", ".join(_versions()),
        "commit": commit(root),
        "date": f"{datetime.now(tz=UTC):%Y-%m-%d}",
    }


def python() -> str:
    """Return the Python that runs this."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def processor() -> str:
    """Return the model of the processor."""
    found = re.search(r"^model name\s*:\s*(.+)$", _text("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.machine()


def commit(root: Path) -> str:
    """Return the commit that is checked out, and whether files differ from it."""
    changes = _git(root, "status", "--porcelain", "--", ".", *_GENERATED)
    return _git(root, "rev-parse", "--short", "HEAD") + (
        ", with changes that are not committed" if changes else ""
    )


def _memory() -> str:
    found = re.search(r"^MemTotal:\s*(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return f"{int(found[1]) * 1024 / 1e9:.0f} GB" if found else "an unknown amount"


def _system() -> str:
    # What comes after the numbers of a kernel is its builder's business.
    release = re.match(r"[\d.]*\d", platform.release())
    kernel = f"{platform.system()} {release[0] if release else ''}".strip()
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel


def _file_system(place: Path) -> str:
    """Return the type of the file system that a place is on: commits wait for it."""
    mounts = [line.split() for line in _text("/proc/self/mounts").splitlines()]
    types = {Path(fields[1]): fields[2] for fields in mounts}
    return next((types[one] for one in (place, *place.parents) if one in types), "an unknown type")


def _versions() -> list[str]:
    """Return the packages that take part, as far as they are installed."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""
