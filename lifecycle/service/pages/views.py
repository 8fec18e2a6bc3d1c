"""Pages to look at: leads, one lead, why it is in its state, the audit."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.auditing import TOP, explain
from lifecycle.auditing.page import policy, render
from lifecycle.auditing.report import LISTS, report
from lifecycle.auditing.words import in_words
from lifecycle.domain import STATES
from lifecycle.service.audits import PARAMETERS
from lifecycle.service.calls import (
    AS_KNOWN_AT,
    AS_OF,
    LEAD,
    Call,
    Parameter,
    choice,
    flag,
    moment,
    text,
)
from lifecycle.service.core import Service
from lifecycle.service.leads import leads_page
from lifecycle.service.pages.frame import page
from lifecycle.service.readers import etag_of
from lifecycle.store import LeadReader, lead_dict

_PAGE: Final = 50
_SHOWN: Final = 100
_OF_FIGURES: Final = ("still", "known")


def _or_nothing(parameter: Parameter) -> Parameter:
    """Return a parameter that a form may leave empty."""
    return Parameter(
        parameter.name,
        parameter.meaning,
        lambda given: parameter.read(given) if given.strip() else parameter.default,
        parameter.schema,
        parameter.default,
    )


_FILTERS: Final = (
    text("q", "Text in a name or in the contact."),
    _or_nothing(choice("state", "The state.", STATES)),
    _or_nothing(text("holder", "Who holds it.")),
    _or_nothing(text("owner", "Who owns it.")),
    _or_nothing(text("source", "Where it came from.")),
    _or_nothing(text("system", "What told field changes of it.")),
    _or_nothing(moment("since", "Since when.")),
    _or_nothing(choice("order", "The order.", ("newest", "oldest"), "newest")),
    text("after", "The `next` of the page before."),
)
_MOMENTS: Final = (_or_nothing(AS_OF), _or_nothing(AS_KNOWN_AT))


async def leads(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Show leads, with a search, filters, and how many are in each state."""
    asked = {
        **given,
        "q": (given["q"] or "").strip() or None,
        "newest": given["order"] == "newest",
        "limit": _PAGE,
        "as_of": None,
        "as_known_at": None,
    }

    def read(reader: LeadReader) -> dict[str, Any]:
        counts = reader.states()
        return {**leads_page(reader, asked), "counts": {one: counts.get(one, 0) for one in STATES}}

    found = await service.readers.read(read)
    shown = {name: value for name, value in request.query_params.items() if name != "after"}
    values = {"asked": given, "shown": shown, "states": STATES, **found}
    return page(service, request, "leads.jinja", values)


async def lead(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Show one lead and its timeline, as of a moment and as known at another."""
    name = given["name"]
    moments = {one: given[one] for one in ("as_of", "as_known_at")}

    def read(reader: LeadReader) -> dict[str, Any]:
        entries = reader.history(name, superseded=given["all"], **moments)
        known = {"superseded": given["all"], "as_known_at": given["as_known_at"]}
        # Findings are of the whole of a lead's history.
        findings = reader.findings(name, **known) if given["as_of"] is None else []
        return {
            "lead": lead_dict(reader.lead(name, **moments)),
            "rows": [_in_words(one.as_dict()) for one in entries[-_SHOWN:]],
            "left_out": max(0, len(entries) - _SHOWN),
            "findings": [one.as_dict() for one in findings],
        }

    found = await service.readers.read(read)
    asked = {one: request.query_params.get(one, "") for one in ("as_of", "as_known_at")}
    return page(service, request, "lead.jinja", {"asked": asked | {"all": given["all"]}, **found})


async def explanation(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Show why a lead is in its state, and what may happen next."""
    told = await service.readers.read(lambda reader: explain(reader, given["name"]).as_dict())
    told |= {part: [_in_words(step) for step in told[part]] for part in ("path", "refused")}
    return page(service, request, "explain.jinja", {"told": told})


async def audited(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Show the figures of the audit; nothing where those that are shown are still these."""
    asked = {**given, "top": TOP}

    def read(reader: LeadReader) -> dict[str, Any] | None:
        tag = etag_of(reader)
        if given["known"] == tag:
            return None
        made = service.auditor.of(reader, asked)
        deviations = [_in_words(row) for row in LISTS["deviations"][0](made)]
        return {
            "tag": tag,
            "report": report(made, TOP),
            "times": [_in_words(row) for row in LISTS["times"][0](made)],
            "deviations": deviations[:_SHOWN],
            "left_out": max(0, len(deviations) - _SHOWN),
        }

    found = await service.auditing.read(read)
    if found is None:
        return Response(status_code=204)
    shown = {one: text for one, text in request.query_params.items() if one not in _OF_FIGURES}
    values = {"shown": shown, "still": given["still"]}
    return page(service, request, "audit.jinja", {**values, **found})


async def whole_audit(service: Service, _: Request, given: dict[str, Any]) -> Response:
    """Answer with the audit as one page, as ``lifecycle audit --html`` writes it."""
    asked = {**given, "top": TOP}
    html = await service.auditing.read(
        lambda reader: render(service.auditor.of(reader, asked), TOP, leads="/ui/leads/")
    )
    # The page has its style and its script in itself.
    headers = {"Content-Security-Policy": f"{policy()}; frame-ancestors 'none'"}
    return Response(html, headers=headers, media_type="text/html")


def _in_words(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for people: durations and reasons in words."""
    return {name: in_words(name, value) for name, value in row.items()}


_AUDIT: Final = tuple(_or_nothing(one) for one in PARAMETERS if one.name != "top")
CALLS: Final = (
    Call("GET", "/ui/leads", leads, "The leads.", parameters=_FILTERS, is_page=True),
    Call(
        "GET",
        "/ui/leads/{name:path}",
        lead,
        "One lead.",
        parameters=(LEAD, *_MOMENTS, flag("all", "Superseded rows, too.")),
        is_page=True,
    ),
    Call(
        "GET",
        "/ui/explain/{name:path}",
        explanation,
        "Why it is in its state.",
        parameters=(LEAD,),
        is_page=True,
    ),
    Call(
        *("GET", "/ui/audit", audited, "The audit."),
        parameters=(
            *_AUDIT,
            flag("still", "Do not renew the figures."),
            text("known", "What the figures that are shown are of."),
        ),
        is_page=True,
    ),
    Call("GET", "/ui/audit/page", whole_audit, "All of it.", parameters=_AUDIT, is_page=True),
)
