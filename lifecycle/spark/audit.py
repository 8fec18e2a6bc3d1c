"""The audit of a job's tables: what ``lifecycle audit`` says of the logs that they were made of."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen
from pyspark.sql.pandas.types import from_arrow_schema

from lifecycle.auditing import TOP, Audit, Auditor
from lifecycle.auditing.overdue import Limit
from lifecycle.auditing.people import People, Users
from lifecycle.auditing.tallies import Tallies
from lifecycle.domain import OnInvalid, Rules, machine_for
from lifecycle.engine import JOB, SUMMARY
from lifecycle.errors import InputError, RulesMismatchError
from lifecycle.messages import Moment, optional_micros
from lifecycle.spark.files import Folder
from lifecycle.spark.job import in_fold_order
from lifecycle.spark.session import load_guards, telling_failures
from lifecycle.spark.workers import AUDIT_SCHEMA, Plan, auditing
from lifecycle.store import Origin


@frozen
class _TableEvidence:
    """Messages that became no event, as a job's tables have them."""

    ignored: Mapping[str, int]
    quarantined: Mapping[str, int]

    def origins(self, event_ids: Iterable[str]) -> dict[str, Origin]:
        """Return no place for any event: Spark numbers no lines."""
        return dict.fromkeys(event_ids, Origin())


def audit(
    session: Any,
    folder: str | Path,
    *,
    rules: Rules | None = None,
    guards: Sequence[str] = (),
    on_invalid: OnInvalid = "skip",
    overdue: Iterable[str] = (),
    now: Moment | None = None,
    top: int = TOP,
    by: Iterable[str] = (),
    users: Users | None = None,
) -> Audit:
    """Audit the messages of a finished job on Spark, as ``lifecycle.audit`` does those of a log.

    Clusters are audited where they lie; what was found of them comes to the driver: all that a
    report lists, but no messages.

    Args:
        session: A Spark session; not one of Spark Connect.
        folder: The folder that ``fold`` wrote.
        rules: To judge by; without them the job's own.
        guards: Modules, or files of Python, that register the guards of the rules.
        on_invalid: As ``lifecycle.audit`` has it.
        overdue: How long leads may stay in a state: ``assigned>PT30M``, an ISO 8601 duration.
        now: Until when open states last; without it the time of the latest event.
        top: How many of the worst leads to tell of.
        by: Figures of groups of leads, as ``lifecycle.audit`` has them.
        users: Names of parties by their ids, besides those that messages tell.

    Raises:
        InputError: The folder holds no finished job, or Spark failed.
        RulesMismatchError: The rules find other names in messages than those of the job.
    """
    modules = load_guards(session, guards)
    place = Folder(session, str(folder))
    job, summary = place.read_json(JOB), place.read_json(SUMMARY)
    if job is None or summary is None:
        raise InputError(f"{place.path}: expected the folder of a finished `lifecycle spark fold`")
    own = Rules.loads(job["toml"])
    rules = rules or own
    if rules.identity != own.identity:
        raise RulesMismatchError(
            f"{place.path}: its clusters were made with another identity policy than that of the"
            " rules; fold the logs again with these rules"
        )
    plan, limits = Plan(rules.to_toml(), 0, modules), tuple(Limit.parse(one) for one in overdue)
    by = tuple(by)
    auditor = Auditor(
        machine_for(rules), on_invalid, {}, top, Tallies(by, limits), people=People.of(users)
    )
    with telling_failures(place.path):
        contents = _read(session, place, "contents")
        rows = in_fold_order(contents, _parts(session, contents))
        work = auditing(plan, on_invalid, limits, by, top)
        for row in rows.mapInArrow(work, from_arrow_schema(AUDIT_SCHEMA)).toLocalIterator():
            auditor.join(pickle.loads(row["auditor"]))  # noqa: S301 - from our own workers
        evidence = _TableEvidence(*_set_aside(session, place))
    return auditor.audit(evidence, rules, optional_micros(now), summary["digest"])


def _read(session: Any, place: Folder, table: str) -> Any:
    return session.read.parquet(place.within(table))


def _parts(session: Any, contents: Any) -> int:
    cores = int(session.sparkContext.defaultParallelism)
    return max(2 * cores, int(contents.rdd.getNumPartitions()))


def _set_aside(session: Any, place: Folder) -> tuple[dict[str, int], dict[str, int]]:
    """Return the ignored messages by topic, and the quarantined by code, each content once."""
    ignored = _read(session, place, "ignored").select("topic", "contents").collect()
    codes: Counter[str] = Counter()
    problems = _read(session, place, "quarantine").groupBy("problems").count()
    for row in problems.toLocalIterator():
        codes[json.loads(row["problems"])[0][2]] += row["count"]
    topics = {row["topic"]: row["contents"] for row in ignored}
    return dict(sorted(topics.items())), dict(sorted(codes.items()))
