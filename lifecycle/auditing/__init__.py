"""The audit: what happened, what was not allowed, how to mend it. Read-only."""

from lifecycle.auditing.audit import TOP, Audit, OpenFinding
from lifecycle.auditing.auditor import Auditor
from lifecycle.auditing.explanation import Explanation, explain
from lifecycle.auditing.processes import audit_evidence
from lifecycle.auditing.sources import audit, evidence_of

__all__ = [
    "TOP",
    "Audit",
    "Auditor",
    "Explanation",
    "OpenFinding",
    "audit",
    "audit_evidence",
    "evidence_of",
    "explain",
]
