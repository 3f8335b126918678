"""The site: a page that orders a report, and shows how far it is."""

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from examples.fastapi.tasks import Order, app, build
from fq.asgi import TaskRoutes, TaskView, lifespan
from fq.web import Access, web

PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")

tasks = TaskRoutes(app, secret=os.environ.get("TASKS_SECRET") or secrets.token_bytes())
"""Clients see a task by a signed link. Several processes need one secret, in the environment."""


@asynccontextmanager
async def own_lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
    """Hold what the site itself needs. The broker is open before it, and until after it."""
    yield {"template": PAGE}


site = FastAPI(lifespan=lifespan(app, own_lifespan, worker={"threads": 2}))
site.mount("/tasks", tasks)


@site.get("/", response_class=HTMLResponse)
async def page(request: Request) -> str:
    """Show the page."""
    return str(request.state.template)


@site.post("/reports", status_code=202)
async def order_report(order: Order) -> TaskView:
    """Order a report: the answer comes at once, and says where to look."""
    handle = await build.asend(order)
    return await tasks.view(handle)


@site.post("/reports/now")
def order_report_now(order: Order) -> TaskView:
    """Order a report in a handler that is no coroutine: FastAPI runs it in a thread."""
    handle = build.send(order)
    return TaskView(tasks.link(handle), "waiting")


@site.post("/reports/short")
async def order_short_report(order: Order) -> TaskView:
    """Order a report, and wait up to five seconds for it."""
    return await tasks.view(await build.asend(order), wait=5_000)


def access(request: Request) -> Access:
    """Say who may see the pages of fq: here, everybody on this machine. A real site asks its session."""
    return "all" if request.client is not None and request.client.host in ("127.0.0.1", "testclient") else None


site.mount("/fq", web(app, access=access))
