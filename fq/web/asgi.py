"""`web`: the pages of an app as an ASGI app, to be served alone or mounted in another."""

from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from fq.observe.health import PROBES
from fq.web.access import AccessCheck
from fq.web.act import act
from fq.web.answers import answer_page
from fq.web.guard import Guard
from fq.web.pages import PAGES
from fq.web.site import Page, Site, environment

if TYPE_CHECKING:
    from fq.app.app import App

Endpoint = Callable[[Request], Coroutine[None, None, Response]]


def web(app: "App", *, access: AccessCheck, asks_for_login: bool = False) -> ASGIApp:
    """
    Return the pages of *app*, to serve or to mount in any ASGI app, as ``Mount("/fq", ...)`` does in Starlette.

    >>> from starlette.testclient import TestClient
    >>> from fq import App
    >>> client = TestClient(web(App("memory://"), access=lambda request: "read" if request.headers.get("x-team") == "ops" else None))
    >>> client.get("/").status_code, client.get("/", headers={"x-team": "ops"}).status_code
    (403, 200)

    Args:
        app: the app whose broker is shown.

        access: says for each request what its sender may do: ``"all"``; ``"read"``; a set of names of actions, and ``"values"``, to see the values of
            arguments; or None, for nothing at all.

        asks_for_login: does a browser without access ask for a name and a password? For `basic_auth`.
    """
    site = Site(app, environment())
    routes: list[Route | Mount] = [Route(page.path, _page(site, page), name=page.name) for page in PAGES]
    routes += [
        Route("/act", _act(site), methods=["POST"], name="act"),
        Route("/metrics", _metrics(app), name="metrics"),
        *(Route(path, _probe(app, path), name=path) for path in ("/livez", "/readyz")),
        Mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static"),
    ]
    return Guard(Starlette(routes=routes), access, asks_for_login)


def _page(site: Site, page: Page) -> Endpoint:
    return partial(answer_page, site, page, PAGES)


def _act(site: Site) -> Endpoint:
    return partial(act, site, PAGES)


def _probe(app: "App", path: str) -> Endpoint:
    async def probe(_: Request) -> Response:
        is_good, fields = await run_in_threadpool(PROBES[path], app)
        return JSONResponse(fields, 200 if is_good else 503)

    return probe


def _metrics(app: "App") -> Endpoint:
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415  # as in fq.observe.layer

    from fq.observe.broker_metrics import BrokerCollector  # noqa: PLC0415  # as above

    registry = CollectorRegistry()
    registry.register(BrokerCollector(app))

    async def metrics(_: Request) -> Response:
        return Response(await run_in_threadpool(generate_latest, registry), media_type=CONTENT_TYPE_LATEST)

    return metrics
