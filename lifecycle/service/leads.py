"""Calls that read leads: lists, one lead, its history, why it is in its state."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from lifecycle.auditing import explain
from lifecycle.domain import STATES
from lifecycle.service.calls import (
    AS_KNOWN_AT,
    AS_OF,
    LEAD,
    LIMIT,
    Call,
    choice,
    flag,
    moment,
    number,
    text,
)
from lifecycle.service.core import Service
from lifecycle.service.problems import ProblemError
from lifecycle.service.reading import answer, as_page
from lifecycle.store import LeadFilter, LeadReader, lead_dict

_LONGEST_TEXT: Final = 200
_LARGEST: Final = 2**63 - 1
#: How tokens of pages begin: behind a number, or behind a name where the list is of a moment.
_BY_NUMBER: Final = "n:"
_BY_NAME: Final = "i:"


def leads_page(reader: LeadReader, given: dict[str, Any]) -> dict[str, Any]:
    """Return a page of leads, and the token of the next one.

    Raises:
        ProblemError: A parameter cannot be understood.
    """
    if len(given["q"] or "") > _LONGEST_TEXT:
        raise ProblemError("bad_query", f"q: expected at most {_LONGEST_TEXT} characters")
    if given["as_of"] is not None or given["as_known_at"] is not None:
        return _leads_at(reader, given)
    text = _behind(given["after"], _BY_NUMBER)
    if text and not (text.isdecimal() and text.isascii()):
        raise _bad_token()
    after = min(int(text), _LARGEST) if text else None
    asked = _filter_of(given)
    found = reader.listing().pages().leads(after, given["limit"], asked, newest=given["newest"])
    page, is_cut = as_page((lead_dict(lead) for _, lead in found), given["limit"])
    is_full = page and (is_cut or len(page) == given["limit"])
    return {"leads": page, "next": f"{_BY_NUMBER}{found[len(page) - 1][0]}" if is_full else None}


def _filter_of(given: dict[str, Any]) -> LeadFilter:
    names = ("state", "holder", "owner", "source", "system", "since")
    return LeadFilter(**{name: given[name] for name in names}, text=given["q"] or None)


def _leads_at(reader: LeadReader, given: dict[str, Any]) -> dict[str, Any]:
    """Return a page of the leads as they were at a moment, sorted by name."""
    if given["since"] is not None:
        raise ProblemError("bad_query", "since: not together with as_of or as_known_at")
    if given["newest"]:
        raise ProblemError("bad_query", "newest: not together with as_of or as_known_at")
    after = _behind(given["after"], _BY_NAME)
    moments = {name: given[name] for name in ("as_of", "as_known_at")}
    leads = reader.leads(asked=_filter_of(given), **moments)
    found = (lead_dict(lead) for lead in leads if lead.lead_id > after)
    page, is_cut = as_page(found, given["limit"])
    is_full = page and (is_cut or len(page) == given["limit"])
    return {"leads": page, "next": f"{_BY_NAME}{page[-1]['lead_id']}" if is_full else None}


def _behind(token: str | None, mark: str) -> str:
    if token is None:
        return ""
    if not token.startswith(mark):
        raise _bad_token()
    return token.removeprefix(mark)


def _bad_token() -> ProblemError:
    return ProblemError("bad_query", "after: expected the `next` of the page before")


def history_page(reader: LeadReader, given: dict[str, Any]) -> dict[str, Any]:
    """Return a page of a lead's history, and the place behind which the next one begins."""
    entries = reader.history(
        given["name"],
        superseded=given["all"],
        as_of=given["as_of"],
        as_known_at=given["as_known_at"],
    )
    rows = (one.as_dict() for one in entries[given["after"] :])
    page, _ = as_page(rows, given["limit"])
    end = given["after"] + len(page)
    return {
        "history": page,
        "next": end if end < len(entries) else None,
    }


async def leads(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with leads."""
    return await answer(service, request, lambda reader: leads_page(reader, given))


async def lead(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with one lead."""
    moments = {name: given[name] for name in ("as_of", "as_known_at")}
    return await answer(
        service, request, lambda reader: lead_dict(reader.lead(given["name"], **moments))
    )


async def history(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with the history of a lead."""
    return await answer(service, request, lambda reader: history_page(reader, given))


async def explanation(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Answer with why a lead is in its state."""
    return await answer(service, request, lambda reader: explain(reader, given["name"]).as_dict())


FILTERS: Final = (
    choice("state", "Only those in this state.", STATES),
    text("holder", "Only those held by this party, as it was written or as lists show it."),
    text("owner", "Only those owned by this party."),
    text("source", "Only those that came from there (`leadSource`)."),
    text("system", "Only those of which this system told field changes."),
    moment("since", "Only those that came into their state at that time or later."),
    text("q", "Only those with this text in a name or in their contact."),
    flag("newest", "The leads that were made last come first."),
    AS_OF,
    AS_KNOWN_AT,
    LIMIT,
    text("after", "The `next` of the page before."),
)
CALLS: Final = (
    Call(
        "GET",
        "/leads",
        leads,
        "The leads, and the state of each.",
        parameters=FILTERS,
        schema="Leads",
    ),
    Call(
        "GET",
        "/leads/{name:path}/history",
        history,
        "The transitions and refusals of a lead, in order.",
        schema="History",
        parameters=(
            LEAD,
            flag("all", "Superseded rows, too."),
            AS_OF,
            AS_KNOWN_AT,
            LIMIT,
            number("after", "The `next` of the page before."),
        ),
    ),
    Call(
        "GET",
        "/leads/{name:path}/explain",
        explanation,
        "Why a lead is in its state, and what may happen next.",
        parameters=(LEAD,),
    ),
    Call(
        "GET",
        "/leads/{name:path}",
        lead,
        "One lead.",
        schema="Lead",
        parameters=(LEAD, AS_OF, AS_KNOWN_AT),
    ),
)
