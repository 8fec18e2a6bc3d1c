"""The last audits of the store, each made once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final

from lifecycle.auditing import Audit, audit
from lifecycle.auditing.figures import PAGE_BY
from lifecycle.service.problems import ProblemError
from lifecycle.service.readers import etag_of
from lifecycle.store import LeadReader

_KEPT: Final = 4


class Auditor:
    """The last audits; the same one of the same store is made once. One thread uses it."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Any, ...], Audit] = OrderedDict()

    def of(self, reader: LeadReader, given: dict[str, Any]) -> Audit:
        """Return the audit of a store as it is now.

        Raises:
            ProblemError: A parameter cannot be understood.
        """
        names = ("on_invalid", "overdue", "now", "top")
        key = (etag_of(reader), *(given[name] for name in names))
        if key not in self._known:
            self._known[key] = _audit(reader, given)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return self._known[key]


def _audit(reader: LeadReader, given: dict[str, Any]) -> Audit:
    overdue = [one.strip() for one in (given["overdue"] or "").split(",") if one.strip()]
    try:
        return audit(
            reader,
            on_invalid=given["on_invalid"],
            overdue=overdue,
            now=given["now"],
            top=max(1, given["top"]),
            by=PAGE_BY,
        )
    except ValueError as error:
        raise ProblemError("bad_query", f"overdue: {error}") from None
