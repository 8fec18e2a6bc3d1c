"""Check the store file and its environment: SQLite, the file system, the header, pages, cursors.

Nothing is written, and nothing of the content is checked: that is what verifying is for.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from attrs import asdict, frozen

from lifecycle.errors import StoreError
from lifecycle.messages import format_time
from lifecycle.store.db.transaction import nothing_in, snapshot, translated
from lifecycle.text import counted

Verdict: TypeAlias = Literal["well", "unknown", "warning", "wrong"]

NOT_KNOWN: Final = "not known"
#: Where Linux tells what is mounted.
MOUNTS: Final = Path("/proc/mounts")
#: So many cursors are named.
_SHOWN: Final = 5
_JOURNALS: Final = ("-wal", "-journal")
_FIRST_WAL: Final = (3, 7, 0)
_LAST_RESET_BUG: Final = (3, 51, 2)
#: File systems whose files are on another machine, where locks and shared memory are not sure.
_NETWORK: Final = (
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "glusterfs", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "orangefs", "smb", "smb2", "smb3", "smbfs", "webdav",
)  # fmt: skip
_NETWORK_FUSE: Final = (
    "fuse.ceph", "fuse.cephfs", "fuse.curlftpfs", "fuse.davfs", "fuse.gcsfuse",
    "fuse.glusterfs", "fuse.goofys", "fuse.juicefs", "fuse.mfs", "fuse.rclone", "fuse.s3fs",
    "fuse.seaweedfs", "fuse.smbnetfs", "fuse.sshfs",
)  # fmt: skip
_REPLACE: Final = "put a backup back, or replay the logs into a new store (docs/backup.md)"
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")
_MAGIC: Final = b"SQLite format 3\x00"
_HEADER_BYTES: Final = 100
#: What these bytes of a header must be: where they begin, how many, what they are, which values.
_FIELDS: Final = (
    (18, 1, "the version for writing", (1, 2)),
    (19, 1, "the version for reading", (1, 2)),
    (20, 1, "the room kept free in pages", (0,)),
    (21, 1, "the largest share of a page for a cell", (64,)),
    (22, 1, "the smallest share of a page for a cell", (32,)),
    (23, 1, "the smallest share of a page for a leaf", (32,)),
)
#: The same once there are tables; before the first checkpoint these are in the journal alone.
_FIELDS_OF_TABLES: Final = (
    (44, 4, "the format of the schema", (1, 2, 3, 4)),
    (56, 4, "the encoding of texts", (1,)),
)
#: The version for writing of a database in write-ahead mode.
_WAL: Final = 2
_PAGE_SIZES: Final = frozenset({1, *(2**power for power in range(9, 16))})


@frozen
class Point:
    """One thing that was looked at.

    Attributes:
        name: What it is.
        verdict: ``well``; ``unknown``, which could not be looked at; ``warning``, which is to be
            known; ``wrong``, which needs attention.
        found: What was found, in words.
        value: The same for programs: a value of JSON; None: not known.
        advice: What to do; empty where there is nothing.
    """

    name: str
    verdict: Verdict
    found: str
    value: Any
    advice: str = ""


@frozen
class Diagnosis:
    """All that was looked at."""

    points: tuple[Point, ...]

    @property
    def well(self) -> bool:
        """True if nothing needs attention; warnings do not count."""
        return all(one.verdict != "wrong" for one in self.points)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"well": self.well, "points": [asdict(one) for one in self.points]}


def examine(path: Path) -> Diagnosis:
    """Look at a store and at where it lies.

    Raises:
        StoreError: The file cannot be read, or is no store.
    """
    from lifecycle.store.db.file import check_path  # noqa: PLC0415 - takes a while

    check_path(path, "read")
    header = check_header(path)
    try:
        return Diagnosis(tuple(_content(path, header)))
    except StoreError as error:
        if header.verdict == "well":
            raise
        unread = Point("content", "wrong", f"cannot be read: {error}", None)
        sqlite = check_sqlite(sqlite3.sqlite_version_info)
        return Diagnosis((sqlite, mount_of(path), header, unread))


def _content(path: Path, header: Point) -> Iterator[Point]:
    """Yield all points of a file that SQLite can read."""
    from lifecycle.store.db.file import connect  # noqa: PLC0415

    try:
        connection = connect(path, "read")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise translated(error, path) from error
    with closing(connection), snapshot(connection, path):
        schema, journal = _schema(connection, path), journal_of(path)
        yield check_sqlite(sqlite3.sqlite_version_info, journal)
        yield Point("journal", "well", journal, journal)
        yield mount_of(path)
        yield header
        yield _identity(connection)
        yield _pages(connection)
        yield _readable("structure", _structure, connection)
        yield schema
        yield _readable("cursors", _cursors, connection)
        yield _readable("quarantine", _quarantine, connection)
        yield _readable("erased", _erased, connection)


def check_sqlite(version: tuple[int, ...], journal: str | None = None) -> Point:
    """Check whether a version of SQLite carries the WAL-reset bug, which can damage a store."""
    text = ".".join(map(str, version))
    if not _FIRST_WAL <= version <= _LAST_RESET_BUG:
        return Point("SQLite", "well", text, text)
    if journal not in (None, "wal"):
        found = f"{text}, with the WAL-reset bug, which does not concern this journal"
        return Point("SQLite", "well", found, text)
    found = f"{text}, with the WAL-reset bug: writers and checkpoints that meet can damage a store"
    advice = (
        "use a Python with SQLite 3.51.3 or newer; until then let one process at a time write, or"
        " run PRAGMA journal_mode = DELETE on the store, once"
    )
    return Point("SQLite", "warning", found, text, advice)


def mount_of(path: Path, mounts: Path = MOUNTS) -> Point:
    """Check the file system that a path lies on, as far as the system tells."""
    kind = file_system(path, mounts)
    if kind is None:
        return Point("file system", "unknown", NOT_KNOWN, None)
    if kind not in _NETWORK + _NETWORK_FUSE:
        return Point("file system", "well", kind, kind)
    found = f"{kind}, a network mount: locks and shared memory are not sure there"
    advice = "move the store to a disk of the machine that writes it"
    return Point("file system", "wrong", found, kind, advice)


def file_system(path: Path, mounts: Path) -> str | None:
    """Return the type of the nearest and last mount above; None without a list, as off Linux."""
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    where = path.resolve()
    found, depth = None, -1
    for line in lines:
        _, place, kind, *_ = [*line.split(" "), "", ""]
        point = Path(_ESCAPE.sub(lambda code: chr(int(code[1], 8)), place))
        if kind and where.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = kind, len(point.parts)
    return found


def check_header(path: Path) -> Point:
    """Check the first hundred bytes of the file, which SQLite trusts for all else.

    Raises:
        StoreError: The file cannot be read.
        StoreError: It is no SQLite database at all.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except OSError as error:
        raise translated(error, path) from error
    if not header:
        raise nothing_in(path)
    if not header.startswith(_MAGIC):
        hint = "expected a store, as `lifecycle replay DB LOG` makes it"
        raise StoreError(f"{path}: not a SQLite database; {hint}")
    wrong = list(_wrong_fields(header))
    journals = (path.with_name(path.name + end) for end in _JOURNALS)
    # While others write, the size in the header may be that of before or after; readers leave empty
    # journals behind.
    if not wrong and not any(one.exists() and one.stat().st_size for one in journals):
        wrong += _wrong_size(header, size)
    if not wrong:
        return Point("header", "well", "intact", [])
    return Point("header", "wrong", f"damaged: {'; '.join(wrong)}", wrong, _REPLACE)


def journal_of(path: Path) -> Literal["wal", "delete"]:
    """Return the journal of the header; the connection has another where it cannot write."""
    with path.open("rb") as file:
        return "wal" if _number(file.read(_HEADER_BYTES), 18, 1) == _WAL else "delete"


def _wrong_fields(header: bytes) -> Iterator[str]:
    """Yield the fields of a header that SQLite never writes so."""
    if len(header) < _HEADER_BYTES:
        yield f"the file has {len(header)} bytes, less than a header"
        return
    page = _number(header, 16, 2)
    if page not in _PAGE_SIZES:
        yield f"the size of pages is {page}"
    fields = _FIELDS if _number(header, 28, 4) == 1 else _FIELDS + _FIELDS_OF_TABLES
    for start, size, name, wanted in fields:
        if (found := _number(header, start, size)) not in wanted:
            yield f"{name} is {found}"


def _wrong_size(header: bytes, size: int) -> Iterator[str]:
    """Yield the number of pages where it is wrong and the header vouches for it."""
    page = _number(header, 16, 2)
    page = 65536 if page == 1 else page
    pages = _number(header, 28, 4)
    vouched = _number(header, 24, 4) == _number(header, 92, 4)
    if vouched and pages and pages * page != size:
        yield f"{pages:,} pages of {page:,} bytes are {pages * page:,}, and the file has {size:,}"


def _number(header: bytes, start: int, size: int) -> int:
    return int.from_bytes(header[start : start + size])


def _pages(connection: sqlite3.Connection) -> Point:
    count, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    found = f"{counted(count, 'page')} of {size:,} bytes, {free:,} free"
    return Point("pages", "well", found, {"count": count, "free": free, "size": size})


def _structure(connection: sqlite3.Connection) -> Point:
    """Check that the pages of the file hang together, by SQLite's own quick check."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found == "ok":
        return Point("structure", "well", "intact", found)
    return Point("structure", "wrong", f"damaged: {found}", found, _REPLACE)


def _identity(connection: sqlite3.Connection) -> Point:
    """Check the number in the header that tells stores from other programs' databases."""
    from lifecycle.store.db.schema import APPLICATION_ID  # noqa: PLC0415

    (found,) = connection.execute("PRAGMA application_id").fetchone()
    if found == APPLICATION_ID:
        return Point("application id", "well", "lifecycle's", found)
    words = f"{found:#x}, not lifecycle's: no command opens the store"
    advice = f"if verify was content before: PRAGMA application_id = {APPLICATION_ID}"
    return Point("application id", "wrong", words, found, advice)


def _schema(connection: sqlite3.Connection, path: Path) -> Point:
    """Check the migrations of the store against those that this version knows."""
    from lifecycle.store.db import file  # noqa: PLC0415

    applied, ours = file.applied_migrations(connection), file.our_migrations()
    if not applied:
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not tables:
            raise nothing_in(path)
        raise StoreError(f"{path}: a SQLite database without anything of lifecycle's in it")
    file.refuse_former(applied, path)
    version = sorted(applied)
    found = version[-1]
    if newer := sorted(applied - ours):
        found = f"newer than this lifecycle: {', '.join(newer)}"
        return Point("schema", "wrong", found, version, "update lifecycle")
    if older := sorted(ours - applied):
        found = f"older than this lifecycle, without {', '.join(older)}"
        advice = "whatever writes next brings it up to date: `lifecycle rebuild DB`, for one"
        return Point("schema", "wrong", found, version, advice)
    return Point("schema", "well", found, version)


def _readable(
    name: str, check: Callable[[sqlite3.Connection], Point], connection: sqlite3.Connection
) -> Point:
    """Return a point, also of what another version made otherwise, or what is damaged."""
    try:
        return check(connection)
    except sqlite3.Error as error:
        return Point(name, "wrong", f"cannot be read: {error}", None, "lifecycle verify tells more")


def _cursors(connection: sqlite3.Connection) -> Point:
    rows = connection.execute("SELECT name, line, byte_offset FROM log ORDER BY name").fetchall()
    value = [{"log": log, "line": line, "byte_offset": offset} for log, line, offset in rows]
    if not rows:
        return Point("cursors", "well", "no log was replayed", value)
    last = "; ".join(f"{log} at line {line:,}" for log, line, _ in rows[:_SHOWN])
    more = f"; and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else ""
    return Point("cursors", "well", f"{counted(len(rows), 'log')}: {last}{more}", value)


def _quarantine(connection: sqlite3.Connection) -> Point:
    waiting, due = connection.execute(
        "SELECT count(*), count(due_at) FROM quarantine WHERE left_at IS NULL"
    ).fetchone()
    value = {"waiting": waiting, "until_due": due}
    if not waiting:
        return Point("quarantine", "well", "empty", value)
    found = f"{counted(waiting, 'message')} waiting"
    if due:
        found += f", {due:,} of them until their time comes"
    return Point("quarantine", "warning", found, value, "`lifecycle quarantine DB` lists them")


def _erased(connection: sqlite3.Connection) -> Point:
    times, contents, last, unpurged = connection.execute(
        "SELECT count(*), coalesce(sum(json_array_length(entries) + quarantined), 0),"
        " max(erased_at), count(*) - count(purged_at) FROM erasure"
    ).fetchone()
    last_at = None if last is None else format_time(last)
    value = {"times": times, "messages": contents, "last_at": last_at, "traces": bool(unpurged)}
    if not times:
        return Point("erased", "well", "nothing", value)
    found = f"{counted(contents, 'message')}, {counted(times, 'time')}, last at {last_at}"
    if not unpurged:
        return Point("erased", "well", found, value)
    advice = "`lifecycle erase DB --purge` removes them when nobody else uses the store"
    return Point("erased", "warning", f"{found}; traces are still in the file", value, advice)
