"""The open findings that make an audit fail: those grave enough, and not in the baseline."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import field, frozen

from lifecycle.auditing.audit import Audit, OpenFinding
from lifecycle.domain import SEVERITY
from lifecycle.errors import InputError

_SEVERITIES: Final = ("error", "warning", "info")
#: What an audit may be told to fail on: a severity (and what is graver), a finding, or nothing.
FAIL_ON: Final = (*_SEVERITIES, *SEVERITY, "overdue", "quarantined", "nothing")

Identity: TypeAlias = "tuple[str, str | None, str]"


@frozen
class Baseline:
    """Findings of an earlier audit, which do not count again.

    Attributes:
        findings: The identities of its findings.
        quarantined: How many messages were quarantined, by the code of their first problem.
    """

    findings: Collection[Identity] = ()
    quarantined: Mapping[str, int] = field(factory=dict)


def failing(audit: Audit, fail_on: Sequence[str], baseline: Baseline) -> list[OpenFinding]:
    """Return the open findings that make an audit fail; a problem of the quarantine counts as one.

    Args:
        audit: The audit.
        fail_on: Severities, codes of findings (FAIL_ON).
        baseline: What was known before, and does not count.
    """
    grave: set[str] = set()
    for one in fail_on:
        if one in _SEVERITIES:
            grave.update(_SEVERITIES[: _SEVERITIES.index(one) + 1])
    fatal = [one for one in audit.findings if one.severity in grave or one.code in fail_on]
    found = [one for one in fatal if identity(one.as_dict()) not in baseline.findings]
    if "quarantined" in fail_on:
        found += [
            OpenFinding("error", "quarantined", None, None, f"{code} {count:,}")
            for code, count in audit.quarantined.items()
            if count > baseline.quarantined.get(code, 0)
        ]
    return found


def identity(finding: dict[str, Any]) -> Identity:
    """Return what identifies a finding in a later audit: its code, its message and its words.

    A refusal is the same as long as its message is refused, whatever state it is refused in.
    """
    detail = "" if finding["code"] == "invalid_transition" else finding["detail"]
    return (finding["code"], finding["event_id"], detail)


def read_baseline(path: Path) -> Baseline:
    """Read what an earlier audit found, as ``lifecycle audit --format json`` wrote it.

    Raises:
        InputError: The file cannot be read, or is none.
    """
    try:
        report = json.loads(path.read_text("utf-8"))
        counts = {code: int(count) for code, count in report["quarantined"].items()}
        return Baseline({identity(one) for one in report["findings"]}, counts)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{path}: expected an audit as `lifecycle audit --format json` writes it"
        ) from None
