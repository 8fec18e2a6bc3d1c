"""Which open findings make an audit fail: those grave enough, and not in the baseline."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from lifecycle.auditing.audit import Audit, OpenFinding
from lifecycle.domain import SEVERITY
from lifecycle.errors import InputError

_SEVERITIES: Final = ("error", "warning", "info")
#: What an audit may be told to fail on: a severity (and what is graver), a finding, or nothing.
FAIL_ON: Final = (*_SEVERITIES, *SEVERITY, "overdue", "nothing")

Identity: TypeAlias = "tuple[str, str | None, str]"


def failing(
    audit: Audit, fail_on: Sequence[str], baseline: Collection[Identity] = ()
) -> list[OpenFinding]:
    """The open findings that make an audit fail.

    Args:
        audit: The audit.
        fail_on: Severities, codes of findings (FAIL_ON).
        baseline: The identities of findings that are known, and do not count.
    """
    grave: set[str] = set()
    for one in fail_on:
        if one in _SEVERITIES:
            grave.update(_SEVERITIES[: _SEVERITIES.index(one) + 1])
    fatal = [one for one in audit.findings if one.severity in grave or one.code in fail_on]
    return [one for one in fatal if identity(one.as_dict()) not in baseline]


def identity(finding: dict[str, Any]) -> Identity:
    """By what a finding is recognised in a later audit: its code, its message and its words.

    A refusal is the same as long as its message is refused, whatever state it is refused in.
    """
    detail = "" if finding["code"] == "invalid_transition" else finding["detail"]
    return (finding["code"], finding["event_id"], detail)


def read_baseline(path: Path) -> set[Identity]:
    """The findings of an earlier audit, as ``lifecycle audit --format json`` wrote it.

    Raises:
        InputError: The file cannot be read, or is none.
    """
    try:
        report = json.loads(path.read_text("utf-8"))
        return {identity(one) for one in report["findings"]}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: expected an audit as `lifecycle audit --format json` writes it"
        ) from None
