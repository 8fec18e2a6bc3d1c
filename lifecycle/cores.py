"""The number of cores that a process may use, which Linux tells and others do not."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return how many cores this process may use; 1 where the system does not say.

    Windows and macOS do not say: a replay there decodes, and an audit judges, in one process, with
    the same result.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    return 1 if affinity is None else len(affinity(0))
