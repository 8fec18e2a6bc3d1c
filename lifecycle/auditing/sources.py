"""Sources of an audit: a store, or logs without one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from lifecycle.auditing.audit import TOP, Audit
from lifecycle.auditing.evidence import Evidence, LogEvidence, is_store
from lifecycle.auditing.overdue import Limit
from lifecycle.auditing.people import Users
from lifecycle.auditing.processes import audit_evidence
from lifecycle.auditing.tallies import BY
from lifecycle.domain import ON_INVALID, OnInvalid, Rules
from lifecycle.errors import ArgumentError
from lifecycle.messages import Moment, optional_micros
from lifecycle.replay import STANDARD_INPUT, Log, Progress, check_log
from lifecycle.store import LeadReader, system_clock

#: The path of a store, of a log (``-`` is standard input), or a store that is open.
Source: TypeAlias = "str | Path | LeadReader"


def audit(
    *sources: Source,
    rules: Rules | None = None,
    against: Rules | None = None,
    on_invalid: OnInvalid = "skip",
    overdue: Iterable[str] = (),
    now: Moment | None = None,
    top: int = TOP,
    by: Iterable[str] = (),
    users: Users | None = None,
) -> Audit:
    """Find out what was not allowed, and the smallest repair: in a store, or in one or more logs.

    Nothing is written, and everything is folded again from the messages: the same set of messages
    gives the same audit. Of logs, those dated more than a day ahead of the clock are quarantined,
    as a store does; nothing else depends on the clock.

    Args:
        sources: One store, or logs.
        rules: To judge by; without them the store's own, or the default rules.
        against: Rules to compare with.
        on_invalid: At a refusal the lead stays as it is (``skip``, as in a store), is moved all the
            same (``force``), or is judged no further (``stop``).
        overdue: How long leads may stay in a state: ``assigned>2h``, or in ISO 8601
            ``assigned>PT2H``.
        now: Until when stays that are open last; without it the time of the latest event.
        top: How many of the worst leads to tell of.
        by: Figures by ``holder``, ``owner``, ``sender``, ``source``, ``week``, ``month``.
        users: Names of parties by their ids, besides those that messages tell.

    Raises:
        InputError: A log cannot be read.
        ArgumentError: There is no source, or a store is not the only one; or ``on_invalid``,
            ``overdue``, ``now``, ``top`` or ``by`` cannot be understood.
        StoreError: The store cannot be read.
        RulesError: The rules name a guard that nobody registered.
    """
    if on_invalid not in ON_INVALID:
        raise ArgumentError(f"expected one of {', '.join(ON_INVALID)}; got {on_invalid!r}")
    if top < 1:
        raise ArgumentError(f"expected at least 1, got {top!r}")
    limits, by = [Limit.parse(one) for one in overdue], [*by]
    for one in by:
        if one not in BY:
            raise ArgumentError(f"expected figures by one of {', '.join(BY)}; got {one!r}")
    until = optional_micros(now)
    with evidence_of(sources, rules=rules) as (evidence, own_rules):
        return audit_evidence(
            evidence,
            rules or own_rules(),
            against=against,
            on_invalid=on_invalid,
            limits=limits,
            now=until,
            top=top,
            by=by,
            users=users,
        )


def _silent(_: Progress) -> None:
    """Tell nobody."""


@contextmanager
def evidence_of(
    sources: Sequence[Source],
    tell: Callable[[Progress], None] = _silent,
    *,
    rules: Rules | None = None,
) -> Iterator[tuple[Evidence, Callable[[], Rules]]]:
    """Provide the messages of these sources, and how to get the rules they were folded with.

    The names in logs go by the identity policy of ``rules``; those in a store by its own.

    Raises:
        InputError: A log cannot be read.
        ArgumentError: There is none, or a store is not the only one.
        StoreError: The store cannot be read.
    """
    paths = [Path(one) for one in sources if not isinstance(one, LeadReader)]
    if not sources or [str(path) for path in paths].count(STANDARD_INPUT) > 1:
        raise ArgumentError("expected one store, or logs; standard input can be read only once")
    opened = [LeadReader(path) for path in paths if is_store(path)]
    stores = opened + [one for one in sources if isinstance(one, LeadReader)]
    try:
        if stores and len(sources) > 1:
            raise ArgumentError("a store is audited alone; expected one store, or logs")
        if stores:
            with stores[0].snapshot():
                yield stores[0].evidence(), lambda: stores[0].rules
        else:
            yield _read_logs(paths, tell, rules or Rules.default()), Rules.default
    finally:
        for store in opened:
            store.close()


def _read_logs(
    paths: Sequence[Path], tell: Callable[[Progress], None], rules: Rules
) -> LogEvidence:
    for path in paths:
        if str(path) != STANDARD_INPUT:
            check_log(path)
    evidence = LogEvidence(system_clock(), rules.identity)
    for path in paths:
        is_input = str(path) == STANDARD_INPUT
        with Log.standard_input() if is_input else Log.open(path) as log:
            evidence.read(log, str(path), tell)
    return evidence
