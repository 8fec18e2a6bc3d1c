"""The job: logs in, tables out, in stages that are written down one by one."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import asdict, evolve, frozen
from pyspark.sql import functions as F  # noqa: N812 - as everybody calls it
from pyspark.sql.pandas.types import from_arrow_schema

from lifecycle.domain import DatasetDigest, Rules
from lifecycle.engine import (
    CHOSEN,
    CONTENTS,
    FINDINGS,
    HISTORY,
    JOB,
    LEADS,
    MESSAGES,
    QUARANTINE,
    SUMMARY,
    ContentEvent,
)
from lifecycle.errors import ArgumentError, InputError
from lifecycle.exporting.parquet import schema_of
from lifecycle.messages import Moment, optional_micros
from lifecycle.spark.components import METHODS, Method, clusters_of, edges_of
from lifecycle.spark.files import Folder, list_files
from lifecycle.spark.session import load_guards, telling_failures
from lifecycle.spark.workers import (
    DIGEST_SCHEMA,
    FOLDED_SCHEMA,
    Plan,
    choosing,
    digesting,
    folding,
    reading,
)
from lifecycle.store import system_clock

_LOG: Final = logging.getLogger(__name__)
#: How a job's folder is laid out; a job of another format is not gone on with.
_FORMAT: Final = 1
_STAGES: Final = "_stages"
#: A partition has about so many bytes of input, unless the caller says how many there are.
_PARTITION: Final = 64 * 1024 * 1024
_PACKED: Final = (".gz", ".bz2")

#: The files of a job: path, size, time of change.
Files: TypeAlias = "list[tuple[str, int, int]]"


@frozen
class Summary:
    """The accounting of a job (design.md section 2), and the digest of its data set.

    ``read = applied + refused + noted + duplicate + conflict + ignored + quarantined``.
    """

    read: int
    applied: int
    refused: int
    noted: int
    duplicate: int
    conflict: int
    ignored: int
    quarantined: int
    leads: int
    digest: str
    rules: str

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self)


def fold(
    session: Any,
    source: Any,
    *,
    out: str | Path,
    rules: Rules | None = None,
    guards: Sequence[str] = (),
    now: Moment | None = None,
    components: Method = "auto",
    partitions: int | None = None,
) -> Summary:
    """Fold messages on Spark: the leads, history, findings and digest that a store would have.

    A job that failed is gone on with by the same call: stages that were written are not done again.

    Args:
        session: A Spark session; not one of Spark Connect.
        source: A frame with a column ``raw`` (a message a row, text or bytes); or paths of logs,
            folders of them, or tables (``.parquet``) with such a column.
        out: The folder to write to: a path or URL.
        rules: Rules; without them the default ones.
        guards: Modules, or files of Python, that register the guards of the rules; workers import
            them, too.
        now: Messages dated more than a day later are quarantined; without it the clock.
        components: Where clusters are found: on the ``driver``, in ``rounds`` on the cluster, or
            ``auto``: by how many edges there are.
        partitions: How many parts the work is cut into.

    Raises:
        ArgumentError: ``components``, ``now`` or ``partitions`` cannot be understood.
        InputError: There are no logs, ``out`` holds something else, or a stage failed.
    """
    if components not in METHODS:
        raise ArgumentError(f"expected one of {', '.join(METHODS)}; got {components!r}")
    if partitions is not None and partitions < 1:
        raise ArgumentError(f"expected at least 1 partition, got {partitions!r}")
    micros = optional_micros(now)
    modules = load_guards(session, guards)
    toml = (rules or Rules.default()).to_toml()
    given = Plan(toml, system_clock() if micros is None else micros, modules)
    digest = given.load_rules().digest
    lines, files = _lines(session, source)
    folder = Folder(session, str(out))
    plan = _begin(folder, files, given)
    parts = partitions or _parts(session, files)
    return _Job(session, folder, plan, components, parts).run(lines, files, digest)


@frozen
class _Job:
    """One job: its stages in order."""

    session: Any
    folder: Folder
    plan: Plan
    components: Method
    parts: int

    def run(self, lines: Any, files: Files, rules: str) -> Summary:
        """Do the stages that are not done yet."""
        done = self.folder.read_json(SUMMARY)
        if done is not None:
            self.folder.remove(_STAGES)
            return Summary(**done)
        messages = self._stage("messages", lambda: self._messages(lines, files))
        chosen = self._stage("chosen", lambda: self._chosen(messages))
        clusters = self._stage("clusters", lambda: self._clusters(chosen))
        contents = self._table("contents", lambda: self._contents(chosen, clusters))
        folded = self._stage("folded", lambda: self._folded(contents))
        for table in (LEADS, HISTORY, FINDINGS):
            self._table(table.name, partial(_rows_of, folded, table.name))
        self._table("quarantine", lambda: _quarantine(messages))
        self._table("ignored", lambda: _ignored(messages))
        with telling_failures(f"{self.folder.path}, {SUMMARY}"):
            counts = _accounting(messages, contents, folded)
            summary = Summary(**counts, digest=digest_of(contents), rules=rules)
        self.folder.write_json(SUMMARY, summary.as_dict())
        self.folder.remove(_STAGES)
        return summary

    def _table(self, name: str, make: Callable[[], Any]) -> Any:
        """Write a frame down as what the job gives, unless it was; return it as written."""
        return _written(self.session, self.folder, name, make)

    def _stage(self, name: str, make: Callable[[], Any]) -> Any:
        """Write a frame down for as long as the job lasts; return it as written."""
        return self._table(f"{_STAGES}/{name}", make)

    def _messages(self, lines: Any, files: Files) -> Any:
        if any(path.endswith(_PACKED) for path, _, _ in files):
            lines = lines.repartition(self.parts)  # a packed file has one reader
        return lines.mapInArrow(reading(self.plan), _types(schema_of(MESSAGES)))

    def _chosen(self, messages: Any) -> Any:
        events = messages.where("kind = 'event'").select(*ContentEvent._fields)
        events = events.repartition(self.parts, "id")
        events = events.sortWithinPartitions("id", "digest", "time", "body")
        return events.mapInArrow(choosing(self.plan), _types(schema_of(CHOSEN)))

    def _clusters(self, chosen: Any) -> Any:
        edges = self._stage("edges", lambda: edges_of(chosen.where("is_canonical")))
        return clusters_of(self.session, edges, self.components, self._stage)

    def _contents(self, chosen: Any, clusters: Any) -> Any:
        first = F.col("keys")[0]
        rows = chosen.join(clusters, first == F.col("key"), "left")
        rows = rows.withColumn("cluster", F.coalesce("cluster", first)).select(*CONTENTS.header)
        rows = rows.repartition(self.parts, "cluster")
        return rows.sortWithinPartitions("cluster", "time", "trigger", "id", "digest")

    def _folded(self, contents: Any) -> Any:
        rows = in_fold_order(contents, self.parts)
        return rows.mapInArrow(folding(self.plan), _types(FOLDED_SCHEMA))


def in_fold_order(contents: Any, parts: int) -> Any:
    """Return canonical contents as ``engine.clusters_of`` takes them: by cluster, and in order."""
    rows = contents.where("is_canonical").select(
        *("cluster", "id", "digest", "trigger", "time"),
        F.coalesce("merged", "content").alias("content"),
        "conflicts",
    )
    rows = rows.repartition(parts, "cluster")
    return rows.sortWithinPartitions("cluster", "time", "trigger", "id")


def digest_of(contents: Any) -> str:
    """Return the digest of contents: that of a store of the same messages."""
    parts = contents.select("id", "digest", "time").mapInArrow(digesting, _types(DIGEST_SCHEMA))
    sums = DatasetDigest()
    for row in parts.toLocalIterator():
        sums.join(DatasetDigest.from_bytes(bytes(row["lanes"])))
    return sums.hexdigest()


def _lines(session: Any, source: Any) -> tuple[Any, Files]:
    """Return lines as bytes (``raw``, ``log``), and the files that they stand in."""
    if hasattr(source, "mapInArrow"):
        return _raw(source), []
    paths = [str(one) for one in ([source] if isinstance(source, (str, Path)) else source)]
    frames, files = [], []
    for path in paths:
        if not (listed := list_files(session, path)):
            raise InputError(f"{path}: expected a log, a folder of logs or a table; none is there")
        files += listed
        if path.rstrip("/").endswith(".parquet"):
            frames.append(_raw(session.read.parquet(path)))
        else:
            # Without a separator of one's own Spark ends a line at a carriage return, too.
            reader = session.read.option("lineSep", "\n").option("recursiveFileLookup", "true")
            frames.append(
                reader.text(path).select(
                    F.col("value").cast("binary").alias("raw"),
                    F.col("_metadata.file_path").alias("log"),
                )
            )
    if not frames:
        raise ArgumentError("expected logs, or a frame with a column 'raw'; got none")
    return reduce(lambda one, other: one.unionByName(other), frames), files


def _raw(table: Any) -> Any:
    if "raw" not in table.columns:
        raise InputError(f"expected a table with a column 'raw', got {', '.join(table.columns)}")
    return table.select(F.col("raw").cast("binary"), F.lit(None).cast("string").alias("log"))


def _parts(session: Any, files: Files) -> int:
    size = sum(file[1] for file in files)
    cores = int(session.sparkContext.defaultParallelism)
    return max(2 * cores, size // _PARTITION)


def _begin(folder: Folder, files: Files, plan: Plan) -> Plan:
    """Begin a job in a folder, or go on with the one there; its plan, with its own moment."""
    digest = plan.load_rules().digest
    job = {"format": _FORMAT, "rules": digest, "files": [list(file) for file in files]}
    before = folder.read_json(JOB)
    if before is None:
        if not folder.is_empty():
            raise InputError(f"{folder.path}: it is there already; expected a new folder")
        folder.write_json(JOB, {**job, "toml": plan.rules, "now": plan.now})
        return plan
    if {name: before.get(name) for name in job} != job:
        raise InputError(
            f"{folder.path}: another job was begun there, with other logs or other rules;"
            " remove it, or name another folder"
        )
    return evolve(plan, now=before["now"])


def _written(session: Any, folder: Folder, name: str, make: Callable[[], Any]) -> Any:
    if not folder.has(f"{name}/_SUCCESS"):
        started = time.monotonic()
        with _exact_times(session), telling_failures(f"{folder.path}, {name}"):
            writer = make().write.mode("overwrite").option("compression", "zstd")
            writer.parquet(folder.within(name))
        _LOG.info("wrote %s in %.1f s", name, time.monotonic() - started)
    return session.read.parquet(folder.within(name))


@contextmanager
def _exact_times(session: Any) -> Iterator[None]:
    """Let times be written as microseconds in UTC: Spark's default is older than Parquet's."""
    name = "spark.sql.parquet.outputTimestampType"
    before = session.conf.get(name)
    session.conf.set(name, "TIMESTAMP_MICROS")
    try:
        yield
    finally:
        session.conf.set(name, before)


def _types(schema: Any) -> Any:
    return from_arrow_schema(schema)


def _rows_of(folded: Any, table: str) -> Any:
    """Return the rows of one table of those that a fold gives."""
    return folded.where(F.col(table).isNotNull()).select(f"{table}.*")


def _quarantine(messages: Any) -> Any:
    """Return the quarantined messages, each once."""
    names = [name for name in QUARANTINE.header if name not in ("digest", "messages")]
    columns = {name: "body" if name == "raw" else name for name in names}
    first = F.min(F.struct(*(F.col(of).alias(name) for name, of in columns.items())))
    rows = messages.where("kind = 'quarantined'").groupBy("digest")
    rows = rows.agg(first.alias("first"), F.count("*").alias("messages"))
    return rows.select("digest", *(f"first.{name}" for name in names), "messages")


def _ignored(messages: Any) -> Any:
    """Return the topics of ignored messages, with how many there were."""
    rows = messages.where("kind = 'ignored'").groupBy("topic")
    return rows.agg(
        F.count("*").alias("messages"), F.count_distinct("digest").alias("contents")
    ).orderBy("topic")


def _accounting(messages: Any, contents: Any, folded: Any) -> dict[str, int]:
    """Return what became of the messages that were read."""
    kinds = {row["kind"]: row["count"] for row in messages.groupBy("kind").count().collect()}
    copies = contents.agg(
        F.count_if("is_canonical").alias("events"), F.sum(F.size("conflicts")).alias("conflicts")
    ).first()
    names = ("applied", "refused", "noted")
    verdicts = folded.agg(*(F.sum(f"verdicts.{name}").alias(name) for name in names)).first()
    conflict = copies["conflicts"] or 0
    return {
        "read": sum(kinds.values()),
        **{name: verdicts[name] or 0 for name in names},
        "duplicate": kinds.get("event", 0) - copies["events"] - conflict,
        "conflict": conflict,
        "ignored": kinds.get("ignored", 0),
        "quarantined": kinds.get("quarantined", 0),
        "leads": folded.where("leads is not null").count(),
    }
