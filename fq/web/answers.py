"""How a page is answered: as HTML, as JSON, or as a stream of its changes, as the request accepts."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from http import HTTPStatus

from jinja2 import Template
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from fq.errors import BrokerUnavailable, FqError
from fq.web.access import ACTIONS, Permissions, who_asks
from fq.web.actions import CHANGES
from fq.web.json_answer import Json
from fq.web.site import Forbidden, NotFound, Page, Query, Site, View, link
from fq.web.text import natural

EVERY_COOKIE = "fq_every"
"""The cookie with the seconds between two refreshes; 0: none."""

MOST_EVENTS = 720
"""How many refreshes a stream has; then the browser asks again, and its access is checked again."""


STATUSES: Mapping[type[FqError], HTTPStatus] = {
    NotFound: HTTPStatus.NOT_FOUND,
    Forbidden: HTTPStatus.FORBIDDEN,
    BrokerUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}


def query_of(request: Request) -> Query:
    """Return what *request* asks of a page."""
    return Query(dict(request.query_params), request.scope["fq.permissions"])


async def answer_page(site: Site, page: Page, pages: tuple[Page, ...], request: Request) -> Response:
    """Return *page* in the form that *request* accepts."""
    accepted = request.headers.get("accept", "")
    if "text/event-stream" in accepted and page.is_live:
        return StreamingResponse(_events(site, page, pages, request), media_type="text/event-stream")
    try:
        view = await run_in_threadpool(page.view, site, query_of(request))
        if wants_json(request):
            return Json(view)
        return HTMLResponse(await run_in_threadpool(render, site, page, pages, request, view))
    except FqError as error:
        return answer_error(site, pages, request, error)


def wants_json(request: Request) -> bool:
    """Does *request* ask for JSON rather than for a page?"""
    accepted = request.headers.get("accept", "")
    return "application/json" in accepted and "text/html" not in accepted


def render(site: Site, page: Page, pages: tuple[Page, ...], request: Request, view: View, status: str = "") -> str:
    """Return *page* as HTML."""
    return site.templates.get_template(f"{page.name}.html").render(context(site, page, pages, request, view) | {"status": status})


def render_main(template: Template, values: Mapping[str, object]) -> str:
    """Return the part of a page that changes."""
    return "".join(template.blocks["main"](template.new_context(dict(values))))


def context(site: Site, page: Page, pages: tuple[Page, ...], request: Request, view: View) -> dict[str, object]:
    """Return what all templates get beside *view*."""
    root = str(request.scope.get("root_path", "")).rstrip("/")
    paths = {"act": "/act", **{each.name: each.path for each in pages}}
    permissions: Permissions = request.scope["fq.permissions"]
    return {
        "view": view,
        "page": page,
        "menu": [each for each in pages if each.title],
        "url": lambda name, **params: link(root + paths.get(name, "/"), params),
        "static": lambda name: f"{root}/static/{name}",
        "here": link(f"{root}{page.path}", request.query_params),
        "params": dict(request.query_params),
        "changes": CHANGES,
        "may": permissions.actions.__contains__,
        "may_see_values": permissions.values,
        "is_read_only": not permissions.actions & ACTIONS,
        "every": refresh_seconds(request) if page.is_live else 0,
        "now": site.app.broker.now(),
        "broker": str(site.app.broker),
        "who": who_asks(request),
    }


def refresh_seconds(request: Request) -> int:
    """Return the seconds between two refreshes that the person has chosen: 0, or 1 to 60; by default 5."""
    chosen = request.query_params.get("live") or request.cookies.get(EVERY_COOKIE, "")
    return min(60, natural(chosen, 5))


async def _events(site: Site, page: Page, pages: tuple[Page, ...], request: Request) -> AsyncIterator[str]:
    """Yield the changing part of *page*, again and again: a browser may have put off the one before."""
    every = max(1, refresh_seconds(request))
    for _ in range(MOST_EVENTS):
        await asyncio.sleep(every)
        yield _as_event(await run_in_threadpool(partial(current_main, site, page, pages, request)))


def current_main(site: Site, page: Page, pages: tuple[Page, ...], request: Request) -> str:
    """Return the part of *page* that changes, as it is now."""
    template = site.templates.get_template(f"{page.name}.html")
    try:
        return render_main(template, context(site, page, pages, request, page.view(site, query_of(request))))
    except FqError as error:
        return site.templates.get_template("_notice.html").render(error=str(error))


def _as_event(html: str) -> str:
    return "".join(f"data: {line}\n" for line in html.splitlines()) + "\n"


def answer_error(site: Site, pages: tuple[Page, ...], request: Request, error: FqError) -> Response:
    """Return *error* as an answer."""
    status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
    if wants_json(request):
        return Json({"error": str(error)}, status)
    page = Page("error", request.url.path, "", lambda *_: {}, is_live=False)
    values = {"title": status.phrase, "error": str(error)}
    return HTMLResponse(site.templates.get_template("error.html").render(_without_broker(site, page, pages, request, values)), status)


def _without_broker(site: Site, page: Page, pages: tuple[Page, ...], request: Request, view: View) -> dict[str, object]:
    """Return `context` for a page that shows an error; the broker may be away."""
    try:
        return context(site, page, pages, request, view)
    except FqError:
        root = str(request.scope.get("root_path", "")).rstrip("/")
        return {"view": view, "page": page, "menu": [], "static": lambda name: f"{root}/static/{name}", "every": 0, "who": ""} | {
            "url": lambda _, **__: f"{root}/",
            "broker": str(site.app.broker),
            "is_read_only": True,
            "params": {},
        }
