"""The audit of evidence: in this process, or of a large store in two.

The other process takes half of the clusters. It reads the same file beside this one, and gives its
half up when the store is another by then. What comes back is joined as the parts of a job on Spark
are: the audit is the same.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from lifecycle.auditing.audit import TOP, Audit
from lifecycle.auditing.auditor import Auditor
from lifecycle.auditing.comparison import Comparison
from lifecycle.auditing.evidence import Evidence, digest_of
from lifecycle.auditing.overdue import Limit
from lifecycle.auditing.people import People, Users
from lifecycle.auditing.tallies import Tallies
from lifecycle.cores import usable_cores
from lifecycle.domain import History, LeadEvent, OnInvalid, Rules, machine_for
from lifecycle.store import LeadReader, StoreEvidence

#: Of fewer clusters a process of its own would take longer to start than it saves.
WORTH_IT: Final = 5_000
#: It hands over what it found within so many seconds after this process is done, or not at all.
_PATIENCE: Final = 120


@frozen
class Half:
    """The work of the other process: clusters of a store, from one number in their list on."""

    path: str
    version: str
    start: int
    rules: str
    on_invalid: OnInvalid
    limits: tuple[str, ...]
    by: tuple[str, ...]
    top: int

    def auditor(self, reader: LeadReader) -> Auditor | None:
        """Audit the half; None where the store is another by now."""
        with reader.snapshot():
            rules, evidence = Rules.loads(self.rules), reader.evidence()
            if evidence.version != self.version:
                return None
            tallies = Tallies(self.by, tuple(map(Limit.parse, self.limits)))
            made = Auditor(
                machine_for(rules), self.on_invalid, evidence.conflicts, self.top, tallies
            )
            for events in evidence.subjects(evidence.clusters()[self.start :]):
                made.take(events)
        return made


def audit_evidence(
    evidence: Evidence,
    rules: Rules,
    *,
    against: Rules | None = None,
    on_invalid: OnInvalid = "skip",
    limits: Iterable[Limit] = (),
    now: int | None = None,
    top: int = TOP,
    by: Iterable[str] = (),
    users: Users | None = None,
    each: Callable[[History, Sequence[LeadEvent]], None] | None = None,
) -> Audit:
    """Audit the messages by these rules; ``each`` is called with every subject.

    Raises:
        RulesError: The rules name a guard that nobody registered.
    """
    machine, tallies = machine_for(rules), Tallies(tuple(by), tuple(limits))
    comparison = None if against is None else Comparison(against)
    auditor = Auditor(
        machine, on_invalid, evidence.conflicts, top, tallies, comparison, People.of(users)
    )
    # A comparison, and who is called with subjects, need all of them here.
    if isinstance(evidence, StoreEvidence) and against is None and each is None:
        clusters = evidence.clusters()
        if _is_worth_it(clusters, rules, evidence.path):
            texts = tuple(one.text for one in tallies.limits)
            start = len(clusters) // 2
            half = Half(
                *(evidence.path, evidence.version, start, rules.to_toml(), on_invalid, texts),
                *(tallies.by, top),
            )
            digest = _take_in_two(auditor, evidence, clusters, half)
            return auditor.audit(evidence, rules, now, digest)
    for events in evidence.subjects():
        history = auditor.take(events)
        if each is not None:
            each(history, events)
    return auditor.audit(evidence, rules, now, digest_of(evidence))


def _take_in_two(auditor: Auditor, evidence: StoreEvidence, clusters: list[int], half: Half) -> str:
    """Take up one half here, and join what the other process finds; return the digest of all."""
    with _elsewhere(half) as found:
        for events in evidence.subjects(clusters[: half.start]):
            auditor.take(events)
        digest = digest_of(evidence)
        other = found()
    if other is None:
        for events in evidence.subjects(clusters[half.start :]):
            auditor.take(events)
    else:
        auditor.join(other)
    return digest


def _is_worth_it(clusters: Sequence[int], rules: Rules, path: str) -> bool:
    """Return whether a second process would make the audit faster, and can judge as this one."""
    if not (path and sys.executable and len(clusters) >= WORTH_IT):
        return False
    if usable_cores() == 1:
        return False
    # A guard of one's own is known in the process that registered it alone.
    return not machine_for(rules).has_own_guards


@contextmanager
def _elsewhere(half: Half) -> Iterator[Callable[[], Auditor | None]]:
    """Start a process that audits a half; give a function that waits for what it found."""
    process = None
    with suppress(OSError):
        process = subprocess.Popen(  # noqa: S603 - this very interpreter, and this very module
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
    try:
        if process is not None and process.stdin is not None:
            with suppress(OSError), process.stdin as given:
                given.write(json.dumps(_values(half)).encode())
                given.flush()
            process.stdin = None
        yield lambda: None if process is None else _found(process)
    finally:
        if process is not None:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


def _values(half: Half) -> dict[str, Any]:
    return {name: getattr(half, name) for name in Half.__annotations__}


def _found(process: subprocess.Popen[bytes]) -> Auditor | None:
    """Return what the other process found; None where it ended without."""
    try:
        answer, _ = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    if process.returncode or not answer:
        return None
    found: Auditor = pickle.loads(answer)  # noqa: S301 - from our own process
    return found


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def main() -> None:
    """Audit the half that standard input tells, and send what was found."""
    from lifecycle.replay import seldom_collect  # noqa: PLC0415 - for a process of its own

    given: dict[str, Any] = json.load(sys.stdin)
    values: dict[str, Any] = {name: _hashable(value) for name, value in given.items()}
    half = Half(**values)
    seldom_collect()
    with LeadReader(Path(half.path)) as reader:
        made = half.auditor(reader)
    if made is not None:
        sys.stdout.buffer.write(pickle.dumps(made))


if __name__ == "__main__":
    main()
