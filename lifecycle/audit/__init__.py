"""The audit: what was not allowed. Read-only."""

from lifecycle.audit.refusals import RefusalEntry, refusals

__all__ = ["RefusalEntry", "refusals"]
