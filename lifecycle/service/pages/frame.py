"""The frame of all pages: making them, what browsers may do with them, and giving a key."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

from attrs import evolve
from jinja2 import Environment
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lifecycle import text
from lifecycle.auditing.page.environment import inert_environment
from lifecycle.messages import MAX_BYTES
from lifecycle.service.bodies import body_of, check_media_type
from lifecycle.service.calls import Call
from lifecycle.service.calls import text as text_parameter
from lifecycle.service.core import Service
from lifecycle.service.problems import TITLES, ProblemError

#: Pages run htmx alone, load nothing but the style, and send forms nowhere but here.
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'; script-src 'nonce-{nonce}'; connect-src 'self'"
)
_FORM: Final = "application/x-www-form-urlencoded"
_HTML: Final = "text/html"
_HOME: Final = "/ui/leads"
#: A form's text may be three times as long as what it says: a message of a mebibyte, or a key.
_LARGEST_FORM: Final = 3 * MAX_BYTES + 4096
_SMALL_FORM: Final = 4096
_MOST_FIELDS: Final = 10


@cache
def _environment() -> Environment:
    environment = inert_environment("lifecycle.service.pages", "templates")
    environment.filters |= {
        "short": text.short,
        "counted": text.counted,
        "number": "{:,}".format,
        "path": lambda name: quote(name, safe=""),
        "query": urlencode,
        "as_it_is": _as_it_is,
    }
    return environment


def _as_it_is(value: str) -> Markup:
    """Return a text for an editor: escaped, and with its line ends."""
    return escape(value)


def page(
    service: Service,
    request: Request,
    template: str,
    values: Mapping[str, Any],
    status: int = 200,
) -> Response:
    """Return a page; its forms have a token for this browser."""
    name = service.sessions.name_of(request)
    response = Response(status_code=status, media_type=_HTML)
    if not name:
        name = service.sessions.give(response, secure=is_secure(service, request))
    of_all = {
        "token": service.sessions.token_of(name),
        "here": request.url.path,
        "has_keys": service.access.keys is not None,
    }
    html, policy = _rendered(template, {**of_all, **values})
    response.body = html.encode()
    response.headers["Content-Length"] = str(len(response.body))
    response.headers["Content-Security-Policy"] = policy
    return response


def _rendered(template: str, values: Mapping[str, Any]) -> tuple[str, str]:
    """Return a page, and a policy that lets it run its one script."""
    nonce = secrets.token_urlsafe(16)
    html = _environment().get_template(template).render({"nonce": nonce, **values})
    return html, _POLICY.format(nonce=nonce)


def failed(problem: ProblemError, request: Request) -> Response:
    """Return the page of a request that failed; whoever has not given a key is asked for it."""
    if problem.code == "login_needed" and request.method == "GET":
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        address = f"/ui/login?{urlencode({'next': here})}"
        if "hx-request" in request.headers:  # a part of a page is no place to ask
            return Response(status_code=401, headers={"HX-Redirect": address})
        return RedirectResponse(address, 303)
    status, title = TITLES[problem.code]
    values = {"title": title, "detail": problem.detail, "here": "", "token": "", "has_keys": False}
    body, policy = _rendered("error.jinja", values)
    return Response(body, status, {"Content-Security-Policy": policy}, media_type=_HTML)


async def form_of(service: Service, request: Request, most: int = _LARGEST_FORM) -> dict[str, str]:
    """Return the fields of a form that is from one of our pages, and has so many bytes at most.

    Raises:
        ProblemError: It is not, or it is no form.
    """
    check_media_type(request, (_FORM,))
    limited = evolve(service.settings, body_limit=min(most, service.settings.body_limit))
    async with body_of(request, limited, service.memory) as body:
        fields = await asyncio.to_thread(_fields, body)
    form = {name: values[-1] for name, values in fields.items()}
    service.sessions.check_token(request, form.get("token", ""))
    return form


def _fields(body: bytes) -> dict[str, list[str]]:
    try:
        return parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise ProblemError("bad_body", "expected the fields of a form") from None


def is_secure(service: Service, request: Request) -> bool:
    """Return whether browsers reach the service by https."""
    address = service.settings.url or str(request.url)
    return address.startswith("https:")


async def home(_: Service, __: Request, ___: dict[str, Any]) -> Response:
    """Lead to the first page."""
    return RedirectResponse(_HOME, 303)


async def style(_: Service, __: Request, ___: dict[str, Any]) -> Response:
    """Answer with the style of all pages."""
    return _file("style.css", "text/css")


async def script(_: Service, __: Request, ___: dict[str, Any]) -> Response:
    """Answer with htmx, by which parts of pages are renewed."""
    return _file("htmx.min.js", "text/javascript")


async def icon(_: Service, __: Request, ___: dict[str, Any]) -> Response:
    """Answer with the icon of all pages."""
    return _file("icon.svg", "image/svg+xml")


@cache
def _content(name: str) -> bytes:
    return files("lifecycle.service.pages").joinpath(name).read_bytes()


def _file(name: str, media_type: str) -> Response:
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(_content(name), headers=headers, media_type=media_type)


async def ask(service: Service, request: Request, given: dict[str, Any]) -> Response:
    """Ask for a key."""
    values = {"next": _local(given["next"]), "is_wrong": False}
    return page(service, request, "login.jinja", values)


async def login(service: Service, request: Request, _: dict[str, Any]) -> Response:
    """Take the key of a browser."""
    form = await form_of(service, request, _SMALL_FORM)
    following = _local(form.get("next"))
    response = RedirectResponse(following, 303)
    secret, secure = form.get("key", "").strip(), is_secure(service, request)
    if service.sessions.open(secret, response, secure=secure):
        return response
    values = {"next": following, "is_wrong": True}
    return page(service, request, "login.jinja", values, 401)


async def logout(service: Service, request: Request, _: dict[str, Any]) -> Response:
    """Forget the key of a browser."""
    await form_of(service, request, _SMALL_FORM)
    response = RedirectResponse("/ui/login", 303)
    service.sessions.close(request, response)
    return response


def _local(path: str | None) -> str:
    """Return a path of our pages; what leads elsewhere is not followed."""
    is_ours = path is not None and path.startswith("/ui/") and path.isascii()
    return path if is_ours and path and path.isprintable() and "\\" not in path else _HOME


_NEXT: Final = text_parameter("next", "Where to go on.")
CALLS: Final = (
    Call("GET", "/", home, "The first page.", scope=None, is_page=True),
    Call("GET", "/ui/style.css", style, "The style.", scope=None, is_page=True),
    Call("GET", "/ui/htmx.js", script, "The script.", scope=None, is_page=True),
    Call("GET", "/ui/icon.svg", icon, "The icon.", scope=None, is_page=True),
    Call("GET", "/ui/login", ask, "Ask.", scope=None, parameters=(_NEXT,), is_page=True),
    Call("POST", "/ui/login", login, "Take a key.", scope=None, is_page=True),
    Call("POST", "/ui/logout", logout, "Forget it.", scope=None, is_page=True),
)
